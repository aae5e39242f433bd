"""The loop of a run: ask the model, let the gate pass or refuse what it wants, until it ends in one of five ways."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, Protocol, TypeVar

from tercet.agents.conversation import known, write_context, write_outcome
from tercet.agents.ending import Endings
from tercet.agents.ends import Escalated, Impossible, NeedsClarification
from tercet.agents.events import (
    ContextBuilt,
    Draft,
    DraftWithdrawn,
    OutputRejected,
    Suspended,
    ToolFinished,
    ToolRequested,
)
from tercet.agents.instructions import what_is_left
from tercet.agents.ledger import metered
from tercet.agents.links import check_addresses
from tercet.agents.threads import in_thread
from tercet.agents.tools.control import CONTROL_NAMES, AskUser, DeclareImpossible, Escalate, Finish
from tercet.agents.tools.records import Call, Pending, Refused
from tercet.errors import InputError, LimitExceededError, OutputError, StoreError, TercetError
from tercet.memory.journal.records import NewApproval
from tercet.models.chat_records import ChatRequest, Completed, Restarted, TextDelta

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from datetime import timedelta

    from tercet.agents.conversation import Conversation
    from tercet.agents.ends import End
    from tercet.agents.events import Event
    from tercet.agents.gate.records import RunState
    from tercet.agents.ledger import Meter
    from tercet.agents.run_log import RunLog
    from tercet.agents.tools.control import ControlTools
    from tercet.agents.tools.records import Outcome
    from tercet.models.chat import ChatModel
    from tercet.models.chat_records import ChatResponse, Effort, ToolCallPart, ToolDefinition
    from tercet.retrieval.context_records import Context

    Recall = Callable[[str], Awaitable[Context]]

Output = TypeVar("Output")

WORDS_ALONE = "Nothing is finished by words. Call `finish`, `impossible`, `ask_user` or `escalate`, or another tool."
ALONE = "It has to be called alone, once the results of the other calls are there."
_ESCALATE = "escalate"
_REASON_LENGTH = 500


current_run: ContextVar[RunState] = ContextVar("current_run")
"""The run whose tool is being executed."""


class ToolGate(Protocol):
    """What every tool call passes."""

    async def pass_(self, call: Call, run: RunState) -> Outcome:
        """What the call comes to."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopConfig(Generic[Output]):
    """What does not change during a run."""

    controls: ControlTools[Output]
    instructions: str
    """The contract, as the model is told."""
    label: str
    """Name, version and hash of the instructions."""
    definitions: tuple[ToolDefinition, ...]
    max_tokens: int
    effort: Effort | None
    repairs: int
    on_failure: Literal["raise", "escalate"]
    approvals_expire: timedelta


