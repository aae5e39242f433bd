"""What is said to a chat model and what it answers, as frozen records that survive JSON.

``pydantic.TypeAdapter`` writes every record here to JSON and reads an equal one back. A request is a value: the same
JSON makes an adapter send the same bytes, the order of the keys of a schema included, as models heed it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Discriminator

from tercet.errors import InputError
from tercet.records import Usage

Effort = Literal["low", "medium", "high", "xhigh", "max"]

StopReason = Literal["end_turn", "tool_use", "stop_sequence"]
"""How an answer may end well. Every other end is a ``ModelError``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceQuote:
    """The pieces of a source that a text rests on."""

    source_id: str
    """``SourcePart.id``."""
    start_piece: int
    end_piece: int
    """Behind the last one: ``pieces[start_piece:end_piece]`` is quoted."""
    text: str
    """Those pieces, joined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPart:
    """Words of the user, of the model, or of a tool."""

    text: str
    citations: tuple[SourceQuote, ...] = ()
    """Of the model: what it says that it took the text from."""
    kind: Literal["text"] = "text"

    def __post_init__(self) -> None:
        _check_text(self.text, "A text part")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePart:
    """Retrieved text that the model may cite: data, never instruction."""

    id: str
    """Given back by citations, such as the id of a chunk."""
    source: str
    """Where it stands, as the model is told."""
    title: str
    pieces: tuple[str, ...]
    """The units that can be cited, none of them blank."""
    kind: Literal["source"] = "source"

    def __post_init__(self) -> None:
        if not (self.id and self.source and self.title):
            raise InputError(
                f"A source needs an id, a source and a title: {(self.id, self.source, self.title)!r}.",
                remedy="Name all three.",
            )
        if not self.pieces or not all(piece.strip() for piece in self.pieces):
            raise InputError(f"Source {self.id!r} has no pieces, or a blank one.", remedy="Leave out what is blank.")
        for text in (self.id, self.source, self.title, *self.pieces):
            _check_text(text, f"Source {self.id!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallPart:
    """A tool that the model asks for. Nothing has been checked but that the arguments are a JSON object."""

    id: str
    """Of this call; its result names it."""
    name: str
    arguments: Mapping[str, Any]
    kind: Literal["tool_call"] = "tool_call"

    def __post_init__(self) -> None:
        object.__setattr__(self, "arguments", _json_object(self.arguments, f"The arguments of {self.name!r}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResultPart:
    """What a tool call came to, refusals and failures included."""

    call_id: str
    content: tuple[Annotated[TextPart | SourcePart, Discriminator("kind")], ...]
    failed: bool = False
    kind: Literal["tool_result"] = "tool_result"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningPart:
    """How the model came to what follows. It goes back to the model exactly as it came, or not at all."""

    text: str
    """Empty where the service keeps it to itself."""
    signature: str
    """Opaque: by it the service knows its own reasoning again."""
    redacted: bool = False
    """The signature is the encrypted reasoning itself."""
    kind: Literal["reasoning"] = "reasoning"


Part = Annotated[
    TextPart | SourcePart | ToolCallPart | ToolResultPart | ReasoningPart,
    Discriminator("kind"),
]
AnswerPart = Annotated[TextPart | ToolCallPart | ReasoningPart, Discriminator("kind")]
"""What a model may say; the rest is said to it."""

_SAID_BY = {"user": (TextPart, SourcePart, ToolResultPart), "assistant": (TextPart, ToolCallPart, ReasoningPart)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatMessage:
    """One turn of a conversation.

    Example:
        >>> ChatMessage(role="user", parts=(TextPart(text="How do I rotate a key?"),)).text
        'How do I rotate a key?'
    """

    role: Literal["user", "assistant"]
    parts: tuple[Part, ...]
    cached: bool = False
    """A prompt cache may keep everything up to here: later requests begin the same way."""

    def __post_init__(self) -> None:
        for part in self.parts:
            if not isinstance(part, _SAID_BY[self.role]):
                raise InputError(
                    f"A {part.kind} part cannot be said by the {self.role}.",
                    remedy="Sources and tool results come from the user, tool calls and reasoning from the assistant.",
                )

    @property
    def text(self) -> str:
        """Its text parts, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolDefinition:
    """A tool as the model is told of it."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    """JSON schema of an object."""
    strict: bool = True
    """The service keeps calls to the schema, as far as it can: bounds of numbers and lengths are the caller's to
    check."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", _json_object(self.parameters, f"The parameters of {self.name!r}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """All that a model is asked, history included: a model keeps nothing between two requests.

    Example:
        >>> question = ChatMessage(role="user", parts=(TextPart(text="How do I rotate a key?"),))
        >>> ChatRequest(instructions="Answer from the sources.", messages=(question,)).max_tokens
        4096
    """

    messages: tuple[ChatMessage, ...]
    instructions: str = ""
    tools: tuple[ToolDefinition, ...] = ()
    tool_choice: Literal["auto", "required", "none"] = "auto"
    """Whether the model may, must or must not call a tool."""
    parallel_tools: bool = True
    """Whether one answer may hold several tool calls."""
    output_schema: Mapping[str, Any] | None = None
    """JSON schema that the text of the answer shall fit. Whoever asks checks it. Such answers carry no citations."""
    max_tokens: int = 4096
    """Of the answer, reasoning included. An answer cut off there is an ``IncompleteResponseError``."""
    stop_sequences: tuple[str, ...] = ()
    effort: Effort | None = None
    """How much thought the model shall give it; None: as the model is used to."""
    cached_prefix: bool = True
    """A prompt cache may keep tools and instructions: later requests have the same."""

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise InputError(f"An answer of {self.max_tokens} tokens is none.", remedy="Allow at least 1.")
        if not self.messages or self.messages[0].role != "user" or self.messages[-1].role != "user":
            raise InputError("A request begins and ends with a message of the user.", remedy="Add one.")
        names = [tool.name for tool in self.tools]
        if len(set(names)) < len(names):
            raise InputError(f"Two tools have the same name: {sorted(names)}.", remedy="Rename one.")
        if self.tool_choice == "required" and not self.tools:
            raise InputError("A tool is required and there is none.", remedy="Give a tool, or leave the choice.")
        _check_text(self.instructions, "The instructions")
        if self.output_schema is not None:
            object.__setattr__(self, "output_schema", _json_object(self.output_schema, "The output schema"))

    @property
    def sources(self) -> tuple[SourcePart, ...]:
        """All sources in the order of the messages, those in tool results included."""
        found: list[SourcePart] = []
        for message in self.messages:
            for part in message.parts:
                inner = part.content if isinstance(part, ToolResultPart) else (part,)
                found += [one for one in inner if isinstance(one, SourcePart)]
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatResponse:
    """An answer that ended well."""

    id: str
    """Of the answer, by the service."""
    model: str
    """That answered, by its full name."""
    parts: tuple[AnswerPart, ...]
    stop_reason: StopReason
    usage: Usage
    """Of this answer alone."""
    stop_sequence: str | None = None
    """Which one ended it."""
    request_id: str | None = None
    """By which the service finds the request again."""
    failed_usage: Usage = field(default_factory=Usage)
    """Of the attempts that failed before this answer came."""

    @property
    def text(self) -> str:
        """Its text parts, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))

    @property
    def tool_calls(self) -> tuple[ToolCallPart, ...]:
        """In the order in which the model asks for them."""
        return tuple(part for part in self.parts if isinstance(part, ToolCallPart))

    @property
    def citations(self) -> tuple[SourceQuote, ...]:
        """Of all texts, in their order."""
        return tuple(quote for part in self.parts if isinstance(part, TextPart) for quote in part.citations)

    @property
    def total_usage(self) -> Usage:
        """Of the answer and the failed attempts before it."""
        return self.usage + self.failed_usage

    @property
    def message(self) -> ChatMessage:
        """The answer as a turn of the conversation, for the next request."""
        return ChatMessage(role="assistant", parts=self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta:
    """More of a text. ``part`` is its place in ``ChatResponse.parts``."""

    part: int
    text: str
    kind: Literal["text_delta"] = "text_delta"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningDelta:
    """More of the reasoning."""

    part: int
    text: str
    kind: Literal["reasoning_delta"] = "reasoning_delta"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallDelta:
    """More of a tool call's arguments: pieces of JSON that mean nothing before the answer is complete."""

    part: int
    id: str
    name: str
    arguments: str
    kind: Literal["tool_call_delta"] = "tool_call_delta"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarted:
    """The attempt failed and is made again: what was streamed so far is void."""

    reason: str
    kind: Literal["restarted"] = "restarted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """The last event of a stream that ended well. Before it, nothing that was streamed is an answer."""

    response: ChatResponse
    kind: Literal["completed"] = "completed"


ChatEvent = Annotated[
    TextDelta | ReasoningDelta | ToolCallDelta | Restarted | Completed,
    Discriminator("kind"),
]


def _json_object(value: Mapping[str, Any], what: str) -> dict[str, Any]:
    """A copy that shares nothing with the value, so that whoever gave it cannot change the record."""
    try:
        copied = json.loads(json.dumps(value if isinstance(value, dict) else dict(value), allow_nan=False))
        _check_text(json.dumps(copied, ensure_ascii=False), what)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{what} are no JSON object: {error}.", remedy="Use text, numbers, lists, objects.") from error
    if not isinstance(copied, dict):
        raise InputError(f"{what} are no JSON object.", remedy="Give an object.")
    return copied


def _check_text(text: str, what: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{what} holds half a surrogate pair at {error.start}, which no JSON in UTF-8 can carry.",
            remedy="Replace it: text.encode('utf-8', 'replace').decode().",
        ) from error
