"""The spans of a PDF page as lines in reading order.

A page is cut where a clear gutter runs between columns; what crosses the gutter (a title, a wide figure's caption)
parts the columns above it from those below. Within a column spans at one height are a line. Time is n log n in the
spans.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate, pairwise
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tercet.ingestion.parsers.pdf_source import Page, Span

_BINS = 256
_MOST_COLUMNS = 16
"""Gutters within columns within columns: real pages have a few, and each costs a pass."""
_FEWEST_LINES = 4
"""Lines on both sides of a gutter that make columns."""
_CELL_GAP = 0.8
_SPACE_GAP = 0.13
"""Ems between spans of one line from which on they are two words."""
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]")
_LETTERS = re.compile(r"[^\W\d_]")


class Cell(NamedTuple):
    """A stretch of a line without a wide gap in it."""

    x0: float
    x1: float
    text: str


@dataclass(slots=True)
class Line:
    """One line of a column."""

    page: int
    region: int
    """Counts the columns and bands of a page; a paragraph may go on from one to the next."""
    cells: tuple[Cell, ...]
    y0: float
    y1: float
    size: float
    bold: bool
    left: float
    """Sides of the column that it stands in."""
    right: float
    height: float
    """Where it stands on the page: 0 at the bottom, 1 at the top."""
    turned: bool = False
    """It runs in another direction than most of the page, as a stamp in the margin does."""

    @property
    def text(self) -> str:
        """Its words."""
        return " ".join(cell.text for cell in self.cells)

    @property
    def x0(self) -> float:
        """Where it begins."""
        return min(cell.x0 for cell in self.cells)

    @property
    def x1(self) -> float:
        """Where it ends."""
        return max(cell.x1 for cell in self.cells)


def lines_of(page: Page) -> list[Line]:
    """The lines of a page, column by column; text that runs in another direction comes last."""
    lines: list[Line] = []
    region = 0
    for turn, spans in enumerate(page.turns):
        for column in _columns(spans):
            for line in _lines(column, page.number, region):
                line.turned = turn > 0
                line.height = (line.y0 - page.edges[0]) / max(page.edges[1] - page.edges[0], 1.0)
                lines.append(line)
            region += 1
    return lines


def _columns(spans: list[Span]) -> Iterator[list[Span]]:
    """Cut spans into columns and what lies across them, in reading order, with a stack in place of recursion."""
    stack = [spans]
    cuts = 0
    while stack:
        area = stack.pop()
        gutter = _gutter(area) if cuts < _MOST_COLUMNS and len(area) >= 2 * _FEWEST_LINES else None
        if gutter is None:
            yield area
            continue
        cuts += 1
        # Only what is left or right of the gutter is looked at again.
        stack.extend(reversed(_bands(area, gutter)))


def _gutter(spans: Sequence[Span]) -> float | None:
    """The middle of a strip that few spans cross and that has columns of text on both sides."""
    x0, x1 = min(span.x0 for span in spans), max(span.x1 for span in spans)
    if x1 - x0 < 1:
        return None
    scale = _BINS / (x1 - x0)
    changes = [0] * (_BINS + 2)
    for span in spans:
        changes[int((span.x0 - x0) * scale)] += 1
        changes[min(int((span.x1 - x0) * scale), _BINS) + 1] -= 1
    cover = list(accumulate(changes))[: _BINS + 1]
    before = list(accumulate(cover, max))
    after = list(accumulate(reversed(cover), max))[::-1]
    narrowest = 0.7 * median(span.size for span in spans) * scale
    strips: list[tuple[int, int]] = []
    first = -1
    for index, count in enumerate(cover):
        low = count <= 0.35 * min(before[index], after[index])
        if low and first < 0:
            first = index
        elif not low and first >= 0:
            strips.append((first, index))
            first = -1
    strips = sorted((strip for strip in strips if strip[1] - strip[0] >= narrowest), key=lambda s: s[0] - s[1])
    for start, stop in strips[:_FEWEST_LINES]:
        # The emptiest part of the strip, should its sides be ragged.
        least = min(cover[start:stop])
        empty = [index for index in range(start, stop) if cover[index] == least]
        middle = x0 + (empty[len(empty) // 2] + 0.5) / scale
        if _parts_columns(spans, middle):
            return middle
    return None


def _parts_columns(spans: Sequence[Span], middle: float) -> bool:
    """Columns are written one after the other and hold running text; the cells of a table alternate or are short."""
    sides = [-1 if span.x1 <= middle else 1 if span.x0 >= middle else 0 for span in spans]
    left = [span for span, side in zip(spans, sides, strict=True) if side < 0]
    right = [span for span, side in zip(spans, sides, strict=True) if side > 0]
    rows = min(_rows(left), _rows(right))
    if rows < _FEWEST_LINES:
        return False
    # Side by side, not one above the other.
    shared = min(max(s.y1 for s in left), max(s.y1 for s in right)) - max(
        min(s.y0 for s in left), min(s.y0 for s in right)
    )
    if shared < 2 * median(span.size for span in spans):
        return False
    order = [side for side in sides if side]
    turns = sum(1 for one, other in pairwise(order) if one != other)
    return min(_typical_length(left), _typical_length(right)) >= 12 and turns <= max(3.0, 0.25 * rows)


def _typical_length(spans: Sequence[Span]) -> float:
    """Length of the span that a character is in: bullets beside running text do not count for much."""
    lengths = [len(span.text) for span in spans]
    return sum(length * length for length in lengths) / sum(lengths)


def _rows(spans: Sequence[Span]) -> int:
    """Number of heights at which there is text."""
    count, bottom = 0, float("inf")
    for span in sorted(spans, key=lambda span: -span.y1):
        if (span.y0 + span.y1) / 2 < bottom:
            count += 1
            bottom = span.y0
    return count


def _bands(spans: Sequence[Span], middle: float) -> list[list[Span]]:
    """Left and right of a gutter between what crosses it, from the top down."""
    crossing = sorted((s for s in spans if s.x0 < middle < s.x1), key=lambda s: -(s.y0 + s.y1))
    edges = [-(s.y0 + s.y1) for s in crossing]
    across: list[list[Span]] = [[] for _ in crossing]
    left: list[list[Span]] = [[] for _ in range(len(crossing) + 1)]
    right: list[list[Span]] = [[] for _ in range(len(crossing) + 1)]
    for span in spans:
        height = -(span.y0 + span.y1)
        index = bisect_left(edges, height)
        if span.x0 < middle < span.x1:
            across[index].append(span)
            continue
        beside = next(
            (near for near in (index - 1, index) if 0 <= near < len(edges) and _level(crossing[near], span)), None
        )
        if beside is not None:
            across[beside].append(span)
        else:
            (left if span.x1 <= middle else right)[index].append(span)
    bands: list[list[Span]] = []
    wide: list[Span] = []
    for index in range(len(crossing) + 1):
        if left[index] and right[index]:
            if wide:
                bands.append(wide)
                wide = []
            bands += [left[index], right[index]]
        else:
            wide += left[index] + right[index]
        if index < len(crossing):
            wide += across[index]
    return [*bands, wide] if wide else bands


def _level(one: Span, other: Span) -> bool:
    return one.y0 <= (other.y0 + other.y1) / 2 <= one.y1


def _lines(spans: Sequence[Span], page: int, region: int) -> Iterator[Line]:
    left, right = min(span.x0 for span in spans), max(span.x1 for span in spans)
    row: list[Span] = []
    for span in sorted(spans, key=lambda span: -(span.y0 + span.y1)):
        if row and not (_level(row[0], span) or _level(span, row[0])):
            yield _line(row, page, region, left, right)
            row = []
        row.append(span)
    if row:
        yield _line(row, page, region, left, right)


def _line(row: list[Span], page: int, region: int, left: float, right: float) -> Line:
    letters = "".join(span.text for span in row)
    backwards = 2 * len(_RIGHT_TO_LEFT.findall(letters)) > len(_LETTERS.findall(letters))
    row.sort(key=lambda span: -span.x1 if backwards else span.x0)
    cells: list[Cell] = []
    words: list[str] = []
    x0, x1 = row[0].x0, row[0].x1
    for span in row:
        gap = x0 - span.x1 if backwards else span.x0 - x1
        if words and gap >= _CELL_GAP * span.size:
            cells.append(Cell(x0, x1, "".join(words)))
            words, x0, x1 = [], span.x0, span.x1
        elif words and gap > _SPACE_GAP * span.size:
            words.append(" ")
        words.append(span.text)
        x0, x1 = min(x0, span.x0), max(x1, span.x1)
    cells.append(Cell(x0, x1, "".join(words)))
    main = max(row, key=lambda span: len(span.text))
    return Line(
        page=page,
        region=region,
        cells=tuple(cells),
        y0=min(span.y0 for span in row),
        y1=max(span.y1 for span in row),
        size=main.size,
        bold=all(span.bold for span in row),
        left=left,
        right=right,
        height=0.5,
    )
