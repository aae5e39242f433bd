"""The step that asks the policy."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tercet.agents.tools.records import Refused

if TYPE_CHECKING:
    from tercet.agents.gate.records import RunState, Then
    from tercet.agents.tools.records import Call, Outcome


class PermissionStep:
    """Refuses what the policy denies, and notes what a person has to approve, by rules or by amounts of the call."""

    name = "permission"

    async def __call__(self, call: Call, run: RunState, then: Then) -> Outcome:
        """Ask the policy about the checked call."""
        assert call.tool is not None
        decision = run.permissions.decide(call.tool, call.arguments)
        if decision.verdict == "deny":
            return Refused(step=self.name, reason=_sentence(decision.reason), remedy="Do without it.")
        if decision.verdict == "ask":
            call = replace(call, notes=(*call.notes, decision.reason))
        return await then(call)


def _sentence(reason: str) -> str:
    return f"{reason[:1].upper()}{reason[1:]}."
