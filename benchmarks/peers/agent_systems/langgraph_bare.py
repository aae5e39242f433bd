"""LangGraph with plain functions for nodes: no chat model, no tool schema, no check of arguments."""

from __future__ import annotations

from agent_systems.langgraph import PACKAGES, WRITES
from agent_systems.langgraph import BareRuns as Runs

__all__ = ["PACKAGES", "WRITES", "Runs"]
