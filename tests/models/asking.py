"""Asking a chat model once from plain code."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from tercet.models.chat_records import (
    ChatEvent,
    ChatMessage,
    ChatRequest,
    ChatResponse,
    SourcePart,
    TextPart,
    ToolDefinition,
)

HELLO = ChatRequest(messages=(ChatMessage(role="user", parts=(TextPart(text="Hello"),)),))
KEYS = SourcePart(id="c1", source="keys.md", title="Keys", pieces=("Keys rotate. ", "Every 90 days."))
READ = ToolDefinition(
    name="read",
    description="Reads a file.",
    parameters={
        "type": "object",
        "properties": {"path": {"type": "string"}, "lines": {"type": "integer", "minimum": 1}},
        "required": ["path"],
    },
)


def respond(model, request: ChatRequest = HELLO) -> ChatResponse:
    """One answer, and all connections closed."""

    async def ask() -> ChatResponse:
        async with aclosing(model):
            return await model.respond(request)

    return asyncio.run(ask())


def stream(model, request: ChatRequest = HELLO, told: list[ChatEvent] | None = None) -> list[ChatEvent]:
    """All events of one answer; they are in ``told`` also when it fails."""
    events_told = [] if told is None else told

    async def ask() -> None:
        async with aclosing(model), aclosing(model.stream(request)) as events:
            async for event in events:
                events_told.append(event)

    asyncio.run(ask())
    return events_told
