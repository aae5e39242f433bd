"""A judge beside gold labels: agreement and Cohen's kappa, with intervals over questions."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest

from tercet.evals.judging import JudgedItem, Verdict, calibrate
from tests.evals.judging.judged_runs import item_of


def rated(key: str, judge: bool, gold: bool | None) -> JudgedItem:
    return JudgedItem(item=item_of(key=key, positive=gold), verdicts=(Verdict(repeat=1, grade=3 if judge else 0),))


def table(both: int, judge_only: int, gold_only: int, neither: int) -> list[JudgedItem]:
    pairs = [(True, True)] * both + [(True, False)] * judge_only + [(False, True)] * gold_only
    pairs += [(False, False)] * neither
    return [rated(f"q{number}", *pair) for number, pair in enumerate(pairs)]


def test_kappa_of_a_worked_example() -> None:
    """20, 5, 10 and 15 of 50: observed 0.7, by chance 0.5."""
    found = calibrate(table(20, 5, 10, 15), positive_from=2)

    assert found.agreement.mean == pytest.approx(0.7)
    assert found.kappa.mean == pytest.approx(0.4)
    assert (found.both, found.judge_only, found.gold_only, found.neither) == (20, 5, 10, 15)
    assert found.agreement.count == 50


@pytest.mark.parametrize("seed", range(20))
def test_kappa_is_that_of_its_definition(seed: int) -> None:
    draw = random.Random(seed)
    cells = [draw.randint(1, 30) for _ in range(4)]
    both, judge_only, gold_only, neither = map(Fraction, cells)
    total = sum(cells)
    yes = (both + judge_only) * (both + gold_only)
    no = (gold_only + neither) * (judge_only + neither)
    chance = (yes + no) / total**2
    kappa = ((both + neither) / total - chance) / (1 - chance)

    found = calibrate(table(*cells), positive_from=2)

    assert found.kappa.mean == pytest.approx(float(kappa))
    assert found.kappa.low <= found.kappa.mean <= found.kappa.high


def test_more_questions_give_narrower_intervals_and_one_gives_none() -> None:
    few, many = (calibrate(table(*cells), positive_from=2) for cells in ((4, 1, 2, 3), (80, 20, 40, 60)))
    one = calibrate([rated("q1", True, True), rated("q1", False, False)], positive_from=2)

    assert many.kappa.high - many.kappa.low < few.kappa.high - few.kappa.low
    assert (one.kappa.low, one.kappa.high, one.agreement.low) == (-1.0, 1.0, 0.0)


def test_texts_of_one_question_are_resampled_together() -> None:
    apart = table(20, 5, 10, 15)
    together = [rated(f"q{number // 25}", one.mean == 3, one.item.positive) for number, one in enumerate(apart)]
    separate, grouped = (calibrate(items, positive_from=2) for items in (apart, together))

    assert grouped.kappa.mean == separate.kappa.mean
    assert (grouped.agreement.low, grouped.agreement.high) != (separate.agreement.low, separate.agreement.high)


def test_a_mean_between_grades_counts_from_the_rubrics_line_on() -> None:
    item = item_of(positive=True)
    verdicts = tuple(Verdict(repeat=number, grade=grade) for number, grade in enumerate((1, 2, 3), start=1))

    assert calibrate([JudgedItem(item=item, verdicts=verdicts)], positive_from=2).both == 1
    assert calibrate([JudgedItem(item=item, verdicts=verdicts[:2])], positive_from=2).gold_only == 1


def test_without_labels_or_variety_there_is_nothing_to_say() -> None:
    unlabelled = rated("q1", True, None)
    ungraded = JudgedItem(item=item_of(positive=True), verdicts=(Verdict(repeat=1, grade=None, problem="refused"),))

    assert calibrate([unlabelled, ungraded], positive_from=2) is None
    assert calibrate(table(9, 0, 0, 0), positive_from=2).kappa is None
