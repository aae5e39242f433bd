"""What is out of order is left alone, tried once, and taken back when it works."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tercet.agents.gate.breaker import Breakers
from tercet.agents.permissions import Permissions
from tercet.agents.tools.decorator import tool
from tercet.agents.tools.records import Failed, Refused, Succeeded
from tercet.errors import ConfigurationError, NothingChangedError
from tests.agents.gate.rig import Clock, Rig


class Service:
    """What two tools call: the first breaks when told to."""

    def __init__(self) -> None:
        self.error: BaseException | None = ValueError("down")
        self.reached: list[str] = []
        self.clock, self.breakers = Clock(), Breakers(failures=3, cooldown=30)

    def rig(self, *, fallback: str | None = None, **options: Any) -> Rig:
        @tool(effect="read", reads=["web"], fallback=fallback)
        async def look(number: int) -> str:
            """Look."""
            self.reached.append("look")
            await asyncio.sleep(0)
            if self.error:
                raise self.error
            return "found"

        @tool(effect="read", reads=["mirror"], fallback="look")
        async def glance(number: int) -> str:
            """Look elsewhere."""
            self.reached.append("glance")
            return "elsewhere"

        return Rig([look, glance], breakers=self.breakers, clock=self.clock, **options)


async def times(rig: Rig, count: int, name: str = "look") -> list[Any]:
    return [await rig.call(name, {"number": number}) for number in range(count)]


def test_after_enough_failures_no_call_leaves_whichever_agent_makes_it() -> None:
    """S1.41, S2.58: shared by all agents; the state is visible."""
    service = Service()
    one, other = service.rig(agent="one"), service.rig(agent="other")

    asyncio.run(times(one, 3))
    outcomes = asyncio.run(times(one, 5)) + asyncio.run(times(other, 5))

    assert service.reached == ["look"] * 3
    assert all(isinstance(outcome, Failed) and outcome.error == "unavailable" for outcome in outcomes)
    state = service.breakers.states(now=service.clock.seconds + 10)["look"]
    assert (state.state, state.failures, state.retry_in) == ("open", 3, 20)
    assert one.ledger.consumed.tool_calls == 3


def test_after_a_while_exactly_one_of_64_goes_and_sees() -> None:
    """S1.41: half-open, exactly 1 probe."""
    service = Service()
    rigs = [service.rig(agent=str(number)) for number in range(64)]
    asyncio.run(times(rigs[0], 3))
    service.clock.seconds += 30

    async def storm() -> list[Any]:
        return await asyncio.gather(*(rig.call("look", {"number": 1}) for rig in rigs))

    outcomes = asyncio.run(storm())

    assert len(service.reached) == 4
    assert sum(outcome.error == "unavailable" for outcome in outcomes) == 63
    assert service.breakers.states(now=service.clock.seconds)["look"].state == "open"


def test_a_probe_that_succeeds_closes_the_breaker() -> None:
    """S2.58: recovery is automatic."""
    service = Service()
    rig = service.rig()
    asyncio.run(times(rig, 3))
    service.error = None
    service.clock.seconds += 30

    outcomes = asyncio.run(times(rig, 3))

    assert all(isinstance(outcome, Succeeded) for outcome in outcomes)
    assert service.breakers.states(now=service.clock.seconds)["look"].state == "closed"


def test_a_probe_that_was_stopped_on_its_way_leaves_room_for_another() -> None:
    service = Service()
    rig = service.rig()
    asyncio.run(times(rig, 3))
    service.clock.seconds += 30
    asking = service.rig(permissions=Permissions(ask=["look"], allow=["glance"], readable=["*"]))

    assert asyncio.run(asking.call("look", {"number": 1})).kind == "pending"
    service.error = None
    assert asyncio.run(rig.call("look", {"number": 1})).kind == "succeeded"


def test_what_began_before_the_breaker_opened_says_nothing_any_more() -> None:
    breakers = Breakers(failures=1, cooldown=10)
    early, late = breakers.enter("t", now=0), breakers.enter("t", now=0)
    breakers.leave("t", early, "fails", now=1)
    breakers.leave("t", late, "works", now=2)

    assert breakers.enter("t", now=3) is None
    assert breakers.enter("t", now=11) == "probe"


def test_a_tool_that_answers_that_it_will_not_is_in_order() -> None:
    service = Service()
    service.error = NothingChangedError("No such account.")
    asyncio.run(times(service.rig(), 10))
    assert service.breakers.states(now=0)["look"].failures == 0

    service.error = NothingChangedError("Overloaded.", retryable=True)
    asyncio.run(times(service.rig(), 3))
    assert service.breakers.states(now=service.clock.seconds)["look"].state == "open"


def test_successes_in_between_keep_it_closed() -> None:
    breakers = Breakers(failures=2)
    for _ in range(5):
        breakers.leave("t", breakers.enter("t", now=0), "fails", now=0)
        breakers.leave("t", breakers.enter("t", now=0), "works", now=0)

    assert breakers.enter("t", now=0) == "call"


def test_the_fallback_is_called_instead_and_named() -> None:
    """S2.58: route around."""
    service = Service()
    rig = service.rig(fallback="glance")
    asyncio.run(times(rig, 3))

    outcome = asyncio.run(rig.call("look", {"number": 1}))

    assert outcome == Succeeded(value="elsewhere", trust="external", tool="glance")
    assert service.reached == ["look"] * 3 + ["glance"]
    assert rig.ledger.consumed.tool_calls == 4


def test_the_fallback_passes_the_whole_gate_itself() -> None:
    service = Service()
    rig = service.rig(fallback="glance", permissions=Permissions(allow=["look"], readable=["web", "mirror"]))
    asyncio.run(times(rig, 3))

    outcome = asyncio.run(rig.call("look", {"number": 1}))

    assert isinstance(outcome, Refused)
    assert outcome.step == "permission"
    assert "glance" in outcome.reason
    assert "glance" not in service.reached


def test_tools_that_fall_back_on_each_other_end() -> None:
    service = Service()
    rig = service.rig(fallback="glance")
    for name in ("look", "glance"):
        for _ in range(3):
            service.breakers.leave(name, service.breakers.enter(name, now=1000), "fails", now=1000)

    outcome = asyncio.run(rig.call("look", {"number": 1}))

    assert isinstance(outcome, Failed)
    assert service.reached == []


@pytest.mark.parametrize(("failures", "cooldown"), [(0, 1), (1, -1), (1, float("nan"))])
def test_a_breaker_that_cannot_work_is_refused(failures: int, cooldown: float) -> None:
    with pytest.raises(ConfigurationError):
        Breakers(failures=failures, cooldown=cooldown)
