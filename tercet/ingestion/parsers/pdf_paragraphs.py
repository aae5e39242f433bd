"""Lines of a PDF joined to paragraphs and list items."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from tercet.ingestion.parsers.pdf_lists import list_item

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tercet.ingestion.parsers.pdf_layout import Line

_WORDS = re.compile(r"[^\W\d_]+(?:[-\u2010][^\W\d_]+)*")
_CUT_WORD = re.compile(r"(?<![^\W\d_])([^\W\d_]+)[-\u2010]$")
_LOWER_WORD = re.compile(r"[^\W\d_]+")
_LEADERS = re.compile(r"(?:\s?[.\u2026_\xb7]){5,}\s*")
_SENTENCE_END = (".", "!", "?", ":", ";", "。", "”", '."')
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uff00-\uffef]")
_COMPOUND = frozenset({"cross", "half", "high", "long", "low", "non", "self", "short", "well"})
"""Beginnings that keep their hyphen more often than not."""
_SHORT = 0.2
"""Share of a column that a line must leave empty at its end to end a paragraph."""


class Words:
    """The words of a document, to tell a hyphen that a line end put in from one that belongs to the word."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = lines
        self._known: set[str] | None = None

    def join(self, above: str, below: str) -> tuple[str, str]:
        """What remains of a line, and how the one below goes on from it.

        A hyphen at its end goes when the joined word is in the document, or when no hyphenated one is and the parts are
        not words of the document themselves.
        """
        last = above[-1:]
        if last == "\xad":
            return above[:-1], below
        if last == "\u2014" or (_UNSPACED.match(last) and _UNSPACED.match(below)):
            return above, below
        cut = _CUT_WORD.search(above) if last in ("-", "\u2010") else None
        if last == "-" and above[-2:-1].isdigit() and below[:1].isdigit():
            return above, below
        if cut is None:
            return above, f" {below}"
        rest = _LOWER_WORD.match(below)
        if rest is None or not rest[0].islower():
            return above, below
        return (above if self._is_compound(cut[1].lower(), rest[0].lower()) else above[:-1]), below

    def _is_compound(self, start: str, end: str) -> bool:
        known = self._words()
        if start + end in known or f"{start}-{end}" in known:
            return start + end not in known
        return start in _COMPOUND or (start in known and end in known and min(len(start), len(end)) > 2)

    def _words(self) -> set[str]:
        if self._known is None:
            self._known = set()
            for line in self._lines:
                words = _WORDS.findall(line.text.lower())
                # What is cut at the end of a line or begins one may be half a word.
                self._known.update(words[1:-1])
                self._known.update(part for word in words[1:-1] if "-" in word for part in word.split("-"))
        return self._known


@dataclass(slots=True)
class Paragraph:
    """Lines that belong together, as one text."""

    parts: list[str]
    """Lines, each with what parts it from the one before."""
    last: Line
    marker: str = ""
    """Of a list item."""
    page: int = 0

    @property
    def text(self) -> str:
        """The whole of it."""
        return "".join(self.parts)


class Paragraphs:
    """Collects lines; each that begins a new paragraph gives the one before it."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._words = Words(lines)
        steps = [
            (above.y0 - below.y0) / below.size
            for above, below in pairwise(lines)
            if (above.page, above.region) == (below.page, below.region) and above.size == below.size and below.size
        ]
        usual = [step for step in steps if 0.8 < step < 3]
        self._leading = max(1.0, median(usual)) if usual else 1.2

    def begins(self, paragraph: Paragraph, line: Line) -> bool:
        """Whether a line begins a paragraph of its own after the one that was open."""
        above = paragraph.last
        if line.turned != above.turned or abs(line.size - above.size) > 1.0:
            return True
        if list_item(line.text) and (paragraph.marker or above.text.endswith(_SENTENCE_END) or _short(above)):
            return True
        if (above.page, above.region) != (line.page, line.region):
            return above.text.endswith(_SENTENCE_END) or not line.text[:1].islower()
        step = (above.y0 - line.y0) / line.size if line.size else 0.0
        if not -0.5 < step < 1.3 * self._leading:
            return True
        if above.text.endswith(_SENTENCE_END) and _short(above):
            return True
        indented = line.x0 - above.x0 > 0.9 * line.size and not paragraph.marker
        return indented and (above.text.endswith(_SENTENCE_END) or len(paragraph.parts) > 1) and line.x0 - above.x0 < 40

    def add(self, paragraph: Paragraph, line: Line) -> None:
        """Join a line to a paragraph; lines that were ended early on purpose, as in an address, stay lines."""
        text, above = _LEADERS.sub(" ", line.text).strip(), paragraph.last
        if _short(above, 0.35) and not text[:1].islower() and not paragraph.parts[-1].endswith(("-", "\xad")):
            paragraph.parts.append(f"\n{text}")
        else:
            paragraph.parts[-1], text = self._words.join(paragraph.parts[-1], text)
            paragraph.parts.append(text)
        paragraph.last = line

    def open(self, line: Line) -> Paragraph:
        """Begin a paragraph or list item with a line."""
        text = _LEADERS.sub(" ", line.text).strip()
        marker, text = list_item(text) or ("", text)
        return Paragraph([text], last=line, marker=marker, page=line.page)


def _short(line: Line, share: float = _SHORT) -> bool:
    width = line.right - line.left
    return line.right - line.x1 > share * width and line.x0 - line.left < line.right - line.x1
