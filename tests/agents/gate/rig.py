"""A run whose clocks stand still until a test moves them, and what tests call through the gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tercet.agents.gate.breaker import Breakers
from tercet.agents.gate.gate import Gate, default_steps
from tercet.agents.gate.loop import LoopDetector
from tercet.agents.gate.rate import RateLimits, RateStep
from tercet.agents.gate.records import GateStep, RunState
from tercet.agents.ledger import Ledger
from tercet.agents.limits import Limits
from tercet.agents.permissions import Permissions
from tercet.agents.tools.records import Call, Outcome, Tool
from tercet.agents.trust import Taint
from tercet.memory.journal.in_memory import InMemoryJournal
from tercet.memory.journal.records import Journal
from tercet.records import Scope

ALL = Permissions(allow=["*"], readable=["*"], writable=["*"])
GENEROUS = Limits(steps=10_000, tool_calls=None, tokens=None, seconds=None)


class Clock:
    """Moves when it is told to, or when somebody waits by it."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.waits: list[float] = []

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.seconds += seconds


@dataclass
class Rig:
    """One run, and the gate it passes its calls through."""

    tools: Sequence[Tool[Any]]
    permissions: Permissions = ALL
    limits: Limits = GENEROUS
    journal: Journal | None = None
    taint: Taint = field(default_factory=Taint)
    loops: LoopDetector = field(
        default_factory=lambda: LoopDetector(attempts=1000, repeats=1000, rounds=1000, stale=1000)
    )
    rates: RateLimits = field(default_factory=RateLimits)
    breakers: Breakers = field(default_factory=Breakers)
    run: str = "run-1"
    agent: str = "support"
    scope: Scope = field(default_factory=lambda: Scope(tenant="acme", user="ada"))
    clock: Clock = field(default_factory=Clock)
    gate: Gate | None = None
    ledger: Ledger | None = None

    def __post_init__(self) -> None:
        self.journal = self.journal or InMemoryJournal(clock=self.clock.now)
        self.gate = self.gate or gate(self.clock)
        self.ledger = self.ledger or Ledger(self.limits, agent=self.agent, monotonic=self.clock.monotonic)
        self.state = RunState(
            run=self.run,
            agent=self.agent,
            scope=self.scope,
            deps=None,
            tools={one.name: one for one in self.tools},
            permissions=self.permissions,
            journal=self.journal,
            ledger=self.ledger,
            taint=self.taint,
            loops=self.loops,
            rates=self.rates,
            breakers=self.breakers,
            clock=self.clock.now,
            monotonic=self.clock.monotonic,
        )
        self.calls = 0

    async def call(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        identifier: str = "",
        step: int = 0,
        approval: str = "",
    ) -> Outcome:
        """Pass a call through the gate; each is one of its own, in a turn of its own, unless its id says otherwise."""
        self.calls += 1
        call = Call(
            id=identifier or f"call-{self.calls}",
            name=name,
            arguments=arguments or {},
            step=step or self.calls,
            approval=approval,
        )
        return await self.gate.pass_(call, self.state)


def gate(clock: Clock, **replaced: GateStep) -> Gate:
    """The ordered default with some steps replaced, by name; its waiting moves the clock."""
    steps = {"rate": RateStep(max_wait=0.0, sleep=clock.sleep), **replaced}
    return Gate([steps.get(step.name, step) for step in default_steps()])
