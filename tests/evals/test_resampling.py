from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercet.evals.resampling import EXACT_QUESTIONS, RESAMPLES, half_widths, randomisation_p, resampled_counts


@given(st.lists(st.sampled_from([-1.0, -0.37, -0.1, 0.0, 0.1, 0.2, 0.5]), min_size=1, max_size=9), st.integers(0, 99))
def test_a_small_randomisation_test_is_the_enumeration_of_all_signs(values: list[float], seed: int) -> None:
    observed = abs(sum(values))
    signed = [abs(sum(sign * value for sign, value in zip(signs, values, strict=True))) for signs in _signs(values)]
    reached = sum(one >= observed - 1e-12 for one in signed)

    assert randomisation_p(np.array(values), seed=seed) == reached / len(signed)


def _signs(values: list[float]) -> list[tuple[int, ...]]:
    return list(product((-1, 1), repeat=len(values)))


def test_many_questions_are_sampled_close_to_the_exact_answer() -> None:
    wins, losses = 16, 5  # of equal size: the sign test, 2 · P(16 or more heads of 21) = 0.0266
    values = np.array([0.5] * wins + [-0.5] * losses)

    assert len(values) > EXACT_QUESTIONS
    assert randomisation_p(values, seed=0) == pytest.approx(0.0266, abs=3 * 0.0017)
    assert randomisation_p(np.full(60, 0.1), seed=0) == 1 / (RESAMPLES + 1)


def test_questions_without_a_difference_do_not_matter() -> None:
    values = np.random.default_rng(5).normal(0.1, 0.3, 40)

    assert randomisation_p(values, seed=2) == randomisation_p(np.concatenate([values, np.zeros(500)]), seed=2)


@pytest.mark.parametrize("questions", [2, 50, 3_000])
def test_every_resample_draws_as_many_questions_as_there_are(questions: int) -> None:
    seen = 0
    for start, counts in resampled_counts(questions, seed=0):
        assert start == seen
        assert counts.size <= 1 << 20
        assert (counts.sum(axis=1) == questions).all()
        seen += len(counts)

    assert seen == RESAMPLES


def test_the_resampled_means_spread_as_those_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(1).beta(0.4, 0.6, 120)
    means = np.concatenate([counts @ values / 120 for _, counts in resampled_counts(120, seed=0)])

    theirs = stats.bootstrap((values,), np.mean, n_resamples=RESAMPLES, method="percentile", random_state=1)

    assert np.quantile(means, [0.025, 0.975]) == pytest.approx(list(theirs.confidence_interval), abs=0.004)
    assert means.std(ddof=1) == pytest.approx(theirs.standard_error, rel=0.03)


def test_on_normal_values_the_interval_is_that_of_student() -> None:
    stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(2).normal(0, 1, (60, 1))
    error = values.std(ddof=1) / np.sqrt(60)

    widths = half_widths(values, seed=0)[:, 0]

    assert widths == pytest.approx(stats.t.ppf([0.975, 0.95], 59) * error, rel=0.05)


def test_columns_are_independent_of_each_other() -> None:
    values = np.random.default_rng(4).beta(0.5, 0.5, (50, 3))
    values[:, 1] = 0.3

    together = half_widths(values, seed=7)

    assert together[:, 1].tolist() == [0.0, 0.0]
    for column in range(3):
        assert together[:, [column]] == pytest.approx(half_widths(values[:, [column]], seed=7), rel=1e-9)


def test_few_questions_that_differ_have_a_finite_and_cautious_interval() -> None:
    values = np.zeros((200, 1))
    values[:3] = 1.0

    (half, half90) = half_widths(values, seed=0)[:, 0]

    assert 1.972 * values.std(ddof=1) / np.sqrt(200) < half < 0.1
    assert half90 < half
    assert np.isinf(half_widths(values[:1], seed=0)).all()
