"""The candidates of one leg: what a vector index finds nearest, as far as the database says that it may be found."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from tercet.memory.vectors import SparseVector
from tercet.models.lexical import idf, term_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tercet.memory.vectors import Neighbor

Found = TypeVar("Found")


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


def certain(
    nearest: Callable[[int], list[Neighbor]],
    allowed: Callable[[Sequence[int]], Mapping[int, tuple[str, bool]]],
    make: Callable[[int, str, float, bool], Found],
    *,
    limit: int,
    slack: int,
) -> list[Found]:
    """Ask for ever more neighbours until the best allowed ones are certain, ties at the end included.

    Args:
        nearest: So many neighbours, best first.
        allowed: Key, and whether its vector is in the index, of the rows that may be found; others may be in it too.
        make: Makes a candidate of row, key, score and whether the vector is in the index.
        limit: Candidates at most.
        slack: Neighbours to ask for beyond the limit, so that a second query is rarely needed.

    Returns:
        Candidates by descending score, equal scores by key.
    """
    count = limit + slack
    while True:
        found = nearest(count)
        rows = allowed([neighbor.id for neighbor in found])
        ordered = sorted((-score, *rows[row], row) for row, score in found if row in rows)
        last_is_certain = len(ordered) > limit and -ordered[limit - 1][0] > found[-1].score
        if len(found) < count or last_is_certain:
            return [make(row, key, -score, embedded) for score, key, embedded, row in ordered[:limit]]
        count *= 4
