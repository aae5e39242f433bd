"""What the words of a query look for in a vector index of words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tercet.memory.vectors import SparseVector
from tercet.models.lexical import idf, term_id

if TYPE_CHECKING:
    from collections.abc import Mapping


def known_terms(terms: Mapping[str, float], frequencies: Mapping[int, int], total: int) -> dict[str, float]:
    """The IDF of those of the terms that occur at all.

    Args:
        terms: Analysed query terms.
        frequencies: How many records hold a term, by its id.
        total: How many records there are.
    """
    return {term: idf(frequencies[term_id(term)], total) for term in terms if term_id(term) in frequencies}


def lexical_query(terms: Mapping[str, float], weights: Mapping[str, float]) -> SparseVector:
    """The vector whose dot product with a record is its BM25 score.

    Args:
        terms: Analysed query terms and how much each weighs in the query.
        weights: The IDF of those that occur.
    """
    by_id: dict[int, float] = {}
    for term, weight in weights.items():
        by_id[term_id(term)] = by_id.get(term_id(term), 0.0) + weight * terms[term]
    indices = sorted(by_id)
    values = [by_id[index] for index in indices]
    return SparseVector(np.array(indices, dtype=np.uint32), np.array(values, dtype=np.float32))
