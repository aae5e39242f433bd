"""What the steps of the gate work on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from tercet.agents.tools.records import Call, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from tercet.agents.gate.breaker import Breakers
    from tercet.agents.gate.loop import LoopDetector
    from tercet.agents.gate.rate import RateLimits
    from tercet.agents.ledger import Ledger
    from tercet.agents.permissions import Permissions
    from tercet.agents.tools.records import Tool
    from tercet.agents.trust import Taint
    from tercet.memory.journal.records import Journal
    from tercet.records import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """What the gate knows of the run that a call belongs to. Shared by nobody but the run, the ledger excepted."""

    run: str
    agent: str
    scope: Scope
    deps: Any
    tools: Mapping[str, Tool[Any]]
    permissions: Permissions
    journal: Journal
    ledger: Ledger
    """Of this agent's limits, within those of the tree."""
    taint: Taint
    """What the run has seen, and how far that is trusted."""
    loops: LoopDetector
    """Of the whole tree."""
    rates: RateLimits
    """Of the process."""
    breakers: Breakers
    """Of the process."""
    clock: Callable[[], datetime]
    monotonic: Callable[[], float]
    """Seconds, for rates, breakers and durations."""
    root: str = ""
    """Id of the first run of the tree; empty: this one."""


Then = Callable[[Call], Awaitable[Outcome]]
"""The rest of the gate."""


class GateStep(Protocol):
    """One step: refuses a call, or passes it on to the rest and looks at what comes back."""

    name: str

    async def __call__(self, call: Call, run: RunState, then: Then) -> Outcome:
        """What the call comes to."""
        ...
