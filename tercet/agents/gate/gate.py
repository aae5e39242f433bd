"""The gate: what a tool call has to pass, in one order, before anything happens and after it did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tercet.agents.gate.budget import BudgetStep
from tercet.agents.gate.execute import ExecuteStep
from tercet.agents.gate.permission import PermissionStep
from tercet.agents.gate.schema import SchemaStep
from tercet.agents.gate.trust import TrustStep
from tercet.agents.gate.validate import ValidateStep
from tercet.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tercet.agents.gate.records import GateStep, RunState
    from tercet.agents.tools.records import Call, Outcome


def default_steps() -> tuple[GateStep, ...]:
    """The steps in the order in which a call passes them; ``design/gate.md`` says why in this one.

    ``validate`` stands before ``execute`` because it looks at what comes back.
    """
    return (SchemaStep(), PermissionStep(), TrustStep(), BudgetStep(), ValidateStep(), ExecuteStep())


class Gate:
    """Passes tool calls through steps, each of which refuses a call, or passes it on and looks at what comes back.

    One gate serves any number of runs at the same time.

    Args:
        steps: In order; None: ``default_steps()``.

    Raises:
        ConfigurationError: Two steps have the same name, or there are none.
    """

    def __init__(self, steps: Sequence[GateStep] | None = None) -> None:
        self.steps = tuple(default_steps() if steps is None else steps)
        names = [step.name for step in self.steps]
        if not names or len(set(names)) < len(names):
            raise ConfigurationError(f"A gate of the steps {names} cannot be.", remedy="Name each step once.")

    async def pass_(self, call: Call, run: RunState) -> Outcome:
        """What a call comes to: never an exception of the tool, of its functions or of the model's arguments.

        Raises:
            StoreError: The journal could not be read or written. What had begun is in doubt.
            asyncio.CancelledError: The task was cancelled. What had begun and changes something is in doubt.
        """
        return await self._from(0, call, run)

    async def _from(self, number: int, call: Call, run: RunState) -> Outcome:
        async def then(passed: Call) -> Outcome:
            return await self._from(number + 1, passed, run)

        return await self.steps[number](call, run, then)
