"""Tercet with the journal of a memory folder."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal

from tercet import Agent, Memory, Scope
from tercet.agents.limits import Limits
from tercet.agents.tools.decorator import tool
from tercet.models.chat_records import ChatResponse, TextPart, ToolCallPart, ToolResultPart
from tercet.records import Usage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from tercet.models.chat_records import ChatRequest

PACKAGES = ("tercet", "sqlalchemy", "pydantic")
WRITES = "every event: requests, answers, calls and results, each text once a run, before the next request is sent"


@tool(effect="pure")
async def add(a: int, b: int) -> int:
    """Add two numbers.

    Args:
        a: One.
        b: Another.
    """
    return a + b


class Scripted:
    """Adds up 1 to ``steps``, one call at a time."""

    name = "scripted"

    def __init__(self, steps: int) -> None:
        self.steps = steps

    async def respond(self, request: ChatRequest) -> ChatResponse:
        results = [
            one.text
            for message in request.messages
            for part in message.parts
            if isinstance(part, ToolResultPart)
            for one in part.content
            if isinstance(one, TextPart)
        ]
        done = len(results)
        if done == self.steps:
            said = {"text": f"The sum is {results[-1]}.", "confidence": 1.0, "citations": []}
            call = ToolCallPart(id="answer", name="finish", arguments=said)
        else:
            given = {"a": int(results[-1]) if done else 0, "b": done + 1}
            call = ToolCallPart(id=f"call-{done}", name="add", arguments=given)
        usage = Usage(input_tokens=10, output_tokens=5)
        return ChatResponse(id="answer", model="scripted", parts=(call,), stop_reason="tool_use", usage=usage)

    def stream(self, request: ChatRequest) -> AsyncGenerator[Any, None]:
        raise NotImplementedError

    async def aclose(self) -> None:
        """Nothing is open."""


class Runs:
    """Runs of one agent, all in one folder."""

    memory: Memory | None = None

    def __init__(self, folder: Path, steps: int, synchronous: str) -> None:
        durability: Literal["power", "process"] = "power" if synchronous == "FULL" else "process"
        self.memory = Memory.open(folder / "memory", embedder="none", durability=durability)
        self.agent = self.made(steps)
        self.loop = asyncio.Runner()

    def made(self, steps: int) -> Agent[Any, str]:
        limits = Limits(steps=steps + 2, tool_calls=steps + 2, tokens=10_000_000)
        journal = self.memory.journal if self.memory else None
        return Agent(
            "adder", instructions="Add up.", model=Scripted(steps), tools=[add], limits=limits, journal=journal
        )

    def run(self, number: int) -> str:
        return self.loop.run(self.agent.run("Add up.", scope=Scope(tenant="acme", user=f"user-{number}"))).text

    def close(self) -> None:
        self.loop.close()
        if self.memory:
            self.memory.close()
