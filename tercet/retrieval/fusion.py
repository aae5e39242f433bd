"""Fusion: one ranking out of the candidates of several retrieval legs.

Legs score on scales of their own (a BM25 sum has no upper end, a cosine ends at 1), so each leg's scores are normalised
over its own candidates before they are averaged. Everything here is a pure function of its arguments: the order in
which candidates are given changes nothing.

* ``dbsf``: distribution-based score fusion, the default. Mazzeschi, "Distribution-Based Score Fusion" (2023), as used
  by Qdrant: the range mean ± 3 standard deviations becomes 0 to 1.
* ``minmax``: the best candidate becomes 1, the worst 0. Lee, "Analyses of Multiple Evidence Combination" (SIGIR 1997).
* ``rrf``: reciprocal rank fusion, ``1 / (k + rank)``. Cormack, Clarke and Büttcher (SIGIR 2009).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

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


class Part(NamedTuple):
    """What one leg adds to one chunk's score."""

    leg: LegName
    score: float | None
    """Raw score; None: the leg did not return the chunk."""
    rank: int | None
    """1 is best; None: the leg did not return the chunk."""
    normalized: float
    weight: float
    available: bool
    """False: the leg could not judge the chunk, so that its weight does not count either."""


class FusedChunk(NamedTuple):
    """A chunk with its fused score and what each leg, in the order given, had to say."""

    row: int
    chunk_id: str
    score: float
    parts: tuple[Part, ...]


def fuse(legs: Sequence[Leg], *, method: Fusion = "dbsf", rrf_k: int = 60) -> list[FusedChunk]:
    """Rank the union of the legs' candidates.

    The score is ``sum(weight * normalized) / sum(weight)`` over the legs that could judge the chunk. A leg that could
    but did not return it adds 0. The dense leg cannot judge a chunk whose vector is still missing, so that such a chunk
    is scored by its words alone and not ranked down.

    Args:
        legs: What each leg found. Legs of weight 0 order nothing.
        method: How scores are normalised.
        rrf_k: Constant of ``rrf``.

    Returns:
        Chunks by descending score, equal scores by chunk id. With ``dbsf`` and ``minmax`` scores lie in [0, 1].

    Example:
        >>> from tercet.memory.stored import Candidate
        >>> words = [Candidate(1, "a", 9.0, True), Candidate(2, "b", 4.0, True)]
        >>> meaning = [Candidate(2, "b", 0.8, True), Candidate(1, "a", 0.2, True)]
        >>> legs = [Leg(name="lexical", weight=3, candidates=words), Leg(name="dense", weight=1, candidates=meaning)]
        >>> [(chunk.chunk_id, chunk.score) for chunk in fuse(legs, method="minmax")]
        [('a', 0.75), ('b', 0.25)]
    """
    known: dict[int, Candidate] = {}
    judged: list[dict[int, Part]] = []
    for leg in legs:
        ranked = sorted(leg.candidates, key=_best_first)
        values = normalize([candidate.score for candidate in ranked], method, rrf_k=rrf_k)
        judged.append(
            {
                candidate.row: Part(leg.name, candidate.score, rank, value, leg.weight, True)
                for rank, (candidate, value) in enumerate(zip(ranked, values, strict=True), start=1)
            }
        )
        known.update({candidate.row: candidate for candidate in ranked})
    with_vector = tuple(_absent(leg, has_vector=True) for leg in legs)
    without_vector = tuple(_absent(leg, has_vector=False) for leg in legs)
    fused = []
    for row, candidate in known.items():
        absent = with_vector if candidate.has_vector else without_vector
        parts = tuple([found.get(row, part) for found, part in zip(judged, absent, strict=True)])
        fused.append(FusedChunk(row, candidate.chunk_id, _mean(parts), parts))
    fused.sort(key=_best_first)
    return fused


def _best_first(item: Candidate | FusedChunk) -> tuple[float, str, int]:
    return (-item.score, item.chunk_id, item.row)


def _absent(leg: Leg, *, has_vector: bool) -> Part:
    """What a leg says about a chunk that it did not return."""
    available = leg.searched and (leg.name != "dense" or has_vector)
    return Part(leg.name, None, None, 0.0, leg.weight, available)


def _mean(parts: Sequence[Part]) -> float:
    total = weights = 0.0
    for _, _, _, normalized, weight, available in parts:
        if available:
            total += weight * normalized
            weights += weight
    return total / weights if weights else 0.0


def normalize(scores: Sequence[float], method: Fusion, *, rrf_k: int = 60) -> list[float]:
    """Put the scores of one leg, best first, on a scale that legs share; keeps their order.

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
    low, high = (scores[-1], scores[0]) if method == "minmax" else _three_deviations(scores)
    width = high - low
    if width <= 0:
        return [0.5] * len(scores)
    # Rounding may leave [0, 1] by the last bit.
    return [min(1.0, max(0.0, (score - low) / width)) for score in scores]


def _three_deviations(scores: Sequence[float]) -> tuple[float, float]:
    """Mean ± 3 sample standard deviations, widened where needed to reach the outermost scores.

    Outliers beyond three deviations would leave [0, 1]; cutting them off there would make the best hits equal.
    """
    if scores[0] == scores[-1]:
        return scores[0], scores[0]
    mean = math.fsum(scores) / len(scores)
    spread = 3 * math.sqrt(math.fsum((score - mean) ** 2 for score in scores) / (len(scores) - 1))
    return min(mean - spread, scores[-1]), max(mean + spread, scores[0])
