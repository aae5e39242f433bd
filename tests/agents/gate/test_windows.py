"""What the effects of a window may come to holds under storms, restarts, approvals and edits."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tercet import Memory
from tercet.agents.permissions import Permissions
from tercet.agents.thresholds import Threshold
from tercet.agents.tools.decorator import tool
from tercet.agents.tools.records import Failed, InDoubt, Pending, Refused, Succeeded
from tercet.errors import NothingChangedError
from tests.agents.gate.bank import Bank, pay
from tests.agents.gate.rig import ALL, Clock, Rig

DAY = timedelta(days=1)
CEILING = replace(ALL, thresholds=[Threshold(tool="pay", measure="value", total=Decimal("1000.00"), window=DAY)])


@pytest.mark.parametrize(("euros", "paid"), [("1000.00", 1), ("1000.01", 0)])
def test_exactly_the_threshold_passes_and_a_cent_more_waits(euros: str, paid: int) -> None:
    """S1.23: 1,000.00 passes, 1,000.01 pauses with 0 side effects; for a call, and for a window."""
    for threshold in (
        Threshold(tool="pay", measure="value", per_call=Decimal("1000.00")),
        Threshold(tool="pay", measure="value", total=Decimal("1000.00"), window=DAY),
    ):
        bank = Bank()

        outcome = pay(bank.rig(permissions=replace(ALL, thresholds=[threshold])), euros)

        assert isinstance(outcome, Succeeded if paid else Pending)
        assert len(bank.paid) == paid


def test_ten_of_999_trip_a_thousand_in_a_window() -> None:
    """S1.23: aggregate thresholds."""
    bank = Bank()
    rig = bank.rig(permissions=CEILING)

    outcomes = [pay(rig, "999") for _ in range(10)]

    assert [outcome.kind for outcome in outcomes] == ["succeeded"] + ["pending"] * 9
    assert bank.paid == [Decimal(999)]
    assert "would come to 1998 within 1 day, 0:00:00, above 1000.00" in outcomes[1].reason
    assert rig.ledger.consumed.tool_calls == 1


def journals(tmp_path: Path) -> Any:
    """The same journal opened anew, each time."""
    return lambda: Memory.open(tmp_path / "memory", embedder="none")


def test_restarts_and_64_at_once_pass_no_window(tmp_path: Path) -> None:
    """S1.23, S2.45: 64 concurrent payments in each of three processes' lives, one after another, on one database."""
    bank, clock, opened = Bank(), Clock(), journals(tmp_path)

    async def storm(rig: Rig) -> list[Any]:
        return await asyncio.gather(*(rig.call("pay", {"euros": "240"}) for _ in range(64)))

    kinds = []
    for life in range(3):
        with opened() as memory:
            rig = bank.rig(permissions=CEILING, journal=memory.journal, clock=clock, run=f"run-{life}")
            kinds += [outcome.kind for outcome in asyncio.run(storm(rig))]

    assert bank.paid == [Decimal(240)] * 4
    assert kinds.count("succeeded") == 4
    assert kinds.count("pending") == 3 * 64 - 4


def test_a_window_slides() -> None:
    bank = Bank()
    rig = bank.rig(permissions=CEILING)
    assert isinstance(pay(rig, "999"), Succeeded)
    rig.clock.seconds += DAY.total_seconds() - 1
    assert isinstance(pay(rig, "2"), Pending)
    rig.clock.seconds += 1
    assert isinstance(pay(rig, "2"), Succeeded)


def test_what_failed_without_effect_does_not_count_and_what_is_in_doubt_does() -> None:
    bank = Bank()
    rig = bank.rig(permissions=CEILING)
    bank.error = NothingChangedError("Not now.")
    assert isinstance(pay(rig, "999"), Failed)
    bank.error = ConnectionError("reset")
    assert isinstance(pay(rig, "999"), InDoubt)
    bank.error = None
    assert isinstance(pay(rig, "999"), Pending)
    assert bank.paid == []


def test_a_person_may_let_a_payment_pass_the_window_and_it_counts_for_those_after_it() -> None:
    bank = Bank()
    rig = bank.rig(permissions=CEILING)
    pay(rig, "999")
    approval = pay(rig, "999", identifier="second").approval
    rig.journal.decide(approval, approved=True, approver="grace", at=rig.clock.now())

    assert isinstance(pay(rig, "999", identifier="second", approval=approval), Succeeded)
    assert bank.paid == [Decimal(999)] * 2
    assert "2997" not in pay(rig, "1").reason
    assert "1999" in pay(rig, "1").reason


def test_whoever_approved_something_else_did_not_let_it_pass_the_window() -> None:
    """The window was filled between the question and the answer: the person is asked about that too, once."""
    bank = Bank()
    both = [
        Threshold(tool="pay", measure="value", total=Decimal(1000), window=DAY),
        Threshold(tool="pay", measure="targets", total=Decimal(1), window=DAY),
    ]
    rig = bank.rig(permissions=Permissions(ask=["pay(invoice=odd)"], allow=["pay"], writable=["*"], thresholds=both))

    def asked(outcome: Any) -> str:
        assert isinstance(outcome, Pending)
        rig.journal.decide(outcome.approval, approved=True, approver="grace", at=rig.clock.now())
        return outcome.approval

    def odd(approval: str = "") -> Any:
        return pay(rig, "999", invoice="odd", identifier="odd", approval=approval)

    first = asked(odd())
    assert isinstance(pay(rig, "999"), Succeeded)
    second = asked(odd(first))
    third = asked(odd(second))
    assert len({first, second, third}) == 3
    assert rig.journal.approval(first).state == "approved"

    assert isinstance(odd(third), Succeeded)
    assert bank.paid == [Decimal(999)] * 2


def test_edited_arguments_are_held_to_the_window_and_what_is_asked_then_is_about_them() -> None:
    bank = Bank()
    rig = bank.rig(permissions=CEILING)
    pay(rig, "500")
    first = pay(rig, "700", identifier="second").approval
    rig.journal.decide(first, approved=True, approver="grace", edited_arguments='{"euros": "600"}', at=rig.clock.now())
    assert isinstance(pay(rig, "700", identifier="second", approval=first), Succeeded)
    assert bank.paid == [Decimal(500), Decimal(600)]


def test_a_call_whose_amount_cannot_be_told_is_refused() -> None:
    ran = []

    @tool(effect="write", writes=["bank"], amounts=lambda given: {"value": 1 / given["euros"]})
    def pay(euros: int) -> str:
        """Pay."""
        ran.append(euros)
        return "paid"

    rig = Rig([pay])

    assert isinstance(asyncio.run(rig.call("pay", {"euros": 0})), Refused)
    assert isinstance(asyncio.run(rig.call("pay", {"euros": 3})), Refused)  # a float is no amount of money
    assert ran == []
