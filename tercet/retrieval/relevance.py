"""How far records of episodic memory fit a query: on a scale that does not depend on the other records.

``fusion`` puts the scores of a leg in relation to those of the other candidates, and so the best candidate of a
question that nothing answers looks like that of any other. Here the BM25 sum is divided by the greatest one that any
text could have for the query (each term without end, ``idf * (k1 + 1)``), and a cosine is taken as it is, 0 if it is
negative. Their weighted mean is comparable between queries, so that a floor can say "nothing relevant". On LoCoMo it
ranks no worse than distribution-based fusion. Compare Bruch, Gai and Ingber, "An Analysis of Fusion Functions for
Hybrid Retrieval" (2023), who call it the theoretical minimum-maximum normalisation.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from tercet.models.lexical import idf
from tercet.records import LegExplanation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tercet.memory.episodes.records import EpisodePlace


def greatest_bm25(terms: Mapping[str, float], known: Mapping[str, float], *, documents: int, k1: float) -> float:
    """What no text's BM25 sum can exceed.

    Args:
        terms: Query terms and how much each weighs.
        known: Inverse document frequency of those that occur at all; the others count like terms of no document.
        documents: How many there are.
        k1: The parameter of BM25.
    """
    unknown = idf(0, documents)
    return (k1 + 1) * sum(weight * known.get(term, unknown) for term, weight in terms.items())


class Own(NamedTuple):
    """How far a record itself fits, and what that is made of."""

    score: float
    legs: tuple[LegExplanation, ...]
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the legs said about all candidates. A leg that is None was not searched."""

    lexical: Mapping[int, float] | None
    """BM25 sums by row."""
    dense: Mapping[int, float] | None
    """Cosines by row."""
    greatest: float
    """See ``greatest_bm25``."""
    lexical_weight: float
    dense_weight: float
    without_vector: frozenset[int] = frozenset()
    names: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    """By row: identifiers of the query that it holds."""
    asked_names: int = 0
    """How many identifiers the query has."""

    def rows(self) -> list[int]:
        """All rows that anything is known of, ascending."""
        return sorted({*(self.lexical or ()), *(self.dense or ()), *self.names})

    def including(self, rows: Iterable[int], words: Mapping[int, float], cosines: Mapping[int, float]) -> Judgement:
        """With further rows, judged by hand."""
        unseen = frozenset() if self.dense is None else frozenset(rows) - cosines.keys()
        return replace(
            self,
            lexical=None if self.lexical is None else {**self.lexical, **words},
            dense=None if self.dense is None else {**self.dense, **cosines},
            without_vector=self.without_vector | unseen,
        )

    def own(self, rows: Iterable[int]) -> dict[int, Own]:
        """How far each of some rows fits, without its neighbours."""
        ranks = (_ranks(self.lexical or {}), _ranks(self.dense or {}))
        return {row: self._own(row, ranks) for row in rows}

    def _own(self, row: int, ranks: tuple[Mapping[int, int], Mapping[int, int]]) -> Own:
        legs: list[LegExplanation] = []
        names = self.names.get(row, ())
        if self.lexical is not None:
            score = self.lexical.get(row)
            share = 0.0 if score is None or not self.greatest else min(1.0, score / self.greatest)
            if names:  # who asks for ORD-4471 means the record that holds it, whatever else is like the question
                share = max(share, len(names) / self.asked_names)
            legs.append(
                LegExplanation(
                    leg="lexical",
                    score=score,
                    rank=ranks[0].get(row),
                    normalized=share,
                    weight=self.lexical_weight,
                    available=self.greatest > 0,
                )
            )
        if self.dense is not None:
            score = self.dense.get(row)
            legs.append(
                LegExplanation(
                    leg="dense",
                    score=score,
                    rank=ranks[1].get(row),
                    normalized=0.0 if score is None else min(1.0, max(0.0, score)),
                    weight=self.dense_weight,
                    available=row not in self.without_vector,
                )
            )
        judged = [leg for leg in legs if leg.available]
        total = sum(leg.weight for leg in judged)
        own = sum(leg.weight * leg.normalized for leg in judged) / total if total else 0.0
        return Own(own, tuple(legs), names)


def _ranks(scores: Mapping[int, float]) -> dict[int, int]:
    ordered = sorted(scores, key=lambda row: (-scores[row], row))
    return dict(zip(ordered, range(1, len(ordered) + 1), strict=True))


def lift(own: Mapping[int, Own], places: Mapping[int, EpisodePlace], *, context: float) -> dict[int, float]:
    """What each turn gets from the better one of the turns next to it: ``context`` times how far that is better.

    A record outside of a conversation gets nothing and loses nothing.
    """
    if not context:
        return dict.fromkeys(own, 0.0)
    scores = {
        (place.scope, place.conversation, place.ordinal): own[row].score
        for row, place in places.items()
        if place.conversation and row in own
    }
    lifts = dict.fromkeys(own, 0.0)
    for row, place in places.items():
        if row in own and place.conversation:
            beside = [
                scores.get((place.scope, place.conversation, ordinal), 0.0)
                for ordinal in (place.ordinal - 1, place.ordinal + 1)
            ]
            lifts[row] = context * max(0.0, max(beside) - own[row].score)
    return lifts
