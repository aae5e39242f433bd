"""Headings of a PDF: from its outline, from larger type, and from bold lines that stand alone."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tercet.ingestion.parsers.pdf_lists import list_item

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tercet.ingestion.parsers.pdf_layout import Line
    from tercet.ingestion.parsers.pdf_source import Bookmark

_LONGEST = 150
_MOST_LINES = 3
_CLASS = 0.6
"""Points within which two sizes are the same rank."""
_MOSTLY_BOLD = 0.3
_NOT_ALNUM = re.compile(r"[\W_]+")
_NUMBERING = re.compile(r"(?:chapter|section|part|appendix)?\s*(?:\d+(?:\.\d+)*|[IVXLC]+|[A-Z])[.):]?\s+(?=\S)", re.I)
_CAPTION = re.compile(r"(?:table|figure|fig|tab|abb|exhibit)\b\.?\s*\w{0,4}\d", re.IGNORECASE)
_ENDED = (".", "!", "?", ":", "。")
_SENTENCE_END = (".", ",", ";", "!", "?", "。", "،")


@dataclass(slots=True)
class Heading:
    """A heading over some lines."""

    title: str
    level: int
    lines: int


class Headings:
    """Finds the headings among the lines of a document.

    The size that most characters have is body text; shorter lines in larger type are ranked by size. Where lines of a
    size are in the outline, the outline says how deep that size is.
    """

    def __init__(self, lines: Sequence[Line], outline: Sequence[Bookmark]) -> None:
        self._lines = lines
        self._bookmarks: dict[int, dict[str, int]] = defaultdict(dict)
        for bookmark in outline:
            for key in {_key(bookmark.title), _key(_NUMBERING.sub("", bookmark.title, count=1))} - {""}:
                self._bookmarks[bookmark.page].setdefault(key, min(bookmark.level, 6))
        sizes: Counter[float] = Counter()
        bold = 0
        for line in lines:
            length = len(line.text)
            sizes[round(line.size * 2) / 2] += length
            bold += length if line.bold else 0
        self.body = max(sizes, key=lambda size: (sizes[size], -size)) if sizes else 0.0
        self._bold_tells = bold < _MOSTLY_BOLD * sizes.total()
        self._outlined: dict[int, Heading] = {}
        self._levels = self._ranked()

    def at(self, index: int) -> Heading | None:
        """The heading that begins at a line, if one does."""
        if index in self._outlined:
            return self._outlined[index]
        run = self._run(index)
        if self._is_large(index):
            if len(run) > _MOST_LINES or any(position in self._outlined for position in run):
                return None
            return Heading(_joined(self._lines, run), self._level(self._lines[index].size), len(run))
        if self._stands_out(run):
            return Heading(_joined(self._lines, run), min(6, self._deepest + 1), len(run))
        return None

    def _ranked(self) -> list[tuple[float, int]]:
        """Sizes, largest first, each with its level."""
        votes: dict[float, Counter[int]] = defaultdict(Counter)
        for index, line in enumerate(self._lines):
            found = self._in_outline(index)
            if found:
                self._outlined[index] = found
                votes[line.size][found.level] += 1
            elif self._is_large(index) and len(self._run(index)) <= _MOST_LINES:
                votes[line.size] += Counter()
        ranked: list[tuple[float, int]] = []
        level = 0
        classes: list[tuple[float, Counter[int]]] = []
        for size in sorted((size for size in votes if size > self.body + 0.4), reverse=True):
            if classes and classes[-1][0] - size < _CLASS:
                classes[-1][1].update(votes[size])
            else:
                classes.append((size, Counter(votes[size])))
        for size, counted in classes:
            level = counted.most_common(1)[0][0] if counted else min(level + 1, 6)
            ranked.append((size, level))
        self._deepest = max((level for _, level in ranked), default=0)
        return ranked

    def _level(self, size: float) -> int:
        return next((level for limit, level in reversed(self._levels) if size <= limit + 0.01), 1)

    def _in_outline(self, index: int) -> Heading | None:
        """The bookmark whose title the next lines spell."""
        line = self._lines[index]
        here = self._bookmarks.get(line.page)
        if not here or line.turned:
            return None
        spelt = ""
        for count, following in enumerate(self._lines[index : index + _MOST_LINES], 1):
            if following.page != line.page or abs(following.size - line.size) > 1:
                return None
            spelt = f"{spelt} {following.text}".strip()
            if len(spelt) > 2 * _LONGEST:
                return None
            for key in (_key(spelt), _key(_NUMBERING.sub("", spelt, count=1))):
                if key in here:
                    return Heading(_joined(self._lines, range(index, index + count)), here[key], count)
        return None

    def _run(self, index: int) -> range:
        """Lines that go on in the same type: a title over several lines."""
        first = self._lines[index]
        stop = index + 1
        while stop < len(self._lines) and stop - index <= _MOST_LINES:
            line, above = self._lines[stop], self._lines[stop - 1]
            if (line.page, line.region) != (first.page, first.region) or line.bold != first.bold:
                break
            if abs(line.size - first.size) > 0.3 or not 0 < above.y0 - line.y0 < 1.7 * first.size:
                break
            stop += 1
        return range(index, stop)

    def _is_large(self, index: int) -> bool:
        line = self._lines[index]
        return line.size >= self.body + max(0.9, 0.08 * self.body) and _may_be_title(line)

    def _stands_out(self, run: range) -> bool:
        """A bold line or two, apart from what is above, with text that is not bold below."""
        line = self._lines[run[0]]
        if not (self._bold_tells and line.bold and len(run) < _MOST_LINES and line.size > self.body - 0.6):
            return False
        text = self._lines[run[-1]].text
        if not _may_be_title(line) or text.endswith(_SENTENCE_END) or _CAPTION.match(line.text) or len(text) > 100:
            return False
        if not (line.text[0].isupper() or line.text[0].isdigit()) or run.stop >= len(self._lines):
            return False
        below = self._lines[run.stop]
        above = self._lines[run[0] - 1] if run[0] else None
        if below.bold and below.size <= line.size:
            return False
        if above is None or (above.page, above.region) != (line.page, line.region):
            return True
        apart = above.y0 - line.y0 > 1.3 * line.size or above.text.endswith(_ENDED)
        return apart and not (above.bold and above.size == line.size)


def _may_be_title(line: Line) -> bool:
    """Words, not a formula, a figure's scale or a row of a table."""
    text = line.text
    letters = sum(1 for character in text if character.isalpha())
    item = list_item(text)
    if item and item[0] == "-":
        return False
    return (
        not line.turned and len(line.cells) < 3 and len(text) <= _LONGEST and letters >= 2 and 2 * letters > len(text)
    )


def _joined(lines: Sequence[Line], run: range) -> str:
    return " ".join(lines[index].text for index in run)


def _key(title: str) -> str:
    return _NOT_ALNUM.sub("", title.casefold())
