"""The gate: what a tool call has to pass, in one order, before anything happens and after it did."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tercet.agents.gate.approval import LIFETIME, ApprovalStep, EditStep
from tercet.agents.gate.attempts import Attempt
from tercet.agents.gate.breaker import BreakerStep
from tercet.agents.gate.budget import BudgetStep
from tercet.agents.gate.effects import EffectsStep
from tercet.agents.gate.execute import ExecuteStep
from tercet.agents.gate.loop import LoopStep
from tercet.agents.gate.permission import PermissionStep
from tercet.agents.gate.rate import RateStep
from tercet.agents.gate.schema import SchemaStep
from tercet.agents.gate.trust import TrustStep
from tercet.agents.gate.untrusted import excerpt, told
from tercet.agents.gate.validate import ValidateStep
from tercet.agents.tools.records import Failed, Refused, Succeeded
from tercet.errors import ConfigurationError, InputError, StoreError, TercetError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from tercet.agents.gate.records import GateStep, RunState
    from tercet.agents.tools.records import Call, Outcome


def default_steps(*, approvals_expire: timedelta = LIFETIME) -> tuple[GateStep, ...]:
    """The steps in the order in which a call passes them; ``design/gate.md`` says why in this one.

    ``validate`` stands before ``execute`` because it looks at what comes back.

    Args:
        approvals_expire: How long a person has to decide, and what was decided to be used.
    """
    return (
        EditStep(),
        SchemaStep(),
        PermissionStep(),
        TrustStep(),
        BudgetStep(),
        LoopStep(),
        RateStep(),
        BreakerStep(),
        ApprovalStep(lifetime=approvals_expire),
        EffectsStep(lifetime=approvals_expire),
        ValidateStep(),
        ExecuteStep(),
    )


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
        if ("approval" in names) != ("effects" in names):
            raise ConfigurationError(
                "A gate with one of the steps 'approval' and 'effects' would not spend approvals, or not ask for them.",
                remedy="Give both, or none.",
            )
        self._before_loop = frozenset(names[: names.index("loop")]) if "loop" in names else frozenset()

    async def pass_(self, call: Call, run: RunState) -> Outcome:
        """What a call comes to: never an exception of the tool, of its functions or of the model's arguments.

        If the tool is out of order and names another to fall back on, that one is called the same way: it passes every
        step itself.

        Raises:
            StoreError: The journal could not be read or written. What had begun is in doubt.
            asyncio.CancelledError: The task was cancelled. What had begun and changes something is in doubt.
        """
        outcome = await self._one(call, run)
        tried = [call.name]
        while isinstance(outcome, Failed) and outcome.error == "unavailable":
            tool = run.tools.get(tried[-1])
            if tool is None or tool.fallback is None or tool.fallback in tried or tool.fallback not in run.tools:
                break
            tried.append(tool.fallback)
            outcome = await self._one(replace(call, name=tool.fallback), run)
            if isinstance(outcome, Succeeded):
                outcome = replace(outcome, tool=tool.fallback)
        return outcome

    async def _one(self, call: Call, run: RunState) -> Outcome:
        try:
            outcome = await self._from(0, call, run)
        except InputError as error:  # of a tool's amounts or key, or of an id or a text that no journal can keep
            outcome = Refused(step="gate", reason=excerpt(error.message), remedy=error.remedy)
        except TercetError:
            raise
        except Exception as error:  # tools raise nothing here: it is the journal, a clock or a step of one's own
            raise StoreError(
                f"The call of {call.name!r} could not be seen through: {told(error)}",
                remedy="What it may have changed is in doubt; the journal's effects say so.",
            ) from error
        if isinstance(outcome, Refused) and outcome.step in self._before_loop:
            return run.loops.refused(Attempt.of(call, run), outcome)
        return outcome

    async def _from(self, number: int, call: Call, run: RunState) -> Outcome:
        if number == len(self.steps):
            raise ConfigurationError(
                f"The last step of the gate, {self.steps[-1].name!r}, passed a call on.",
                remedy="End with ExecuteStep().",
            )

        async def then(passed: Call) -> Outcome:
            return await self._from(number + 1, passed, run)

        return await self.steps[number](call, run, then)
