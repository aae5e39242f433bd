from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tercet.errors import InputError
from tercet.evals.records import Estimate
from tercet.evals.resampling import half_widths
from tercet.evals.statistics import Difference, compare, estimate, holm

SEEDS = st.integers(0, 1_000)
GRADES = st.sampled_from([0.0, 0.0, 0.25, 0.5, 0.63, 1.0, 1.0])
RUNS = st.lists(st.tuples(GRADES, GRADES), min_size=2, max_size=30)


def pair(values: list[tuple[float, float]]) -> tuple[dict[str, float], dict[str, float]]:
    ids = [f"q{number}" for number in range(len(values))]
    before, after = zip(*values, strict=True)
    return dict(zip(ids, before, strict=True)), dict(zip(ids, after, strict=True))


def shuffled(values: dict[str, float], seed: int) -> dict[str, float]:
    items = list(values.items())
    Random(seed).shuffle(items)
    return dict(items)


@settings(max_examples=30, deadline=None)
@given(RUNS, SEEDS)
def test_exchanging_the_runs_exchanges_everything(values: list[tuple[float, float]], seed: int) -> None:
    before, after = pair(values)

    there = compare(before, after, measure="R@5", seed=seed)
    back = compare(after, before, measure="R@5", seed=seed)

    names = {"candidate": "baseline", "baseline": "candidate", "no difference": "no difference"}
    assert back == replace(
        there,
        baseline=there.candidate,
        candidate=there.baseline,
        difference=-there.difference,
        low=-there.high,
        high=-there.low,
        lower95=-there.upper95,
        upper95=-there.lower95,
        wins=there.losses,
        losses=there.wins,
        verdict=names[there.verdict],
    )


@settings(max_examples=30, deadline=None)
@given(RUNS, SEEDS)
def test_neither_the_order_of_questions_nor_the_day_matters(values: list[tuple[float, float]], seed: int) -> None:
    before, after = pair(values)

    first = compare(before, after, measure="R@5", seed=seed)

    assert compare(shuffled(before, seed), shuffled(after, seed + 1), measure="R@5", seed=seed) == first
    assert estimate(list(shuffled(after, seed).values()), seed=seed) == estimate(after, seed=seed)


@settings(max_examples=30, deadline=None)
@given(RUNS)
def test_bounds_are_nested_and_counts_add_up(values: list[tuple[float, float]]) -> None:
    before, after = pair(values)

    found = compare(before, after, measure="R@5")

    assert -1 <= found.low <= found.lower95 <= found.difference <= found.upper95 <= found.high <= 1
    assert found.wins + found.losses + found.ties == found.count == len(values)
    assert found.difference == pytest.approx(found.candidate - found.baseline)
    assert (found.verdict == "no difference") == (found.low <= 0 <= found.high or found.p > 0.05)
    assert 0 <= estimate(after).low <= estimate(after).mean <= estimate(after).high <= 1


def test_another_seed_draws_other_resamples_of_nearly_the_same_interval() -> None:
    values = np.random.default_rng(3).beta(2, 1, 200)

    first, second = estimate(list(values), seed=0), estimate(list(values), seed=1)

    assert first != second
    assert (first.low, first.high) == (pytest.approx(second.low, abs=0.003), pytest.approx(second.high, abs=0.003))


def test_a_clear_gain_has_a_winner_either_way_round() -> None:
    chance = np.random.default_rng(0)
    before = {f"q{number}": float(value) for number, value in enumerate(chance.beta(2, 2, 80))}
    after = {question: min(value + 0.1, 1.0) for question, value in before.items()}

    assert compare(before, after, measure="nDCG@10").verdict == "candidate"
    assert compare(after, before, measure="nDCG@10").verdict == "baseline"
    assert str(compare(after, before, measure="nDCG@10")).endswith(": the baseline is better")


def test_no_winner_is_said_in_words_that_name_what_could_have_been_seen() -> None:
    before, after = pair([(0.5, 0.6), (0.5, 0.4), (0.5, 0.5), (0.5, 0.7)] * 3)

    found = compare(before, after, measure="nDCG@10")

    assert found.verdict == "no difference"
    assert str(found) == (
        f"nDCG@10: 0.500 → 0.550, +0.050 [{found.low:+.3f}, {found.high:+.3f}], p = {found.p:.4f}, 6 better, 3 worse, "
        f"3 equal: no difference: take the cheaper (12 questions are too few to see less than {found.detectable:.3f})"
    )


def test_four_gains_among_two_hundred_questions_are_no_winner_whatever_the_interval_says() -> None:
    before, after = pair([(0.0, 1.0)] * 4 + [(0.5, 0.5)] * 196)

    found = compare(before, after, measure="R@1")

    assert found.p == 0.125
    assert found.verdict == "no difference"


def test_the_detectable_difference_is_found_four_times_in_five() -> None:
    true = 0.02
    sample = np.random.default_rng(11).normal(true, 0.1, (196, 500))  # 196 = (2.8 · 0.1 / 0.02)²
    ids = [str(number) for number in range(196)]

    found = compare(dict.fromkeys(ids, 0.0), dict(zip(ids, sample[:, 0], strict=True)), measure="gain")
    half, _ = half_widths(sample, seed=0)

    assert found.detectable == pytest.approx(2.8016 * sample[:, 0].std(ddof=1) / 14, rel=1e-4)
    assert found.questions_for(found.detectable) == pytest.approx(196, abs=1)
    assert found.questions_for(found.detectable / 2) == pytest.approx(4 * 196, abs=1)
    assert np.mean(sample.mean(axis=0) > half) == pytest.approx(0.8, abs=3 * 0.018)


