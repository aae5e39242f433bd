"""What the stand-in for the Anthropic service answers: messages, failures and rubbish, as JSON or as events."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Block = dict[str, Any]
Event = dict[str, Any]

_USAGE = {"input_tokens": 10, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 5}


def text_block(text: str, *cited: tuple[int, int, int]) -> Block:
    """A text block.

    Args:
        text: The words.
        cited: What it cites: which search result of the request, its first block, and the one behind the last.
    """
    return {"type": "text", "text": text, "citations": list(cited) or None}


def tool_use(name: str, arguments: Mapping[str, Any], *, id: str = "toolu_1") -> Block:  # noqa: A002 - as in the API
    """A tool call."""
    return {"type": "tool_use", "id": id, "name": name, "input": dict(arguments)}


def thinking(text: str, *, signature: str = "c2lnbmVk") -> Block:
    """Reasoning; a later request must give it back as it is."""
    return {"type": "thinking", "thinking": text, "signature": signature}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A message, sent as JSON or as a stream, whatever the request wants."""

    content: Sequence[Block] = (text_block("Hello."),)
    stop_reason: str | None = "end_turn"
    stop_sequence: str | None = None
    stop_details: Mapping[str, Any] | None = None
    usage: Mapping[str, Any] = field(default_factory=lambda: dict(_USAGE))
    cut_at: int | None = None
    """The body ends after so many bytes."""
    abrupt: bool = False
    """A cut body ends with the connection, not in good order."""
    stall_at: int | None = None
    """After so many bytes nothing more comes until the server is closed."""
    error_after: int | None = None
    """After so many events, an ``error`` event ends the stream."""
    error_type: str = "overloaded_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An error as the service gives it."""

    status: int
    type: str = "api_error"
    message: str = "scripted failure"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """Any bytes at all."""

    body: bytes
    content_type: str = "application/json"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def error_body(kind: str, message: str) -> dict[str, Any]:
    """The body of a failure."""
    return {"type": "error", "error": {"type": kind, "message": message}}


def message_of(reply: Reply, request: Mapping[str, Any], number: int) -> dict[str, Any]:
    """The message object, with citations filled in from the request.

    Raises:
        ValueError: The reply cites what the request does not hold.
    """
    return {
        "id": f"msg_{number:06}",
        "type": "message",
        "role": "assistant",
        "model": request["model"],
        "content": [_with_citations(block, request) for block in reply.content],
        "stop_reason": reply.stop_reason,
        "stop_sequence": reply.stop_sequence,
        "stop_details": reply.stop_details,
        "usage": dict(reply.usage),
    }


def search_results(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All ``search_result`` blocks of a request in their order, those in tool results included."""
    found: list[dict[str, Any]] = []
    for message in request["messages"]:
        for block in message["content"] if isinstance(message["content"], list) else ():
            content = block.get("content") if block["type"] == "tool_result" else None
            found += [one for one in ([block] if content is None else content) if is_search_result(one)]
    return found


def is_search_result(block: object) -> bool:
    """Whether a block is one."""
    return isinstance(block, dict) and block.get("type") == "search_result"


def _with_citations(block: Block, request: Mapping[str, Any]) -> Block:
    if not block.get("citations"):
        return block
    sources = search_results(request)
    made = []
    for cited in block["citations"]:
        if isinstance(cited, dict):
            made.append(cited)
            continue
        index, start, end = cited
        if index >= len(sources) or not sources[index].get("citations", {}).get("enabled"):
            raise ValueError(f"the reply cites search result {index}, which the request does not let it cite")
        source = sources[index]
        made.append(
            {
                "type": "search_result_location",
                "cited_text": "".join(piece["text"] for piece in source["content"][start:end]),
                "search_result_index": index,
                "source": source["source"],
                "title": source["title"],
                "start_block_index": start,
                "end_block_index": end,
            }
        )
    return {**block, "citations": made}


def events_of(message: Mapping[str, Any]) -> Iterator[Event]:
    """The events that stream a message, in the documented order, pings among them.

    See https://platform.claude.com/docs/en/build-with-claude/streaming.
    """
    usage = message["usage"]
    started = {**message, "content": [], "stop_reason": None, "stop_sequence": None, "stop_details": None}
    yield {"type": "message_start", "message": {**started, "usage": {**usage, "output_tokens": 1}}}
    for index, block in enumerate(message["content"]):
        empty, deltas = _pieces(block)
        yield {"type": "content_block_start", "index": index, "content_block": empty}
        if index == 0:
            yield {"type": "ping"}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    yield {"type": "ping"}
    ended = {key: message[key] for key in ("stop_reason", "stop_sequence", "stop_details")}
    spent = {key: usage[key] for key in ("output_tokens", "output_tokens_details") if key in usage}
    yield {"type": "message_delta", "delta": ended, "usage": spent}
    yield {"type": "message_stop"}


def _pieces(block: Block) -> tuple[Block, list[Block]]:
    """How a block begins, and the deltas that fill it."""
    if block["type"] == "text":
        empty: Block = {"type": "text", "text": "", "citations": [] if block.get("citations") else None}
        said = [{"type": "text_delta", "text": piece} for piece in _split(block["text"])]
        cited = [{"type": "citations_delta", "citation": citation} for citation in block.get("citations") or ()]
        return empty, said + cited
    if block["type"] == "tool_use":
        pieces = ["", *_split(json.dumps(block["input"]))]
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    if block["type"] == "thinking":
        said = [{"type": "thinking_delta", "thinking": piece} for piece in _split(block["thinking"])]
        signed = {"type": "signature_delta", "signature": block["signature"]}
        return {"type": "thinking", "thinking": "", "signature": ""}, [*said, signed]
    return block, []


def _split(text: str) -> list[str]:
    return [text[start : start + 7] for start in range(0, len(text), 7)]


def sse(event: Event) -> bytes:
    """An event as it goes over the wire."""
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
