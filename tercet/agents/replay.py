"""Repeats a run from the journal: offline and to the byte, or from a chosen step on with something changed."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from tercet.agents.conversation import Conversation, known, read_context, read_outcome, read_response, write_outcome
from tercet.agents.ends import Escalated, NeedsClarification
from tercet.agents.events import (
    ContextBuilt,
    ModelAnswered,
    ModelFailed,
    ModelRequested,
    Resumed,
    RunEnded,
    RunFailed,
    RunStarted,
    ToolFinished,
)
from tercet.agents.ledger import MEASURES
from tercet.agents.redaction import without_secrets
from tercet.agents.requests import request_parameters, request_texts
from tercet.agents.resuming import consumed_by
from tercet.agents.run_log import RunLog
from tercet.agents.running import assemble, new_id, recorded_events, run_of
from tercet.agents.tools.records import Refused
from tercet.agents.trust import Taint
from tercet.errors import InputError, LimitExceededError, ModelError, ReplayError, RunError
from tercet.memory.journal.in_memory import InMemoryJournal
from tercet.memory.journal.records import NewRun
from tercet.models.chat import stream_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from tercet.agents.agent import Agent
    from tercet.agents.ends import End
    from tercet.agents.events import Event
    from tercet.agents.gate.records import RunState
    from tercet.agents.loop import ToolGate
    from tercet.agents.tools.records import Call, Outcome
    from tercet.models.chat_records import ChatEvent, ChatRequest, ChatResponse
    from tercet.records import Scope
    from tercet.retrieval.context_records import Context

Output = TypeVar("Output")


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What came of repeating a run."""

    run: str
    """That was repeated."""
    requests: int
    """How many the model was sent, each attempt counted, all of them as the journal has them."""
    end: End[Any] | None
    """None: it failed, as it did then."""
    error: str = ""
    """With which it failed."""


async def replay(agent: Agent[Any, Output], run: str, *, scope: Scope) -> Replay:
    """Repeat a run without a model, a tool or a memory: what they gave comes from the journal.

    Shows that the agent of today would have sent the same requests, byte for byte, and come to the same end. Nothing
    is executed, sent or journalled.

    Args:
        agent: As it is defined today.
        run: Id of the run.
        scope: On whose behalf it ran.

    Raises:
        ReplayError: A request is not what the journal has; it says which one, and where they part. Or the run was
            redacted.
        InputError: There is no such run of this agent for this scope, or it was erased.
    """
    record = await run_of(agent, run, scope=scope)
    recording = Recording(run, await recorded_events(agent, run))
    if recording.started.redacted:
        raise ReplayError(
            f"Run {run} cannot be replayed to the byte: its texts were redacted before they were journalled.",
            remedy="See replay_from, which asks anew from a step on.",
            run=run,
        )
    new = NewRun(id=run, scope=record.scope, agent=record.agent, task=record.task)
    conversation = Conversation(taint=Taint())
    model = RecordedModel(recording, attempts=agent.attempts)
    journal = InMemoryJournal()
    loop = assemble(
        agent,
        new,
        conversation,
        RunLog(journal, new, clock=agent.clock),
        model=model,
        attempts=len(recording.attempts) + 1,
        gate=RecordedGate(recording),
        recall=recording.recall if recording.context is not None else None,
        journal=journal,
    )
    loop.record(recording.started)
    try:
        end = await loop.run()
        while recording.resumptions and isinstance(end, NeedsClarification | Escalated):
            resumed = recording.resumptions.popleft()
            if resumed is not None:
                loop.record(resumed)
            end = await loop.run()
    except (ModelError, RunError) as error:
        if recording.difference is not None:
            raise recording.difference from error
        if recording.failed is None:
            raise
        return Replay(run=run, requests=model.requests, end=None, error=recording.failed.error)
    if recording.difference is not None:  # the agent puts its failures before a person, and so it did with this one
        raise recording.difference
    if recording.attempts:
        raise ReplayError(
            f"The replay of run {run} ended after {model.requests} requests, and the journal has "
            f"{len(recording.attempts)} more.",
            remedy="Compare the agent with the one of that run: limits, tools, output type.",
            run=run,
        )
    return Replay(run=run, requests=model.requests, end=end)


