"""The step that knows the tools, and what arguments each takes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tercet.agents.gate.untrusted import excerpt
from tercet.agents.tools.records import Refused
from tercet.agents.tools.schema import check
from tercet.errors import InputError

if TYPE_CHECKING:
    from tercet.agents.gate.records import RunState, Then
    from tercet.agents.tools.records import Call, Outcome

_LONGEST_REASON = 1_000


class SchemaStep:
    """Refuses what no tool is called, and arguments that do not fit; what passes has its defaults filled in."""

    name = "schema"

    async def __call__(self, call: Call, run: RunState, then: Then) -> Outcome:
        """Check the name and the arguments."""
        tool = run.tools.get(call.name)
        if tool is None:
            visible = ", ".join(sorted(one.name for one in run.permissions.visible(run.tools.values())))
            return Refused(
                step=self.name,
                reason=f"There is no tool {excerpt(call.name, limit=100)!r}.",
                remedy=f"There are: {visible}." if visible else "There are no tools.",
            )
        try:
            arguments = check(tool, call.arguments)
        except InputError as error:
            return Refused(step=self.name, reason=excerpt(error.message, limit=_LONGEST_REASON), remedy=error.remedy)
        return await then(replace(call, tool=tool, arguments=arguments))
