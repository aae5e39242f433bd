"""Pydantic AI with ``FunctionModel``; nothing is written."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.usage import UsageLimits

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = ("pydantic-ai-slim", "pydantic-graph")
WRITES = "nothing"


async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Runs:
    """Runs of one agent."""

    def __init__(self, folder: Path, steps: int, synchronous: str) -> None:
        self.steps = steps
        self.agent = Agent(FunctionModel(self._said), instructions="Add up.", tools=[add])
        self.loop = asyncio.Runner()
        self.limits = UsageLimits(request_limit=steps + 2, tool_calls_limit=steps + 2)

    def run(self, number: int) -> str:
        return self.loop.run(self._run())

    async def _run(self) -> str:
        return (await self.agent.run("Add up.", usage_limits=self.limits)).output

    def close(self) -> None:
        self.loop.close()

    async def _said(self, messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        done = sum(isinstance(part, ToolReturnPart) for message in messages for part in message.parts)
        last = messages[-1].parts[-1]
        total = int(last.content) if isinstance(last, ToolReturnPart) else 0
        if done == self.steps:
            return ModelResponse(parts=[TextPart(f"The sum is {total}.")])
        return ModelResponse(parts=[ToolCallPart("add", {"a": total, "b": done + 1}, f"call-{done}")])
