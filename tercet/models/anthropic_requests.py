"""A chat request as the JSON body of the Anthropic Messages API. The same request gives the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tercet.errors import ConfigurationError, InputError
from tercet.models.chat_records import (
    ChatMessage,
    ChatRequest,
    Part,
    ReasoningPart,
    SourcePart,
    SourceQuote,
    TextPart,
    ToolCallPart,
    ToolDefinition,
    ToolResultPart,
)

Block = dict[str, Any]
SchemaRules = Callable[[dict[str, Any]], dict[str, Any]]

_MARKED_MESSAGES = 3
"""The service takes four cache breakpoints; one is for tools and instructions."""
_REASONING = ("thinking", "redacted_thinking")
_CHOICES = {"auto": "auto", "required": "any", "none": "none"}


def body_of(request: ChatRequest, *, model: str, cache_ttl: str, strict: SchemaRules) -> dict[str, Any]:
    """The body, without ``stream``.

    Args:
        request: What is asked.
        model: Who is asked.
        cache_ttl: How long a prompt cache keeps what is marked for it.
        strict: Makes a JSON schema one that the service can enforce.

    Raises:
        InputError: A message of the user says nothing.
        ConfigurationError: A schema cannot be enforced.
    """
    mark = {"type": "ephemeral", "ttl": cache_ttl}
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": request.max_tokens,
        "messages": _messages(request, mark),
    }
    if request.instructions.strip():
        body["system"] = [{"type": "text", "text": request.instructions}]
    if request.tools:
        body["tools"] = [_tool(tool, strict) for tool in request.tools]
        choice: Block = {"type": _CHOICES[request.tool_choice]}
        if not request.parallel_tools and request.tool_choice != "none":
            choice["disable_parallel_tool_use"] = True
        body["tool_choice"] = choice
    if request.cached_prefix and (prefix := body.get("system") or body.get("tools")):
        prefix[-1]["cache_control"] = mark  # tools stand before the instructions: the last mark covers both
    if request.stop_sequences:
        body["stop_sequences"] = list(request.stop_sequences)
    if output := _output_config(request, strict):
        body["output_config"] = output
    return body


def sent_sources(request: ChatRequest) -> list[SourcePart]:
    """The sources in the order in which the service counts them, as tool results are sent before all else."""
    found: list[SourcePart] = []
    for message in request.messages:
        found += _sources(_ordered(message))
    return found


def _messages(request: ChatRequest, mark: Block) -> list[Block]:
    marked = [number for number, message in enumerate(request.messages) if message.cached][-_MARKED_MESSAGES:]
    citing = request.output_schema is None  # the service does one or the other
    seen: list[SourcePart] = []
    messages: list[Block] = []
    for number, message in enumerate(request.messages):
        parts = _ordered(message)
        blocks = [block for part in parts if (block := _block(part, seen, citing=citing)) is not None]
        seen += _sources(parts)
        while blocks and blocks[-1]["type"] in _REASONING:  # an answer that ends there is refused
            blocks.pop()
        if not blocks:
            if message.role == "user":
                raise InputError(f"Message {number} of the user says nothing.", remedy="Leave it out, or add a text.")
            continue  # an empty answer cannot be sent back, and tells the model nothing
        if number in marked:
            _mark(blocks, mark)
        messages.append({"role": message.role, "content": blocks})
    return messages


def _mark(blocks: list[Block], mark: Block) -> None:
    for block in reversed(blocks):
        if block["type"] not in _REASONING:  # which cannot be marked
            block["cache_control"] = mark
            return


def _ordered(message: ChatMessage) -> list[Part]:
    return sorted(message.parts, key=lambda part: not isinstance(part, ToolResultPart))


def _sources(parts: Iterable[Part]) -> list[SourcePart]:
    found: list[SourcePart] = []
    for part in parts:
        inner: Iterable[Part] = part.content if isinstance(part, ToolResultPart) else (part,)
        found += [one for one in inner if isinstance(one, SourcePart)]
    return found


def _block(part: Part, seen: list[SourcePart], *, citing: bool) -> Block | None:
    """The block of a part; None for blank text, which the service refuses."""
    if isinstance(part, TextPart):
        return _text(part, seen) if part.text.strip() else None
    if isinstance(part, SourcePart):
        return {
            "type": "search_result",
            "source": part.source,
            "title": part.title,
            "content": [{"type": "text", "text": piece} for piece in part.pieces],
            "citations": {"enabled": citing},
        }
    if isinstance(part, ToolCallPart):
        return {"type": "tool_use", "id": part.id, "name": part.name, "input": dict(part.arguments)}
    if isinstance(part, ToolResultPart):
        content = [block for one in part.content if (block := _block(one, [], citing=citing)) is not None]
        result: Block = {"type": "tool_result", "tool_use_id": part.call_id, "is_error": part.failed}
        return {**result, "content": content} if content else result
    return _reasoning(part)


def _reasoning(part: ReasoningPart) -> Block:
    if part.redacted:
        return {"type": "redacted_thinking", "data": part.signature}
    return {"type": "thinking", "thinking": part.text, "signature": part.signature}


def _text(part: TextPart, seen: list[SourcePart]) -> Block:
    block: Block = {"type": "text", "text": part.text}
    citations = [found for quote in part.citations if (found := _citation(quote, seen)) is not None]
    return {**block, "citations": citations} if citations else block


def _citation(quote: SourceQuote, seen: list[SourcePart]) -> Block | None:
    """A citation as it was given; None where its source is no longer part of the conversation."""
    for index, source in enumerate(seen):
        cited = "".join(source.pieces[quote.start_piece : quote.end_piece])
        if source.id == quote.source_id and cited == quote.text:
            return {
                "type": "search_result_location",
                "cited_text": quote.text,
                "search_result_index": index,
                "source": source.source,
                "title": source.title,
                "start_block_index": quote.start_piece,
                "end_block_index": quote.end_piece,
            }
    return None


def _tool(tool: ToolDefinition, strict: SchemaRules) -> Block:
    parameters = dict(tool.parameters)
    block: Block = {"name": tool.name, "description": tool.description}
    if not tool.strict:
        return {**block, "input_schema": parameters}
    return {**block, "input_schema": _enforced(parameters, strict, f"of tool {tool.name!r}"), "strict": True}


def _output_config(request: ChatRequest, strict: SchemaRules) -> Block:
    config: Block = {"effort": request.effort} if request.effort else {}
    if request.output_schema is not None:
        schema = _enforced(request.output_schema, strict, "of the output")
        config["format"] = {"type": "json_schema", "schema": schema}
    return config


def _enforced(schema: Mapping[str, Any], strict: SchemaRules, what: str) -> dict[str, Any]:
    try:
        return strict(dict(schema))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"the schema {what} cannot be enforced by the service: {error}.",
            remedy="Give every part of it a type, or strict=False.",
        ) from error
