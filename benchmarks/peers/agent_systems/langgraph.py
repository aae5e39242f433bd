"""LangGraph: a graph of a model node and its ``ToolNode``, with ``SqliteSaver`` and ``durability="sync"``.

A model node calls a chat model of langchain-core, as every integration is one; ``langgraph_bare`` has plain functions
in both places.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = ("langgraph", "langgraph-checkpoint-sqlite", "langgraph-prebuilt", "langchain-core")
WRITES = "the whole state after each super-step (two a step), and what each task wrote before that"


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def said(messages: list[BaseMessage], steps: int) -> AIMessage:
    """The next call of ``add``, or at last the answer."""
    done = sum(isinstance(message, ToolMessage) for message in messages)
    if done == steps:
        return AIMessage(content=f"The sum is {messages[-1].content}.")
    last = messages[-1].content if done else "0"
    call = {"id": f"call-{done}", "name": "add", "args": {"a": int(str(last)), "b": done + 1}}
    return AIMessage(content="", tool_calls=[call])


class Scripted(BaseChatModel):
    """Adds up 1 to ``steps``, one call at a time."""

    steps: int

    def _generate(self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **_: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=said(messages, self.steps))])

    @property
    def _llm_type(self) -> str:
        return "scripted"


class Runs:
    """Runs of one compiled graph over one connection."""

    def __init__(self, folder: Path, steps: int, synchronous: str) -> None:
        self.steps = steps
        self.saver = SqliteSaver(sqlite3.connect(folder / "langgraph.db", check_same_thread=False))
        self.saver.setup()
        self.graph = self.made().compile(checkpointer=self.saver)

    def made(self) -> StateGraph:
        model = Scripted(steps=self.steps)
        graph = StateGraph(MessagesState)
        graph.add_node("model", lambda state: {"messages": [model.invoke(state["messages"])]})
        graph.add_node("tools", ToolNode([add]))
        graph.add_edge(START, "model")
        graph.add_conditional_edges("model", tools_condition)
        graph.add_edge("tools", "model")
        return graph

    def run(self, number: int) -> str:
        config = {"configurable": {"thread_id": f"run-{number}"}, "recursion_limit": 4 * self.steps}
        asked = {"messages": [HumanMessage(content="Add up.")]}
        return str(self.graph.invoke(asked, config, durability="sync")["messages"][-1].content)

    def close(self) -> None:
        self.saver.conn.close()


class BareRuns(Runs):
    """The same with functions for nodes: no chat model, no tool schema, no check of arguments."""

    def made(self) -> StateGraph:
        def tools(state: MessagesState) -> dict[str, Any]:
            (call,) = state["messages"][-1].tool_calls
            return {"messages": [ToolMessage(str(add.func(**call["args"])), tool_call_id=call["id"])]}

        graph = StateGraph(MessagesState)
        graph.add_node("model", lambda state: {"messages": [said(state["messages"], self.steps)]})
        graph.add_node("tools", tools)
        graph.add_edge(START, "model")
        graph.add_conditional_edges("model", lambda state: "tools" if state["messages"][-1].tool_calls else END)
        graph.add_edge("tools", "model")
        return graph
