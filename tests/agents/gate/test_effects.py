"""What changes something outside happens at most once, or is in doubt and says so."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tercet.agents.tools.decorator import tool
from tercet.agents.tools.records import InDoubt, Refused, Succeeded
from tercet.memory.journal.in_memory import InMemoryJournal
from tercet.memory.journal.records import NewRun
from tercet.records import Scope
from tests.agents.gate.bank import Bank, pay
from tests.agents.gate.rig import Clock, Rig


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