async def replay_from(
    agent: Agent[Any, Output], run: str, *, step: int, scope: Scope, results: dict[str, Outcome] | None = None
) -> End[Output]:
    """Repeat a run up to a step, and go on from there with another agent, or other results: what if?

    From that step on the agent's model is really asked, and tools that change nothing are really called. Tools that
    change something are refused: a question of what would have been shall change nothing.

    Args:
        agent: With one thing changed, such as ``agent.with_instructions(…)`` or another model.
        run: Id of the run.
        step: The first that is lived anew, from 1.
        scope: On whose behalf it ran.
        results: Outcomes that shall be others than they were in the steps before, by the ids of their calls.

    Returns:
        The end of the new run, which the journal keeps as one of its own that replays the old one.

    Raises:
        InputError: There is no such run or step.
    """
    record = await run_of(agent, run, scope=scope)
    events = await recorded_events(agent, run)
    last = max((event.step for event in events if isinstance(event, ModelRequested)), default=0)
    if not 1 <= step <= last:
        raise InputError(f"Run {run} has steps 1 to {last}, not {step}.", remedy="Choose one of them.")
    before = []
    for event in events:
        if isinstance(event, ModelRequested) and event.step == step:
            break
        before.append(_with(event, results or {}))
    conversation = Conversation(taint=Taint())
    new = NewRun(id=new_id(), scope=record.scope, agent=agent.name, task=record.task, replays=run)
    log = RunLog(without_secrets(agent.journal, agent.redact), new, clock=agent.clock)
    gate = HarmlessGate(agent.gate)
    loop = assemble(agent, new, conversation, log, consumed=consumed_by(before), gate=gate)
    for event in before:
        loop.record(event)
    return await loop.run()


Asked = tuple[ModelRequested, ModelAnswered | ModelFailed | None]


@dataclass(slots=True)
class Recording:
    """What a run was given from outside, in the order in which it came."""

    run: str
    events: Sequence[Event]
    started: RunStarted = field(init=False)
    context: Context | None = field(init=False, default=None)
    attempts: deque[Asked] = field(init=False, default_factory=deque)
    """At requests, each with what came of it; None: its process died."""
    finished: dict[str, deque[ToolFinished]] = field(init=False, default_factory=dict)
    """By step and call: one that waited for a person has two."""
    resumptions: deque[Resumed | None] = field(init=False, default_factory=deque)
    """How it went on each time that it had been suspended; None: nobody had said anything, and it waited again."""
    failed: RunFailed | None = field(init=False, default=None)
    difference: ReplayError | None = field(init=False, default=None)
    """Where the repetition first parted from the run."""

    def __post_init__(self) -> None:
        waits = False
        for event in self.events:
            if waits:
                self.resumptions.append(event if isinstance(event, Resumed) else None)
            waits = isinstance(event, RunEnded) and event.end in ("clarification", "escalated")
            match event:
                case RunStarted():
                    self.started = event
                case ContextBuilt():
                    self.context = read_context(known(event.texts[0]))
                case ModelRequested():
                    self.attempts.append((event, None))
                case ModelAnswered() | ModelFailed():
                    self.attempts[-1] = (self.attempts[-1][0], event)
                case ToolFinished():
                    self.finished.setdefault(f"{event.step}/{event.call}", deque()).append(event)
                case RunFailed():
                    self.failed = event
                case _:
                    pass

    @property
    def time_is_up(self) -> LimitExceededError | None:
        """The limit of seconds, if it ended the run."""
        last = self.events[-1]
        if not isinstance(last, RunEnded) or last.detail.get("which") != "seconds":
            return None
        return LimitExceededError(
            "The time is over.",
            which="seconds",
            consumed=float(last.detail["consumed"]),
            reserved=0,
            limit=float(last.detail["limit"]),
            agent=self.started.agent,
        )

    async def recall(self, task: str) -> Context:
        """The context that the run had."""
        if self.context is None:
            raise self.parts(f"Run {self.run} had no context for {task!r}.")
        return self.context

    def parts(self, message: str, *, remedy: str = "") -> ReplayError:
        """The error that says how the repetition is another run; the first of them is what the replay says."""
        error = ReplayError(message, remedy=remedy, run=self.run)
        self.difference = self.difference or error
        return error


