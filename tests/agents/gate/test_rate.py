"""No more calls than the rate in any window, whoever makes them."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercet.agents.gate.gate import Gate
from tercet.agents.gate.rate import Rate, RateLimits, RateStep
from tercet.agents.gate.records import RunState, Then
from tercet.agents.limits import Limits
from tercet.agents.tools.decorator import tool
from tercet.agents.tools.records import Call, Outcome, Refused
from tercet.errors import ConfigurationError
from tercet.records import Scope
from tests.agents.gate.rig import Clock, Rig, gate


class Instant(selectors.DefaultSelector):
    """Lets the time of its loop pass instead of waiting."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock

    def select(self, timeout: float | None = None) -> list[Any]:
        self.clock.seconds += timeout or 0
        return super().select(0)


def simulated(scenario: Coroutine[Any, Any, Any], clock: Clock) -> Any:
    """Run a scenario in the time of a clock: it moves when all tasks wait, to when the first goes on."""
    loop = asyncio.SelectorEventLoop(Instant(clock))
    loop.time = clock.monotonic
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(scenario)


def rigs(rates: RateLimits, *, max_wait: float, agents: int = 1) -> tuple[Clock, list[float], list[Rig]]:
    """Agents of one process that share a clock, and the times at which their tool ran."""
    clock, ran = Clock(), []

    @tool(effect="read", reads=["web"])
    async def look(number: int) -> int:
        """Look."""
        ran.append(clock.seconds)
        return number

    made = [
        Rig(
            [look],
            rates=rates,
            clock=clock,
            agent=f"agent {number}",
            scope=Scope(tenant=f"tenant {number % 2}"),
            gate=gate(clock, rate=RateStep(max_wait=max_wait, sleep=asyncio.sleep)),
        )
        for number in range(agents)
    ]
    return clock, ran, made


def most_in_a_window(times: list[float], seconds: float) -> int:
    return max(sum(start <= time < start + seconds for time in times) for start in times)


def test_a_thousand_calls_against_ten_in_a_second() -> None:
    """S1.40: no more than 10 in any 1 s window, across all agents."""
    clock, ran, agents = rigs(RateLimits(tools={"look": Rate(calls=10)}), max_wait=1000, agents=4)

    async def storm() -> list[Any]:
        return await asyncio.gather(*(agents[number % 4].call("look", {"number": number}) for number in range(1000)))

    outcomes = simulated(storm(), clock)

    assert all(outcome.kind == "succeeded" for outcome in outcomes)
    assert len(ran) == 1000
    assert most_in_a_window([round(time, 6) for time in ran], 1.0) <= 10
    assert clock.seconds == pytest.approx(1000 + 99)


def test_a_storm_without_patience_is_refused_with_the_time_to_come_again_and_nothing_leaves() -> None:
    _, ran, (rig,) = rigs(RateLimits(tools={"look": Rate(calls=10)}), max_wait=0)

    async def storm() -> list[Any]:
        return await asyncio.gather(*(rig.call("look", {"number": number}) for number in range(1000)))

    outcomes = asyncio.run(storm())

    refused = [outcome for outcome in outcomes if isinstance(outcome, Refused)]
    assert len(ran) == 10
    assert len(refused) == 990
    assert {outcome.remedy for outcome in refused} == {"Call it again in 1.0 seconds."}
    assert not any(outcome.final for outcome in refused)
    assert rig.ledger.consumed.tool_calls == 10


@pytest.mark.parametrize("limits", [RateLimits(agent=Rate(calls=3)), RateLimits(each_tool=Rate(calls=3))])
def test_each_agent_and_each_tool_has_its_rate(limits: RateLimits) -> None:
    _, ran, agents = rigs(limits, max_wait=0, agents=2)

    async def storm() -> None:
        for number in range(10):
            for agent in agents:
                await agent.call("look", {"number": number})

    asyncio.run(storm())

    assert len(ran) == (6 if limits._agent else 3)


