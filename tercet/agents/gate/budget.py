"""The step that reserves a tool call within the limits of the agent and of those above it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tercet.agents.tools.records import Refused
from tercet.errors import LimitExceededError

if TYPE_CHECKING:
    from tercet.agents.gate.records import RunState, Then
    from tercet.agents.tools.records import Call, Outcome


class BudgetStep:
    """Refuses what would pass a limit. What is not executed in the end is not counted.

    A refusal ends the run only if the limit is used up by what was executed. If calls that are still on their way
    through the gate hold the rest, some of it may come back, and the run goes on.
    """

    name = "budget"

    async def __call__(self, call: Call, run: RunState, then: Then) -> Outcome:
        """Reserve one execution."""
        try:
            booking = run.ledger.book(tool_calls=1)
        except LimitExceededError as error:
            return Refused(step=self.name, reason=error.message, remedy=error.remedy, final=error.final)
        try:
            return await then(replace(call, booking=booking))
        finally:
            booking.release()
