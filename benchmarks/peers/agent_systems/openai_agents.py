"""OpenAI Agents SDK: ``Runner.run`` with a ``SQLiteSession``; tracing off."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from agents import Agent, Model, ModelResponse, RunConfig, Runner, SQLiteSession, Usage, function_tool
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PACKAGES = ("openai-agents", "openai")
WRITES = "the new items of the conversation, as each turn ends"


@function_tool
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Scripted(Model):
    """Adds up 1 to ``steps``, one call at a time."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    async def get_response(self, system_instructions: str | None, input: Any, *_: Any, **__: Any) -> ModelResponse:  # noqa: A002 -- as the interface calls it
        results = [item["output"] for item in input if item.get("type") == "function_call_output"]
        usage = Usage(requests=1, input_tokens=10, output_tokens=5, total_tokens=15)
        return ModelResponse(output=[self._said(results)], usage=usage, response_id=None)

    def _said(self, results: list[str]) -> ResponseFunctionToolCall | ResponseOutputMessage:
        done = len(results)
        if done == self.steps:
            text = ResponseOutputText(text=f"The sum is {results[-1]}.", type="output_text", annotations=[])
            return ResponseOutputMessage(
                id="answer", content=[text], role="assistant", status="completed", type="message"
            )
        arguments = json.dumps({"a": int(results[-1]) if done else 0, "b": done + 1})
        return ResponseFunctionToolCall(
            call_id=f"call-{done}", id=f"item-{done}", name="add", arguments=arguments, type="function_call"
        )

    def stream_response(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
        raise NotImplementedError


class Runs:
    """Runs of one agent, each in a session of its own, all in one file."""

    def __init__(self, folder: Path, steps: int, synchronous: str) -> None:
        self.steps = steps
        self.file = folder / "sessions.db"
        self.agent = Agent(name="adder", instructions="Add up.", model=Scripted(steps), tools=[add])
        self.loop = asyncio.Runner()
        # Held so that the connections of its threads, which are one session's, are not opened anew in each run.
        self.sessions: list[SQLiteSession] = []

    def run(self, number: int) -> str:
        return self.loop.run(self._run(number))

    async def _run(self, number: int) -> str:
        session = SQLiteSession(f"run-{number}", self.file)
        self.sessions.append(session)
        quiet = RunConfig(tracing_disabled=True)
        result = await Runner.run(self.agent, "Add up.", session=session, max_turns=self.steps + 2, run_config=quiet)
        return str(result.final_output)

    def close(self) -> None:
        for session in self.sessions:
            session.close()
        self.loop.close()
