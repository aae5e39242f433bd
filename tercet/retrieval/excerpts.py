"""Fitting ranked units into a budget, and writing what was chosen in the order of its sources.

The order in which units enter does not depend on the budget, and what is kept is a prefix of it: a larger budget keeps
all that a smaller one keeps.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tercet.retrieval.units import Unit

OMITTED = " … "
"""Stands where something was left out within a passage."""
_OMITTED_LINES = "\n…\n"
_SMALL = 400
"""Code points up to which a unit enters whatever was kept before it."""


class Counter(Protocol):
    """Counts tokens; every ``TokenCounter`` does."""

    @property
    def name(self) -> str:
        """Names the counter in reports."""
        ...

    def count(self, text: str) -> int:
        """Tokens of a text; 0 for the empty one."""
        ...


class Piece(NamedTuple):
    """A unit of one of the passages."""

    passage: int
    """Its place in rendering order."""
    number: int
    """Its place in the passage."""
    unit: Unit


class Shown(NamedTuple):
    """A piece and what is written before it."""

    piece: Piece
    before: str


class Sources(NamedTuple):
    """Texts of the passages in rendering order, and the label written above each that has something kept."""

    texts: Sequence[str]
    labels: Sequence[str]
    between: str = "\n\n"
    """Written between two passages."""


def entry_order(pieces: Sequence[Piece], ranked: Iterable[int]) -> list[int]:
    """The order in which ranked pieces enter: by rank, but none that is larger than all before it together.

    One long piece at the top would otherwise leave a small budget empty. It waits until as much is kept as it costs,
    so that it is in wherever twice its size is.
    """
    ordered: list[int] = []
    late: list[int] = []
    size = 0

    def enter(number: int) -> None:
        nonlocal size
        ordered.append(number)
        size += _length(pieces[number])

    for number in ranked:
        if _length(pieces[number]) > max(_SMALL, size):
            late.append(number)
            continue
        enter(number)
        while (ready := next((one for one in late if _length(pieces[one]) <= size), None)) is not None:
            late.remove(ready)
            enter(ready)
    while late:  # all that is left is larger than everything before: the smallest opens the way
        ready = next((one for one in late if _length(pieces[one]) <= size), None)
        if ready is None:
            ready = min(late, key=lambda number: _length(pieces[number]))
        late.remove(ready)
        enter(ready)
    return ordered


def _length(piece: Piece) -> int:
    return piece.unit.end - piece.unit.start


def fit(sources: Sources, pieces: Sequence[Piece], order: Sequence[int], *, budget: int, counter: Counter) -> int:
    """How many pieces, from the front of ``order``, fit into a budget.

    A bound from the counts of single pieces, which grows with the budget, says how far to look; the longest prefix up
    to there whose rendered text is counted within the budget is taken. Both make the answer grow with the budget,
    whatever the counter is.
    """
    # Counts of parts may exceed the count of the whole by a little; looking a little too far costs only a second count.
    room = budget + budget // 32 + 4
    counts: dict[str, int] = {}
    costs: dict[int, int] = {}
    chosen: list[tuple[Piece, int]] = []
    total = kept = 0
    for kept_before, number in enumerate(order):
        place = bisect_left(chosen, (pieces[number], number))
        chosen.insert(place, (pieces[number], number))
        for near in range(place, min(place + 2, len(chosen))):
            piece, own = chosen[near]
            written = _written(sources, chosen[near - 1][0] if near else None, piece)
            cost = counts.get(written)
            if cost is None:
                cost = counts[written] = counter.count(written)
            total += cost - costs.get(own, 0)
            costs[own] = cost
        if total > room:
            break
        kept = kept_before + 1
    while kept and counter.count(render(sources, (pieces[number] for number in order[:kept]))) > budget:
        kept -= 1
    return kept


def render(sources: Sources, pieces: Iterable[Piece]) -> str:
    """The text of some pieces, in the order of their sources."""
    return "".join(part for shown in arranged(sources, pieces) for part in (shown.before, _text(sources, shown.piece)))


def arranged(sources: Sources, pieces: Iterable[Piece]) -> Iterator[Shown]:
    """Pieces in rendering order, each with what is written before it: label, omission mark or original white space."""
    previous: Piece | None = None
    for piece in sorted(pieces):
        yield Shown(piece, _before(sources, previous, piece))
        previous = piece


def _text(sources: Sources, piece: Piece) -> str:
    return sources.texts[piece.passage][piece.unit.start : piece.unit.end]


def _written(sources: Sources, previous: Piece | None, piece: Piece) -> str:
    return _before(sources, previous, piece) + _text(sources, piece)


def _before(sources: Sources, previous: Piece | None, piece: Piece) -> str:
    text, unit = sources.texts[piece.passage], piece.unit
    if previous is None or previous.passage != piece.passage:
        opening = sources.labels[piece.passage] + _header(text, unit)
        return opening if previous is None else sources.between + opening
    behind = previous.unit
    if unit.lead is not None and behind.lead != unit.lead:
        return _gap(text, behind, unit.lead[0], block=True) + _header(text, unit)
    block = unit.kind != "sentence" or behind.kind != "sentence"
    return _gap(text, behind, unit.start, block=block)


def _header(text: str, unit: Unit) -> str:
    return text[slice(*unit.lead)].rstrip("\n") + "\n" if unit.lead else ""


def _gap(text: str, behind: Unit, start: int, *, block: bool) -> str:
    between = text[max(behind.end, behind.lead[1] if behind.lead else 0) : start]
    if not between.strip():
        return text[behind.end : start] if not text[behind.end : start].strip() else "\n"
    return _OMITTED_LINES if block else OMITTED
