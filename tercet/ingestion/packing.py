"""Atoms packed into chunks: full enough, cut where the text pauses, and cut alike after a change elsewhere."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from tercet.ingestion.boundaries import INTRODUCED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tercet.ingestion.splitting import Atom

_FULL = 0.55
_SPARSE = 1 / 4


def pack(
    text: str, atoms: Sequence[Atom], *, room: Callable[[int], int], cost: Callable[[int, int], int]
) -> list[tuple[int, int]]:
    """Group atoms into runs ``(first, stop)`` that fit, as index ranges that cover all atoms in order.

    Among the places where a chunk is full enough the strongest is cut, and among equal ones the one whose following
    text has the smallest checksum: a rule that looks only at the text nearby, so that after an insertion the cuts
    fall where they did before as soon as one of them coincides (as in content-defined chunking, Muthitacharoen et
    al., LBFS, 2001). A small rest is evened out with the run before it.

    Args:
        text: What the atoms are spans of.
        atoms: In order.
        room: Tokens that a run beginning at an index may cost.
        cost: Tokens of the atoms ``first`` to ``stop - 1``.
    """
    runs: list[tuple[int, int]] = []
    first = 0
    while first < len(atoms):
        limit = room(first)
        costs = [cost(first, first + 1)]
        while first + len(costs) < len(atoms) and (spent := cost(first, first + len(costs) + 1)) <= limit:
            costs.append(spent)
        stop = first + len(costs)
        if stop < len(atoms):
            stop = _best(text, atoms, first, costs, limit)
        runs.append((first, stop))
        first = stop
    if len(runs) > 1 and cost(*runs[-1]) < _SPARSE * room(runs[-1][0]):
        runs[-2:] = _even(atoms, runs[-2][0], runs[-1], room, cost)
    return runs


def _best(text: str, atoms: Sequence[Atom], first: int, costs: Sequence[int], limit: int) -> int:
    for share in (_FULL, _SPARSE):
        stops = [first + 1 + index for index, spent in enumerate(costs) if spent >= share * limit]
        strongest = max((atoms[stop].strength for stop in stops), default=INTRODUCED)
        # An introduction rather opens the next chunk, with what it introduces, than closes this one.
        if stops and (strongest != INTRODUCED or share == _SPARSE):
            return min(
                (stop for stop in stops if atoms[stop].strength == strongest),
                key=lambda stop: (_checksum(text, atoms[stop]), -stop),
            )
    return first + len(costs)


def _checksum(text: str, atom: Atom) -> int:
    # Of the atom alone: text beyond it may belong to another section.
    return zlib.crc32(text[atom.start : min(atom.end, atom.start + 64)].encode("utf-8", "replace"))


def _even(
    atoms: Sequence[Atom],
    first: int,
    rest: tuple[int, int],
    room: Callable[[int], int],
    cost: Callable[[int, int], int],
) -> list[tuple[int, int]]:
    end = rest[1]
    total = cost(first, end)
    best = (False, 0, cost(*rest), rest[0])
    for stop in range(first + 1, rest[0]):
        head, tail = cost(first, stop), cost(stop, end)
        if head <= room(first) and tail <= room(stop):
            smaller = min(head, tail)
            balanced = smaller >= _SPARSE * total
            best = max(best, (balanced, atoms[stop].strength if balanced else 0, smaller, stop))
    return [(first, best[3]), (best[3], end)]
