from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercet.errors import InputError
from tercet.evals.summaries import Summary


def test_percentiles_interpolate_between_the_two_nearest_values() -> None:
    # positions 0.5 * 4 = 2 and 0.95 * 4 = 3.8 in 1, 2, 4, 8, 16
    assert Summary.of([16, 1, 8, 2, 4]) == Summary(
        count=5, total=31, mean=6.2, p50=4, p95=pytest.approx(8 + 0.8 * 8), maximum=16
    )


def test_one_query_is_its_own_percentile() -> None:
    assert Summary.of([0.25]) == Summary(count=1, total=0.25, mean=0.25, p50=0.25, p95=0.25, maximum=0.25)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.randoms(use_true_random=False))
def test_figures_are_in_order_and_do_not_depend_on_the_order_of_queries(values: list[float], random: object) -> None:
    summary = Summary.of(values)
    shuffled = sorted(values, key=lambda _: random.random())

    assert min(values) <= summary.p50 <= summary.p95 * (1 + 1e-12)
    assert summary.p95 <= summary.maximum * (1 + 1e-12)
    assert summary.maximum == max(values)
    assert Summary.of(shuffled).p95 == summary.p95
    assert summary.total == pytest.approx(sum(values))


@pytest.mark.parametrize("values", [[], [1.0, -0.1], [math.nan], [math.inf]])
def test_what_cannot_be_summed_up_is_refused(values: list[float]) -> None:
    with pytest.raises(InputError) as caught:
        Summary.of(values)

    assert caught.value.remedy
