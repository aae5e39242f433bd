"""What a question costs, as measures of which less is better. Every other measure is better when it is higher."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tercet.evals.records import Outcome

LATENCY = "latency ms"
"""Milliseconds of the search for a question."""
CONTEXT_TOKENS = "context tokens"
"""Tokens of the context that was built for a question."""
COSTS = (LATENCY, CONTEXT_TOKENS)


def is_cost(measure: str) -> bool:
    """Whether less of it is better.

    Example:
        >>> is_cost("latency ms"), is_cost("nDCG@10")
        (True, False)
    """
    return measure in COSTS


def gain(measure: str, difference: float) -> float:
    """A difference as what is won by it: above 0 is better.

    Example:
        >>> gain("nDCG@10", 0.1), gain("latency ms", 0.1)
        (0.1, -0.1)
    """
    return -difference if is_cost(measure) else difference


def value_of(outcome: Outcome, measure: str) -> float | None:
    """What a question has by a measure or a cost; None where it has nothing."""
    if measure == LATENCY:
        return None if outcome.seconds is None else 1000 * outcome.seconds
    if measure == CONTEXT_TOKENS:
        return None if outcome.tokens is None else float(outcome.tokens)
    return outcome.values.get(measure)