@pytest.mark.parametrize("effect", [0.0, -0.1, float("nan"), float("inf")])
def test_only_an_effect_above_zero_can_be_planned_for(effect: float) -> None:
    found = compare({"a": 0.0, "b": 0.5}, {"a": 0.5, "b": 0.5}, measure="R@5")

    with pytest.raises(InputError, match="cannot be looked for"):
        found.questions_for(effect)


def test_equal_runs_differ_by_exactly_nothing() -> None:
    before, after = pair([(0.1 + 0.2, 0.3), (0.5, 0.5), (1.0, 1.0)])

    found = compare(before, after, measure="nDCG@10")

    assert (found.difference, found.low, found.high, found.p, found.ties) == (0.0, 0.0, 0.0, 1.0, 3)
    assert (found.detectable, found.verdict) == (0.0, "no difference")


def test_equal_gains_have_an_interval_without_width() -> None:
    before, after = pair([(0.1, 0.2), (0.2, 0.3), (0.3, 0.4), (0.5, 0.6), (0.6, 0.7), (0.7, 0.8)])

    found = compare(before, after, measure="nDCG@10")

    assert (found.low, found.high) == (found.difference, found.difference) == (pytest.approx(0.1), pytest.approx(0.1))
    assert (found.p, found.verdict) == (2 / 64, "candidate")
    same = estimate([0.7, 0.7, 0.7])
    assert same.low == same.mean == same.high == pytest.approx(0.7)


def test_one_question_says_nothing() -> None:
    found = compare({"q": 0.0}, {"q": 1.0}, measure="R@1")

    assert (found.low, found.high, found.p, found.verdict) == (-1.0, 1.0, 1.0, "no difference")
    assert found.detectable == 1.0
    assert estimate({"q": 0.4}) == Estimate(mean=0.4, low=0.0, high=1.0, count=1)
    with pytest.raises(InputError, match="one question has no interval"):
        estimate([3.5])
    with pytest.raises(InputError, match="one question has no interval"):
        compare({"q": 0.0}, {"q": 20.0}, measure="tokens")


def test_values_beyond_one_keep_an_interval_beyond_one() -> None:
    found = estimate([100.0, 220.0, 40.0])

    assert found.low < 40 < 220 < found.high


def test_nothing_to_measure_is_refused() -> None:
    with pytest.raises(InputError, match="the values have no question"):
        estimate([])
    with pytest.raises(InputError, match="the baseline has no question"):
        compare({}, {}, measure="R@5")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, "0.5", 10**400])
def test_a_value_that_is_no_number_is_named_with_its_question(value: float) -> None:
    with pytest.raises(InputError, match=r"the values: question 'q2' has .* where a finite number is needed"):
        estimate({"q1": 0.5, "q2": value})
    with pytest.raises(InputError, match="the candidate: question 'q2'"):
        compare({"q1": 0.5, "q2": 0.5}, {"q1": 0.5, "q2": value}, measure="R@5")


def test_runs_over_different_questions_are_refused_and_the_questions_named() -> None:
    before = dict.fromkeys(["a", "b", "c", "d", "e"], 0.5)
    after = dict.fromkeys(["a", "z"], 0.5)

    with pytest.raises(InputError) as raised:
        compare(before, after, measure="R@5")

    assert "4 only in the baseline ('b', 'c', 'd', …), 1 only in the candidate ('z')" in raised.value.message


def test_a_seed_below_zero_is_refused() -> None:
    with pytest.raises(InputError, match="seed -1"):
        estimate([0.1, 0.2], seed=-1)


def with_p(p: float, low: float = 0.01, high: float = 0.2) -> Difference:
    template = compare(*pair([(0.0, 0.5), (0.0, 0.3)]), measure="R@5")
    return replace(template, p=p, low=low, high=high, verdict="candidate" if p <= 0.05 else "no difference")


@given(st.lists(st.floats(0.0001, 1.0), max_size=12))
def test_adjusted_p_are_monotone_and_never_below_the_raw_ones(raw: list[float]) -> None:
    adjusted = [one.p for one in holm([with_p(p) for p in raw])]

    assert all(before <= after <= 1 for before, after in zip(raw, adjusted, strict=True))
    ordered = [after for _, after in sorted(zip(raw, adjusted, strict=True))]
    assert ordered == sorted(ordered)
    assert holm([with_p(p) for p in raw[:1]]) == tuple(with_p(p) for p in raw[:1])


def test_holm_adjusts_as_in_a_worked_example() -> None:
    family = holm([with_p(0.04), with_p(0.01), with_p(0.03), with_p(0.005)])

    assert [one.p for one in family] == pytest.approx([0.06, 0.03, 0.06, 0.02])
    assert [one.verdict for one in family] == ["no difference", "candidate", "no difference", "candidate"]


def test_holm_names_no_winner_whose_interval_holds_zero() -> None:
    (one,) = holm([with_p(0.001, low=-0.01)])

    assert one.verdict == "no difference"
