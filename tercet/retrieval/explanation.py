"""Why a hit has its score: the words that matched, what each leg gave, how it was put together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tercet.models.lexical import bm25_weights, term_id
from tercet.records import Explanation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tercet.memory.stored import StoredChunk
    from tercet.models.lexical import TermCounts
    from tercet.retrieval.fusion import Ranking
    from tercet.settings import Fusion, LexicalConfig


class QueryTerms:
    """The analysed words of a query.

    Args:
        weights: How much each weighs in it.
        idf: The IDF of those that the corpus holds.
    """

    def __init__(self, weights: Mapping[str, float], idf: Mapping[str, float]) -> None:
        self.known = tuple((term, term_id(term), weight * idf[term]) for term, weight in weights.items() if term in idf)
        """Those that the corpus holds: term, id, and what a document's BM25 weight is multiplied by."""


class Explainer:
    """Explains the hits of one search."""

    def __init__(self, ranking: Ranking, terms: QueryTerms, *, fusion: Fusion, lexical: LexicalConfig) -> None:
        self._ranking = ranking
        self._terms = terms
        self._fusion: Fusion = fusion
        self._lexical = lexical

    def explain(self, stored: StoredChunk, rerank_score: float | None) -> Explanation:
        """The parts of a hit's score; they recombine to it."""
        legs = tuple(
            replace(leg, terms=self._terms_of(stored)) if leg.leg == "lexical" and leg.rank else leg
            for leg in self._ranking.legs_of(stored.row)
        )
        return Explanation(fusion=self._fusion, legs=legs, rerank_score=rerank_score)

    def _terms_of(self, stored: StoredChunk) -> dict[str, float]:
        return term_scores(self._terms, stored.terms, average_length=stored.average_length, lexical=self._lexical)


def term_scores(
    terms: QueryTerms, held: TermCounts, *, average_length: float, lexical: LexicalConfig
) -> dict[str, float]:
    """BM25 contribution of each query term that a text holds, largest first."""
    weights = bm25_weights(held, average_length=average_length, k1=lexical.k1, b=lexical.b)
    by_term = dict(zip(held.ids.tolist(), weights.tolist(), strict=True))
    found = {term: weight * by_term[key] for term, key, weight in terms.known if key in by_term}
    return dict(sorted(found.items(), key=lambda entry: (-entry[1], entry[0])))
