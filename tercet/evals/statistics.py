"""Estimates with intervals, and paired comparisons of two runs over the same questions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tercet.evals.records import Estimate

Verdict = Literal["candidate", "baseline", "no difference"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Candidate minus baseline, question by question."""

    measure: str
    baseline: float
    """Its mean."""
    candidate: float
    """Its mean."""
    difference: float
    """Mean of candidate minus baseline."""
    low: float
    """Two-sided 95 % interval of the difference, from here …"""
    high: float
    """… to here."""
    lower95: float
    """One-sided 95 % bound: the difference is hardly below it."""
    upper95: float
    """One-sided 95 % bound: the difference is hardly above it."""
    p: float
    """Of the paired randomisation test, two-sided; after ``holm``, adjusted."""
    wins: int
    """Questions on which the candidate has the higher value."""
    losses: int
    ties: int
    count: int
    """Questions."""
    detectable: float
    """The smallest true difference that as many such questions show with 80 % power at the 5 % level."""
    verdict: Verdict


def estimate(values: Mapping[str, float] | Sequence[float], *, seed: int = 0) -> Estimate:
    """The mean over questions with its 95 % interval."""
    raise NotImplementedError


def compare(
    baseline: Mapping[str, float], candidate: Mapping[str, float], *, measure: str, seed: int = 0
) -> Difference:
    """Compare two runs question by question."""
    raise NotImplementedError


def holm(differences: Iterable[Difference]) -> tuple[Difference, ...]:
    """Adjust the p values of a family of comparisons."""
    raise NotImplementedError
