"""The step that keeps texts of low trust from steering tools that change something."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tercet.agents.trust import TRUSTED

if TYPE_CHECKING:
    from tercet.agents.gate.records import RunState, Then
    from tercet.agents.tools.records import Call, Outcome


class TrustStep:
    """Notes a call that changes something and whose arguments come from less than the user, whatever is allowed."""

    name = "trust"

    async def __call__(self, call: Call, run: RunState, then: Then) -> Outcome:
        """Look where the arguments come from."""
        tool = call.tool
        assert tool is not None
        trust = run.taint.trust_of(call.arguments, tool)
        notes = call.notes
        if tool.changes and trust not in TRUSTED:
            places = ", ".join(run.taint.doubtful(call.arguments, tool)) or "the call itself"
            notes = (*notes, f"{tool.name!r} would be steered by text of trust {trust!r}: {places}")
        return await then(replace(call, trust=trust, notes=notes))
