"""What changes something outside happens at most once, within what a window may come to, or is in doubt and says so."""

from __future__ import annotations

import asyncio
from contextlib import suppress
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
from tercet.errors import DiskFullError, NothingChangedError
from tercet.memory.journal.in_memory import InMemoryJournal
from tercet.memory.journal.records import NewRun
from tercet.records import Scope
from tests.agents.gate.rig import ALL, Clock, Rig

DAY = timedelta(days=1)
CEILING = replace(ALL, thresholds=[Threshold(tool="pay", measure="value", total=Decimal("1000.00"), window=DAY)])


class Bank:
    """What was paid; a payment waits for the door, and raises or returns what it is told."""

    def __init__(self, *, key: bool = False) -> None:
        self.paid: list[Decimal] = []
        self.given: list[str] = []
        self.error: BaseException | None = None
        self.answer: Any = "paid"

        @tool(
            effect="irreversible",
            writes=["bank"],
            amounts=lambda given: {"value": given["euros"], "targets": 1},
            idempotency_key=(lambda given: given["invoice"]) if key else None,
        )
        async def pay(euros: Decimal, invoice: str = "") -> object:
            """Pay."""
            await asyncio.sleep(0)
            if self.error:
                raise self.error
            self.paid.append(euros)
            return self.answer

        self.tools = [pay]

    def rig(self, **options: Any) -> Rig:
        return Rig(self.tools, **options)


def pay(rig: Rig, euros: str, **arguments: str) -> Any:
    identifier, approval = arguments.pop("identifier", ""), arguments.pop("approval", "")
    return asyncio.run(rig.call("pay", {"euros": euros, **arguments}, identifier=identifier, approval=approval))


# -- windows -----------------------------------------------------------------------------------------------------------


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


# -- once --------------------------------------------------------------------------------------------------------------


def test_the_same_call_come_again_gives_the_stored_result() -> None:
    bank = Bank()
    bank.answer = {"receipt": [1, "é", None]}
    rig = bank.rig()

    first, again = pay(rig, "20", identifier="call-1"), pay(rig, "20", identifier="call-1")

    assert again == replace(first, repeated=True)
    assert bank.paid == [Decimal(20)]
    assert rig.ledger.consumed.tool_calls == 1


def test_a_key_of_the_tool_makes_one_effect_of_calls_of_several_agents_of_a_tenant_and_of_no_other() -> None:
    bank, journal = Bank(key=True), InMemoryJournal()
    one = bank.rig(journal=journal)
    other = bank.rig(journal=journal, run="run-2", agent="other")
    stranger = bank.rig(journal=journal, run="run-3", scope=Scope(tenant="else"))

    outcomes = [pay(rig, "20", invoice="17") for rig in (one, other, stranger)]

    assert [outcome.repeated for outcome in outcomes] == [False, True, False]
    assert len(bank.paid) == 2


def test_the_same_key_with_other_arguments_is_refused() -> None:
    bank = Bank(key=True)
    rig = bank.rig()
    pay(rig, "20", invoice="17")

    outcome = pay(rig, "30", invoice="17")

    assert isinstance(outcome, Refused)
    assert bank.paid == [Decimal(20)]


def test_64_calls_with_one_key_are_one_effect() -> None:
    bank = Bank(key=True)
    rig = bank.rig()

    async def storm() -> list[Any]:
        return await asyncio.gather(*(rig.call("pay", {"euros": "20", "invoice": "17"}) for _ in range(64)))

    outcomes = asyncio.run(storm())

    assert bank.paid == [Decimal(20)]
    assert sum(outcome.kind == "succeeded" for outcome in outcomes) == 1
    assert not any(outcome.kind == "in_doubt" for outcome in outcomes)


@pytest.mark.parametrize("key", [lambda given: "", lambda given: 3, lambda given: given["nothing"]])
def test_a_key_that_cannot_be_told_is_refused(key: Any) -> None:
    @tool(effect="write", writes=["bank"], idempotency_key=key)
    def pay(euros: int) -> str:
        """Pay."""
        return "paid"

    assert isinstance(asyncio.run(Rig([pay]).call("pay", {"euros": 1})), Refused)


def test_what_is_in_doubt_is_never_repeated() -> None:
    bank = Bank()
    rig = bank.rig()
    bank.error = TimeoutError()
    first = pay(rig, "20", identifier="call-1")
    bank.error = None
    again = pay(rig, "20", identifier="call-1")

    assert isinstance(first, InDoubt)
    assert isinstance(again, InDoubt)
    assert first.key == again.key
    assert bank.paid == []
    (shown,) = rig.journal.effects(scope=rig.scope, state="in_doubt")
    assert shown.key == first.key