class RecordedModel:
    """Gives the answers of a run, as long as it is asked what the run asked.

    Args:
        recording: Of the run.
        attempts: That the agent makes at a request.

    Attributes:
        requests: How often it was asked.
    """

    def __init__(self, recording: Recording, *, attempts: int) -> None:
        self.name = recording.started.model
        self._attempts = attempts
        self.requests = 0
        self._recording = recording

    async def respond(self, request: ChatRequest) -> ChatResponse:
        """The next answer.

        Raises:
            ReplayError: The request is another one.
            ModelError: So it ended then.
        """
        recorded = self._recording.attempts
        if not recorded:
            raise self._recording.parts(
                f"The replay of run {self._recording.run} sends more than the {self.requests} requests in the journal."
            )
        asked, came = recorded.popleft()
        self.requests += 1
        _compare(asked, request, self._recording)
        if isinstance(came, ModelAnswered):
            return read_response(known(came.texts[0]))
        again = bool(recorded) and recorded[0][0].step == asked.step
        if came is None:
            raise ModelError("Its process died before the answer was on record.", retryable=again, retry_after=0)
        if came.error == "CancelledError" and (limit := self._recording.time_is_up) is not None:
            raise limit
        # Of the same name, as the end of a run may tell it.
        kind: type[ModelError] = type(came.error, (ModelError,), {})
        again = again or (came.retryable and asked.attempt < self._attempts)
        raise kind(came.reason, usage=came.usage, retryable=again, retry_after=0)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """The next answer as events."""
        for event in stream_of(await self.respond(request)):
            yield event

    async def aclose(self) -> None:
        """Nothing is open."""


class RecordedGate:
    """Gives the outcomes that the calls of a run had, and executes nothing."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    async def pass_(self, call: Call, run: RunState) -> Outcome:
        """What the call came to.

        Raises:
            ReplayError: The run had no such call.
        """
        finished = self._recording.finished.get(call.id)
        if not finished:
            raise self._recording.parts(
                f"The replay of run {self._recording.run} calls {call.name!r} in step {call.step}, and the journal has "
                "no result of that."
            )
        event = finished.popleft()
        run.ledger.take_over({measure: event.consumed[measure] for measure in MEASURES if measure in event.consumed})
        return read_outcome(known(event.texts[0]))


class HarmlessGate:
    """Another gate that nothing passes which would change anything."""

    def __init__(self, gate: ToolGate) -> None:
        self._gate = gate

    async def pass_(self, call: Call, run: RunState) -> Outcome:
        """What the call comes to; refused if it would change anything."""
        tool = run.tools.get(call.name)
        if tool is not None and tool.changes:
            return Refused(step="replay", reason=f"{call.name!r} changes something, and this run only asks what if.")
        return await self._gate.pass_(call, run)


def _compare(asked: ModelRequested, request: ChatRequest, recording: Recording) -> None:
    """See that a request is the one on record.

    Raises:
        ReplayError: It is not.
    """
    texts = request_texts(request)
    for place, (then, now) in enumerate(zip(asked.texts, texts, strict=False)):
        if known(then) != now:
            what = ("the instructions", "the tools")[place] if place < 2 else f"message {place - 1}"
            raise recording.parts(
                f"Step {asked.step} of run {recording.run}: {what} of the request differ: "
                f"{_difference(known(then), now)}.",
                remedy="Repeat it with the agent as it was, or see replay_from.",
            )
    if len(asked.texts) != len(texts) or asked.parameters != _as_json(request_parameters(request)):
        raise recording.parts(
            f"Step {asked.step} of run {recording.run}: the journal has {len(asked.texts)} texts and "
            f"{asked.parameters}, the replay {len(texts)} and {request_parameters(request)}."
        )


def _difference(then: str, now: str, around: int = 40) -> str:
    place = next(
        (at for at, (one, other) in enumerate(zip(then, now, strict=False)) if one != other), min(len(then), len(now))
    )
    begin = max(0, place - around)
    return f"from character {place}, {then[begin : place + around]!r} became {now[begin : place + around]!r}"


def _as_json(parameters: dict[str, Any]) -> object:
    return json.loads(json.dumps(parameters))


def _with(event: Event, results: dict[str, Outcome]) -> Event:
    if isinstance(event, ToolFinished) and event.call in results:
        outcome = results[event.call]
        return replace(event, outcome=outcome.kind, texts=(write_outcome(outcome),))
    return event
