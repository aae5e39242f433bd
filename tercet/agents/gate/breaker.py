"""The step that stops calling what is out of order, and finds out when it works again."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tercet.agents.tools.records import Failed, InDoubt, Succeeded
from tercet.errors import ConfigurationError

if TYPE_CHECKING:
    from tercet.agents.gate.records import RunState, Then
    from tercet.agents.tools.records import Call, Outcome

State = Literal["closed", "open", "half_open"]
Health = Literal["works", "fails", "unknown"]
Pass = Literal["call", "probe"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerState:
    """Of one tool."""

    state: State
    """``closed``: calls pass. ``open``: none does. ``half_open``: one does, to see whether the tool works again."""
    failures: int
    """In a row."""
    retry_in: float
    """Seconds until a probe may pass; 0 where calls pass, or the probe is under way or due."""


@dataclass(slots=True)
class _Breaker:
    failures: int = 0
    opened_at: float | None = None
    probing: bool = False


class Breakers:
    """Of one process, one for each tool, shared by all agents; safe from several threads.

    Args:
        failures: In a row, after which nothing is let through.
        cooldown: Seconds after which one call is let through to see whether the tool works again.

    Raises:
        ConfigurationError: Fewer than one failure, or a negative time.

    Example:
        >>> breakers = Breakers(failures=2, cooldown=30)
        >>> for _ in range(2):
        ...     breakers.leave("search", breakers.enter("search", now=0), "fails", now=0)
        >>> breakers.enter("search", now=29), breakers.states(now=29)["search"].state
        (None, 'open')
        >>> breakers.enter("search", now=30), breakers.enter("search", now=30)
        ('probe', None)
    """

    def __init__(self, *, failures: int = 5, cooldown: float = 30.0) -> None:
        if failures < 1 or not cooldown >= 0:
            raise ConfigurationError(
                f"A breaker that opens after {failures} failures for {cooldown} seconds cannot work.",
                remedy="Give at least 1 failure, and a time of at least 0.",
            )
        self._most, self._cooldown = failures, cooldown
        self._breakers: dict[str, _Breaker] = {}
        self._lock = threading.Lock()

    def enter(self, tool: str, *, now: float) -> Pass | None:
        """Whether a call may pass, and as what; None: it may not. ``leave`` has to be called when it ended."""
        with self._lock:
            breaker = self._breakers.setdefault(tool, _Breaker())
            if breaker.opened_at is None:
                return "call"
            if breaker.probing or now - breaker.opened_at < self._cooldown:
                return None
            breaker.probing = True
            return "probe"

    def leave(self, tool: str, passed: Pass, health: Health, *, now: float) -> None:
        """Say how a call ended that had passed; ``unknown``: the tool was not reached, or was cut off.

        What had passed before the breaker opened says nothing any more: only the probe does.
        """
        with self._lock:
            breaker = self._breakers[tool]
            if passed == "probe":
                breaker.probing = False
            elif breaker.opened_at is not None:
                return
            if health == "works":
                breaker.failures, breaker.opened_at = 0, None
            elif health == "fails":
                breaker.failures += 1
                if passed == "probe" or breaker.failures >= self._most:
                    breaker.opened_at = now

    def states(self, *, now: float) -> dict[str, BreakerState]:
        """Of every tool that was called."""
        with self._lock:
            return {tool: self._state(breaker, now) for tool, breaker in sorted(self._breakers.items())}

    def _state(self, breaker: _Breaker, now: float) -> BreakerState:
        if breaker.opened_at is None:
            return BreakerState(state="closed", failures=breaker.failures, retry_in=0.0)
        left = max(breaker.opened_at + self._cooldown - now, 0.0)
        state: State = "open" if left and not breaker.probing else "half_open"
        return BreakerState(state=state, failures=breaker.failures, retry_in=left)


class BreakerStep:
    """Lets no call leave for a tool that is out of order.

    The tool fails when it raises, is out of time, gives invalid output, or leaves in doubt what it did. A tool that
    says that it did nothing works, unless it says that the same call may succeed later.
    """

    name = "breaker"

    async def __call__(self, call: Call, run: RunState, then: Then) -> Outcome:
        """Refuse, or pass and see how the tool is."""
        passed = run.breakers.enter(call.name, now=run.monotonic())
        if passed is None:
            return Failed(
                error="unavailable", reason=f"{call.name!r} is out of order and is not called for now.", retryable=True
            )
        health: Health = "unknown"
        try:
            outcome = await then(call)
            health = _health(outcome, call)
        finally:
            run.breakers.leave(call.name, passed, health, now=run.monotonic())
        return outcome


def _health(outcome: Outcome, call: Call) -> Health:
    if call.booking is not None and call.booking.open:
        return "unknown"  # it was stopped behind this step, and did not reach the tool
    if isinstance(outcome, Succeeded):
        return "unknown" if outcome.repeated else "works"
    if isinstance(outcome, Failed):
        return "works" if outcome.error == "declined" and not outcome.retryable else "fails"
    return "fails" if isinstance(outcome, InDoubt) else "unknown"
