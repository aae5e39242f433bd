"""What a run that is gone on with had done and spent, and what a person said to it meanwhile."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tercet.agents.consumption import Consumed
from tercet.agents.conversation import known, read_outcome
from tercet.agents.events import (
    ModelAnswered,
    ModelFailed,
    ModelRequested,
    Suspended,
    ToolFinished,
    ToolRequested,
    read,
)
from tercet.agents.gate.attempts import Attempt
from tercet.agents.threads import in_thread
from tercet.agents.tools.records import Call, Refused
from tercet.errors import InputError, StateError
from tercet.records import Scope, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from tercet.agents.agent import Agent
    from tercet.agents.events import Event
    from tercet.agents.gate.records import RunState
    from tercet.memory.journal.records import ApprovalRecord, Journal

_MOST_RUNS = 10_000


def consumed_by(events: Sequence[Event], below: Sequence[Sequence[Event]] = ()) -> Consumed:
    """What a run and those below it came to; a request that nobody heard of again counts as sent.

    Args:
        events: Of the run.
        below: Of each run below it.
    """
    everything = [one for run in (events, *below) for one in run]
    answered = [one for one in everything if isinstance(one, ModelAnswered)]
    failed = [one for one in everything if isinstance(one, ModelFailed)]
    costs = [*(one.cost for one in answered), *(one.cost for one in failed)]
    return Consumed(
        steps=sum(_steps(run) for run in (events, *below)),
        model_calls=sum(isinstance(one, ModelRequested) for one in everything),
        tool_calls=sum(one.executions for one in everything if isinstance(one, ToolFinished)),
        usage=sum((one.usage for one in answered), Usage()),
        failed_usage=sum((one.usage for one in failed), Usage()),
        cost=sum((cost for cost in costs if cost is not None), Decimal(0)),
        seconds=sum(one.seconds for one in events if isinstance(one, ModelAnswered | ModelFailed | ToolFinished)),
        children=len(below),
    )


def _steps(run: Sequence[Event]) -> int:
    return max((one.step for one in run if isinstance(one, ModelRequested)), default=0)


def recorded_below(journal: Journal, run: str) -> list[list[Event]]:
    """The events of each run below one, as far as they were not erased."""
    return [[read(one).event for one in journal.events(below)] for below in _runs_below(journal, run)]


def doubt_what_was_begun(journal: Journal, run: str, *, at: datetime) -> None:
    """Put the effects that a run and those below it have begun and not ended down as in doubt.

    Whoever goes on with a run knows that the process before it is gone. Should it live after all, it may still say how
    an effect ended.
    """
    for one in (run, *_runs_below(journal, run)):
        for effect in journal.effects(scope=Scope.any(), state="started", run=one):
            with suppress(StateError):  # it has just been said
                reason = "The process that began it is gone."
                journal.settle(effect.key, state="in_doubt", result=None, reason=reason, at=at)


def _runs_below(journal: Journal, run: str) -> list[str]:
    records = journal.runs(scope=Scope.any(), root=journal.run(run).root or run, limit=_MOST_RUNS)
    parents = {record.id: record.parent for record in records}
    return [record.id for record in records if _is_below(record.id, run, parents)]


def _is_below(run: str, other: str, parents: Mapping[str, str]) -> bool:
    while run := parents.get(run, ""):
        if run == other:
            return True
    return False


def remember_attempts(state: RunState, events: Sequence[Event]) -> None:
    """Tell the loop detector of a run what was tried before; what a person has looked at is forgiven."""
    arguments: dict[tuple[int, str], Mapping[str, Any]] = {}
    looked_at = max(
        (place for place, one in enumerate(events) if isinstance(one, Suspended) and one.why == "escalation"), default=0
    )
    for event in events[looked_at:]:
        if isinstance(event, ToolRequested):
            arguments[event.step, event.call] = json.loads(known(event.texts[0]))
        elif isinstance(event, ToolFinished) and (event.step, event.call) in arguments:
            call = Call(
                id=event.call,
                name=event.tool,
                arguments=arguments[event.step, event.call],
                step=event.step,
                tool=state.tools.get(event.tool),
            )
            attempt, outcome = Attempt.of(call, state), read_outcome(known(event.texts[0]))
            if isinstance(outcome, Refused):
                state.loops.refused(attempt, outcome)
            elif state.loops.begin(attempt) is None:
                state.loops.end(attempt, outcome)


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
    approval = await in_thread(agent.journal.approval, waiting.approval, at=agent.clock())
    return None if approval.state == "pending" else _said(approval)


def _said(approval: ApprovalRecord) -> str:
    if approval.state == "expired":
        return "Nobody decided in time: it is denied."
    verdict = "denied it" if approval.state == "denied" else "approved it"
    changed = f", with other arguments: {json.loads(approval.edited_arguments)}" if approval.edited_arguments else ""
    return f"{approval.approver} {verdict}{changed}. {approval.answer}".rstrip()
