"""An agent as a tool of another agent."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import Field

from tercet.agents.ends import Answer
from tercet.agents.loop import current_run
from tercet.agents.running import begin
from tercet.agents.tools.decorator import tool
from tercet.agents.tools.records import ToolContext, ToolOutput

if TYPE_CHECKING:
    from tercet.agents.agent import Agent
    from tercet.agents.tools.records import Effect, Tool
    from tercet.models.chat import ChatModel
    from tercet.models.chat_records import SourcePart

Deps = TypeVar("Deps")

asked_models: ContextVar[dict[int, ChatModel]] = ContextVar("asked_models")
"""The models of a run and of those below it, by identity: whoever ends the event loop closes what they have open."""

_BY_STRENGTH: tuple[Effect, ...] = ("pure", "read", "write", "irreversible")


def agent_tool(agent: Agent[Deps, Any], description: str, *, timeout: float) -> Tool[Deps]:
    """The agent as a tool: it has the strongest effect that any of its own tools has."""
    tools = agent.tools.values()
    effects: list[Effect] = ["read", *(one.effect for one in tools)]

    async def delegate(
        context: ToolContext[Any],
        task: Annotated[str, Field(min_length=1, description="The task, with all that is needed to do it.")],
    ) -> ToolOutput:
        above = current_run.get()
        if (models := asked_models.get(None)) is not None:
            models[id(agent.model)] = agent.model
        loop = begin(agent, task, scope=context.scope, deps=context.deps, kind="", above=above, trust=context.trust)
        end = await loop.run()
        value: dict[str, Any] = {"end": end.kind, "text": end.text, "run": end.run}
        sources: tuple[SourcePart, ...] = ()
        if isinstance(end, Answer):
            value["confidence"] = end.confidence
            sources = tuple(quote.as_source() for quote in end.quotes)
        return ToolOutput(value=value, sources=sources, trust=loop.state.taint.level)

    make = tool(
        name=agent.name,
        description=description,
        effect=max(effects, key=_BY_STRENGTH.index),
        reads=sorted({f"agent:{agent.name}", *(source for one in tools for source in one.reads)}),
        writes=sorted({system for one in tools for system in one.writes}),
        content=("task",),
        timeout=timeout,
    )
    return make(delegate)
