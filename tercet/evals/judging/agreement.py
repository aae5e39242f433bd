"""How far a judge agrees with gold labels: whether its grades may stand in for people's at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tercet.evals.records import Estimate
from tercet.evals.resampling import resampled_counts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from tercet.evals.judging.verdicts import JudgedItem


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A judge beside gold labels, over the texts that have both."""

    agreement: Estimate
    """Share of the texts on which they say the same; ``count`` is that of the texts."""
    kappa: Estimate | None
    """Cohen's kappa: the agreement beyond what two raters with these shares of yes reach by chance, 1 at best and 0 at
    chance. None where each says the same of all texts, so that chance explains everything."""
    both: int
    """Texts that both call positive."""
    judge_only: int
    """Positive by the judge only: mostly texts that nobody labelled."""
    gold_only: int
    """Positive by the label only."""
    neither: int


def calibrate(judged: Iterable[JudgedItem], *, positive_from: int, seed: int = 0) -> Calibration | None:
    """Compare mean grades with gold labels.

    Texts of one question hang together, so questions are what is resampled: percentile intervals over 9,999 samples
    (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13). Kappa is that of Cohen, "A Coefficient
    of Agreement for Nominal Scales" (Educational and Psychological Measurement 20(1), 1960).

    Args:
        judged: Those without a label or a grade are left out.
        positive_from: A mean grade from here on is a yes.
        seed: Of the resamples.

    Returns:
        None where no text has both.

    Example:
        >>> from tercet.evals.judging import JudgeItem, JudgedItem, Verdict
        >>> def one(question, grade, label):
        ...     item = JudgeItem(question_id=question, question="?", id="a", text="…", positive=label)
        ...     return JudgedItem(item=item, verdicts=(Verdict(repeat=1, grade=grade),))
        >>> found = calibrate([one("q1", 3, True), one("q2", 0, False), one("q3", 2, False)], positive_from=2)
        >>> round(found.agreement.mean, 3), round(found.kappa.mean, 3), found.judge_only
        (0.667, 0.4, 1)
    """
    cells: dict[str, list[float]] = {}
    for one in judged:
        mean, label = one.mean, one.item.positive
        if mean is None or label is None:
            continue
        row = cells.setdefault(one.item.question_id, [0.0] * 4)
        row[2 * (mean < positive_from) + (not label)] += 1
    if not cells:
        return None
    table = np.array([cells[question] for question in sorted(cells)])
    whole = table.sum(axis=0)
    samples = np.concatenate([counts @ table for _, counts in resampled_counts(len(table), seed=seed)])
    both, judge_only, gold_only, neither = map(int, whole)
    single = len(table) == 1
    kappa = float(_kappas(whole[None])[0])
    return Calibration(
        agreement=_estimate(float(_shares(whole[None])[0]), _shares(samples), int(whole.sum()), (0.0, 1.0), single),
        kappa=None if np.isnan(kappa) else _estimate(kappa, _kappas(samples), int(whole.sum()), (-1.0, 1.0), single),
        both=both,
        judge_only=judge_only,
        gold_only=gold_only,
        neither=neither,
    )


def _shares(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """Agreement of each row: both, judge only, gold only, neither."""
    shares: NDArray[np.float64] = (cells[:, 0] + cells[:, 3]) / cells.sum(axis=1)
    return shares


def _kappas(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """Kappa of each row; NaN where both raters say the same of all texts."""
    total = cells.sum(axis=1)
    judge, gold = (cells[:, 0] + cells[:, 1]) / total, (cells[:, 0] + cells[:, 2]) / total
    chance = judge * gold + (1 - judge) * (1 - gold)
    room = 1 - chance
    beyond = _shares(cells) - chance
    kappas: NDArray[np.float64] = np.divide(beyond, room, out=np.full_like(room, np.nan), where=room > 1e-12)
    return kappas


def _estimate(
    mean: float, samples: NDArray[np.float64], count: int, whole: tuple[float, float], single: bool
) -> Estimate:
    """With the 95 % interval; the whole range where one question is all there is."""
    known = samples[~np.isnan(samples)]
    low, high = whole if single or not known.size else np.percentile(known, (2.5, 97.5)).tolist()
    return Estimate(mean=mean, low=min(low, mean), high=max(high, mean), count=count)
