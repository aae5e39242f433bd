"""BM25 over a small set: the sentences of a few passages, scored against one question."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rank_bm25 import BM25Plus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class PassageScorer:
    """BM25 over texts given as terms, with an inverse document frequency that stays positive in the smallest set.

    Args:
        texts: The terms of each text, from one ``Analyzer``.
        k1: How slowly repetition saturates.
        b: How much long texts are marked down, 0 to 1.
        delta: What a term counts at least, however long the text is (BM25+: Lv and Zhai, 2011); 0 is plain BM25.

    Example:
        >>> PassageScorer([["rotat", "key"], ["weather"]]).scores(["key"])[1]
        0.0
    """

    def __init__(self, texts: Sequence[Iterable[str]], *, k1: float = 1.5, b: float = 0.75, delta: float = 1.0) -> None:
        self._texts = [list(terms) for terms in texts]
        # The library divides by the average length: no text may be empty, and there must be one.
        filled = [terms or [""] for terms in self._texts]
        self._engine = BM25Plus(filled, k1=k1, b=b, delta=delta) if filled else None

    def scores(self, question: Iterable[str]) -> list[float]:
        """A score for each text, in order; 0 for one that shares no term with the question.

        A term that the question says twice counts twice.
        """
        if self._engine is None:
            return []
        known = [term for term in question if term in self._engine.idf]
        if not known:
            return [0.0] * len(self._texts)
        asked = frozenset(known)
        found = self._engine.get_scores(known).tolist()
        return [0.0 if asked.isdisjoint(terms) else score for score, terms in zip(found, self._texts, strict=True)]

    def idf(self, term: str) -> float:
        """How rare a term is among the texts; 0 for one that none of them holds."""
        return float(self._engine.idf.get(term, 0.0)) if self._engine else 0.0
