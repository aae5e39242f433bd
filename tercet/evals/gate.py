"""A gate: a condition on the difference of two runs that lets a change pass or stops it.

A gate fails where the questions show, at the one-sided 5 % level, that the difference is below its margin. ``strict``
asks the reverse, that they show it is not below: the test of non-inferiority of Piaggio et al., "Reporting of
Noninferiority and Equivalence Randomized Trials" (JAMA 308(24), 2012). Of a cost (``tercet.evals.costs``) less is
better: its gates are written with ``<=``, and hold from above.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tercet.errors import ConfigurationError
from tercet.evals.costs import is_cost

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tercet.evals.statistics import Difference

_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_ROUNDING = 1e-9
"""Means of equal values may differ in their last digits; no margin is as fine as this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """What a gate says of a difference."""

    gate: Gate
    passed: bool
    inconclusive: bool
    """The one-sided bounds lie on both sides of the margin: these questions cannot tell."""
    message: str
    """A sentence with the numbers; a warning where it is inconclusive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A measure, and how much of it a change may lose (``-0.01``) or has to win (``0.02``).

    Of a cost: how much more it may be (``5``), or how much less it has to be (``-5``).

    Raises:
        ConfigurationError: The measure is empty or holds ``<`` or ``>``, or the margin is not a finite number.
    """

    measure: str
    margin: float

    def __post_init__(self) -> None:
        written = f"{self.measure}{self.sign}{self.margin}"
        if not self.measure or self.measure != self.measure.strip() or set(self.measure) & set("<>"):
            raise _unreadable(written, "the measure needs a name, without spaces around it, '<' or '>'")
        if not math.isfinite(self.margin):
            raise _unreadable(written, "the margin must be a finite number")

    def __str__(self) -> str:
        margin = repr(float(self.margin) + 0.0)  # adding 0.0 makes -0.0 a plain 0
        return f"{self.measure}{self.sign}{margin.removesuffix('.0')}"

    @property
    def sign(self) -> str:
        """``>=``; of a cost ``<=``."""
        return "<=" if is_cost(self.measure) else ">="

    @classmethod
    def parse(cls, text: str) -> Gate:
        """Read a measure, ``>=`` (of a cost ``<=``) and a margin; ``str()`` writes it back.

        Raises:
            ConfigurationError: It is not of that form, or holds the measure from the wrong side.

        Example:
            >>> Gate.parse("nDCG@10 >= -0.01")
            Gate(measure='nDCG@10', margin=-0.01)
            >>> print(Gate.parse("R@100>=0"), Gate.parse("latency ms <= 5"))
            R@100>=0 latency ms<=5
        """
        measure, sign, margin = (part.strip() for part in text.rpartition("<=" if "<=" in text else ">="))
        if not sign or not _NUMBER.fullmatch(margin):
            raise _unreadable(text, "expected a measure, '>=' and a number")
        found = cls(measure=measure, margin=float(margin) + 0.0)
        if sign != found.sign:
            better = "lower" if is_cost(measure) else "higher"
            raise _unreadable(
                text, f"expected a measure, {found.sign!r} and a number, as {measure} is better when it is {better}"
            )
        return found

    def check(self, difference: Difference, *, strict: bool = False) -> GateResult:
        """Judge a difference.

        The gate fails where the upper one-sided 95 % bound lies below the margin: a change whose true difference is
        the margin itself fails in at most 5 % of runs. It is inconclusive where only the lower bound lies below, and
        then passes with a warning. Of a cost the same holds the other way round.

        Args:
            difference: Of the gate's measure.
            strict: An inconclusive gate fails as well.

        Raises:
            ConfigurationError: The difference is one of another measure.
        """
        if difference.measure != self.measure:
            raise ConfigurationError(
                f"gate {str(self)!r} cannot judge a difference in {difference.measure!r}.",
                remedy=f"Compare the runs by {self.measure!r}.",
            )
        if is_cost(self.measure):
            failed = difference.lower95 > self.margin + _ROUNDING
            inconclusive = not failed and difference.upper95 > self.margin + _ROUNDING
        else:
            failed = difference.upper95 < self.margin - _ROUNDING
            inconclusive = not failed and difference.lower95 < self.margin - _ROUNDING
        return GateResult(
            gate=self,
            passed=not failed and not (strict and inconclusive),
            inconclusive=inconclusive,
            message=self._message(difference, failed=failed, inconclusive=inconclusive, strict=strict),
        )

    def _message(self, difference: Difference, *, failed: bool, inconclusive: bool, strict: bool) -> str:
        measured = f"the difference is {difference.difference:+.4f}"
        low, high = f"at least {difference.lower95:+.4f}", f"at most {difference.upper95:+.4f}"
        if failed:
            return f"{self} failed: {measured}, {low if is_cost(self.measure) else high}."
        if inconclusive:
            return (
                f"{self} {'failed, ' if strict else ''}inconclusive: {measured}, between {difference.lower95:+.4f} and "
                f"{difference.upper95:+.4f}; {difference.count} questions are too few to see less than "
                f"{difference.detectable:.4f}."
            )
        return f"{self} passed: {measured}, {high if is_cost(self.measure) else low}."


def check_gates(
    gates: Iterable[Gate], differences: Mapping[str, Difference], *, strict: bool = False
) -> tuple[GateResult, ...]:
    """Judge the differences of two runs by several gates, in the order of the gates.

    Each gate by itself stops a harmless change in at most 5 % of runs; several together stop it more often.

    Args:
        gates: Each for a measure that ``differences`` has.
        differences: By measure.
        strict: Inconclusive gates fail as well.

    Raises:
        ConfigurationError: A gate's measure is not among the differences.
    """
    results = []
    for gate in gates:
        if gate.measure not in differences:
            raise ConfigurationError(
                f"gate {str(gate)!r} has nothing to judge: {gate.measure!r} was not compared.",
                remedy=f"Compared were: {', '.join(sorted(differences)) or 'no measures'}.",
            )
        results.append(gate.check(differences[gate.measure], strict=strict))
    return tuple(results)


def _unreadable(text: str, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"gate {text!r}: {reason}.", remedy="Write it like 'nDCG@10>=-0.01', 'R@100>=0' or 'latency ms<=5'."
    )
