"""The journal or the clock fails, or the run is cancelled: nothing is done twice, and every error has a type."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tercet import Memory
from tercet.agents.permissions import Permissions
from tercet.agents.tools.decorator import tool
from tercet.agents.tools.records import Succeeded
from tercet.errors import DiskFullError, StoreError, TercetError
from tercet.memory.journal.in_memory import InMemoryJournal
from tercet.records import Scope
from tests.agents.gate.bank import Bank, pay
from tests.agents.gate.rig import Clock, Rig


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


@pytest.mark.parametrize(
    "garbage", [None, (), "nonsense", object(), [None]], ids=["none", "empty", "text", "object", "list"]
)
@pytest.mark.parametrize("method", ["reserve", "use", "approval", "ask", "settle"])
def test_a_journal_that_answers_nonsense_or_raises_anything_is_a_typed_error_and_pays_at_most_once(
    method: str, garbage: Any
) -> None:
    class Odd(InMemoryJournal):
        odd = False

        def __getattribute__(self, name: str) -> Any:
            if name == method and super().__getattribute__("odd"):
                if garbage == "nonsense":
                    raise OSError("no disk")
                return lambda *given, **named: garbage
            return super().__getattribute__(name)

    bank, clock = Bank(), Clock()
    journal = Odd(clock=clock.now)
    rig = bank.rig(journal=journal, clock=clock, permissions=Permissions(ask=["pay"], writable=["*"]))
    approval = ""
    if method != "ask":
        approval = pay(rig, "20", identifier="call-1").approval
        journal.decide(approval, approved=True, approver="grace", at=clock.now())
    journal.odd = True

    try:
        outcome = pay(rig, "20", identifier="call-1", approval=approval)
    except TercetError:
        outcome = None
    journal.odd = False

    assert outcome is None or outcome.kind in ("refused", "succeeded")
    assert len(bank.paid) <= (method == "settle")
    pay(rig, "20", identifier="call-1", approval=approval)
    assert len(bank.paid) <= 1


def test_a_clock_that_fails_is_a_typed_error() -> None:
    bank = Bank()
    rig = bank.rig()

    def no_clock() -> Any:
        raise OSError("no clock")

    rig.state = replace(rig.state, clock=no_clock)

    with pytest.raises(StoreError, match="no clock"):
        pay(rig, "20")
    assert bank.paid == []


def test_a_cancelled_run_is_cancelled_also_where_the_journal_fails_then() -> None:
    clock = Clock()
    journal = Failing("settle", clock=clock.now)

    async def scenario() -> None:
        begun, never = asyncio.Event(), asyncio.Event()

        @tool(effect="write", writes=["bank"])
        async def wait() -> str:
            """Wait."""
            begun.set()
            await never.wait()
            return "done"

        task = asyncio.create_task(Rig([wait], journal=journal, clock=clock).call("wait"))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())

    assert [effect.state for effect in journal.effects(scope=Scope(tenant="acme", user="ada"))] == ["started"]
