"""Atoms packed into chunks: full enough, cut where the text pauses, and cut alike after a change elsewhere."""

from __future__ import annotations

import zlib
from itertools import islice
from typing import TYPE_CHECKING

from tercet.ingestion.boundaries import INTRODUCED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tercet.ingestion.splitting import Atom

_FULL = 0.55
_SPARSE = 1 / 4


def pack(
    text: str, atoms: Iterable[Atom], *, room: Callable[[Atom], int], cost: Callable[[int, int], int]
) -> Iterator[Sequence[Atom]]:
    """Group atoms into runs that fit and cover all atoms in order; atoms are taken a few runs ahead.

    Among the places where a chunk is full enough the strongest is cut, and among equal ones the one whose following
    text has the smallest checksum: a rule that looks only at the text nearby, so that after an insertion the cuts
    fall where they did before as soon as one of them coincides (as in content-defined chunking, Muthitacharoen et
    al., LBFS, 2001). A small rest is evened out with the run before it.

    Args:
        text: What the atoms are spans of.
        atoms: In order.
        room: Tokens that a run beginning with an atom may cost.
        cost: Tokens of a span of the text.
    """
    before: Sequence[Atom] = ()
    last: Sequence[Atom] = ()
    for run in _runs(text, iter(atoms), room, cost):
        if before:
            yield before
        before, last = last, run
    if before and cost(last[0].start, last[-1].end) < _SPARSE * room(last[0]):
        both = (*before, *last)
        stop = _even(both, len(before), room, cost)
        before, last = both[:stop], both[stop:]
    yield from filter(None, (before, last))


def _runs(
    text: str, atoms: Iterator[Atom], room: Callable[[Atom], int], cost: Callable[[int, int], int]
) -> Iterator[Sequence[Atom]]:
    ahead = list(islice(atoms, 1))
    while ahead:
        limit = room(ahead[0])
        costs = [cost(ahead[0].start, ahead[0].end)]
        while True:
            if len(costs) == len(ahead):
                ahead.extend(islice(atoms, 1))
            if len(costs) == len(ahead) or (spent := cost(ahead[0].start, ahead[len(costs)].end)) > limit:
                break
            costs.append(spent)
        stop = len(costs) if len(costs) == len(ahead) else _best(text, ahead, costs, limit)
        yield ahead[:stop]
        ahead = ahead[stop:] or list(islice(atoms, 1))


def _best(text: str, atoms: Sequence[Atom], costs: Sequence[int], limit: int) -> int:
    for share in (_FULL, _SPARSE):
        stops = [1 + index for index, spent in enumerate(costs) if spent >= share * limit]
        strongest = max((atoms[stop].strength for stop in stops), default=INTRODUCED)
        # An introduction rather opens the next chunk, with what it introduces, than closes this one.
        if stops and (strongest != INTRODUCED or share == _SPARSE):
            return min(
                (stop for stop in stops if atoms[stop].strength == strongest),
                key=lambda stop: (_checksum(text, atoms[stop]), -stop),
            )
    return len(costs)


def _checksum(text: str, atom: Atom) -> int:
    # Of the atom alone: text beyond it may belong to another section.
    return zlib.crc32(text[atom.start : min(atom.end, atom.start + 64)].encode("utf-8", "replace"))


def _even(atoms: Sequence[Atom], present: int, room: Callable[[Atom], int], cost: Callable[[int, int], int]) -> int:
    """Where to cut two runs that are now cut at ``present``."""

    def spent(first: int, stop: int) -> int:
        return cost(atoms[first].start, atoms[stop - 1].end)

    end = len(atoms)
    total = spent(0, end)
    best = (False, 0, spent(present, end), present)
    for stop in range(1, present):
        head, tail = spent(0, stop), spent(stop, end)
        if head <= room(atoms[0]) and tail <= room(atoms[stop]):
            smaller = min(head, tail)
            balanced = smaller >= _SPARSE * total
            best = max(best, (balanced, atoms[stop].strength if balanced else 0, smaller, stop))
    return best[3]
