"""The state of a run, which is nothing but its events one after the other.

A live run and one that is gone on with after a crash come to the same state, as both are made by ``apply``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Discriminator, TypeAdapter

from tercet.agents.events import (
    ContextBuilt,
    ModelAnswered,
    ModelRequested,
    OutputRejected,
    Resumed,
    RunStarted,
    Suspended,
    ToolFinished,
    ToolRequested,
)
from tercet.agents.sources import Source, numbered, sources_of
from tercet.agents.tools.records import Failed, InDoubt, Outcome, Pending, Refused, Succeeded
from tercet.errors import InputError
from tercet.models.chat_records import (
    ChatMessage,
    ChatResponse,
    SourcePart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from tercet.retrieval.context_records import Context

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tercet.agents.events import Event
    from tercet.agents.trust import Taint
    from tercet.records import Trust


@dataclass(slots=True, kw_only=True)
class Conversation:
    """What was said so far, what may be cited, and which calls still wait for their result."""

    taint: Taint
    step: int = 0
    requested: int = 0
    """The step of which a request was sent last."""
    attempt: int = 0
    """How many were sent of it."""
    repairs: int = 0
    input: str = ""
    context: Context | None = None
    messages: list[ChatMessage] = field(default_factory=list)
    """As they were sent last, with the answer to them."""
    response: ChatResponse | None = None
    """The answer of this step; None: there is none yet."""
    results: dict[str, ToolResultPart] = field(default_factory=dict)
    """Of the calls of this step, by their ids."""
    sources: dict[str, Source] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    """All texts that the run was given."""
    vouched: list[str] = field(default_factory=list)
    """Those of them that are not external."""
    requested_calls: set[str] = field(default_factory=set)
    """Calls of this step that are on record."""
    rejection: str = ""
    """What the model is told about the answer that was none."""
    waiting: Suspended | None = None
    read: dict[str, ChatMessage] = field(default_factory=dict, repr=False)
    """Messages by their JSON: all of them come again with every request."""
    answered: tuple[str, ChatResponse] | None = None
    """The last answer, with its JSON: who has it need not read it."""
    approvals: dict[str, str] = field(default_factory=dict)
    """Calls of this step that wait for a person: ids of their approvals."""

    def apply(self, event: Event) -> None:
        """Take an event in.

        Raises:
            InputError: A text that it needs was erased.
        """
        match event:
            case RunStarted():
                self._started(event)
            case ContextBuilt():
                self.context = _contexts().validate_json(known(event.texts[0]))
                self._give(list(sources_of(self.context)), question=self.input)
            case ModelRequested():
                self.step = self.requested = event.step
                self.attempt = event.attempt
                self.messages = [self._message(known(text)) for text in event.texts[2:]]
                self.response, self.results, self.rejection = None, {}, ""
                self.approvals, self.requested_calls = {}, set()
            case ModelAnswered():
                self.response = self._response(known(event.texts[0]))
            case ToolRequested():
                self.requested_calls.add(event.call)
            case ToolFinished():
                self._finished(event)
            case OutputRejected():
                self.repairs = event.repair
                self.rejection = known(event.texts[0])
            case Suspended():
                self.waiting = event
            case Resumed():
                self._resumed(event)
            case _:
                pass

    def _response(self, text: str) -> ChatResponse:
        if self.answered is not None and self.answered[0] == text:
            return self.answered[1]
        return read_response(text)

    def _see(self, text: str, trust: Trust) -> None:
        self.taint.see(text, trust)
        self.seen.append(text)
        if trust != "external":
            self.vouched.append(text)

    def _message(self, text: str) -> ChatMessage:
        message = self.read.get(text)
        if message is None:
            message = self.read[text] = read_message(text)
        return message

    def open_calls(self) -> tuple[ToolCallPart, ...]:
        """The calls of this step that have no result yet."""
        if self.response is None:
            return ()
        return tuple(call for call in self.response.tool_calls if call.id not in self.results)

    def begin_step(self, messages: Sequence[ChatMessage]) -> None:
        """Go on to the next step, which sends these messages."""
        self.messages = list(messages)
        self.step += 1
        self.response, self.results, self.rejection = None, {}, ""
        self.approvals, self.requested_calls = {}, set()

    def next_messages(self, note: str) -> tuple[ChatMessage, ...]:
        """The messages of the next request: all that was sent, the answer to it, and what came of that.

        Args:
            note: On what is left of the limits; put where a prompt cache does not mind.
        """
        if self.response is None:
            return tuple(self.messages)
        parts: list[Any] = [self.results[call.id] for call in self.response.tool_calls]
        said = "\n".join(part for part in (self.rejection, note) if part)
        if said:
            parts.append(TextPart(text=said))
        return (*self.messages, self.response.message, ChatMessage(role="user", parts=tuple(parts)))

    def _started(self, event: RunStarted) -> None:
        self.input = known(event.texts[0])
        self._see(known(event.texts[1]), "system")
        self._see(self.input, event.trust)
        attachments = [_parts().validate_json(known(text)) for text in event.texts[2:]]
        for part in attachments:
            for piece in part.pieces:
                self._see(piece, "external")
        self._give(numbered(attachments, after=0), question=self.input)

    def _give(self, sources: Sequence[Source], *, question: str) -> None:
        """Put sources before the question in the first message."""
        first = self.messages[0].parts[:-1] if self.messages else ()
        taken = len(self.sources)
        for place, source in enumerate(sources, start=1):
            if source.provenance is not None:
                for piece in source.part.pieces:
                    self._see(piece, source.provenance.trust)
            number = str(taken + place)
            renamed = source if source.part.id == number else source.renamed(number)
            self.sources[number] = renamed
            first += (renamed.part,)
        self.messages = [ChatMessage(role="user", parts=(*first, TextPart(text=question)), cached=True)]

    def _finished(self, event: ToolFinished) -> None:
        outcome = read_outcome(known(event.texts[0]))
        if isinstance(outcome, Pending):
            self.approvals[event.call] = outcome.approval
            return
        given: list[Source] = []
        if isinstance(outcome, Succeeded):
            given = numbered(outcome.sources, after=len(self.sources), citations=outcome.citations)
            self.sources |= {source.part.id: source for source in given}
            self._see(_written(outcome.value), outcome.trust)
            for source in given:
                for piece in source.part.pieces:
                    self._see(piece, outcome.trust)
        elif isinstance(outcome, Failed | InDoubt):  # what went wrong may be told in words of somebody outside
            self._see(outcome.reason, "external")
        self.approvals.pop(event.call, None)
        self.results[event.call] = ToolResultPart(
            call_id=event.call,
            content=(TextPart(text=_told(outcome)), *(source.part for source in given)),
            failed=not isinstance(outcome, Succeeded),
        )

    def _resumed(self, event: Resumed) -> None:
        waiting, self.waiting = self.waiting, None
        if waiting is not None and waiting.call and waiting.why != "approval":
            said = known(event.texts[0])
            self._see(said, "user")
            self.results[waiting.call] = ToolResultPart(call_id=waiting.call, content=(TextPart(text=said),))


def write_outcome(outcome: Outcome) -> str:
    """An outcome as JSON."""
    return _outcomes().dump_json(outcome).decode()


def read_outcome(text: str) -> Outcome:
    """The outcome that JSON says."""
    return _outcomes().validate_json(text)


def write_message(message: ChatMessage) -> str:
    """A message as JSON."""
    return _messages().dump_json(message).decode()


def read_message(text: str) -> ChatMessage:
    """The message that JSON says."""
    return _messages().validate_json(text)


def write_response(response: ChatResponse) -> str:
    """A response as JSON."""
    return _responses().dump_json(response).decode()


def read_response(text: str) -> ChatResponse:
    """The response that JSON says."""
    return _responses().validate_json(text)


def write_context(context: Context) -> str:
    """A context as JSON."""
    return _contexts().dump_json(context).decode()


def read_context(text: str) -> Context:
    """The context that JSON says."""
    return _contexts().validate_json(text)


def write_part(part: SourcePart) -> str:
    """A source as JSON."""
    return _parts().dump_json(part).decode()


def _told(outcome: Outcome) -> str:
    """An outcome in the words in which the model is told of it."""
    match outcome:
        case Succeeded():
            return _written(outcome.value) or "(nothing)"
        case Refused():
            return f"Refused ({outcome.step}): {outcome.reason} {outcome.remedy}".rstrip()
        case Failed():
            return f"Failed ({outcome.error}): {outcome.reason}"
        case InDoubt():
            return f"Nobody knows whether this happened: {outcome.reason} Do not repeat it; a person has to look."
        case Pending():
            raise AssertionError("a pending call has no result")


def _written(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def known(text: str | None) -> str:
    """A text of an event.

    Raises:
        InputError: It was erased.
    """
    if text is None:
        raise InputError(
            "A text of this run was erased.",
            remedy="A run whose records were forgotten can be verified, but not read or gone on with.",
        )
    return text


@cache
def _messages() -> TypeAdapter[ChatMessage]:
    return TypeAdapter(ChatMessage)


@cache
def _responses() -> TypeAdapter[ChatResponse]:
    return TypeAdapter(ChatResponse)


@cache
def _contexts() -> TypeAdapter[Context]:
    return TypeAdapter(Context)


@cache
def _parts() -> TypeAdapter[SourcePart]:
    return TypeAdapter(SourcePart)


@cache
def _outcomes() -> TypeAdapter[Outcome]:
    return TypeAdapter(Annotated[Outcome, Discriminator("kind")])