def test_what_a_person_settled_is_no_longer_in_doubt() -> None:
    bank = Bank()
    rig = bank.rig()
    bank.error = TimeoutError()
    key = pay(rig, "20", identifier="call-1").key
    bank.error = None
    rig.journal.settle(key, state="failed", result=None, reason="The bank never saw it.", at=rig.clock.now())

    assert isinstance(pay(rig, "20", identifier="call-1"), Succeeded)
    assert bank.paid == [Decimal(20)]


def test_what_happened_but_gave_invalid_output_happened_and_is_not_repeated() -> None:
    """S1.43: never returned as success."""
    bank = Bank()
    bank.answer = object()
    rig = bank.rig()

    first, again = pay(rig, "20", identifier="call-1"), pay(rig, "20", identifier="call-1")

    assert first.error == again.error == "invalid_output"
    assert bank.paid == [Decimal(20)]


def test_an_erased_result_is_not_repeated() -> None:
    bank, clock = Bank(), Clock()
    rig = bank.rig(clock=clock)
    rig.journal.begin(NewRun(id="run-1", scope=rig.scope, agent="support"))
    pay(rig, "20", identifier="call-1")
    rig.journal.erase(["run-1"], at=clock.now())

    outcome = pay(rig, "20", identifier="call-1")

    assert outcome.repeated
    assert bank.paid == [Decimal(20)]


class Failing(InMemoryJournal):
    """Fails once, at the method that it is told."""

    def __init__(self, at: str, *, clock: Any) -> None:
        super().__init__(clock=clock)
        self.at: str | None = at

    def _fail(self, method: str) -> None:
        if self.at == method:
            self.at = None
            raise DiskFullError("No space is left.")

    def reserve(self, *given: Any, **named: Any) -> Any:
        self._fail("reserve")
        return super().reserve(*given, **named)

    def settle(self, *given: Any, **named: Any) -> None:
        self._fail("settle")
        super().settle(*given, **named)

    def use(self, *given: Any, **named: Any) -> bool:
        self._fail("use")
        return super().use(*given, **named)


@pytest.mark.parametrize(("at", "again", "paid"), [("reserve", "succeeded", 1), ("settle", "in_doubt", 1)])
def test_a_journal_that_fails_is_an_error_and_leaves_nothing_that_is_done_twice(at: str, again: str, paid: int) -> None:
    bank, clock = Bank(), Clock()
    rig = bank.rig(journal=Failing(at, clock=clock.now), clock=clock)

    with pytest.raises(DiskFullError):
        pay(rig, "20", identifier="call-1")

    assert pay(rig, "20", identifier="call-1").kind == again
    assert len(bank.paid) == paid
    assert all(gauge.reserved == 0 for gauge in rig.ledger.gauges())


def test_an_approval_that_cannot_be_spent_pays_nothing() -> None:
    bank, clock = Bank(), Clock()
    policy = Permissions(ask=["pay"], writable=["*"])
    rig = bank.rig(journal=Failing("use", clock=clock.now), clock=clock, permissions=policy)
    approval = pay(rig, "20", identifier="call-1").approval
    rig.journal.decide(approval, approved=True, approver="grace", at=clock.now())

    with pytest.raises(DiskFullError):
        pay(rig, "20", identifier="call-1", approval=approval)

    assert bank.paid == []
    (effect,) = rig.journal.effects(scope=rig.scope)
    assert effect.state == "failed"
    assert isinstance(pay(rig, "20", identifier="call-1", approval=approval), Succeeded)


@pytest.mark.parametrize("turns", range(30))
def test_a_run_cancelled_at_any_point_pays_at_most_once_and_knows_it(turns: int, tmp_path: Path) -> None:
    bank = Bank()

    async def scenario(rig: Rig) -> None:
        task = asyncio.create_task(rig.call("pay", {"euros": "20"}, identifier="call-1"))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    with Memory.open(tmp_path / "memory", embedder="none") as memory:
        for journal in (InMemoryJournal(), memory.journal):
            bank.paid.clear()
            rig = bank.rig(journal=journal)
            asyncio.run(scenario(rig))
            effects = rig.journal.effects(scope=rig.scope)
            assert all(effect.state != "started" for effect in effects)
            pay(rig, "20", identifier="call-1")
            assert len(bank.paid) <= 1
            if not bank.paid:
                assert rig.journal.effects(scope=rig.scope, state="in_doubt")
