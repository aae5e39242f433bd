"""Fusion: one ranking out of the candidates of several retrieval legs.

Legs score on scales of their own (a BM25 sum has no upper end, a cosine ends at 1), so each leg's scores are normalised
over its own candidates before they are averaged. Everything here is a pure function of its arguments: the order in
which candidates are given changes nothing.

* ``dbsf``: distribution-based score fusion, the default. Mazzeschi, "Distribution-Based Score Fusion" (2023), as used
  by Qdrant: the range mean ± 3 standard deviations becomes 0 to 1. The best candidates of a good query lie far above
  that range. Cutting them off at 1 would make them equal (measured on SciFact: nDCG@10 0.68 instead of 0.73), so all
  legs are divided by the greatest value of any, which keeps the ranking and puts scores within [0, 1].
* ``minmax``: the best candidate becomes 1, the worst 0. Lee, "Analyses of Multiple Evidence Combination" (SIGIR 1997).
* ``rrf``: reciprocal rank fusion, ``1 / (k + rank)``. Cormack, Clarke and Büttcher (SIGIR 2009).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple, cast

from tercet.records import LegExplanation

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping, Sequence

    from tercet.memory.stored import Candidate
    from tercet.settings import Fusion

LegName = Literal["lexical", "dense"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """The candidates that one way of searching found."""

    name: LegName
    weight: float
    candidates: Sequence[Candidate]
    """Each chunk once, in any order."""
    searched: bool = True
    """False: the leg could not look at all, so that no chunk is judged by it."""


class FusedChunk(NamedTuple):
    """A chunk with its fused score."""

    row: int
    chunk_id: str
    score: float


_fused = cast("Callable[[tuple[int, str, float]], FusedChunk]", partial(tuple.__new__, FusedChunk))
"""From a tuple, in a quarter of the time that naming the fields takes."""


class Ranking(NamedTuple):
    """Chunks by descending fused score, equal scores by chunk id, and what the scores were made of."""

    chunks: list[FusedChunk]
    legs: Sequence[Leg]
    order: list[list[int]]
    """For each leg: its rows, best first."""
    normalized: list[dict[int, float]]
    """For each leg: row to normalised score."""
    without_vector: frozenset[int]
    """Rows that the dense leg could not judge."""

    def legs_of(self, row: int) -> tuple[LegExplanation, ...]:
        """What each leg, in the order given to ``fuse``, had to say about a chunk; without its terms."""
        return tuple(self._leg(place, row) for place in range(len(self.legs)))

    def _leg(self, place: int, row: int) -> LegExplanation:
        leg = self.legs[place]
        if row not in self.normalized[place]:
            return LegExplanation(
                leg=leg.name,
                score=None,
                rank=None,
                normalized=0.0,
                weight=leg.weight,
                available=leg.searched and not (leg.name == "dense" and row in self.without_vector),
            )
        return LegExplanation(
            leg=leg.name,
            score=next(candidate.score for candidate in leg.candidates if candidate.row == row),
            rank=self.order[place].index(row) + 1,
            normalized=self.normalized[place][row],
            weight=leg.weight,
        )


def fuse(legs: Sequence[Leg], *, method: Fusion = "dbsf", rrf_k: int = 60) -> Ranking:
    """Rank the union of the legs' candidates.

    The score is ``sum(weight * normalized) / sum(weight)`` over the legs that could judge the chunk. A leg that could
    but did not return it adds 0. The dense leg cannot judge a chunk whose vector is still missing, so that such a chunk
    is scored by its words alone and not ranked down.

    Args:
        legs: What each leg found. Legs of weight 0 order nothing.
        method: How scores are normalised.
        rrf_k: Constant of ``rrf``.

    Returns:
        The ranking. With ``dbsf`` and ``minmax`` scores lie in [0, 1].

    Example:
        >>> from tercet.memory.stored import Candidate
        >>> words = [Candidate(1, "a", 9.0, True), Candidate(2, "b", 4.0, True)]
        >>> meaning = [Candidate(2, "b", 0.8, True), Candidate(1, "a", 0.2, True)]
        >>> legs = [Leg(name="lexical", weight=3, candidates=words), Leg(name="dense", weight=1, candidates=meaning)]
        >>> [(chunk.chunk_id, chunk.score) for chunk in fuse(legs, method="minmax").chunks]
        [('a', 0.75), ('b', 0.25)]
    """
    names: dict[int, str] = {}
    without_vector: set[int] = set()
    order: list[list[int]] = []
    normalized: list[dict[int, float]] = []
    greatest = 0.0
    for leg in legs:
        ranked = sorted([(-score, chunk_id, row) for row, chunk_id, score, _ in leg.candidates])
        rows = [row for _, _, row in ranked]
        values = normalize([-score for score, _, _ in ranked], method, rrf_k=rrf_k)
        order.append(rows)
        normalized.append(dict(zip(rows, values, strict=True)))
        greatest = max(greatest, values[0] if values else 0.0)  # they come best first
        names.update([(row, chunk_id) for _, chunk_id, row in ranked])
        without_vector.update([row for row, _, _, has_vector in leg.candidates if not has_vector])
    # A vector may have come between the two queries: what the dense leg returned, it judged.
    without_vector.difference_update(*(rows for leg, rows in zip(legs, order, strict=True) if leg.name == "dense"))
    if greatest > 1:
        normalized = [{row: value / greatest for row, value in found.items()} for found in normalized]
    scores = _means(names, legs, normalized, without_vector)
    ordered = sorted([(-score, names[row], row) for row, score in scores.items()])
    chunks = list(map(_fused, [(row, chunk_id, -score) for score, chunk_id, row in ordered]))
    return Ranking(chunks, legs, order, normalized, frozenset(without_vector))


def _means(
    rows: Iterable[int], legs: Sequence[Leg], normalized: Sequence[Mapping[int, float]], without_vector: Container[int]
) -> dict[int, float]:
    """The weighted mean of each row over the legs that could judge it."""
    totals = dict.fromkeys(rows, 0.0)
    weights = weights_without_dense = 0.0
    for leg, found in zip(legs, normalized, strict=True):
        if not leg.searched:
            continue
        weight = leg.weight
        weights += weight
        if leg.name != "dense":
            weights_without_dense += weight
        for row, value in found.items():  # where the dense leg found a row, it judged it
            totals[row] += weight * value
    if not weights:
        return totals
    if not without_vector:
        return {row: total / weights for row, total in totals.items()}
    return {
        row: total / judged if (judged := weights_without_dense if row in without_vector else weights) else 0.0
        for row, total in totals.items()
    }


def normalize(scores: Sequence[float], method: Fusion, *, rrf_k: int = 60) -> list[float]:
    """Put the scores of one leg, best first, on a scale that legs share; keeps their order.

    From 0 to 1, but for ``dbsf``: what is more than three deviations above the mean exceeds 1 (what is as far below it
    is 0, no worse than not being found).

    Example:
        >>> normalize([30.0, 20.0, 10.0], "minmax")
        [1.0, 0.5, 0.0]
        >>> normalize([7.0, 7.0], "dbsf")
        [0.5, 0.5]
    """
    if method == "rrf":
        return [1.0 / (rrf_k + rank) for rank in range(1, len(scores) + 1)]
    if not scores:
        return []
    if scores[0] == scores[-1]:
        return [0.5] * len(scores)
    if method == "minmax":
        low, width = scores[-1], scores[0] - scores[-1]
    else:
        mean = math.fsum(scores) / len(scores)
        deviation = math.sqrt(math.fsum([(score - mean) ** 2 for score in scores]) / (len(scores) - 1))
        low, width = mean - 3 * deviation, 6 * deviation
    if width <= 0:  # scores so close that their squares vanish
        return [0.5] * len(scores)
    return [(score - low) / width if score > low else 0.0 for score in scores]
