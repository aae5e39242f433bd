"""Estimates with intervals, and paired comparisons of two runs over the same questions.

Values are a number a question, such as nDCG@10. Sakai, "Laboratory Experiments in Information Retrieval: Sample
Sizes, Effect Sizes, and Statistical Power" (2018), is the background: report intervals, plan the number of questions,
correct for many comparisons.

What bad or scant input gives, everywhere here:

* No question, a value that is not a finite number, runs over different questions: ``InputError``.
* One question: the interval is the whole range where values lie from 0 to 1, otherwise ``InputError``.
* All values, or all differences, equal: an interval of width 0. It says that these questions agree, not that all would.
* Values that all lie from 0 to 1 are taken for those of a measure that cannot leave this range, nor do their intervals.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

import numpy as np

from tercet.errors import InputError
from tercet.evals.costs import gain
from tercet.evals.records import Estimate
from tercet.evals.resampling import half_widths, randomisation_p

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

Verdict = Literal["candidate", "baseline", "no difference"]

LEVEL = 0.05
_DETECTABLE = NormalDist().inv_cdf(1 - LEVEL / 2) + NormalDist().inv_cdf(0.8)
"""Standard errors that a difference must have to be seen in 80 of 100 comparisons."""
_DECIMALS = 12
"""Of differences: what is left of equal values after subtraction is a tie."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Candidate minus baseline, question by question."""

    measure: str
    baseline: float
    """Its mean."""
    candidate: float
    """Its mean."""
    difference: float
    """Mean of candidate minus baseline."""
    low: float
    """Two-sided 95 % interval of the difference, from here …"""
    high: float
    """… to here."""
    lower95: float
    """One-sided 95 % bound: the difference is hardly below it."""
    upper95: float
    """One-sided 95 % bound: the difference is hardly above it."""
    p: float
    """Of the paired randomisation test, two-sided; after ``holm``, adjusted."""
    wins: int
    """Questions on which the candidate is better: has the higher value, or of a cost the lower one."""
    losses: int
    ties: int
    count: int
    """Questions."""
    detectable: float
    """The smallest true difference that as many such questions show with 80 % power at the 5 % level."""
    verdict: Verdict
    """A winner only where the interval excludes 0 and p is at most 0.05."""

    def __str__(self) -> str:
        words = (
            f"no difference: take the cheaper ({self.count} questions are too few to see less than "
            f"{self.detectable:.3f})"
            if self.verdict == "no difference"
            else f"the {self.verdict} is better"
        )
        return (
            f"{self.measure}: {self.baseline:.3f} → {self.candidate:.3f}, {self.difference:+.3f} "
            f"[{self.low:+.3f}, {self.high:+.3f}], p = {self.p:.4f}, {self.wins} better, {self.losses} worse, "
            f"{self.ties} equal: {words}"
        )

    def questions_for(self, effect: float) -> int:
        """How many such questions would show a true difference of this size, with 80 % power at the 5 % level.

        Raises:
            InputError: The effect is not a finite number above 0.

        Example:
            >>> before = {f"q{n}": 0.5 for n in range(40)}
            >>> after = {f"q{n}": 0.5 + 0.1 * (n % 2) for n in range(40)}
            >>> compare(before, after, measure="nDCG@10").questions_for(0.01)
            202
        """
        if not (math.isfinite(effect) and effect > 0):
            raise InputError(f"an effect of {effect!r} cannot be looked for.", remedy="Name one above 0, such as 0.01.")
        return max(2, math.ceil(self.count * (self.detectable / effect) ** 2))


def estimate(values: Mapping[str, float] | Sequence[float], *, seed: int = 0) -> Estimate:
    """The mean over questions with its 95 % interval, by the bootstrap of ``tercet.evals.resampling``.

    Args:
        values: A number a question. Their order does not matter.
        seed: Of the resamples.

    Raises:
        InputError: There is no value, one is not a finite number, or a single one lies outside 0 to 1.

    Example:
        >>> estimate([1.0, 0.0, 0.5, 0.5, 1.0])
        Estimate(mean=0.6, low=0.141..., high=1.0, count=5)
    """
    named = values if isinstance(values, Mapping) else {str(place): value for place, value in enumerate(values)}
    numbers = np.sort(_numbers(named, "the values"))
    (half, _) = half_widths(numbers[:, None], seed=_checked(seed))[:, 0]
    mean = float(numbers.mean())
    low, high = _bounded(mean, float(half), unit=_is_unit(numbers), lowest=0.0)
    return Estimate(mean=mean, low=low, high=high, count=len(numbers))


