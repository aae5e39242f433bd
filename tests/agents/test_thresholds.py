"""From which amounts on a person is asked."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tercet.agents.permissions import Permissions
from tercet.agents.thresholds import Threshold, amounts_of
from tercet.agents.tools.decorator import tool
from tercet.errors import ConfigurationError, InputError
from tests.agents.example_tools import OPEN, pay, search_documents, send_mail, verdict

LIMITED = Permissions(
    allow=["pay", "send_mail"],
    thresholds=[
        Threshold(tool="pay", measure="value", per_call=Decimal("1000.00")),
        Threshold(tool="send_*", measure="targets", per_call=Decimal(2)),
    ],
    **OPEN,
)


def test_exactly_the_limit_passes_and_a_cent_more_asks() -> None:
    """Part of S1.23."""
    assert verdict(LIMITED, pay, euros="1000.00", to="a") == "allow"
    assert LIMITED.decide(pay, {"euros": "1000.01", "to": "a"}) == (
        "ask",
        "threshold: pay: value",
        "value 1000.01 is above 1000.00 for one call",
    )
    assert verdict(LIMITED, send_mail, to=["a", "b"]) == "allow"
    assert verdict(LIMITED, send_mail, to=["a", "b", "c"]) == "ask"


def test_a_single_call_above_the_total_asks_too_and_the_total_becomes_a_ceiling() -> None:
    """Part of S1.23."""
    day = timedelta(days=1)
    policy = Permissions(
        allow=["*"], thresholds=[Threshold(tool="p*", measure="value", total=Decimal(1000), window=day)], **OPEN
    )

    assert verdict(policy, pay, euros="999", to="a") == "allow"
    assert verdict(policy, pay, euros="1000.01", to="a") == "ask"
    (ceiling,) = policy.ceilings(pay, [pay, send_mail])
    assert (ceiling.measure, ceiling.limit, ceiling.window, ceiling.tools) == ("value", Decimal(1000), day, ("pay",))
    assert policy.ceilings(send_mail, [pay, send_mail]) == ()
    assert policy.intersect(policy).ceilings(pay, [pay]) == (ceiling,)


def test_a_threshold_does_not_permit_what_is_denied() -> None:
    policy = Permissions(deny=["pay"], thresholds=LIMITED.thresholds, **OPEN)

    assert verdict(policy, pay, euros="5000", to="a") == "deny"


def test_a_call_that_does_not_say_its_measure_asks() -> None:
    policy = Permissions(allow=["*"], thresholds=[Threshold(tool="*", measure="rows", per_call=Decimal(0))], **OPEN)

    assert (
        policy.decide(search_documents, {"query": "a"}).reason
        == "the call does not say its rows, which may be at most 0"
    )


@pytest.mark.parametrize(
    "amount", [Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal(-1), -1, 9.99, True, None]
)
def test_an_amount_that_is_none_is_refused(amount: Any) -> None:
    """Part of S1.23."""

    @tool(effect="irreversible", writes=["bank"], amounts=lambda given: {"value": amount})
    def transfer(to: str) -> str:
        """Move money."""
        return to

    with pytest.raises(InputError, match="'transfer' says that the value of a call is"):
        amounts_of(transfer, {"to": "a"})
    decision = Permissions(allow=["*"], **OPEN).decide(transfer, {"to": "a"})
    assert decision[:2] == ("deny", "amounts")


def test_amounts_that_fail_deny() -> None:
    @tool(effect="irreversible", writes=["bank"], amounts=lambda given: {"value": given["missing"]})
    def transfer(to: str) -> str:
        """Move money."""
        return to

    decision = Permissions(allow=["*"], **OPEN).decide(transfer, {"to": "a"})
    assert decision.verdict == "deny"
    assert "KeyError" in decision.reason


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"per_call": 0.5},
        {"per_call": Decimal("NaN")},
        {"per_call": Decimal(-1)},
        {"total": Decimal(1)},
        {"window": timedelta(days=1), "per_call": Decimal(1)},
        {"total": Decimal(1), "window": timedelta()},
        {"measure": " ", "per_call": Decimal(1)},
    ],
)
def test_a_threshold_that_means_nothing_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Threshold(**{"tool": "pay", "measure": "value", **options})
