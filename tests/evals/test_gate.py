from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercet.errors import ConfigurationError
from tercet.evals.gate import Gate, check_gates
from tercet.evals.statistics import Difference, compare


def changed(*changes: float, questions: int, measure: str = "nDCG@10") -> Difference:
    """A comparison in which the first questions change by these amounts and the others not at all."""
    before = {f"q{number:03}": 0.5 for number in range(questions)}
    after = before | {f"q{number:03}": 0.5 + change for number, change in enumerate(changes)}
    return compare(before, after, measure=measure)


@pytest.mark.parametrize(
    ("text", "measure", "margin", "written"),
    [
        ("nDCG@10>=-0.01", "nDCG@10", -0.01, "nDCG@10>=-0.01"),
        ("  R@100 >= 0 ", "R@100", 0.0, "R@100>=0"),
        ("nDCG(dcg='exp-log2')@10>=+1e-3", "nDCG(dcg='exp-log2')@10", 0.001, "nDCG(dcg='exp-log2')@10>=0.001"),
        ("R@5>=-0", "R@5", 0.0, "R@5>=0"),
        ("tokens>=-20.", "tokens", -20.0, "tokens>=-20"),
        ("latency ms <= 5", "latency ms", 5.0, "latency ms<=5"),
        ("context tokens<=-100", "context tokens", -100.0, "context tokens<=-100"),
    ],
)
def test_a_gate_is_read_and_written(text: str, measure: str, margin: float, written: str) -> None:
    gate = Gate.parse(text)

    assert (gate.measure, gate.margin) == (measure, margin)
    assert str(gate) == written
    assert math.copysign(1, gate.margin) == (1 if margin >= 0 else -1)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_margin_survives_writing_and_reading(margin: float) -> None:
    gate = Gate(measure="nDCG@10", margin=margin)

    assert Gate.parse(str(gate)) == gate


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "expected a measure"),
        ("nDCG@10", "expected a measure"),
        ("nDCG@10>0", "expected a measure"),
        ("nDCG@10<=0.1", "'>=' and a number, as nDCG@10 is better when it is higher"),
        ("latency ms>=0", "'<=' and a number, as latency ms is better when it is lower"),
        ("latency ms<=", "expected a measure"),
        ("a<=b>=0", "expected a measure"),
        ("nDCG@10>=", "expected a measure"),
        ("nDCG@10>=much", "expected a measure"),
        ("nDCG@10>=1%", "expected a measure"),
        ("nDCG@10>=1_0", "expected a measure"),
        ("nDCG@10>=nan", "expected a measure"),
        ("nDCG@10>=-inf", "expected a measure"),
        ("nDCG@10>=.", "expected a measure"),
        (">=0", "the measure needs a name"),
        ("nDCG@10>=0>=0", "the measure needs a name"),
        ("nDCG@10>=1e999", "a finite number"),
        (" " * 100_000, "expected a measure"),
    ],
)
def test_what_is_not_a_gate_is_refused_with_the_reason_and_an_example(text: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason) as raised:
        Gate.parse(text)

    assert repr(text) in raised.value.message or reason != "expected a measure"
    assert "nDCG@10>=-0.01" in raised.value.remedy


@pytest.mark.parametrize("measure", ["", " R@5", "R@5 ", "a<b"])
def test_a_gate_made_by_hand_obeys_the_same_rules(measure: str) -> None:
    with pytest.raises(ConfigurationError, match="the measure needs a name"):
        Gate(measure=measure, margin=0.0)


def test_a_certain_loss_beyond_the_margin_fails() -> None:
    difference = changed(*[-0.1] * 60, questions=100)

    result = Gate.parse("nDCG@10>=-0.01").check(difference)

    assert difference.upper95 < -0.01
    assert (result.passed, result.inconclusive) == (False, False)
    assert result.message == f"nDCG@10>=-0.01 failed: the difference is -0.0600, at most {difference.upper95:+.4f}."


def test_a_loss_that_the_questions_cannot_settle_passes_with_a_warning_unless_strict() -> None:
    difference = changed(-0.4, -0.4, -0.4, 0.3, questions=40)
    gate = Gate.parse("nDCG@10>=-0.01")

    result, strict = gate.check(difference), gate.check(difference, strict=True)

    assert difference.lower95 < -0.01 <= difference.upper95
    assert (result.passed, result.inconclusive) == (True, True)
    assert (strict.passed, strict.inconclusive) == (False, True)
    assert f"40 questions are too few to see less than {difference.detectable:.4f}" in result.message
    assert strict.message.startswith("nDCG@10>=-0.01 failed, inconclusive:")


def test_a_small_change_among_many_questions_passes_for_certain() -> None:
    difference = changed(-0.1, 0.1, 0.1, questions=400)

    result = Gate.parse("nDCG@10>=-0.01").check(difference, strict=True)

    assert (result.passed, result.inconclusive) == (True, False)
    assert result.message.startswith("nDCG@10>=-0.01 passed: the difference is +0.0003, at least -0.")


@pytest.mark.parametrize("margin", [-0.1, 0.0, 0.1])
def test_a_change_of_exactly_the_margin_passes(margin: float) -> None:
    difference = changed(*[margin] * 30, questions=30)

    result = Gate(measure="nDCG@10", margin=margin).check(difference, strict=True)

    assert (result.passed, result.inconclusive) == (True, False)


def test_a_gate_may_ask_for_a_gain() -> None:
    gate = Gate.parse("nDCG@10>=0.05")

    assert gate.check(changed(*[0.1] * 90, questions=100), strict=True).passed
    assert not gate.check(changed(*[0.01] * 90, questions=100)).passed


def test_a_gate_does_not_judge_another_measure() -> None:
    with pytest.raises(ConfigurationError, match=r"gate 'R@5>=0' cannot judge a difference in 'nDCG@10'"):
        Gate.parse("R@5>=0").check(changed(0.1, questions=10))


def test_several_gates_are_judged_in_their_order() -> None:
    differences = {
        "nDCG@10": changed(*[-0.1] * 60, questions=100),
        "R@100": changed(questions=100, measure="R@100"),
    }

    results = check_gates(map(Gate.parse, ["R@100>=0", "nDCG@10>=-0.01"]), differences)

    assert [(str(result.gate), result.passed) for result in results] == [("R@100>=0", True), ("nDCG@10>=-0.01", False)]
    with pytest.raises(ConfigurationError, match="'RR' was not compared") as raised:
        check_gates([Gate.parse("RR>=0")], differences)
    assert raised.value.remedy == "Compared were: R@100, nDCG@10."
