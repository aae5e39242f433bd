"""Page headers, footers and page numbers: what stands at the edge of page after page says nothing about the page."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tercet.ingestion.parsers.pdf_layout import Line

_AT_EDGE = 3
"""Lines at the top and at the bottom of a page that may be a header or footer."""
_MARGIN = 0.18
"""Share of a page's height within which they stand."""
_FEWEST_PAGES = 3
_MOST_NUMBERS = 3
_NUMBER = re.compile(r"\d+")
_ROMAN = re.compile(r"[ivxlc]{1,7}", re.IGNORECASE)


def without_margins(pages: Sequence[Sequence[Line]]) -> list[list[Line]]:
    """The lines of each page without those that its neighbours repeat at the same edge and height.

    A line is repeated when three pages have it word for word, or when a number in it counts with the pages. A page that
    would be left without a line keeps all of its own.
    """
    met: dict[tuple[str, int, str], list[Line]] = defaultdict(list)
    for lines in pages:
        for edge, line in _edges(lines):
            met[edge, round(line.y0 / 20), _NUMBER.sub("#", line.text.casefold())].append(line)
    repeated = {id(line) for (_, _, text), lines in met.items() for line in _repeated(text, lines)}
    kept = [_kept(lines, repeated) for lines in pages]
    return [some or list(lines) for some, lines in zip(kept, pages, strict=True)]


def _kept(lines: Sequence[Line], repeated: set[int]) -> list[Line]:
    """Without what is repeated, from each edge to the first line that is not."""
    dropped: set[int] = set()
    edges = _edges(lines)
    for edge in ("bottom", "top"):
        outwards = [line for name, line in edges if name == edge]
        dropped.update(id(line) for line in takewhile(lambda line: id(line) in repeated, outwards))
    return [line for line in lines if id(line) not in dropped]


def _edges(lines: Sequence[Line]) -> list[tuple[str, Line]]:
    """What may be a header or footer, from the edge inwards."""
    upright = sorted((line for line in lines if not line.turned), key=lambda line: line.y0)
    bottom = [("bottom", line) for line in upright[:_AT_EDGE] if line.height < _MARGIN]
    return [*bottom, *(("top", line) for line in upright[: -_AT_EDGE - 1 : -1] if line.height > 1 - _MARGIN)]


def _repeated(text: str, lines: list[Line]) -> list[Line]:
    by_text: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        by_text[line.text.casefold()].append(line)
    same = [line for group in by_text.values() if _pages(group) >= _FEWEST_PAGES for line in group]
    numbers = text.count("#")
    if _ROMAN.fullmatch(text) and _pages(lines) > 1:
        return lines
    if not 0 < numbers <= _MOST_NUMBERS or _pages(lines) < 2:
        return same
    for index in range(numbers):
        # Bounded, as a number of a thousand digits is no page number and costs more than a short one.
        shifts = Counter(int(_NUMBER.findall(line.text)[index][:9]) - line.page for line in lines)
        shift, count = shifts.most_common(1)[0]
        if count >= max(2, 0.6 * len(lines)):
            return lines if count > 0.9 * len(lines) else _counting(lines, index, shift) + same
    return same


def _counting(lines: list[Line], index: int, shift: int) -> list[Line]:
    return [line for line in lines if int(_NUMBER.findall(line.text)[index][:9]) - line.page == shift]


def _pages(lines: Sequence[Line]) -> int:
    return len({line.page for line in lines})
