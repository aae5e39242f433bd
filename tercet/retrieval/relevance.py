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
from typing import TYPE_CHECKING

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

    def own(self, rows: Iterable[int]) -> dict[int, float]:
        """How far each of some rows fits by itself, from 0 to 1."""
        by_words = self.lexical_weight if self.lexical is not None and self.greatest else 0.0
        by_vector = self.dense_weight if self.dense is not None else 0.0
        lexical, dense, names = self.lexical or {}, self.dense or {}, self.names
        found: dict[int, float] = {}
        for row in rows:
            total, weights = 0.0, by_words
            if by_words and (row in lexical or row in names):  # most rows were found by one leg alone
                total = by_words * self._share(row)
            if by_vector and row not in self.without_vector:
                weights += by_vector
                if row in dense:
                    total += by_vector * self._cosine(row)
            found[row] = total / weights if weights else 0.0
        return found

    def _share(self, row: int) -> float:
        share = min(1.0, self.lexical.get(row, 0.0) / self.greatest) if self.lexical and self.greatest else 0.0
        if (
            row in self.names
        ):  # who asks for ORD-4471 means the record that holds it, whatever else is like the question
            share = max(share, len(self.names[row]) / self.asked_names)
        return share

    def _cosine(self, row: int) -> float:
        return min(1.0, max(0.0, self.dense.get(row, 0.0))) if self.dense else 0.0

    def legs(self, row: int) -> tuple[LegExplanation, ...]:
        """What each leg said about a row; without its terms."""
        legs = []
        if self.lexical is not None:
            score, rank = _place(self.lexical, row)
            legs.append(
                LegExplanation(
                    leg="lexical",
                    score=score,
                    rank=rank,
                    normalized=self._share(row),
                    weight=self.lexical_weight,
                    available=self.greatest > 0,
                )
            )
        if self.dense is not None:
            score, rank = _place(self.dense, row)
            legs.append(
                LegExplanation(
                    leg="dense",
                    score=score,
                    rank=rank,
                    normalized=self._cosine(row),
                    weight=self.dense_weight,
                    available=row not in self.without_vector,
                )
            )
        return tuple(legs)


def _place(scores: Mapping[int, float], row: int) -> tuple[float | None, int | None]:
    """Score and rank of a row; equal scores share a rank."""
    score = scores.get(row)
    return (None, None) if score is None else (score, 1 + sum(other > score for other in scores.values()))


def lift(own: Mapping[int, float], places: Mapping[int, EpisodePlace], *, context: float) -> dict[int, float]:
    """What each turn gets from the better one of the turns next to it: ``context`` times how far that is better.

    A record outside of a conversation gets nothing and loses nothing.
    """
    if not context:
        return dict.fromkeys(own, 0.0)
    talks: dict[tuple[int, str], list[tuple[int, int]]] = {}
    for row in own:
        place = places[row]
        if place.conversation:
            talks.setdefault((place.scope, place.conversation), []).append((place.ordinal, row))
    lifts = dict.fromkeys(own, 0.0)
    for talk in talks.values():
        if len(talk) > 1:  # a turn that was found alone has nothing beside it
            scores = {ordinal: own[row] for ordinal, row in talk}
            for ordinal, row in talk:
                beside = max(scores.get(ordinal - 1, 0.0), scores.get(ordinal + 1, 0.0))
                lifts[row] = context * max(0.0, beside - own[row])
    return lifts
