"""The smallest pieces that compression keeps or drops: sentences, list items, table rows, code blocks, headings.

A unit is never cut, whatever the budget is. Lines decide about structure, so that Markdown, reStructuredText and plain
text are read alike; what has no structure falls apart into sentences.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING, Literal, NamedTuple

from tercet.models.protected_spans import uncuttable_spans
from tercet.models.sentences import sentence_starts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

UnitKind = Literal["sentence", "item", "row", "code", "heading"]

LONGEST_BLOCK = 800
"""Code points beyond which a block of code is given line group by line group, and a list item sentence by sentence."""

_FENCE = re.compile(r"[ \t>]*+(`{3,}+|~{3,}+)")
_HEADING = re.compile(r" {0,3}#{1,6}[ \t]")
_ITEM = re.compile(r"[ \t]*+(?:[-*+•‣◦]|\d{1,9}[.)]|#\.)[ \t]")
_DELIMITERS = re.compile(r"[ \t]*+\|?[ \t]*+:?-+:?[ \t]*+(?:\|[ \t]*+:?-+:?[ \t]*+)*+\|?[ \t]*+\n?\Z")
_UNDERLINE = re.compile(r"([=\-~^\"'*+#_.:`])\1{2,}[ \t]*+\n?\Z")
_INDENTED = re.compile(r"(?: {4}|\t)[ \t]*+\S")
_WRAPPED_AT = (50, 130)


class Unit(NamedTuple):
    """A piece of a text: ``text[start:end]``, without white space around it."""

    start: int
    end: int
    kind: UnitKind
    lead: tuple[int, int] | None = None
    """Rows of a table: where the header stands that is shown with them."""


class _Line(NamedTuple):
    start: int
    end: int
    text: str


def find_units(text: str) -> list[Unit]:
    """The units of a text in order; together they cover all of it but white space.

    Example:
        >>> text = "# Keys\\n\\nRotate them. Never share them.\\n\\n- one\\n- two"
        >>> [(text[unit.start : unit.end], unit.kind) for unit in find_units(text)][:3]
        [('# Keys', 'heading'), ('Rotate them.', 'sentence'), ('Never share them.', 'sentence')]
    """
    found: list[Unit] = []
    for lines in _blocks(_lines(text)):
        found.extend(_units_of(text, lines))
    return found


def _lines(text: str) -> list[_Line]:
    lines = []
    start = 0
    for line in text.splitlines(keepends=True):
        lines.append(_Line(start, start + len(line), line))
        start += len(line)
    return lines


def _blocks(lines: Sequence[_Line]) -> Iterator[list[_Line]]:
    """Runs of lines without a blank line between them, and whole fenced blocks."""
    block: list[_Line] = []
    fence = ""
    for line in lines:
        opening = _FENCE.match(line.text)
        if fence:
            block.append(line)
            if opening and opening[1].startswith(fence):
                yield block
                block, fence = [], ""
        elif opening:
            if block:
                yield block
            block, fence = [line], opening[1]
        elif line.text.isspace() or _HEADING.match(line.text):
            if block:
                yield block
            block = []
            if not line.text.isspace():
                yield [line]
        else:
            block.append(line)
    if block:
        yield block


def _units_of(text: str, lines: list[_Line]) -> Iterator[Unit]:
    first = lines[0].text
    if _FENCE.match(first) or all(_INDENTED.match(line.text) for line in lines):
        yield from _code(text, lines)
    elif _HEADING.match(first) or (len(lines) == 2 and _UNDERLINE.match(lines[1].text)):
        yield from _trimmed(text, lines[0].start, lines[-1].end, "heading")
    else:
        yield from _mixed(text, lines)


def _mixed(text: str, lines: list[_Line]) -> Iterator[Unit]:
    """Prose, list items and table rows, as they follow one another without a blank line."""
    header = _table_header(lines)
    if header is not None:
        yield from _prose(text, lines[:header])
        lead = (lines[header].start, lines[header + 1].end)
        for line in lines[header + 2 :]:
            yield from _trimmed(text, line.start, line.end, "row", lead)
        if len(lines) == header + 2:
            yield from _trimmed(text, *lead, "row")
        return
    run: list[_Line] = []
    item = False
    for line in lines:
        marker, row = bool(_ITEM.match(line.text)), line.text.lstrip().startswith("|")
        if (marker or row) and run:
            yield from _run(text, run, item=item)
            run, item = [], False
        if row:
            yield from _trimmed(text, line.start, line.end, "row")
            continue
        item = item or marker
        run.append(line)
    yield from _run(text, run, item=item)


def _run(text: str, lines: list[_Line], *, item: bool) -> Iterator[Unit]:
    if item and lines[-1].end - lines[0].start <= LONGEST_BLOCK // 2:
        yield from _trimmed(text, lines[0].start, lines[-1].end, "item")
    else:
        yield from _prose(text, lines)


def _table_header(lines: Sequence[_Line]) -> int | None:
    """Number of the header line of a table with a line of delimiters below it."""
    for number, line in enumerate(lines[1:]):
        if "|" in line.text and _DELIMITERS.match(line.text) and "|" in lines[number].text:
            return number
    return None


def _code(text: str, lines: list[_Line]) -> Iterator[Unit]:
    if lines[-1].end - lines[0].start <= LONGEST_BLOCK:
        yield from _trimmed(text, lines[0].start, lines[-1].end, "code")
        return
    start = lines[0].start
    for number, line in enumerate(lines[1:], start=1):
        size = line.end - start
        paragraph = size > LONGEST_BLOCK // 2 and not lines[number - 1].text.strip(" \t\n)]};,`~")
        if paragraph or size > LONGEST_BLOCK:
            yield from _trimmed(text, start, line.start, "code")
            start = line.start
    yield from _trimmed(text, start, lines[-1].end, "code")


def _prose(text: str, lines: Sequence[_Line]) -> Iterator[Unit]:
    if not lines:
        return
    start, end = lines[0].start, lines[-1].end
    cuts = set(sentence_starts(text, start, end))
    if not _is_wrapped(lines):
        cuts.update(line.start for line in lines)
    ordered = sorted(cuts)
    inside = _inside(text[start:end], start)
    kept = [cut for cut in ordered if not inside(cut)]
    for cut, until in zip(kept, [*kept[1:], end], strict=True):
        yield from _trimmed(text, cut, until, "sentence")


def _inside(text: str, offset: int) -> Callable[[int], bool]:
    spans = list(uncuttable_spans(text))
    starts = [span.start + offset for span in spans]

    def inside(cut: int) -> bool:
        place = bisect_right(starts, cut) - 1
        return place >= 0 and starts[place] < cut < spans[place].end + offset

    return inside


def _is_wrapped(lines: Sequence[_Line]) -> bool:
    """Whether the line breaks are only there to keep lines short, so that sentences run across them."""
    widths = [len(line.text) for line in lines]
    longest = max(widths)
    low, high = _WRAPPED_AT
    return low <= longest <= high and all(2 * width > longest for width in widths[:-1])


def _trimmed(text: str, start: int, end: int, kind: UnitKind, lead: tuple[int, int] | None = None) -> Iterator[Unit]:
    piece = text[start:end]
    stripped = piece.strip()
    if stripped:
        begin = start + piece.index(stripped[0]) if kind != "code" else start + len(piece) - len(piece.lstrip("\n"))
        yield Unit(begin, start + len(piece.rstrip()), kind, lead)
