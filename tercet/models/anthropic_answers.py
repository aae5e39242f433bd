"""A message of the Anthropic Messages API as a chat response, or as the error that it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, ValidationError

from tercet.errors import (
    ContextWindowError,
    IncompleteResponseError,
    InputError,
    MalformedResponseError,
    ModelError,
    ModelRefusalError,
)
from tercet.models.chat_records import (
    AnswerPart,
    ChatResponse,
    ReasoningPart,
    SourcePart,
    SourceQuote,
    StopReason,
    TextPart,
    ToolCallPart,
)
from tercet.records import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_GOOD_ENDS: dict[str, StopReason] = {"end_turn": "end_turn", "tool_use": "tool_use", "stop_sequence": "stop_sequence"}

Count = Annotated[int, Field(ge=0)]


class _Wire(BaseModel):
    """What Tercet reads of an answer; the service may add fields."""

    model_config = ConfigDict(strict=True, frozen=True)


class _OutputDetails(_Wire):
    thinking_tokens: Count = 0


class _Usage(_Wire):
    input_tokens: Count
    cache_creation_input_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    output_tokens: Count
    output_tokens_details: _OutputDetails | None = None


class _Citation(_Wire):
    type: Literal["search_result_location"]
    search_result_index: Count
    start_block_index: Count
    end_block_index: Count
    cited_text: str


class _Text(_Wire):
    type: Literal["text"]
    text: str
    citations: list[_Citation] | None = None


class _ToolUse(_Wire):
    type: Literal["tool_use"]
    id: Annotated[str, Field(min_length=1)]
    name: Annotated[str, Field(min_length=1)]
    input: dict[str, Any]


class _Thinking(_Wire):
    type: Literal["thinking"]
    thinking: str
    signature: str


class _RedactedThinking(_Wire):
    type: Literal["redacted_thinking"]
    data: str


class _Message(_Wire):
    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: list[Annotated[_Text | _ToolUse | _Thinking | _RedactedThinking, Discriminator("type")]]
    stop_sequence: str | None = None


def usage_of(raw: object) -> Usage:
    """What an answer cost: the input is what was fresh, what was read from the cache and what was written to it.

    Raises:
        ValueError: That is no usage.
    """
    usage = _Usage.model_validate(raw)
    read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    return Usage(
        input_tokens=usage.input_tokens + read + written,
        cache_read_tokens=read,
        cache_write_tokens=written,
        output_tokens=usage.output_tokens,
        reasoning_tokens=usage.output_tokens_details.thinking_tokens if usage.output_tokens_details else 0,
    )


def response_of(
    raw: object, *, name: str, sources: Sequence[SourcePart], request_id: str | None, max_tokens: int
) -> ChatResponse:
    """Read a whole message: first what it cost, then how it ended, then what it says.

    Args:
        raw: The parsed JSON.
        name: Of the model, for errors.
        sources: As sent, to which citations refer by number.
        request_id: Of the request.
        max_tokens: That were allowed, for errors.

    Raises:
        ModelError: It did not end well, or is no message.
    """
    if not isinstance(raw, dict) or raw.get("type") != "message":
        raise MalformedResponseError(f"{name} answered with something else than a message.", request_id=request_id)
    try:
        usage = usage_of(raw.get("usage"))
    except ValueError as error:
        raise MalformedResponseError(
            f"{name} does not say what its answer cost: {_reason(error)}.", request_id=request_id
        ) from error
    stop = raw.get("stop_reason")
    if not isinstance(stop, str) or stop not in _GOOD_ENDS:
        raise _bad_end(raw, name=name, usage=usage, request_id=request_id, max_tokens=max_tokens)
    try:
        message = _Message.model_validate(raw)
        parts = tuple(_part(block, sources) for block in message.content)
    except (ValueError, InputError) as error:
        raise MalformedResponseError(
            f"{name} answered out of form: {_reason(error)}.", usage=usage, request_id=request_id
        ) from error
    calls = any(isinstance(part, ToolCallPart) for part in parts)
    if calls != (stop == "tool_use"):
        raise MalformedResponseError(
            f"{name} ended with {stop!r} and {'calls' if calls else 'calls no'} tool.",
            usage=usage,
            request_id=request_id,
        )
    return ChatResponse(
        id=message.id,
        model=message.model,
        parts=parts,
        stop_reason=_GOOD_ENDS[stop],
        usage=usage,
        stop_sequence=message.stop_sequence,
        request_id=request_id,
    )


def _part(block: _Text | _ToolUse | _Thinking | _RedactedThinking, sources: Sequence[SourcePart]) -> AnswerPart:
    if isinstance(block, _Text):
        return TextPart(text=block.text, citations=tuple(_quote(one, sources) for one in block.citations or ()))
    if isinstance(block, _ToolUse):
        return ToolCallPart(id=block.id, name=block.name, arguments=block.input)
    if isinstance(block, _Thinking):
        return ReasoningPart(text=block.thinking, signature=block.signature)
    return ReasoningPart(text="", signature=block.data, redacted=True)


def _quote(citation: _Citation, sources: Sequence[SourcePart]) -> SourceQuote:
    start, end = citation.start_block_index, citation.end_block_index
    if citation.search_result_index >= len(sources):
        raise ValueError(f"source {citation.search_result_index} is cited, and {len(sources)} were sent")
    source = sources[citation.search_result_index]
    if not start < end <= len(source.pieces):
        raise ValueError(f"pieces {start} to {end} of source {source.id!r} are cited, which has {len(source.pieces)}")
    # The words are taken from what was sent, not from what came back: a citation must quote its source.
    return SourceQuote(source_id=source.id, start_piece=start, end_piece=end, text="".join(source.pieces[start:end]))


def _bad_end(raw: Mapping[str, Any], *, name: str, usage: Usage, request_id: str | None, max_tokens: int) -> ModelError:
    stop = raw.get("stop_reason")
    if stop == "refusal":
        details = raw.get("stop_details")
        category = details.get("category") if isinstance(details, dict) else None
        return ModelRefusalError(
            f"{name} refuses to answer{f': {category}' if category else ''}.",
            category=category if isinstance(category, str) else "",
            usage=usage,
            request_id=request_id,
            remedy="Ask for something else, or ask a person.",
        )
    if stop == "model_context_window_exceeded":
        return ContextWindowError(
            f"the request and the answer of {name} have more tokens than it can hold.",
            usage=usage,
            request_id=request_id,
            remedy="Give it less context, or a shorter history.",
        )
    if stop == "max_tokens":
        what, remedy = f"reached {max_tokens} tokens", "Raise max_tokens, or ask for less."
    else:
        what, remedy = f"ended with the stop reason {stop!r}", "Nothing here asks for that; update Tercet or report it."
    return IncompleteResponseError(
        f"the answer of {name} {what} before it was complete.",
        reason=str(stop),
        partial_text=text_of(raw.get("content")),
        usage=usage,
        request_id=request_id,
        remedy=remedy,
    )


def text_of(content: object) -> str:
    """The text in what there is of a message, in whatever state it is."""
    if not isinstance(content, list):
        return ""
    texts = [block.get("text") for block in content if isinstance(block, dict)]
    return "".join(text for text in texts if isinstance(text, str))


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(str(part) for part in first['loc']) or 'usage'}: {first['msg']}"
    return str(error).rstrip(".")
