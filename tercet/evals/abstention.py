"""Measures of knowing when not to answer.

A question is answered when the confidence in the answer reaches a threshold, and abstained from otherwise. Abstaining
is right for a question that nothing in memory answers. An answer is an error when it is wrong, and any answer to an
unanswerable question is one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tercet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence


ABSTENTION_ACCURACY = "abstention accuracy"
"""Share of the questions that were rightly abstained from or rightly not. Paired: every question has a value."""
ABSTENTION_PRECISION = "abstention precision"
ABSTENTION_RECALL = "abstention recall"

UNPAIRED = frozenset({ABSTENTION_PRECISION})
"""Means over questions that a run itself chooses: two runs have no question-by-question difference in them."""
WHY_UNPAIRED = "each run has it over the questions that it abstained from itself"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What would be answered to one question if nothing were abstained from."""

    answerable: bool
    confidence: float
    """On any scale; higher is surer."""
    correct: bool
    """Of an unanswerable question it is not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AbstentionScores:
    """How well abstaining finds the unanswerable questions; each share is 0 where its divisor is."""

    precision: float
    """Share of the abstentions that were unanswerable questions."""
    recall: float
    """Share of the unanswerable questions that were abstained from."""
    abstained: int
    unanswerable: int
    questions: int


def abstention_scores(attempts: Sequence[Attempt], *, threshold: float) -> AbstentionScores:
    """Precision and recall of abstaining from what is less sure than a threshold.

    Args:
        attempts: One a question.
        threshold: The lowest confidence that is answered.

    Raises:
        InputError: There are no attempts, or a confidence is not a number.

    Example:
        >>> attempts = [
        ...     Attempt(answerable=True, confidence=0.9, correct=True),
        ...     Attempt(answerable=True, confidence=0.2, correct=True),
        ...     Attempt(answerable=False, confidence=0.1, correct=False),
        ... ]
        >>> scores = abstention_scores(attempts, threshold=0.5)
        >>> scores.precision, scores.recall
        (0.5, 1.0)
    """
    _check(attempts)
    abstained = [attempt for attempt in attempts if attempt.confidence < threshold]
    unanswerable = sum(not attempt.answerable for attempt in attempts)
    right = sum(not attempt.answerable for attempt in abstained)
    return AbstentionScores(
        precision=right / len(abstained) if abstained else 0.0,
        recall=right / unanswerable if unanswerable else 0.0,
        abstained=len(abstained),
        unanswerable=unanswerable,
        questions=len(attempts),
    )


def risk_coverage_curve(attempts: Sequence[Attempt]) -> tuple[tuple[float, float], ...]:
    """Risk against coverage for every threshold that makes a difference, from the strictest to none.

    Coverage is the share of the questions that are answered, risk the share of the answers that are errors. Questions
    with the same confidence are answered together, so that their order cannot matter. El-Yaniv and Wiener, "On the
    Foundations of Noise-free Selective Classification" (JMLR 2010).

    Args:
        attempts: One a question.

    Returns:
        Coverage and risk; coverage rises strictly and ends at 1.

    Raises:
        InputError: There are no attempts, or a confidence is not a number.

    Example:
        >>> sure = Attempt(answerable=True, confidence=0.9, correct=True)
        >>> unsure = Attempt(answerable=False, confidence=0.1, correct=False)
        >>> risk_coverage_curve([unsure, sure])
        ((0.5, 0.0), (1.0, 0.5))
    """
    _check(attempts)
    errors_by_confidence: dict[float, list[bool]] = {}
    for attempt in sorted(attempts, key=lambda one: one.confidence, reverse=True):
        is_error = not (attempt.answerable and attempt.correct)
        errors_by_confidence.setdefault(attempt.confidence, []).append(is_error)
    points: list[tuple[float, float]] = []
    answered = errors = 0
    for group in errors_by_confidence.values():
        answered += len(group)
        errors += sum(group)
        points.append((answered / len(attempts), errors / answered))
    return tuple(points)


def risk_coverage_area(attempts: Sequence[Attempt]) -> float:
    """Area under the risk-coverage curve (AURC): the mean risk over the thresholds that each question sets; 0 is best.

    Questions with the same confidence share the risk of answering all of them, so that a confidence that tells nothing
    apart has the share of errors.

    Geifman, Uziel and El-Yaniv, "Bias-Reduced Uncertainty Estimation for Deep Neural Classifiers" (ICLR 2019).

    Args:
        attempts: One a question.

    Raises:
        InputError: There are no attempts, or a confidence is not a number.

    Example:
        >>> sure = Attempt(answerable=True, confidence=0.9, correct=True)
        >>> unsure = Attempt(answerable=False, confidence=0.1, correct=False)
        >>> risk_coverage_area([unsure, sure])
        0.25
    """
    area = before = 0.0
    for coverage, risk in risk_coverage_curve(attempts):
        area += (coverage - before) * risk
        before = coverage
    return area


def _check(attempts: Sequence[Attempt]) -> None:
    if not attempts:
        raise InputError("there are no attempts to measure.", remedy="Give one for each question.")
    for place, attempt in enumerate(attempts):
        if math.isnan(attempt.confidence):
            raise InputError(f"attempt {place}: the confidence is not a number (NaN).", remedy="Give it a number.")
