"""Makes the loop of a run: of one that begins, and of one that is gone on with."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from tercet.agents.conversation import Conversation, write_part
from tercet.agents.events import Resumed, RunStarted, read
from tercet.agents.gate.loop import LoopDetector
from tercet.agents.gate.records import RunState
from tercet.agents.instructions import contract
from tercet.agents.ledger import Ledger
from tercet.agents.loop import Loop, LoopConfig
from tercet.agents.redaction import without_secrets
from tercet.agents.requests import RecordedRequests
from tercet.agents.resuming import consumed_by, decided, doubt_what_was_begun, recorded_below, remember_attempts
from tercet.agents.run_log import RunLog
from tercet.agents.threads import in_thread
from tercet.agents.trust import Taint
from tercet.errors import InputError, StateError
from tercet.memory.journal.records import NewRun
from tercet.models.retrying import RetryingModel
from tercet.records import DocumentFilter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tercet.agents.agent import Agent
    from tercet.agents.consumption import Consumed
    from tercet.agents.events import Event
    from tercet.agents.loop import Recall, ToolGate
    from tercet.agents.run_log import Watch
    from tercet.memory.journal.records import Journal, RunRecord
    from tercet.models.chat import ChatModel
    from tercet.models.chat_records import SourcePart
    from tercet.records import Scope, Trust
    from tercet.retrieval.context_records import Context

Output = TypeVar("Output")


def new_id() -> str:
    """Of a run: 32 hexadecimal digits that nobody guesses."""
    return uuid4().hex


def begin(
    agent: Agent[Any, Output],
    task: str,
    *,
    scope: Scope,
    deps: Any,  # noqa: ANN401 - whatever the tools of the agent need
    kind: str,
    attachments: Sequence[SourcePart] = (),
    watch: Watch | None = None,
    above: RunState | None = None,
    trust: Trust = "user",
) -> Loop[Output]:
    """The loop of a new run.

    Args:
        agent: Whose run it is.
        task: As the model is told.
        scope: On whose behalf.
        deps: Handed on to the tools.
        kind: Of task.
        attachments: Texts of the least trust.
        watch: Told of every event.
        above: The run that this one is a part of.
        trust: Of the task.
    """
    run = NewRun(id=new_id(), scope=scope, agent=agent.name, task=kind, parent=_parent(above), root=_root(above))
    conversation = Conversation(taint=Taint())
    log = RunLog(_journal(agent, above), run, clock=agent.clock, watch=watch)
    loop = assemble(agent, run, conversation, log, deps=deps, above=above)
    started = RunStarted(
        trust=trust,
        agent=agent.name,
        owner=agent.owner,
        model=agent.model.name,
        instructions=agent.instructions.label,
        tools=tuple(definition.name for definition in loop.definitions),
        policy=agent.permissions.version,
        limits=asdict(agent.limits),
        redacted=agent.redact is not None,
        texts=(task, agent.instructions.text, *(write_part(part) for part in attachments)),
    )
    loop.record(started)
    return loop


def _parent(above: RunState | None) -> str:
    return above.run if above else ""


def _root(above: RunState | None) -> str:
    return (above.root or above.run) if above else ""


def _journal(agent: Agent[Any, Any], above: RunState | None) -> Journal:
    """Told no secrets, neither of this agent nor of those above it."""
    return without_secrets(above.journal if above else agent.journal, agent.redact)


async def run_of(agent: Agent[Any, Any], run: str, *, scope: Scope) -> RunRecord:
    """A run of an agent, as the journal has it.

    Raises:
        InputError: There is no such run of this agent for this scope.
    """
    record = await in_thread(agent.journal.run, run)
    if record.agent != agent.name or not scope.sees(record.scope):
        raise InputError(
            f"There is no run {run!r} of agent {agent.name!r} for {scope}.", remedy="`tercet runs list` shows them."
        )
    return record


async def recorded_events(agent: Agent[Any, Any], run: str) -> list[Event]:
    """The events of a run.

    Raises:
        InputError: They were erased.
    """
    return [read(one).event for one in await in_thread(agent.journal.events, run)]


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
    record = await run_of(agent, run, scope=scope)
    if record.status == "finished":
        raise StateError(f"Run {run} has ended.", remedy="Begin a new one.")
    events = await recorded_events(agent, run)
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
    log = RunLog(_journal(agent, None), new, clock=agent.clock, watch=watch, written=record.events)
    below = await in_thread(recorded_below, agent.journal, run)
    loop = assemble(agent, new, conversation, log, deps=deps, consumed=consumed_by(events, below))
    remember_attempts(loop.state, events)
    await in_thread(doubt_what_was_begun, agent.journal, run, at=agent.clock())
    said = await decided(agent, conversation.waiting, answer=answer)
    if said is not None:
        loop.record(Resumed(step=conversation.step, texts=(said,)))
    return loop


def assemble(
    agent: Agent[Any, Output],
    run: NewRun,
    conversation: Conversation,
    log: RunLog,
    *,
    deps: Any = None,  # noqa: ANN401 - as above
    consumed: Consumed | None = None,
    attempts: int | None = None,
    model: ChatModel | None = None,
    gate: ToolGate | None = None,
    recall: Recall | None = None,
    journal: Journal | None = None,
    above: RunState | None = None,
) -> Loop[Output]:
    """The loop of a run of an agent.

    Args:
        agent: Whose run it is.
        run: The run.
        conversation: Its state.
        log: Where its events go.
        deps: Handed on to the tools.
        consumed: What it had done and spent before.
        attempts: At a request; None: as the agent makes.
        model: Instead of the agent's, likewise the gate, the memory's recall and the journal: for replays.
        gate: As said.
        recall: As said.
        journal: As said.
        above: The run that this one is a part of: its limits hold too, and so do its permissions.

    Raises:
        LimitExceededError: There would be too many runs below one another, or below that one.
    """
    model = model or agent.model
    if above is None:
        ledger = Ledger(agent.limits, agent=agent.name, prices=agent.prices, consumed=consumed)
    else:
        ledger = above.ledger.child(agent.limits, agent=agent.name, prices=agent.prices, consumed=consumed)
    permissions = agent.permissions if above is None else agent.permissions.intersect(above.permissions)
    visible = permissions.visible(agent.tools.values())
    requests = RecordedRequests(
        model,
        log=log,
        conversation=conversation,
        ledger=ledger,
        counter=agent.counter,
        prices=agent.prices.get(model.name),
    )
    return Loop(
        LoopConfig(
            controls=agent.controls,
            instructions=contract(agent.name, agent.instructions, agent.limits),
            label=agent.instructions.label,
            definitions=tuple(
                replace(one) for one in (*(tool.definition for tool in visible), *agent.controls.definitions)
            ),  # copies: whoever sees a request cannot change that of another run
            max_tokens=agent.max_tokens,
            effort=agent.effort,
            repairs=agent.repairs,
            on_failure=agent.on_failure,
            approvals_expire=agent.approvals_expire,
        ),
        model=RetryingModel(requests, attempts=attempts or agent.attempts),
        recall=recall or _recall(agent, run.scope),
        conversation=conversation,
        log=log,
        gate=gate or agent.gate,
        state=RunState(
            run=run.id,
            agent=agent.name,
            scope=run.scope,
            deps=deps,
            tools={tool.name: tool for tool in visible},
            permissions=permissions,
            root=run.root,
            journal=journal or _journal(agent, above),
            ledger=ledger,
            taint=conversation.taint,
            loops=above.loops if above else LoopDetector(),
            rates=agent.rates,
            breakers=agent.breakers,
            clock=agent.clock,
            monotonic=time.monotonic,
        ),
    )


def _recall(agent: Agent[Any, Any], scope: Scope) -> Recall | None:
    contexts = agent.contexts
    if contexts is None:
        return None

    async def recall(task: str) -> Context:
        where = DocumentFilter(corpus=agent.corpus, tenant=scope.tenant)
        return await in_thread(contexts.build, task, scope=scope, where=where)

    return recall
