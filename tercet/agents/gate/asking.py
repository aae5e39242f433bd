"""Putting a call before a person."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tercet.agents.gate.idempotency import arguments_hash
from tercet.agents.gate.writing import journalled
from tercet.agents.tools.records import Pending, Refused
from tercet.memory.journal.records import NewApproval
from tercet.memory.patches import canonical, text_hash

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from tercet.agents.gate.records import RunState
    from tercet.agents.tools.records import Call, Outcome
    from tercet.memory.journal.records import ApprovalRecord

STEP = "approval"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Why a person is asked."""

    notes: tuple[str, ...]
    ceilings: tuple[str, ...] = ()
    """Names of those that the call would pass: a person who approves it allows that."""


async def ask(question: Question, call: Call, run: RunState, *, lifetime: timedelta) -> Outcome:
    """Ask a person, once for the same question; the answer counts for these arguments under this policy only."""
    hashed = arguments_hash(call.arguments)
    policy = run.permissions.version
    approval = NewApproval(
        id=text_hash(
            canonical([run.run, call.id, call.name, hashed, policy, sorted(question.ceilings), call.approval])
        ),
        run=run.run,
        call=call.id,
        agent=run.agent,
        tool=call.name,
        scope=run.scope,
        arguments=canonical(call.arguments),
        arguments_hash=hashed,
        policy_version=policy,
        reason="; ".join(question.notes),
        evidence=canonical(
            {
                "step": call.step,
                "trust": call.trust,
                "notes": list(question.notes),
                "ceilings": list(question.ceilings),
                "after": call.approval,
            }
        ),
        expires_at=run.clock() + lifetime,
    )
    record = await journalled(run.journal, lambda: run.journal.ask(approval, at=run.clock()))
    return denied(record) or Pending(approval=record.id, reason=record.reason)


def denied(record: ApprovalRecord) -> Refused | None:
    """The refusal that a decision is; None: it is none."""
    if record.state == "denied":
        answer = f": {record.answer}" if record.answer else ""
        return Refused(
            step=STEP, reason=f"A person refused this call of {record.tool!r}{answer}.", remedy="Go without."
        )
    if record.state == "expired":
        return Refused(step=STEP, reason=f"Nobody approved this call of {record.tool!r} in time.", remedy="Go without.")
    return None


def ceilings_told(record: ApprovalRecord) -> Sequence[str]:
    """Names of the ceilings that the person was told of."""
    return tuple(json.loads(record.evidence)["ceilings"]) if record.evidence else ()


def asked_after(record: ApprovalRecord) -> str:
    """Id of the approval by which the call had come when this one was asked for; empty: by none."""
    return str(json.loads(record.evidence)["after"]) if record.evidence else ""
