"""Large documents in parts, so that neither the parser process nor the one that stores ever holds all chunks."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from tercet.memory.stored import Part

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tercet.memory.stored import IndexedChunk

PART_CHUNKS = 512
"""How many chunks make a part; the parent tells its parser processes."""
PART_CHARACTERS = 1 << 20
_AHEAD = 2


def parts_of(text: str, chunks: Iterable[IndexedChunk], *, size: int = PART_CHUNKS) -> Iterator[tuple[Part, bool]]:
    """Cut a document into parts at the ends of chunks; each comes with whether more follow.

    Args:
        text: Of the document.
        chunks: Of the document, ascending; those that overlap stay in one part.
        size: Chunks in a part; one with much text has fewer.

    Example:
        >>> list(parts_of("a text", []))
        [(Part(text='a text', chunks=()), False)]
    """
    start = end = 0
    held: list[IndexedChunk] = []
    for indexed in chunks:
        full = len(held) >= size or end - start >= PART_CHARACTERS
        if full and indexed.chunk.start >= end:
            yield Part(text[start:end], tuple(held)), True
            held, start = [], end
        held.append(indexed)
        end = max(end, indexed.chunk.end)
    yield Part(text[start:], tuple(held)), False


class PartStream:
    """Parts on their way from the thread that reads them to the one that stores them; only two wait at a time."""

    def __init__(self) -> None:
        self._waiting: deque[Part | Exception | None] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, item: Part | Exception | None) -> bool:
        """Hand over a part, the error that ended the document, or None at its end; waits until there is room.

        Returns:
            False when nobody will take it.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._waiting) < _AHEAD)
            self._waiting.append(item)
            self._changed.notify_all()
            return not self._closed

    def close(self) -> None:
        """Take no more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __iter__(self) -> Iterator[Part]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                item = self._waiting.popleft()
                self._changed.notify_all()
            if item is None:
                return
            if isinstance(item, Exception):
                raise item
            yield item
