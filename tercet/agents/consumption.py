"""What a run has done and spent, as records."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from tercet.records import Usage

if TYPE_CHECKING:
    from tercet.agents.limits import Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumed:
    """What an agent and those below it have done and spent. A ledger is made anew from it when a run is resumed."""

    steps: int = 0
    model_calls: int = 0
    tool_calls: int = 0
    usage: Usage = field(default_factory=Usage)
    """Of answers."""
    failed_usage: Usage = field(default_factory=Usage)
    """Of requests that gave none."""
    unknown_tokens: int = 0
    """Reserved for requests of which nobody knows what they spent: they count towards the limit."""
    cost: Decimal = Decimal(0)
    """Of what has a price."""
    unpriced_tokens: int = 0
    """Of models without a price."""
    seconds: float = 0.0
    children: int = 0

    @property
    def spent(self) -> Usage:
        """Of all requests, as the service counts."""
        return self.usage + self.failed_usage

    @property
    def tokens(self) -> int:
        """What counts towards the limit of tokens."""
        return self.spent.total_tokens + self.unknown_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """How far one limit of one agent is used up."""

    measure: Measure
    consumed: Decimal | float
    reserved: Decimal | float
    """For what is under way."""
    limit: Decimal | float | None
    remaining: Decimal | float | None
    """What may still be reserved; None: there is no limit."""
