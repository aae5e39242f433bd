"""Tables of a PDF: consecutive lines whose cells stand in the same columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from tercet.ingestion.parsers.pdf_lists import is_marker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tercet.ingestion.parsers.pdf_layout import Cell, Line

_FEWEST_ROWS = 3
_MOST_COLUMNS = 64
_LONE_CELLS = 2
"""Lines with one cell that may follow one another within a table: the rest of a long cell."""


@dataclass(slots=True)
class _Column:
    x0: float
    x1: float


@dataclass(slots=True)
class Table:
    """A table that begins at some line."""

    rows: list[list[str]]
    header_rows: int
    lines: int
    """How many lines it takes up."""


def table_at(lines: Sequence[Line], first: int) -> Table | None:
    """The table whose first line is ``lines[first]``, if one begins there.

    It takes three lines with two cells or more. A cell may reach into two columns only in a line with other cells.
    """
    if not _is_row(lines[first]):
        return None
    found = _Rows()
    for index in range(first, len(lines)):
        line, previous = lines[index], lines[max(index - 1, first)]
        if not _follows(previous, line) or not found.add(line):
            break
    return found.table()


def _is_row(line: Line) -> bool:
    """Two cells or more, not counting the bullet of a list item or the number of a heading."""
    cells = line.cells
    return len(cells) > 1 and not line.turned and not (len(cells) == 2 and is_marker(cells[0].text))


def _follows(previous: Line, line: Line) -> bool:
    same = (previous.page, previous.region) == (line.page, line.region)
    return same and abs(previous.y0 - line.y0) < 3.5 * max(line.size, previous.size) and line.size < 1.4 * previous.size


@dataclass(slots=True)
class _Rows:
    columns: list[_Column] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    full: int = 0
    """Lines with two cells or more."""
    last: int = 0
    """Lines up to and with the last of these."""
    lone: int = 0

    def add(self, line: Line) -> bool:
        """Take a line in; False when it is not part of the table."""
        if len(line.cells) > 1:
            self.lone = 0
        elif self.lone == _LONE_CELLS:
            return False
        else:
            self.lone += 1
        merged = self._merged(line.cells)
        if merged is None:
            return False
        self.columns = merged
        self.lines.append(line)
        if not self.lone:
            self.full += 1
            self.last = len(self.lines)
        return True

    def _merged(self, cells: Sequence[Cell]) -> list[_Column] | None:
        """The columns with these cells in them, or None where a cell reaches into two of them."""
        columns = [_Column(column.x0, column.x1) for column in self.columns]
        for cell in cells:
            under = [column for column in columns if cell.x0 < column.x1 and column.x0 < cell.x1]
            if len(columns) > _MOST_COLUMNS or (len(under) > 1 and min(len(cells), len(self.columns)) < 3):
                return None
            if len(under) > 1:
                continue  # a cell over two columns, between others that are in theirs
            if under:
                under[0].x0, under[0].x1 = min(under[0].x0, cell.x0), max(under[0].x1, cell.x1)
            else:
                columns.append(_Column(cell.x0, cell.x1))
        columns.sort(key=lambda column: column.x0)
        return columns

    def table(self) -> Table | None:
        """The rows so far, if there are enough of them."""
        if self.full < _FEWEST_ROWS or len(self.columns) < 2:
            return None
        lines = self.lines[: self.last]
        rows: list[list[str]] = []
        pitches = [abs(one.y0 - other.y0) for one, other in pairwise(lines)]
        usual = median(pitches)
        for index, line in enumerate(lines):
            row = self._row(line)
            filled = sum(1 for cell in row if cell)
            # The rest of long cells, set closer than rows are.
            goes_on = index > 0 and not row[0] and (filled == 1 or pitches[index - 1] < 0.9 * usual)
            if goes_on and pitches[index - 1] < 1.6 * line.size and filled < sum(1 for cell in rows[-1] if cell):
                rows[-1] = [f"{above} {cell}".strip() for above, cell in zip(rows[-1], row, strict=True)]
            else:
                rows.append(row)
        return Table(rows, _header_rows(rows, lines), len(lines))

    def _row(self, line: Line) -> list[str]:
        row = [""] * len(self.columns)
        for cell in line.cells:
            for index, column in enumerate(self.columns):
                if cell.x0 < column.x1 and column.x0 < cell.x1:
                    row[index] = f"{row[index]} {cell.text}".strip()
                    break
        return row


def _header_rows(rows: Sequence[Sequence[str]], lines: Sequence[Line]) -> int:
    """One where the first row alone is bold, or is words above numbers."""
    if lines[0].bold and not all(line.bold for line in lines):
        return 1
    words_first = not any(character.isdigit() for character in "".join(rows[0]))
    numbers = sum(1 for row in rows[1:] if any(character.isdigit() for character in "".join(row)))
    return 1 if words_first and numbers > 0.7 * (len(rows) - 1) else 0