def test_a_tenant_has_its_rate_whatever_its_agents_call() -> None:
    _, ran, agents = rigs(RateLimits(tenant=Rate(calls=3)), max_wait=0, agents=6)

    async def storm() -> None:
        for number in range(3):
            for agent in agents:
                await agent.call("look", {"number": number})

    asyncio.run(storm())

    assert len(ran) == 6


def test_no_call_waits_beyond_the_time_of_its_run() -> None:
    clock, _, (rig,) = rigs(RateLimits(tools={"look": Rate(calls=1, seconds=60)}), max_wait=1000)
    rig = Rig(rig.tools, rates=rig.rates, clock=clock, gate=rig.gate, limits=Limits(seconds=30))

    first = simulated(rig.call("look", {"number": 1}), clock)
    second = simulated(rig.call("look", {"number": 2}), clock)

    assert first.kind == "succeeded"
    assert isinstance(second, Refused)
    assert clock.seconds == 1000


@given(
    st.lists(st.tuples(st.floats(0, 0.7), st.sampled_from("ab"), st.sampled_from("xy")), max_size=80),
    st.integers(1, 4),
    st.floats(0.01, 2),
    st.floats(0, 5),
)
def test_windows_are_exact_for_any_arrivals(
    arrivals: list[tuple[float, str, str]], calls: int, seconds: float, patience: float
) -> None:
    limits = RateLimits(each_tool=Rate(calls=calls, seconds=seconds), tenant=Rate(calls=calls + 1, seconds=seconds))
    now, admitted = 0.0, {name: [] for name in "abxy"}
    for pause, name, tenant in arrivals:
        now += pause
        wait = limits.book(name, agent="agent", tenant=tenant, now=now, max_wait=patience)
        if wait <= patience:
            admitted[name].append(round((now + wait) * 1e9))
            admitted[tenant].append(round((now + wait) * 1e9))

    for name, times in admitted.items():
        for first, beyond in zip(times, times[calls + (name in "xy") :], strict=False):
            assert beyond - first >= seconds * 1e9 - 2


def test_threads_share_the_windows() -> None:
    limits = RateLimits(each_tool=Rate(calls=10))

    with ThreadPoolExecutor(64) as threads:
        waits = list(
            threads.map(lambda _: limits.book("t", agent="a", tenant=None, now=5.0, max_wait=0.0), range(1000))
        )

    assert waits.count(0.0) == 10


def test_calls_that_were_held_up_on_their_way_do_not_come_nearer_to_those_behind_them() -> None:
    """S1.40: in any window, at the tool itself, not only where the calls are admitted."""
    clock, ran, (rig,) = rigs(RateLimits(each_tool=Rate(calls=3)), max_wait=100)
    held_up = iter([0.9, 0.5, 0.0, 0.7])

    class Slow:
        name = "slow disk"

        async def __call__(self, call: Call, run: RunState, then: Then) -> Outcome:
            await asyncio.sleep(next(held_up, 0.0))
            return await then(call)

    rig.gate = Gate([*rig.gate.steps[:-2], Slow(), *rig.gate.steps[-2:]])

    async def storm() -> list[Any]:
        return await asyncio.gather(*(rig.call("look", {"number": number}) for number in range(20)))

    simulated(storm(), clock)

    assert len(ran) == 20
    assert most_in_a_window([round(time, 6) for time in ran], 1.0) == 3


def test_what_is_not_called_for_long_is_forgotten() -> None:
    limits = RateLimits(tenant=Rate(calls=1))
    for number in range(5000):
        limits.book("t", agent="a", tenant=str(number), now=float(number), max_wait=0.0)

    assert len(limits._windows) < 1100


@pytest.mark.parametrize(("calls", "seconds"), [(0, 1), (1, 0), (1, float("nan")), (1.5, 1), (1, float("inf"))])
def test_a_rate_that_cannot_be_kept_is_refused(calls: Any, seconds: float) -> None:
    with pytest.raises(ConfigurationError):
        Rate(calls=calls, seconds=seconds)
