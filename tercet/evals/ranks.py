"""Where a ranking has the judged documents of one question: all that a ranking measure needs to know.

Only judged documents are placed; the others are counted. That is what makes measuring cheap: a ranking of a thousand
documents is sorted once, as numbers, and each measure then reads a handful of ranks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tercet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedRanks:
    """One question's judged documents in one ranking."""

    ranks: tuple[int, ...] = ()
    """Of the judged documents that were retrieved: from 1, ascending."""
    grades: tuple[int, ...] = ()
    """At these ranks."""
    retrieved: int = 0
    """Documents in the ranking, judged or not."""
    judgements: tuple[int, ...]
    """Grades of all judged documents, retrieved or not, highest first."""

    def relevant_ranks(self, rel: int, cutoff: int | None) -> list[int]:
        """Ranks up to the cutoff that hold a document of this grade or a higher one."""
        last = self.retrieved if cutoff is None else cutoff
        return [rank for rank, grade in zip(self.ranks, self.grades, strict=True) if grade >= rel and rank <= last]

    def relevant_count(self, rel: int) -> int:
        """How many documents were judged with this grade or a higher one."""
        return sum(grade >= rel for grade in self.judgements)


def judged_ranks(judgements: Mapping[str, int], ranking: Mapping[str, float]) -> JudgedRanks:
    """Place the judged documents of one question in its ranking.

    Documents are ordered as trec_eval orders them: by score, highest first, compared in single precision; equal scores
    by document id, highest code point first. The order of the mapping does not matter.

    Args:
        judgements: Grades by document id.
        ranking: Scores by document id; infinite ones are in order.

    Raises:
        InputError: A score is not a number.

    Example:
        >>> judged_ranks({"a": 1, "b": 0, "lost": 2}, {"a": 0.5, "b": 0.5, "unjudged": 0.9})
        JudgedRanks(ranks=(2, 3), grades=(0, 1), retrieved=3, judgements=(2, 1, 0))
    """
    grades = tuple(sorted(judgements.values(), reverse=True))
    if not ranking:
        return JudgedRanks(judgements=grades)
    scores = _single_precision(ranking)
    ascending = np.sort(scores)
    if np.isnan(ascending[-1]):  # not-a-number sorts last
        raise InputError("a score is not a number (NaN).", remedy="Leave the document out, or give it a score.")
    found = [document for document in judgements if document in ranking]
    if not found:
        return JudgedRanks(retrieved=len(ranking), judgements=grades)
    own = _single_precision({document: ranking[document] for document in found})
    upper = np.searchsorted(ascending, own, side="right")
    tied = upper - np.searchsorted(ascending, own, side="left") > 1
    ranks: list[int] = (len(ranking) - upper + 1).tolist()
    if tied.any():
        before = _places_among_equals(ranking, scores, own[tied])
        ranks = [rank + before.get(document, 0) for document, rank in zip(found, ranks, strict=True)]
    placed = sorted((rank, judgements[document]) for rank, document in zip(ranks, found, strict=True))
    return JudgedRanks(
        ranks=tuple(rank for rank, _ in placed),
        grades=tuple(grade for _, grade in placed),
        retrieved=len(ranking),
        judgements=grades,
    )


def _single_precision(ranking: Mapping[str, float]) -> NDArray[np.float32]:
    """As trec_eval keeps scores: two that differ only beyond seven digits are equal."""
    try:
        scores = np.fromiter(ranking.values(), dtype=np.float64, count=len(ranking))
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"a score is not a number ({error}).", remedy="Scores are floats.") from None
    with np.errstate(over="ignore"):  # beyond its range is infinite
        return scores.astype(np.float32)


def _places_among_equals(
    ranking: Mapping[str, float], scores: NDArray[np.float32], shared: NDArray[np.float32]
) -> dict[str, int]:
    """By document with one of the shared scores: how many with the same score stand before it."""
    groups: dict[float, list[str]] = {score: [] for score in shared.tolist()}
    values: Sequence[float] = scores.tolist()
    for document, score in zip(ranking, values, strict=True):
        if score in groups:
            groups[score].append(document)
    return {document: place for group in groups.values() for place, document in enumerate(sorted(group, reverse=True))}
