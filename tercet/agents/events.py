"""What happens in a run, as typed events: what the journal keeps, what a stream shows, what a replay repeats.

An event is written as a small JSON body and its large texts, which the journal keeps once for each run.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import Decimal  # noqa: TC003 - pydantic reads the types of events
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Discriminator, TypeAdapter

from tercet.errors import InputError
from tercet.memory.journal.records import NewEvent
from tercet.records import Trust, Usage  # noqa: TC001

if TYPE_CHECKING:
    from datetime import datetime

    from tercet.memory.journal.records import EventRecord

Texts = tuple[str | None, ...]
"""None: erased since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """A run began. ``texts``: the input, the instructions, and as JSON each attachment."""

    agent: str
    owner: str
    model: str
    instructions: str
    """Name, version and hash: ``support@3#9f2c…``."""
    tools: tuple[str, ...]
    """That the model is told of."""
    policy: str
    """Version of the permissions."""
    limits: dict[str, Any]
    trust: Trust = "user"
    """Of the input: that of whoever asks, or of the agent above."""
    redacted: bool = False
    """Secrets were taken out of what is on record: it is not all that was sent."""
    texts: Texts
    kind: Literal["run_started"] = "run_started"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextBuilt:
    """Memory was searched. ``texts``: the context as JSON."""

    tokens: int
    budget: int
    items: int
    degraded: tuple[str, ...]
    seconds: float
    texts: Texts
    kind: Literal["context_built"] = "context_built"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequested:
    """A request is sent. ``texts``: instructions, tools, and as JSON each message."""

    step: int
    attempt: int
    model: str
    parameters: dict[str, Any]
    """All else in the request."""
    texts: Texts
    kind: Literal["model_requested"] = "model_requested"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAnswered:
    """An answer came. ``texts``: the response as JSON."""

    step: int
    attempt: int
    model: str
    usage: Usage
    """Of this attempt alone."""
    cost: Decimal | None
    seconds: float
    texts: Texts
    kind: Literal["model_answered"] = "model_answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFailed:
    """No answer came of an attempt."""

    step: int
    attempt: int
    model: str
    error: str
    """Class of the error."""
    reason: str
    usage: Usage
    cost: Decimal | None
    seconds: float
    retryable: bool
    kind: Literal["model_failed"] = "model_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRequested:
    """The model asks for a tool. ``texts``: the arguments as JSON."""

    step: int
    call: str
    tool: str
    reason: str
    """What the model said beside it, shortened."""
    texts: Texts
    kind: Literal["tool_requested"] = "tool_requested"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFinished:
    """What a tool call came to, refusals included. ``texts``: the outcome as JSON."""

    step: int
    call: str
    tool: str
    outcome: Literal["succeeded", "refused", "failed", "in_doubt", "pending"]
    decided_by: str
    """Step of the gate that refused or asked a person; empty: it passed."""
    seconds: float
    executions: int = 0
    """How often a tool of the run was begun for it: retries and fallbacks are counted, what was given back is not."""
    consumed: dict[str, int | Decimal] = field(default_factory=dict)
    """Of the limits, by measure, with what runs below came to."""
    texts: Texts
    kind: Literal["tool_finished"] = "tool_finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputRejected:
    """What the model gave as its answer is none. ``texts``: what it is told."""

    step: int
    repair: int
    """How many times so far."""
    texts: Texts
    kind: Literal["output_rejected"] = "output_rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspended:
    """The run waits for a person. ``texts``: the question or reason."""

    step: int
    why: Literal["clarification", "approval", "escalation"]
    approval: str
    call: str
    """The call that is answered when the run goes on; empty: none."""
    evidence: str = ""
    texts: Texts
    kind: Literal["suspended"] = "suspended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """The run goes on. ``texts``: what the person said."""

    step: int
    texts: Texts
    kind: Literal["resumed"] = "resumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded:
    """The run came to an end of its own. ``texts``: the output, reason or question."""

    end: Literal["answer", "impossible", "clarification", "limit", "escalated"]
    step: int
    detail: dict[str, Any]
    """What else the end says, such as the limit or the confidence."""
    usage: Usage
    """Of this run and those below it, failed attempts included."""
    cost: Decimal | None
    texts: Texts
    kind: Literal["run_ended"] = "run_ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFailed:
    """The run ended with an error, or was cancelled."""

    step: int
    error: str
    reason: str
    usage: Usage
    cost: Decimal | None
    kind: Literal["run_failed"] = "run_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Text that the model is writing. It is shown live and not journalled: nothing has been checked yet."""

    step: int
    text: str
    kind: Literal["draft"] = "draft"


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftWithdrawn:
    """The attempt failed and is made again: the drafts of this step are void."""

    step: int
    reason: str
    kind: Literal["draft_withdrawn"] = "draft_withdrawn"


Event = (
    RunStarted
    | ContextBuilt
    | ModelRequested
    | ModelAnswered
    | ModelFailed
    | ToolRequested
    | ToolFinished
    | OutputRejected
    | Suspended
    | Resumed
    | RunEnded
    | RunFailed
)
"""What the journal keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Journalled:
    """An event with its place in the run."""

    event: Event
    at: datetime
    span: str
    parent: str = ""
    number: int = 0
    """In the journal; 0: not written yet."""
    hash: str = field(default="", repr=False)


LiveEvent = Journalled | Draft | DraftWithdrawn
"""What a stream shows."""


@cache
def _events() -> TypeAdapter[Event]:
    return TypeAdapter(Annotated[Event, Discriminator("kind")])


def write(event: Event, *, at: datetime, span: str, parent: str) -> NewEvent:
    """The event as the journal takes it."""
    body = _events().dump_json(event, exclude={"texts"}).decode()
    texts = tuple(text for text in getattr(event, "texts", ()) if text is not None)
    return NewEvent(kind=event.kind, body=body, texts=texts, span=span, parent=parent, at=at)


def read(record: EventRecord) -> Journalled:
    """The event that a record is.

    Raises:
        InputError: Its body was erased.
    """
    if record.body is None:
        raise InputError(
            f"Event {record.number} of run {record.run} was erased.",
            remedy="A run whose records were forgotten can be verified, but not read or gone on with.",
        )
    event = _events().validate_python({**json.loads(record.body), "texts": record.texts})
    return Journalled(
        event=event, at=record.at, span=record.span, parent=record.parent, number=record.number, hash=record.hash
    )
