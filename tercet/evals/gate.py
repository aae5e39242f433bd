"""A gate: a condition on the difference of two runs that lets a change pass or stops it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tercet.evals.statistics import Difference


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """What a gate says of a difference."""

    gate: Gate
    passed: bool
    inconclusive: bool
    """The interval holds both sides of the margin: the questions cannot tell."""
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A measure, and how much of it a change may lose (``-0.01``) or must win (``0.02``)."""

    measure: str
    margin: float

    @classmethod
    def parse(cls, text: str) -> Gate:
        """Read ``nDCG@10>=-0.01``."""
        raise NotImplementedError

    def check(self, difference: Difference, *, strict: bool = False) -> GateResult:
        """Judge a difference."""
        raise NotImplementedError
