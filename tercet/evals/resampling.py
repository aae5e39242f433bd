"""Resampling of per-question values: the bootstrap of a mean, and the paired randomisation test.

What is sampled are questions: another set of questions of the same kind would have given other values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

RESAMPLES = 9_999
"""With 9,999 of them the 90 % and 95 % points are order statistics: nothing is interpolated."""
EXACT_QUESTIONS = 16
"""Up to so many questions that differ, all 65,536 assignments are tried instead of a sample."""
_BLOCK = 1 << 20
"""Numbers in memory at once."""


def half_widths(values: NDArray[np.float64], *, seed: int) -> NDArray[np.float64]:
    """Half the width of the 95 % and of the 90 % interval around each column's mean.

    The symmetric bootstrap-t of Hall, "On Symmetric Bootstrap Confidence Intervals" (JRSS B 50(1), 1988): the quantile
    of ``|t|`` over resamples takes the place of Student's. Each resample's variance is that of its values and of one
    more that deviates as much as the sample does, so that a resample of equal values (likely where few questions
    differ) has a finite ``t``. Why not percentile, BCa or the plain bootstrap-t (Efron and Tibshirani, "An Introduction
    to the Bootstrap", 1993, chapters 12 to 14): on values that are mostly tied they keep less than the promised
    coverage, as ``benchmarks/eval_statistics.py`` measures.

    Args:
        values: A row a question, at least one; a column each for samples that share their resamples.
        seed: Of the resamples: equal seeds and row counts draw the same questions.

    Returns:
        Shape (2, columns). Infinite for a single question; 0 where all values are equal.
    """
    questions, columns = values.shape
    if questions == 1:
        return np.full((2, columns), np.inf)
    centred = np.where(np.ptp(values, axis=0) == 0, 0.0, values - values.mean(axis=0))
    squares = centred**2
    variance = squares.sum(axis=0) / (questions - 1)
    widths = np.empty((RESAMPLES, columns))
    for start, counts in resampled_counts(questions, seed=seed):
        means = counts @ centred / questions
        variances = np.maximum(counts @ squares / questions - means**2, 0.0) + variance / questions
        ratio = np.divide(variance, variances, out=np.zeros_like(variances), where=variances > 0)
        widths[start : start + len(counts)] = np.abs(means) * np.sqrt(ratio)
    order = [(RESAMPLES + 1) * 95 // 100 - 1, (RESAMPLES + 1) * 90 // 100 - 1]
    widths.partition(order, axis=0)
    return widths[order]


def resampled_counts(questions: int, *, seed: int) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """How often each resample draws each question: blocks of rows, with the number of their first."""
    generator = np.random.default_rng(seed)
    block = max(1, _BLOCK // questions)
    for start in range(0, RESAMPLES, block):
        rows = min(block, RESAMPLES - start)
        cells = generator.integers(questions, size=(rows, questions)) + questions * np.arange(rows)[:, None]
        counts = np.bincount(cells.ravel(), minlength=rows * questions)
        yield start, counts.reshape(rows, questions).astype(np.float64)


def randomisation_p(differences: NDArray[np.float64], *, seed: int) -> float:
    """Two-sided p of Fisher's paired randomisation test: were the two runs alike, each sign would be a coin's.

    Smucker, Allan and Carterette, "A Comparison of Statistical Significance Tests for Information Retrieval Evaluation"
    (CIKM 2007), who recommend it. Exact where at most ``EXACT_QUESTIONS`` questions differ. Above that, the share of
    ``RESAMPLES`` random assignments with the one observed counted among them, so that p is never 0: Phipson and Smyth,
    "Permutation P-values Should Never Be Zero" (2010).

    Args:
        differences: One a question, finite; questions without a difference do not matter.
        seed: Of the random assignments.

    Returns:
        1 where nothing differs.

    Example:
        >>> randomisation_p(np.array([0.5, 0.25, 0.0, 0.25]), seed=0)  # 2 of 8 assignments are as far from 0
        0.25
    """
    differing = differences[differences != 0]
    # Sums in another order may differ in their last digits: equal ones must count as reached.
    threshold = abs(differing.sum()) - 1e-9 * np.abs(differing).sum()
    if differing.size <= EXACT_QUESTIONS:
        sums = np.zeros(1)
        for difference in differing:
            sums = np.concatenate([sums - difference, sums + difference])
        return float(np.mean(np.abs(sums) >= threshold))
    generator = np.random.default_rng(seed)
    block = max(1, _BLOCK // differing.size)
    reached = 0
    for start in range(0, RESAMPLES, block):
        rows = min(block, RESAMPLES - start)
        signs = 2.0 * generator.integers(2, size=(rows, differing.size), dtype=np.int8) - 1.0
        reached += int(np.count_nonzero(np.abs(signs @ differing) >= threshold))
    return (reached + 1) / (RESAMPLES + 1)
