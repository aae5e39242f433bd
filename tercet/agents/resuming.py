"""What a run that is gone on with had done and spent, and what a person said to it meanwhile."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tercet.agents.consumption import Consumed
from tercet.agents.events import ModelAnswered, ModelFailed, ModelRequested, Suspended, ToolFinished
from tercet.errors import InputError
from tercet.records import Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tercet.agents.agent import Agent
    from tercet.agents.events import Event
    from tercet.memory.journal.records import ApprovalRecord

RAN = ("succeeded", "failed", "in_doubt")
"""Outcomes of calls that were executed."""


def consumed_by(events: Sequence[Event]) -> Consumed:
    """What the events of a run came to; a request that nobody heard of again counts as sent."""
    answered: list[ModelAnswered] = [event for event in events if isinstance(event, ModelAnswered)]
    failed: list[ModelFailed] = [event for event in events if isinstance(event, ModelFailed)]
    requested = [event for event in events if isinstance(event, ModelRequested)]
    finished = [event for event in events if isinstance(event, ToolFinished)]
    costs = [*(event.cost for event in answered), *(event.cost for event in failed)]
    seconds = [*(one.seconds for one in answered), *(one.seconds for one in failed), *(one.seconds for one in finished)]
    return Consumed(
        steps=max((event.step for event in requested), default=0),
        model_calls=len(requested),
        tool_calls=sum(event.outcome in RAN for event in finished),
        usage=sum((event.usage for event in answered), Usage()),
        failed_usage=sum((event.usage for event in failed), Usage()),
        cost=sum((cost for cost in costs if cost is not None), Decimal(0)),
        seconds=sum(seconds),
    )


async def decided(agent: Agent[Any, Any], waiting: Suspended | None, *, answer: str | None) -> str | None:
    """What the run is told as it goes on; None: it waits for nobody, or still waits.

    Raises:
        InputError: It needs an answer, or there is nothing to answer.
    """
    if answer is not None and (waiting is None or waiting.why != "clarification"):
        raise InputError("The run asked nothing.", remedy="Leave the answer out.")
    if waiting is None:
        return None
    if waiting.why == "clarification":
        if answer is None or not answer.strip():
            raise InputError(f"The run asks: {waiting.texts[0]}", remedy="Give answer=.")
        return answer
    approval = await asyncio.to_thread(agent.journal.approval, waiting.approval, at=agent.clock())
    return None if approval.state == "pending" else _said(approval)


def _said(approval: ApprovalRecord) -> str:
    if approval.state == "expired":
        return "Nobody decided in time: it is denied."
    verdict = "denied it" if approval.state == "denied" else "approved it"
    changed = f", with other arguments: {json.loads(approval.edited_arguments)}" if approval.edited_arguments else ""
    return f"{approval.approver} {verdict}{changed}. {approval.answer}".rstrip()
