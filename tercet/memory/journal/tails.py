"""The ends of the chains that this process writes to, so that going on with a run reads nothing."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tercet.memory.journal.chain import Tail

MAX_RUNS = 1_000
MAX_CHARACTERS = 32_000_000
"""Of all texts together; the run written last is kept whatever it holds."""


class Tails:
    """A cache by run id. What it holds may be out of date: whoever writes compares it with the run's row."""

    def __init__(self) -> None:
        self._found: OrderedDict[str, tuple[Tail, int]] = OrderedDict()
        self._lock = threading.Lock()
        self._characters = 0

    def get(self, run: str) -> Tail | None:
        """The end of a run's chain, as this process knows it."""
        with self._lock:
            return self._found.get(run, (None, 0))[0]

    def put(self, run: str, tail: Tail) -> None:
        """Note the end of a chain, and drop those that were not written to for longest."""
        with self._lock:
            self._drop(run)
            self._found[run] = tail, tail.characters
            self._characters += tail.characters
            while len(self._found) > MAX_RUNS or (self._characters > MAX_CHARACTERS and len(self._found) > 1):
                self._drop(next(iter(self._found)))

    def drop(self, run: str) -> None:
        """Forget what is known of a run."""
        with self._lock:
            self._drop(run)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._found.clear()
            self._characters = 0

    def _drop(self, run: str) -> None:
        _, characters = self._found.pop(run, (None, 0))
        self._characters -= characters
