from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercet.errors import InputError
from tercet.evals.abstention import Attempt, abstention_scores, risk_coverage_area, risk_coverage_curve

if TYPE_CHECKING:
    from collections.abc import Callable


def attempt(confidence: float, *, answerable: bool = True, correct: bool = True) -> Attempt:
    return Attempt(answerable=answerable, confidence=confidence, correct=correct)


ATTEMPTS = [
    attempt(0.9),
    attempt(0.8, correct=False),
    attempt(0.7, answerable=False),  # "correct" of an unanswerable question is not read
    attempt(0.7),
    attempt(0.2, answerable=False, correct=False),
]
attempted = st.builds(
    Attempt, answerable=st.booleans(), confidence=st.sampled_from([0, 0.1, 0.5, 0.9]), correct=st.booleans()
)
lists = st.lists(attempted, min_size=1)


@pytest.mark.parametrize(
    ("threshold", "precision", "recall", "abstained"),
    [
        (0.0, 0, 0, 0),
        (0.2, 0, 0, 0),  # what reaches the threshold is answered
        (0.5, 1, 1 / 2, 1),
        (0.75, 2 / 3, 2 / 2, 3),
        (math.inf, 2 / 5, 2 / 2, 5),
    ],
)
def test_precision_and_recall_of_abstaining(threshold: float, precision: float, recall: float, abstained: int) -> None:
    scores = abstention_scores(ATTEMPTS, threshold=threshold)

    assert (scores.precision, scores.recall, scores.abstained) == (precision, recall, abstained)
    assert (scores.unanswerable, scores.questions) == (2, 5)


def test_where_everything_is_answerable_recall_of_abstaining_is_zero() -> None:
    assert abstention_scores([attempt(0.1)], threshold=1).recall == 0


def test_curve_and_area_worked_out_by_hand() -> None:
    curve = risk_coverage_curve(ATTEMPTS)

    assert curve == ((1 / 5, 0), (2 / 5, 1 / 2), (4 / 5, 2 / 4), (1, 3 / 5))
    # the risk at the threshold that each of the five questions sets
    assert risk_coverage_area(ATTEMPTS) == pytest.approx((0 + 1 / 2 + 2 / 4 + 2 / 4 + 3 / 5) / 5)


@given(lists)
def test_coverage_rises_to_one_and_the_last_risk_is_the_share_of_errors(attempts: list[Attempt]) -> None:
    curve = risk_coverage_curve(attempts)
    coverages = [coverage for coverage, _ in curve]

    assert coverages == sorted(set(coverages))
    assert curve[-1] == (1, sum(not (one.answerable and one.correct) for one in attempts) / len(attempts))
    assert all(0 <= risk <= 1 for _, risk in curve)
    assert 0 <= risk_coverage_area(attempts) <= 1


@given(lists, st.data())
def test_the_order_of_the_questions_does_not_matter(attempts: list[Attempt], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(attempts))

    assert risk_coverage_curve(shuffled) == risk_coverage_curve(attempts)
    assert abstention_scores(shuffled, threshold=0.5) == abstention_scores(attempts, threshold=0.5)


@given(lists)
def test_knowing_which_answers_are_right_is_no_worse_than_any_other_confidence(attempts: list[Attempt]) -> None:
    right_first = sorted(attempts, key=lambda one: one.answerable and one.correct, reverse=True)
    perfect = [replace(one, confidence=-float(place)) for place, one in enumerate(right_first)]

    assert risk_coverage_area(perfect) <= risk_coverage_area(attempts) + 1e-12


@given(lists, st.floats(0, 1), st.floats(0, 1))
def test_a_higher_threshold_never_lowers_the_recall_of_abstaining(
    attempts: list[Attempt], one: float, other: float
) -> None:
    low, high = (abstention_scores(attempts, threshold=threshold) for threshold in sorted((one, other)))

    assert low.recall <= high.recall
    assert low.abstained <= high.abstained


@pytest.mark.parametrize(
    "measure",
    [risk_coverage_curve, risk_coverage_area, lambda attempts: abstention_scores(attempts, threshold=0.5)],
)
def test_nothing_to_measure_and_confidence_that_is_no_number_are_refused(
    measure: Callable[[list[Attempt]], object],
) -> None:
    with pytest.raises(InputError, match="no attempts"):
        measure([])
    with pytest.raises(InputError, match="attempt 1"):
        measure([attempt(0.5), attempt(math.nan)])
