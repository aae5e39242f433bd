"""Includes: the text of other files put where a page asks for it, before the page is parsed.

Files are taken from inside the ingested root only, whatever links say, and hidden ones never. What cannot be taken
becomes a finding, and the page keeps the line that asked for it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from tercet.errors import ParseError
from tercet.ingestion.parsers.decoding import decode
from tercet.ingestion.parsers.front_matter import front_matter
from tercet.ingestion.publishing.configuration import Folder, join, within
from tercet.ingestion.publishing.syntaxes import Request, mentions, replacements
from tercet.ingestion.reading import hash_content, read_file
from tercet.ingestion.sources import stamp_of
from tercet.memory.stored import FileStamp, IncludedFile
from tercet.records import Finding
from tercet.sanitize import sanitize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tercet.ingestion.publishing.rules import Syntax

MOST_FILES = 500
"""Inclusions of one page, those inside included files counted."""
MOST_CHARACTERS = 5_000_000
"""That inclusions may add to one page."""
DEEPEST = 10

NO_STAMP = FileStamp(0, 0, 0, 0)


class Expanded(NamedTuple):
    """A page with the text of other files in it."""

    text: str
    lines: list[int] | None
    """The line of the page itself, from 1, for each line of the text; None: nothing was included."""


class Includer:
    """Includes files into one page.

    Args:
        root: The ingested root on this machine.
        path: Of the page below it.
        syntaxes: How the page may ask for files.
        bases: Folders below the root that paths begin from.
        site: Folder that absolute paths begin from.
        max_bytes: The largest file to read.
    """

    def __init__(
        self,
        root: str,
        path: str,
        *,
        syntaxes: Sequence[Syntax],
        bases: Sequence[str] = (),
        site: str = "",
        max_bytes: int,
    ) -> None:
        self._root = Folder(root)
        self._path = path
        self._syntaxes = tuple(syntaxes)
        self._bases = tuple(bases)
        self._site = site
        self._max_bytes = max_bytes
        self._texts: dict[str, str] = {}
        self._files = 0
        self._characters = 0
        self._problems: dict[str, int] = {}
        self.included: dict[str, IncludedFile] = {}
        """Every file that was looked for, found or not, by path below the root."""

    def expand(self, text: str) -> Expanded:
        """Put the files in that a page asks for."""
        if not any(mentions(text, syntax) for syntax in self._syntaxes):
            return Expanded(text, None)
        lines = [(line, number) for number, line in enumerate(text.split("\n"), 1)]
        expanded = self._expanded(lines, self._path, ())
        if expanded is lines:
            return Expanded(text, None)
        return Expanded("\n".join(line for line, _ in expanded), [number for _, number in expanded])

    def findings(self) -> tuple[Finding, ...]:
        """What could not be included, and why."""
        return tuple(
            Finding(kind="not-included", count=count, detail=problem)
            for problem, count in sorted(self._problems.items())
        )

    def _expanded(self, lines: list[tuple[str, int]], path: str, above: tuple[str, ...]) -> list[tuple[str, int]]:
        """Lines and the line of the page that each stems from."""
        for syntax in self._syntaxes:
            made: list[tuple[str, int]] = []
            cursor = 0
            for first, after, pieces in replacements([line for line, _ in lines], syntax):
                number = lines[first][1]
                texts = [self._piece(piece, path, above, syntax) for piece in pieces]
                if any(text is None for text in texts):
                    continue
                made += lines[cursor:first]
                inline = any(isinstance(piece, str) for piece in pieces)
                joined = ("" if inline else "\n").join(text for text in texts if text is not None)
                made += [(line, number) for line in joined.split("\n")]
                cursor = after
            if cursor:
                lines = [*made, *lines[cursor:]]
        return lines

    def _piece(self, piece: str | Request, path: str, above: tuple[str, ...], syntax: Syntax) -> str | None:
        if isinstance(piece, str):
            return piece
        taken = self._take(piece, path, above)
        if taken is None:
            return None
        found, chosen = taken
        self._characters += sum(map(len, chosen)) + len(chosen)
        if piece.code is None:
            inner = self._expanded([(line, 0) for line in chosen], found, (*above, path))
            chosen = [line for line, _ in inner]
        elif syntax == "rst":
            caption = [f"   :caption: {piece.caption}"] if piece.caption else []
            chosen = [f".. code-block:: {piece.code or 'text'}", *caption, "", *(f"   {line}" for line in chosen), ""]
        else:
            fence = "`" * max(3, *(len(line) - len(line.lstrip("`")) + 1 for line in map(str.lstrip, chosen or [""])))
            caption = [piece.caption, ""] if piece.caption else []
            chosen = [*caption, f"{fence}{piece.code}", *chosen, fence]
        # The first line of what stands in the middle of a line has its indentation already.
        margin = piece.indent
        indented = [margin + line if line.strip() else line for line in chosen]
        if margin and syntax in ("braces", "mdbook") and indented:
            indented[0] = chosen[0]
        return "\n".join(indented)

    def _take(self, request: Request, path: str, above: tuple[str, ...]) -> tuple[str, list[str]] | None:  # noqa: PLR0911  # each is a reason
        """Path and lines of the file that is asked for; None with a problem noted."""
        if request.path.startswith("<") or "://" in request.path:
            return self._refused(request, "is not part of the folder")
        if len(above) >= DEEPEST:
            return self._refused(request, f"is nested more than {DEEPEST} files deep")
        self._files += 1
        if self._files > MOST_FILES or self._characters > MOST_CHARACTERS:
            return self._refused(request, "would make the page too long")
        candidates = self._candidates(request, path)
        if not candidates:
            return self._refused(request, "lies outside the ingested folder")
        found = next((candidate for candidate in candidates if self._read(candidate)), None)
        if found is None:
            return self._refused(request, "is not there or cannot be read")
        if found == path or found in above:
            return self._refused(request, "includes itself")
        text = self._texts[found]
        if request.partial:
            text = text[front_matter(text)[0] :]
        chosen = request.excerpt(text.removesuffix("\n").split("\n"))
        return (found, chosen) if chosen is not None else self._refused(request, "has no such part")

    def _candidates(self, request: Request, path: str) -> list[str]:
        if request.path.startswith("/"):
            folders: Sequence[str] = (self._site,)
        elif request.relative:
            folders = (path.rpartition("/")[0],)
        else:
            folders = self._bases or (self._site,)
        paths = [join(folder, request.path.lstrip("/")) for folder in folders]
        return list(dict.fromkeys(one for one in paths if one is not None and self._root.locate(one) is not None))

    def _read(self, path: str) -> bool:
        """Read a file once, and note how it was; False where that cannot be done."""
        if path in self.included:
            return path in self._texts
        location = self._root.locate(path)
        assert location is not None
        self.included[path] = IncludedFile(path, NO_STAMP, "")
        try:
            stamp = stamp_of(os.stat(location))  # noqa: PTH116  # stamps are of os.stat
            data = read_file(location, max_bytes=self._max_bytes)
            self.included[path] = IncludedFile(path, stamp, hash_content(data))
            self._texts[path] = sanitize(decode(data, kind="text", name=path)[0])[0]
        except (OSError, ParseError):
            return False
        return True

    def _refused(self, request: Request, reason: str) -> tuple[str, list[str]] | None:
        """Note a problem; always None."""
        key = f"{within(request.path) or request.path} {reason}"[:200]
        self._problems[key] = self._problems.get(key, 0) + 1
        return None
