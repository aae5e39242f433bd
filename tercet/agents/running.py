"""Makes the loop of a run: of one that begins, and of one that is gone on with."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from tercet.agents.conversation import Conversation, write_part
from tercet.agents.events import Resumed, RunStarted, read
from tercet.agents.gate.gate import default_gate
from tercet.agents.gate.records import RunState
from tercet.agents.instructions import contract
from tercet.agents.ledger import Ledger
from tercet.agents.loop import Loop, LoopConfig
from tercet.agents.requests import RecordedRequests
from tercet.agents.resuming import consumed_by, decided
from tercet.agents.run_log import RunLog
from tercet.agents.tools.control import control_tools
from tercet.agents.trust import Taint
from tercet.errors import InputError, StateError
from tercet.memory.journal.records import NewRun
from tercet.models.retrying import RetryingModel
from tercet.records import DocumentFilter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tercet.agents.agent import Agent
    from tercet.agents.ledger import Consumed
    from tercet.agents.loop import Recall
    from tercet.agents.run_log import Watch
    from tercet.models.chat_records import SourcePart
    from tercet.records import Scope
    from tercet.retrieval.context_records import Context

Output = TypeVar("Output")


def begin(
    agent: Agent[Any, Output],
    task: str,
    *,
    scope: Scope,
    deps: Any,  # noqa: ANN401 - whatever the tools of the agent need
    kind: str,
    attachments: Sequence[SourcePart],
    watch: Watch | None,
) -> Loop[Output]:
    """The loop of a new run."""
    run = NewRun(id=uuid4().hex, scope=scope, agent=agent.name, task=kind)
    conversation = Conversation(taint=Taint())
    log = RunLog(agent.journal, run, clock=agent.clock, redact=agent.redact, watch=watch)
    loop = _loop(agent, run, conversation, log, deps=deps, consumed=None)
    started = RunStarted(
        agent=agent.name,
        owner=agent.owner,
        model=agent.model.name,
        instructions=agent.instructions.label,
        tools=tuple(definition.name for definition in loop.definitions),
        policy=agent.permissions.version,
        limits=asdict(agent.limits),
        texts=(task, agent.instructions.text, *(write_part(part) for part in attachments)),
    )
    log.add(started)
    conversation.apply(started)
    return loop


async def go_on(
    agent: Agent[Any, Output],
    run: str,
    *,
    scope: Scope,
    answer: str | None,
    deps: Any,  # noqa: ANN401 - as above
    watch: Watch | None = None,
) -> Loop[Output]:
    """The loop of a run that was begun before.

    Raises:
        InputError: There is no such run of this agent for this scope, or it needs an answer.
        StateError: It has ended, or was begun with other instructions.
    """
    record = await asyncio.to_thread(agent.journal.run, run)
    if record.agent != agent.name or not scope.sees(record.scope):
        raise InputError(
            f"There is no run {run!r} of agent {agent.name!r} for {scope}.", remedy="`tercet runs list` shows them."
        )
    if record.status == "finished":
        raise StateError(f"Run {run} has ended.", remedy="Begin a new one.")
    events = [read(one).event for one in await asyncio.to_thread(agent.journal.events, run)]
    conversation = Conversation(taint=Taint())
    for event in events:
        if isinstance(event, RunStarted) and event.instructions != agent.instructions.label:
            raise StateError(
                f"Run {run} was begun with the instructions {event.instructions}, and agent {agent.name!r} has "
                f"{agent.instructions.label}.",
                remedy="Use agent.rolled_back_to(run, scope=…), or begin a new run.",
            )
        conversation.apply(event)
    new = NewRun(
        id=run, scope=record.scope, agent=record.agent, task=record.task, parent=record.parent, root=record.root
    )
    log = RunLog(agent.journal, new, clock=agent.clock, redact=agent.redact, watch=watch, written=record.events)
    loop = _loop(agent, new, conversation, log, deps=deps, consumed=consumed_by(events))
    said = await decided(agent, conversation.waiting, answer=answer)
    if said is not None:
        resumed = Resumed(step=conversation.step, texts=(said,))
        log.add(resumed)
        conversation.apply(resumed)
    return loop


def _loop(
    agent: Agent[Any, Output],
    run: NewRun,
    conversation: Conversation,
    log: RunLog,
    *,
    deps: Any,  # noqa: ANN401 - as above
    consumed: Consumed | None,
) -> Loop[Output]:
    ledger = Ledger(agent.limits, agent=agent.name, prices=agent.prices, consumed=consumed)
    visible = agent.permissions.visible(agent.tools.values())
    state = RunState(
        run=run.id,
        agent=agent.name,
        scope=run.scope,
        deps=deps,
        tools={tool.name: tool for tool in visible},
        permissions=agent.permissions,
        journal=agent.journal,
        ledger=ledger,
        taint=conversation.taint,
        clock=agent.clock,
        monotonic=time.monotonic,
    )
    config = LoopConfig(
        output_type=agent.output_type,
        instructions=contract(agent.name, agent.instructions, agent.limits),
        label=agent.instructions.label,
        definitions=(*(tool.definition for tool in visible), *control_tools(agent.output_type)),
        max_tokens=agent.max_tokens,
        effort=agent.effort,
        repairs=agent.repairs,
        on_failure=agent.on_failure,
    )
    requests = RecordedRequests(agent.model, log=log, conversation=conversation, ledger=ledger, counter=agent.counter)
    return Loop(
        config,
        model=RetryingModel(requests, attempts=agent.attempts),
        recall=_recall(agent, run.scope),
        conversation=conversation,
        log=log,
        gate=default_gate(),
        state=state,
    )


def _recall(agent: Agent[Any, Any], scope: Scope) -> Recall | None:
    contexts = agent.contexts
    if contexts is None:
        return None

    async def recall(task: str) -> Context:
        where = DocumentFilter(corpus=agent.corpus, tenant=scope.tenant)
        return await asyncio.to_thread(contexts.build, task, scope=scope, where=where)

    return recall