class Loop(Generic[Output]):
    """One run, from where it stands to its end.

    Args:
        config: What does not change during the run.
        model: Asked once a step; it repeats, reserves and journals its requests by itself.
        recall: Gives what memory has on the task; None: the agent has no memory.
        conversation: The state of the run.
        log: Where its events go.
        gate: What every tool call passes.
        state: What the gate knows of the run.
    """

    def __init__(
        self,
        config: LoopConfig[Output],
        *,
        model: ChatModel,
        recall: Recall | None,
        conversation: Conversation,
        log: RunLog,
        gate: ToolGate,
        state: RunState,
    ) -> None:
        self._config = config
        self._model = model
        self._recall = recall
        self._conversation = conversation
        self._log = log
        self._gate = gate
        self._state = state
        self._endings: Endings[Output] = Endings(state, conversation, instructions=config.label)

    @property
    def state(self) -> RunState:
        """What the gate knows of the run."""
        return self._state

    @property
    def definitions(self) -> tuple[ToolDefinition, ...]:
        """The tools that the model is told of."""
        return self._config.definitions

    def record(self, event: Event, *, span: str = "", parent: str = "") -> None:
        """Take an event in: it changes the state of the run, and is on record after the next flush."""
        self._log.add(event, span=span, parent=parent)
        self._conversation.apply(event)

    async def run(self) -> End[Output]:
        """Go on until the run ends.

        Raises:
            RunError: It failed; the journal has what was done.
            ModelError: The model gave no answer, asked again too.
            StoreError: The journal cannot be written.
        """
        timeout = asyncio.timeout(self._state.ledger.seconds_left)
        try:
            try:
                async with timeout:
                    end = await self._steps()
            except TimeoutError:
                if not timeout.expired():
                    raise
                end = self._endings.time_is_up()
        except LimitExceededError as error:
            end = self._endings.limit_reached(error)
        except asyncio.CancelledError as error:
            self._log.add(self._endings.failure(error))
            await self._log.flush("cancelled")
            raise
        except StoreError:  # nothing can be written down any more
            raise
        except Exception as error:
            self._log.add(self._endings.failure(error))
            end = await self._failed(error)
        self._log.add(self._endings.event_of(end))
        await self._log.flush("suspended" if isinstance(end, NeedsClarification | Escalated) else "finished")
        return end

    async def _failed(self, error: Exception) -> Escalated:
        """The end of a run that failed, if its agent escalates that.

        Raises:
            TercetError: It does not.
        """
        if self._config.on_failure == "escalate":
            return await self._escalate(f"The run failed: {type(error).__name__}: {error}")
        await self._log.flush("failed")
        if isinstance(error, TercetError):
            raise error
        raise self._endings.untyped(error) from error

    async def _steps(self) -> End[Output]:
        conversation = self._conversation
        waiting = conversation.waiting
        if waiting is not None and waiting.why != "clarification":  # nobody has decided yet
            reason = known(waiting.texts[0])
            return Escalated(
                **self._endings.common(), approval=waiting.approval, reason=reason, evidence=waiting.evidence
            )
        if conversation.step == 0:
            if self._recall is not None and conversation.context is None:
                await self._remember(self._recall)
            self._begin_step()
        while True:
            if conversation.response is None:
                await self._ask()
            end = await self._act()
            if end is not None:
                return end
            self._begin_step()

    async def _remember(self, recall: Recall) -> None:
        began = time.monotonic()
        context = await recall(self._conversation.input)
        event = ContextBuilt(
            tokens=context.tokens,
            budget=context.report.budget,
            items=len(context.items),
            degraded=context.degraded,
            seconds=time.monotonic() - began,
            texts=(write_context(context),),
        )
        self.record(event)

    def _begin_step(self) -> None:
        conversation = self._conversation
        self._state.ledger.book(steps=1).settle()
        note = what_is_left(self._state.ledger.remaining()) if conversation.step else ""
        conversation.begin_step(conversation.next_messages(note))

    async def _ask(self) -> None:
        config, conversation = self._config, self._conversation
        request = ChatRequest(
            messages=tuple(conversation.messages),
            instructions=config.instructions,
            tools=config.definitions,
            max_tokens=config.max_tokens,
            effort=config.effort,
        )
        if not self._log.watched:
            await self._model.respond(request)
            return
        async with aclosing(self._model.stream(request)) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    self._log.show(Draft(step=conversation.step, text=event.text))
                elif isinstance(event, Restarted):
                    self._log.show(DraftWithdrawn(step=conversation.step, reason=event.reason))
                elif isinstance(event, Completed):
                    return

    async def _act(self) -> End[Output] | None:
        """Do what the model wants; None: the run goes on."""
        response = self._conversation.response
        if response is None:
            raise AssertionError("nothing was answered")
        control = [call for call in response.tool_calls if call.name in CONTROL_NAMES]
        if not response.tool_calls:
            self._reject(WORDS_ALONE)
            return None
        waiting = self._conversation.open_calls()
        if control and len(response.tool_calls) == 1:
            return await self._control(control[0], response) if waiting else None
        for call in waiting:
            if call in control:
                self._finish(call, Refused(step="control", reason=ALONE), began=time.monotonic())
        return await self._call([call for call in waiting if call not in control], response)

    # -- tools --------------------------------------------------------------------------------------------------------

    async def _call(self, calls: Sequence[ToolCallPart], response: ChatResponse) -> End[Output] | None:
        for call in calls:
            self._request(call, reason=response.text)
        tools = [self._state.tools.get(call.name) for call in calls]
        changing = any(tool is not None and tool.changes for tool in tools)
        if changing:
            await self._log.flush()  # what is about to happen is on record before it does
        outcomes: list[Outcome] = []
        if changing or len(calls) == 1:  # effects happen in the order in which the model asks for them
            for call in calls:
                outcomes.append(await self._pass(call))
                if isinstance(outcomes[-1], Refused) and outcomes[-1].final:
                    break
        else:
            outcomes = await self._pass_together(calls)
        return await self._stopped_by(calls, outcomes)

    def _request(self, call: ToolCallPart, *, reason: str) -> None:
        if call.id in self._conversation.requested_calls:
            return
        event = ToolRequested(
            step=self._conversation.step,
            call=call.id,
            tool=call.name,
            reason=reason[:_REASON_LENGTH],
            texts=(json.dumps(call.arguments, ensure_ascii=False),),
        )
        self.record(event, span=call.id, parent=f"step-{event.step}")

    async def _pass_together(self, calls: Sequence[ToolCallPart]) -> list[Outcome]:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._pass(call)) for call in calls]
        except BaseExceptionGroup as raised:
            raise raised.exceptions[0] from None  # the others were cancelled because of it
        return [task.result() for task in tasks]

    async def _pass(self, call: ToolCallPart) -> Outcome:
        began = time.monotonic()
        current_run.set(self._state)  # for tools that run agents below this one
        with metered(self._state.ledger) as meter:
            outcome = await self._gate.pass_(
                Call(
                    id=f"{self._conversation.step}/{call.id}",  # a model may use an id again
                    name=call.name,
                    arguments=call.arguments,
                    step=self._conversation.step,
                    approval=self._conversation.approvals.get(call.id, ""),
                ),
                self._state,
            )
        self._finish(call, outcome, began=began, meter=meter)
        return outcome

    def _finish(self, call: ToolCallPart, outcome: Outcome, *, began: float, meter: Meter | None = None) -> None:
        decided_by = (
            outcome.step if isinstance(outcome, Refused) else "approval" if isinstance(outcome, Pending) else ""
        )
        event = ToolFinished(
            step=self._conversation.step,
            call=call.id,
            tool=call.name,
            outcome=outcome.kind,
            decided_by=decided_by,
            seconds=time.monotonic() - began,
            executions=int(meter.own.get("tool_calls", 0)) if meter else 0,
            consumed={str(measure): amount for measure, amount in meter.total.items()} if meter else {},
            texts=(write_outcome(outcome),),
        )
        self.record(event, span=call.id, parent=f"step-{event.step}")

    async def _stopped_by(self, calls: Sequence[ToolCallPart], outcomes: Sequence[Outcome]) -> End[Output] | None:
        """The end that the outcomes of a step bring; None: the run goes on."""
        for call, outcome in zip(calls, outcomes, strict=False):
            if isinstance(outcome, Refused) and outcome.final:
                if outcome.step != "loop":
                    self._state.ledger.book(tool_calls=1).release()  # says which limit it is
                return await self._escalate(outcome.reason, call=call.id, evidence="\n".join(outcome.evidence))
        for call, outcome in zip(calls, outcomes, strict=False):
            if isinstance(outcome, Pending):
                self._suspend("approval", outcome.reason, call=call.id, approval=outcome.approval)
                return Escalated(**self._endings.common(), approval=outcome.approval, reason=outcome.reason)
        return None

    # -- ends ---------------------------------------------------------------------------------------------------------

    async def _control(self, call: ToolCallPart, response: ChatResponse) -> End[Output] | None:
        try:
            wanted = self._config.controls.read(call.name, call.arguments, sources=self._conversation.sources)
            said = [*_strings(call.arguments), response.text]
            check_addresses(said, self._conversation.seen, self._conversation.vouched)
        except InputError as error:
            self._finish(call, Refused(step="output", reason=str(error)), began=time.monotonic())
            self._reject(str(error))
            return None
        match wanted:
            case Finish():
                return self._endings.answer(wanted, response)
            case DeclareImpossible():
                return Impossible(**self._endings.common(), reason=wanted.reason, evidence=wanted.evidence)
            case AskUser():
                self._suspend("clarification", wanted.question, call=call.id)
                return NeedsClarification(**self._endings.common(), question=wanted.question)
            case Escalate():
                return await self._escalate(wanted.reason, call=call.id)

    def _reject(self, reason: str) -> None:
        """Tell the model that its answer is none.

        Raises:
            OutputError: It was told often enough.
        """
        conversation = self._conversation
        if conversation.repairs >= self._config.repairs:
            raise OutputError(
                f"Agent {self._state.agent!r} gave no valid output in {conversation.repairs + 1} attempts: {reason}",
                remedy="Allow more repairs, a simpler output type, or a stronger model.",
                run=self._state.run,
                usage=self._state.ledger.spent,
            )
        event = OutputRejected(step=conversation.step, repair=conversation.repairs + 1, texts=(reason,))
        self.record(event, span=f"step-{event.step}")

    async def _escalate(self, reason: str, *, call: str = "", evidence: str = "") -> Escalated:
        """Put the run before a person, on the list of what waits for approval."""
        state = self._state
        asked = NewApproval(
            id=f"{state.run}-{self._conversation.step}-{call or _ESCALATE}",
            run=state.run,
            call=call,
            agent=state.agent,
            tool=_ESCALATE,
            scope=state.scope,
            arguments=json.dumps({"reason": reason}, ensure_ascii=False),
            arguments_hash="",
            policy_version=state.permissions.version,
            reason=reason,
            evidence=evidence,
            expires_at=state.clock() + self._config.approvals_expire,
        )
        await in_thread(state.journal.ask, asked, at=state.clock())
        self._suspend("escalation", reason, call=call, approval=asked.id, evidence=evidence)
        return Escalated(**self._endings.common(), approval=asked.id, reason=reason, evidence=evidence)

    def _suspend(
        self,
        why: Literal["clarification", "approval", "escalation"],
        text: str,
        *,
        call: str,
        approval: str = "",
        evidence: str = "",
    ) -> None:
        step = self._conversation.step
        self.record(Suspended(step=step, why=why, approval=approval, call=call, evidence=evidence, texts=(text,)))


def _strings(value: object) -> Iterator[str]:
    """All texts in JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner)
