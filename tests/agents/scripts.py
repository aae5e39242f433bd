"""What scripted models say in these tests."""

from __future__ import annotations

from typing import Any

from tercet.models.chat_records import ChatResponse, ToolCallPart
from tercet.testing import answer


def call(name: str, /, id: str = "", **arguments: Any) -> ToolCallPart:  # noqa: A002 - as the field is called
    """A tool call of the model."""
    return ToolCallPart(id=id or f"call-{name}", name=name, arguments=arguments)


def finish(output: Any, *, confidence: float = 0.9, citations: tuple[str, ...] = (), text: str = "") -> ChatResponse:
    """An answer that completes the task."""
    name = "text" if isinstance(output, str) else "output"
    said = call("finish", **{name: output}, confidence=confidence, citations=list(citations))
    return answer(text, said) if text else answer(said)
