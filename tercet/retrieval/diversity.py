"""Diversity: fewer hits that say the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def maximal_marginal_relevance(
    relevance: Sequence[float], vectors: NDArray[np.float32], *, diversity: float, limit: int
) -> list[int]:
    """Pick items one by one, each time the best trade of relevance against likeness to those already picked.

    Carbonell and Goldstein, "The Use of MMR, Diversity-Based Reranking" (SIGIR 1998), with ``lambda = 1 - diversity``.

    Args:
        relevance: Scores in [0, 1], best first; equal trades go to the earlier item.
        vectors: Unit rows, shape ``(len(relevance), dimension)``.
        diversity: 0 keeps the order given, 1 looks at likeness alone (after the first).
        limit: How many to pick at most.

    Returns:
        Positions of the picked items, in order.

    Example:
        >>> same, other = [1.0, 0.0], [0.0, 1.0]
        >>> vectors = np.array([same, same, other], np.float32)
        >>> maximal_marginal_relevance([0.9, 0.8, 0.7], vectors, diversity=0.5, limit=2)
        [0, 2]
    """
    count = min(limit, len(relevance))
    if count <= 0:
        return []
    scores = (1 - diversity) * np.asarray(relevance, dtype=np.float64)
    matrix = vectors.astype(np.float64)
    picked = [0]
    likeness = matrix @ matrix[0]
    open_ = np.ones(len(scores), dtype=bool)
    open_[0] = False
    while len(picked) < count:
        trade = np.where(open_, scores - diversity * likeness, -np.inf)
        best = int(np.argmax(trade))
        picked.append(best)
        open_[best] = False
        likeness = np.maximum(likeness, matrix @ matrix[best])
    return picked
