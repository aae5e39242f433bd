"""Lines of a PDF joined to paragraphs and list items."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from tercet.ingestion.parsers.pdf_lists import list_item

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tercet.ingestion.parsers.pdf_layout import Line

_WORDS = re.compile(r"[^\W\d_]+(?:[-\u2010][^\W\d_]+)*")
_CUT_WORD = re.compile(r"([^\W\d_]+)[-\u2010\xad]$")
_LOWER_WORD = re.compile(r"[^\W\d_]+")
_LEADERS = re.compile(r"(?:\s?[.\u2026_\xb7]){5,}\s*")
_SENTENCE_END = (".", "!", "?", ":", ";", "。", "”", '."')
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uff00-\uffef]")
_SHORT = 0.2
"""Share of a column that a line must leave empty at its end to end a paragraph."""


class Words:
    """The words of a document, to tell a hyphen that a line end put in from one that belongs to the word."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = lines
        self._known: set[str] | None = None

    def join(self, above: str, below: str) -> str:
        """Put a line to the text before it.

        A hyphen at its end goes when the joined word is in the document, or when no hyphenated one is and the parts are
        not words of the document themselves.
        """
        cut, rest = _CUT_WORD.search(above), _LOWER_WORD.match(below)
        if above.endswith("\xad"):
            return above[:-1] + below
        if not cut or not rest or not rest[0].islower():
            unspaced = cut or (_UNSPACED.match(above[-1:]) and _UNSPACED.match(below[:1]))
            return f"{above}{'' if unspaced else ' '}{below}"
        start, end = cut[1].lower(), rest[0].lower()
        known = self._words()
        if start + end in known:
            keep = False
        elif f"{start}-{end}" in known:
            keep = True
        else:
            keep = start in known and end in known and min(len(start), len(end)) > 2
        return above + below if keep else above[:-1] + below

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

    page: int
    text: str
    marker: str = ""
    """Of a list item."""
    last: Line | None = field(default=None, repr=False)
    first: Line | None = field(default=None, repr=False)
    steps: int = 0


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
        if above is None or line.turned != above.turned or abs(line.size - above.size) > 1.0:
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
        return indented and (above.text.endswith(_SENTENCE_END) or paragraph.steps > 1) and line.x0 - above.x0 < 40

    def add(self, paragraph: Paragraph, line: Line) -> None:
        """Join a line to a paragraph; lines that were ended early on purpose, as in an address, stay lines."""
        text = _LEADERS.sub(" ", line.text).strip()
        above = paragraph.last
        early = above is not None and _short(above, 0.35) and not text[:1].islower() and not _CUT_WORD.search(above.text)
        if early:
            paragraph.text = f"{paragraph.text}\n{text}"
        else:
            paragraph.text = self._words.join(paragraph.text, text) if paragraph.text else text
        paragraph.last = line
        paragraph.steps += 1

    def open(self, line: Line) -> Paragraph:
        """Begin a paragraph or list item with a line."""
        text = _LEADERS.sub(" ", line.text).strip()
        item = list_item(text)
        marker, text = item or ("", text)
        return Paragraph(line.page, text, marker, last=line, first=line, steps=1)


def _short(line: Line, share: float = _SHORT) -> bool:
    width = line.right - line.left
    return line.right - line.x1 > share * width and line.x0 - line.left < line.right - line.x1
