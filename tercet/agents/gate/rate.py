"""The step that keeps storms of calls from the services behind the tools."""

from __future__ import annotations

import asyncio
import math
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tercet.agents.tools.records import Refused
from tercet.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from tercet.agents.gate.records import RunState, Then
    from tercet.agents.tools.records import Call, Outcome

_Key = tuple[str | None, ...]
_NANOSECONDS = 1_000_000_000
_SWEEP_EVERY = 1_000
"""Admissions between two looks for what has not been called for long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So many calls within any so many seconds, wherever these begin.

    Raises:
        ConfigurationError: Fewer than one call, or no time.
    """

    calls: int
    seconds: float = 1.0

    def __post_init__(self) -> None:
        if type(self.calls) is not int or self.calls < 1 or not 0 < self.seconds < math.inf:
            raise ConfigurationError(
                f"A rate of {self.calls} calls in {self.seconds} seconds cannot be kept.",
                remedy="Give at least 1 call, and a time above 0.",
            )


class _Window:
    """The latest times of something, no more of them than the rate counts, in order."""

    __slots__ = ("_calls", "_span", "_times")

    def __init__(self, rate: Rate) -> None:
        self._calls, self._span = rate.calls, math.ceil(rate.seconds * _NANOSECONDS)
        self._times: deque[int] = deque(maxlen=rate.calls)

    def earliest(self, now: int) -> int:
        """When the next may be: behind all others, and a whole span behind the one that it would be too many with."""
        if not self._times:
            return now
        free = self._times[0] + self._span if len(self._times) == self._calls else now
        return max(now, free, self._times[-1])

    def add(self, time: int) -> None:
        self._times.append(time)

    def is_idle(self, now: int) -> bool:
        return not self._times or self._times[-1] + self._span <= now


class RateLimits:
    """Of one process, for all of its agents; safe from several threads.

    The windows slide and are exact: a bucket that refills would let through up to twice its size at its edges. Calls
    are admitted in the order in which they come, each at the first time that all its windows allow.

    Args:
        tools: By the name of the tool.
        each_tool: For tools not named there; None: no limit.
        agent: For each agent, whatever it calls, by its name.
        tenant: For each tenant, whatever its agents call.

    Example:
        >>> limits = RateLimits(tools={"search": Rate(calls=2, seconds=1)})
        >>> [limits.book("search", agent="a", tenant=None, now=0.0, max_wait=1.0) for _ in range(3)]
        [0.0, 0.0, 1.0]
    """

    def __init__(
        self,
        *,
        tools: Mapping[str, Rate] | None = None,
        each_tool: Rate | None = None,
        agent: Rate | None = None,
        tenant: Rate | None = None,
    ) -> None:
        self._tools, self._each_tool, self._agent, self._tenant = dict(tools or {}), each_tool, agent, tenant
        self._windows: dict[_Key, _Window] = {}
        self._lock = threading.Lock()
        self._admitted = 0

    def book(self, tool: str, *, agent: str, tenant: str | None, now: float, max_wait: float) -> float:
        """Take the next free place in the windows of a tool, an agent and a tenant, if it is near enough.

        Args:
            tool: By its name.
            agent: By its name, within its tenant.
            tenant: Of the scope.
            now: Seconds of a monotonic clock.
            max_wait: Seconds; if the place is further off, none is taken.

        Returns:
            Seconds until then: 0 at once, more than ``max_wait`` where no place was taken.
        """
        return self._take(self._rates("booked", tool, agent, tenant), now, max_wait)

    def begin(self, tool: str, *, agent: str, tenant: str | None, now: float) -> float:
        """Take note that a booked call begins now, if enough time has passed since the others really began.

        Between its booking and its beginning a call may be held up, by a slow disk for example, so that it would come
        too near to those behind it.

        Returns:
            Seconds to wait and ask again; 0: it begins.
        """
        return self._take(self._rates("begun", tool, agent, tenant), now, 0.0)

    def _rates(self, what: str, tool: str, agent: str, tenant: str | None) -> list[tuple[_Key, Rate]]:
        rates: tuple[tuple[_Key, Rate | None], ...] = (
            ((what, "tool", tool), self._tools.get(tool, self._each_tool)),
            ((what, "agent", tenant, agent), self._agent),
            ((what, "tenant", tenant), self._tenant),
        )
        return [(key, rate) for key, rate in rates if rate is not None]

    def _take(self, rates: Sequence[tuple[_Key, Rate]], now: float, max_wait: float) -> float:
        if not rates:
            return 0.0
        moment = math.ceil(now * _NANOSECONDS)
        with self._lock:
            windows = [self._windows.get(key) or self._windows.setdefault(key, _Window(rate)) for key, rate in rates]
            admitted = max(window.earliest(moment) for window in windows)
            wait = (admitted - moment) / _NANOSECONDS
            if wait <= max_wait:
                for window in windows:
                    window.add(admitted)
                self._sweep(moment)
        return wait

    def _sweep(self, now: int) -> None:
        self._admitted += 1
        if self._admitted % _SWEEP_EVERY == 0:
            for key in [key for key, one in self._windows.items() if one.is_idle(now)]:
                del self._windows[key]


class RateStep:
    """Lets a call wait for its turn if that is near, and else refuses it and says when to come again.

    Args:
        max_wait: Seconds that a call may wait, of those that the run has left.
        sleep: Waits.
    """

    name = "rate"

    def __init__(self, *, max_wait: float = 1.0, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._max_wait, self._sleep = max_wait, sleep

    async def __call__(self, call: Call, run: RunState, then: Then) -> Outcome:
        """Wait, or refuse."""
        left = run.ledger.seconds_left
        most = self._max_wait if left is None else min(self._max_wait, left)
        now = run.monotonic()
        wait = run.rates.book(call.name, agent=run.agent, tenant=run.scope.tenant, now=now, max_wait=most)
        if wait > most:
            return Refused(
                step=self.name,
                reason=f"There are too many calls of {call.name!r}, or of this agent or tenant, for now.",
                remedy=f"Call it again in {wait:.1f} seconds.",
            )
        until = now + wait
        while wait > 0:
            await self._sleep(wait)
            wait = until - run.monotonic()
        return await then(call)
