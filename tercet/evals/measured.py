"""What measuring gives, whatever the kind of data: outcomes, curves and warnings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tercet.evals.measures import Measure, evaluate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tercet.evals.records import Outcome, Qrels, Run

    Curve = tuple[tuple[float, float], ...]

RECALL = "recall against k"
RETENTION = "retention against budget"
RISK = "risk against coverage"
"""Names of the curves."""

DEPTHS = (1, 2, 3, 5, 10, 20, 50, 100, 200)
"""Where the curve of recall is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What became of every question."""

    outcomes: tuple[Outcome, ...]
    curves: Mapping[str, Curve]
    warnings: tuple[str, ...] = ()


def ranked_values(
    measures: Sequence[Measure], qrels: Qrels, run: Run, *, deepest: int
) -> tuple[dict[str, dict[str, float]], Curve]:
    """Values by question and measure, and the curve of mean recall down to a depth; empty without judgements."""
    depths = [Measure("R", cutoff=depth) for depth in DEPTHS if depth <= deepest]
    found = evaluate([*measures, *depths], qrels, run)
    values = {key: {str(measure): found[measure][key] for measure in measures} for key in qrels}
    if not qrels:
        return values, ()
    return values, tuple((float(one.cutoff or 0), sum(found[one].values()) / len(qrels)) for one in depths)


def curves_of(**curves: Curve) -> dict[str, Curve]:
    """Curves by name, those without points left out.

    Example:
        >>> curves_of(recall=((1.0, 0.5),), risk=())
        {'recall against k': ((1.0, 0.5),)}
    """
    names = {"recall": RECALL, "retention": RETENTION, "risk": RISK}
    return {names[name]: points for name, points in curves.items() if points}


def lacks(degraded: Iterable[str]) -> tuple[str, ...]:
    """Warnings about what searches lacked.

    Example:
        >>> lacks(["dense 43 %", "dense 43 %"])
        ('searches lacked dense 43 %',)
    """
    return tuple(f"searches lacked {lack}" for lack in sorted(set(degraded)))