def compare(
    baseline: Mapping[str, float], candidate: Mapping[str, float], *, measure: str, seed: int = 0
) -> Difference:
    """Compare two runs question by question.

    Pairing removes what makes questions easy or hard for both, so that small differences show: Sakai (2018). The
    interval is the bootstrap's of ``tercet.evals.resampling``, p the randomisation test's, and both must agree on a
    winner: where few questions differ, the interval alone is too ready to name one.

    Args:
        baseline: Values by question id.
        candidate: The same questions.
        measure: Name of what was measured, such as ``nDCG@10``. Of the costs in ``tercet.evals.costs`` less is better.
        seed: Of the resamples and the random assignments.

    Raises:
        InputError: The runs have different questions or none, a value is not a finite number, or there is a single
            question whose values lie outside 0 to 1.

    Example:
        >>> before = {f"q{n}": n % 5 / 10 for n in range(100)}
        >>> after = {question: value + 0.1 for question, value in before.items()}
        >>> print(compare(before, after, measure="R@5"))
        R@5: 0.200 → 0.300, +0.100 [+0.100, +0.100], p = 0.0001, 100 better, 0 worse, 0 equal: the candidate is better
    """
    _same_questions(baseline, candidate)
    ids = sorted(baseline)
    before = _numbers({question: baseline[question] for question in ids}, "the baseline")
    after = _numbers({question: candidate[question] for question in ids}, "the candidate")
    differences = np.round(after - before, _DECIMALS)
    unit = _is_unit(before) and _is_unit(after)
    half, half90 = half_widths(differences[:, None], seed=_checked(seed))[:, 0].tolist()
    mean = float(differences.mean())
    low, high = _bounded(mean, half, unit=unit, lowest=-1.0)
    lower95, upper95 = _bounded(mean, half90, unit=unit, lowest=-1.0)
    p = randomisation_p(differences, seed=seed)
    gains = gain(measure, 1.0) * differences
    return Difference(
        measure=measure,
        baseline=float(before.mean()),
        candidate=float(after.mean()),
        difference=mean,
        low=low,
        high=high,
        lower95=lower95,
        upper95=upper95,
        p=p,
        wins=int(np.count_nonzero(gains > 0)),
        losses=int(np.count_nonzero(gains < 0)),
        ties=int(np.count_nonzero(differences == 0)),
        count=len(ids),
        detectable=_detectable(differences),
        verdict=_verdict(measure, low, high, p),
    )


def holm(differences: Iterable[Difference]) -> tuple[Difference, ...]:
    """Correct a family of comparisons for their number: the chance of one false winner among them stays at 5 %.

    The step-down procedure of Holm, "A Simple Sequentially Rejective Multiple Test Procedure" (Scandinavian Journal of
    Statistics 6(2), 1979). Intervals stay those of the single comparisons. Give it what ``compare`` returned: to
    correct twice is to correct too much.

    Returns:
        The same comparisons in the same order, with p adjusted and the verdict that follows from it.

    Example:
        >>> runs = {"a": [0.1] * 8, "b": [0.1] * 5 + [0.0] * 3}
        >>> zero = {str(n): 0.0 for n in range(8)}
        >>> raw = [compare(zero, dict(zip(zero, run)), measure=name) for name, run in runs.items()]
        >>> [one.p for one in raw], [one.p for one in holm(raw)]
        ([0.0078125, 0.0625], [0.015625, 0.0625])
    """
    family = tuple(differences)
    adjusted = [0.0] * len(family)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(family)), key=lambda place: family[place].p)):
        highest = max(highest, min(1.0, (len(family) - rank) * family[place].p))
        adjusted[place] = highest
    return tuple(
        replace(one, p=p, verdict=_verdict(one.measure, one.low, one.high, p))
        for one, p in zip(family, adjusted, strict=True)
    )


def _verdict(measure: str, low: float, high: float, p: float) -> Verdict:
    if p > LEVEL or low <= 0 <= high:
        return "no difference"
    return "candidate" if gain(measure, low) > 0 else "baseline"


def _detectable(differences: NDArray[np.float64]) -> float:
    """By the normal approximation; of one question nothing less than the whole range."""
    if len(differences) == 1:
        return 1.0
    if np.ptp(differences) == 0:
        return 0.0
    return float(_DETECTABLE * differences.std(ddof=1) / math.sqrt(len(differences)))


def _bounded(mean: float, half: float, *, unit: bool, lowest: float) -> tuple[float, float]:
    if unit:
        return max(mean - half, lowest), min(mean + half, 1.0)
    if math.isinf(half):
        raise InputError(
            "one question has no interval where values are not from 0 to 1.", remedy="Ask two questions or more."
        )
    return mean - half, mean + half


def _is_unit(numbers: NDArray[np.float64]) -> bool:
    return bool(numbers.min() >= 0 and numbers.max() <= 1)


def _numbers(values: Mapping[str, float], whose: str) -> NDArray[np.float64]:
    if not values:
        raise InputError(f"{whose} have no question." if whose == "the values" else f"{whose} has no question.")
    for question, value in values.items():
        try:
            finite = math.isfinite(value)
        except (TypeError, OverflowError):
            finite = False
        if not finite:
            raise InputError(
                f"{whose}: question {question!r} has {value!r} where a finite number is needed.",
                remedy="A question that failed counts 0.",
            )
    return np.array(list(values.values()), dtype=np.float64)


def _same_questions(baseline: Mapping[str, float], candidate: Mapping[str, float]) -> None:
    only = {
        f"only in the {name}": sorted(one.keys() - other.keys())
        for name, one, other in [("baseline", baseline, candidate), ("candidate", candidate, baseline)]
    }
    parts = [f"{len(ids)} {where} ({_some(ids)})" for where, ids in only.items() if ids]
    if parts:
        raise InputError(
            f"the runs answer different questions: {', '.join(parts)}.",
            remedy="Compare runs over the same data set and split.",
        )


def _some(ids: Sequence[str]) -> str:
    return ", ".join(map(repr, ids[:3])) + (", …" if len(ids) > 3 else "")


def _checked(seed: int) -> int:
    if seed < 0:
        raise InputError(f"seed {seed} is below 0.", remedy="Use 0 or any whole number above it.")
    return seed
