"""Limits of a run: how much an agent, and the whole tree of agents below it, may do and spend."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from tercet.errors import ConfigurationError

Measure = Literal["steps", "model_calls", "tool_calls", "tokens", "cost", "seconds", "depth", "children"]
"""What is limited."""

_LEAST: dict[Measure, int] = {
    "steps": 1,
    "model_calls": 1,
    "tool_calls": 0,
    "tokens": 1,
    "depth": 1,
    "children": 0,
}
_CALLS_PER_STEP = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a run may do. None: no limit of its own, beside those of the agents above it.

    Whatever an agent does counts for it and for each agent above it: the limits of the first agent are those of the
    whole tree. A limit of 5 allows five; the sixth is refused before it begins.

    Raises:
        ConfigurationError: A limit is no number, not finite, or so low that nothing could be done.

    Example:
        >>> Limits(steps=3).model_calls_allowed
        9
    """

    steps: int = 5
    """Turns of the loop: one model call and the tool calls it asks for."""
    model_calls: int | None = None
    """Requests sent, each retry counted; None: three for each step."""
    tool_calls: int | None = 20
    """Executions begun, each retry and fallback counted; refusals are not."""
    tokens: int | None = 200_000
    """Of requests and answers, failed ones included, by the service's count."""
    cost: Decimal | None = None
    """By ``Prices``, in their currency."""
    seconds: float | None = 300.0
    """Wall time while it runs; waiting for a person is not counted."""
    depth: int = 3
    """Agents below one another, this one included."""
    children: int = 16
    """Runs of sub-agents that may be started in all, by it and by those below it."""

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is None and name in ("model_calls", "tool_calls", "tokens"):
                continue
            if type(value) is not int or value < least:
                raise ConfigurationError(
                    f"A limit of {value!r} {name} cannot be kept.", remedy=f"Give a whole number of at least {least}."
                )
        if self.cost is not None and not (type(self.cost) is Decimal and self.cost.is_finite() and self.cost > 0):
            raise ConfigurationError(f"A limit of {self.cost!r} cost cannot be kept.", remedy="Give Decimal('1.50').")
        if self.seconds is not None and not (_is_number(self.seconds) and 0 < self.seconds < math.inf):
            raise ConfigurationError(
                f"A limit of {self.seconds!r} seconds cannot be kept.", remedy="Give a finite number above 0, or None."
            )

    @property
    def model_calls_allowed(self) -> int:
        """How many requests may be sent."""
        return self.steps * _CALLS_PER_STEP if self.model_calls is None else self.model_calls


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
