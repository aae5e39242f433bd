"""Limits and prices say what they mean, and refuse what they cannot keep."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercet.agents.limits import Limits
from tercet.agents.prices import Prices
from tercet.errors import ConfigurationError
from tercet.records import Usage

DEAR = Prices(input=Decimal("3"), cached_read=Decimal("0.3"), cache_write=Decimal("3.75"), output=Decimal("15"))


def test_a_run_has_five_steps_unless_more_are_given() -> None:
    """S2.30."""
    assert Limits().steps == 5
    assert Limits().model_calls_allowed == 15


@pytest.mark.parametrize(
    "limits",
    [
        {"steps": 0},
        {"steps": True},
        {"steps": 2.0},
        {"steps": None},
        {"model_calls": 0},
        {"tool_calls": -1},
        {"tokens": 0},
        {"cost": 1.5},
        {"cost": Decimal("NaN")},
        {"cost": Decimal(0)},
        {"seconds": 0},
        {"seconds": float("inf")},
        {"seconds": float("nan")},
        {"seconds": "3"},
        {"depth": 0},
        {"children": -1},
    ],
)
def test_a_limit_that_cannot_be_kept_is_refused(limits: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        Limits(**limits)


@pytest.mark.parametrize("price", [0.3, Decimal(-1), Decimal("inf"), Decimal("1E-13"), Decimal("1E+12"), 3])
def test_a_price_that_cannot_be_reckoned_with_is_refused(price: object) -> None:
    with pytest.raises(ConfigurationError):
        Prices(input=price, cached_read=Decimal(0), cache_write=Decimal(0), output=Decimal(0))


def test_each_kind_of_token_has_its_price() -> None:
    usage = Usage(
        input_tokens=1000, cache_read_tokens=700, cache_write_tokens=200, output_tokens=50, reasoning_tokens=9
    )

    cost = DEAR.cost(usage)

    assert cost == (100 * Decimal(3) + 700 * Decimal("0.3") + 200 * Decimal("3.75") + 50 * Decimal(15)) / 1_000_000


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9))
def test_costs_are_exact_and_never_above_what_was_reserved(plain: int, read: int, write: int, output: int) -> None:
    usage = Usage(
        input_tokens=plain + read + write, cache_read_tokens=read, cache_write_tokens=write, output_tokens=output
    )

    with localcontext(prec=3):  # what a thread's own context says does not matter
        cost, most = DEAR.cost(usage), DEAR.most(usage.input_tokens, output)

    assert Fraction(cost) == Fraction(plain * 300 + read * 30 + write * 375 + output * 1500, 10**8)
    assert cost <= most
