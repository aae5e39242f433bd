"""Limits of a run: how much an agent, and the whole tree of agents below it, may do and spend."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a run may do. None: no limit of its own, beside those of the tree."""

    steps: int = 5
    """Turns of the loop: one model call and the tool calls it asks for."""
    model_calls: int | None = None
    """Requests sent, each retry counted; None: three for each step."""
    tool_calls: int | None = 20
    """Executions begun, each retry and fallback counted; refusals are not."""
    tokens: int | None = 200_000
    """Of requests and answers, by the service's count."""
    cost: Decimal | None = None
    """By ``Prices``."""
    seconds: float | None = 300.0
    """Wall time while it runs; waiting for a person is not counted."""
    depth: int = 3
    """Agents below one another, this one included."""
    children: int = 16
    """Runs of sub-agents that it may start in all."""
