"""The steps that put calls before a person, and let through what the person approved, as approved."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from tercet.agents.gate.asking import STEP, Question, ask, asked_after, denied
from tercet.agents.gate.idempotency import arguments_hash, effect_key
from tercet.agents.gate.outcomes import outcome_of
from tercet.agents.gate.writing import journalled
from tercet.agents.thresholds import amounts_of
from tercet.agents.tools.records import Pending, Refused
from tercet.agents.tools.schema import check
from tercet.errors import InputError

if TYPE_CHECKING:
    from tercet.agents.gate.records import RunState, Then
    from tercet.agents.tools.records import Call, Outcome
    from tercet.memory.journal.records import ApprovalRecord

LIFETIME = timedelta(days=1)
"""How long a person has to decide, and what was decided to be used."""


class EditStep:
    """Gives a call that comes again the arguments that the approver wrote; all steps check them like the model's."""

    name = "edit"

    async def __call__(self, call: Call, run: RunState, then: Then) -> Outcome:
        """Replace the arguments, if the approver did."""
        if not call.approval:
            return await then(call)
        try:
            record = await journalled(run.journal, lambda: run.journal.approval(call.approval, at=run.clock()))
        except InputError as error:
            return Refused(step=self.name, reason=error.message, remedy="Call it without an approval.")
        if (record.run, record.call, record.tool) == (run.run, call.id, call.name):
            edited = await self._edited(record, run)
            if edited is not None:
                try:
                    call = replace(call, arguments=json.loads(edited))
                except ValueError as error:
                    reason = f"What the approver wrote is no JSON: {error}."
                    return Refused(step=self.name, reason=reason, remedy="Go without.")
        return await then(call)

    async def _edited(self, record: ApprovalRecord, run: RunState) -> str | None:
        """What the approver wrote, also where a second question was asked because of it; None: nobody wrote any."""
        if record.edited_arguments is not None:
            return record.edited_arguments
        before = asked_after(record)
        while before:
            earlier = await journalled(run.journal, partial(run.journal.approval, before, at=run.clock()))
            if earlier.edited_arguments is not None:
                return record.arguments
            before = asked_after(earlier)
        return None


class ApprovalStep:
    """Asks a person about a call that has notes, and checks the approval of one that comes again.

    An approval is good for one run and call, agent, tool, arguments and policy, until it expires, and once. It is spent
    by the step behind this one, when nothing else can stand in the way any more.

    Args:
        lifetime: How long a person has to decide, and what was decided to be used.
    """

    name = STEP

    def __init__(self, *, lifetime: timedelta = LIFETIME) -> None:
        self._lifetime = lifetime

    async def __call__(self, call: Call, run: RunState, then: Then) -> Outcome:
        """Ask, or check what was answered."""
        if call.approval:
            return await self._answered(call, run, then)
        if call.notes:
            question = Question(notes=call.notes, ceilings=_passed_alone(call, run))
            return await ask(question, call, run, lifetime=self._lifetime)
        return await then(call)

    async def _answered(self, call: Call, run: RunState, then: Then) -> Outcome:
        record = await journalled(run.journal, lambda: run.journal.approval(call.approval, at=run.clock()))
        if difference := _difference(record, call, run):
            return Refused(step=self.name, reason=f"The approval {difference}.", remedy="Call it again without one.")
        if record.state == "pending":
            return Pending(approval=record.id, reason=record.reason)
        if record.state == "used":
            return await self._used(call, run)
        return denied(record) or await then(call)

    async def _used(self, call: Call, run: RunState) -> Outcome:
        """What became of the call that the approval was spent on; it is not made again."""
        assert call.tool is not None
        if call.tool.changes:
            key = effect_key(call, run)
            effect = await journalled(run.journal, lambda: run.journal.effect(key))
            if effect is not None and effect.state != "failed":
                return outcome_of(effect)
        return Refused(
            step=self.name, reason=f"The approval of this call of {call.name!r} was spent.", remedy="Ask for another."
        )


def _passed_alone(call: Call, run: RunState) -> tuple[str, ...]:
    """Ceilings that the call passes whatever was done before: who approves it knows that from its amounts."""
    assert call.tool is not None
    amounts = amounts_of(call.tool, call.arguments)
    ceilings = run.permissions.ceilings(call.tool, run.tools.values())
    return tuple(one.name for one in ceilings if one.measure in amounts and amounts[one.measure] > one.limit)


def _difference(record: ApprovalRecord, call: Call, run: RunState) -> str:
    """In what the call is not the one that was asked about; empty: it is that one."""
    assert call.tool is not None
    if (record.run, record.call) != (run.run, call.id):
        return "is for another call"
    if record.agent != run.agent:
        return f"is for the agent {record.agent!r}"
    if record.tool != call.name:
        return f"is for the tool {record.tool!r}"
    if record.policy_version != run.permissions.version:
        return "was given under another policy"
    approved = record.arguments_hash
    if record.edited_arguments is not None:
        approved = arguments_hash(check(call.tool, json.loads(record.edited_arguments)))
    return "" if approved == arguments_hash(call.arguments) else "is for other arguments"
