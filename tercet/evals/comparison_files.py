"""What a comparison leaves on disk, and its JSON form."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tercet.evals.folders import check_place, write_folder
from tercet.evals.junit import comparison_junit
from tercet.evals.report.comparison_page import comparison_page
from tercet.evals.summary import comparison_summary

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tercet.evals.comparison import Change, Comparison
    from tercet.evals.records import EvalRun, Outcome
    from tercet.evals.statistics import Difference

COMPARISON_FILES = ("comparison.json", "summary.md", "junit.xml", "report.html")
FOUND = 5
"""Things found that are told of a question."""


def write_comparison(folder: str | Path, comparison: Comparison) -> Path:
    """Write a comparison as a folder. An earlier comparison at the same place is replaced.

    Raises:
        InputError: The place holds something else.
    """
    target = Path(folder)
    check_place(target, COMPARISON_FILES)
    contents = {
        "comparison.json": json.dumps(comparison_document(comparison), indent=2) + "\n",
        "summary.md": comparison_summary(comparison),
        "junit.xml": comparison_junit(comparison),
        "report.html": comparison_page(comparison),
    }
    return write_folder(target, contents)


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """A comparison as JSON values."""
    data = comparison.candidate.dataset
    return {
        "passed": comparison.passed,
        "baseline": _run(comparison.baseline),
        "candidate": _run(comparison.candidate),
        "dataset": {
            "name": data.name,
            "fingerprint": data.fingerprint,
            "questions": len(comparison.candidate.outcomes),
        },
        "measures": {one.measure: _difference(one) for one in comparison.measures},
        "slices": {
            name: {value: _difference(one) for value, one in values.items()}
            for name, values in comparison.slices.items()
        },
        "gates": [
            {
                "gate": str(one.gate),
                "measure": one.gate.measure,
                "margin": one.gate.margin,
                "passed": one.passed,
                "inconclusive": one.inconclusive,
                "message": one.message,
            }
            for one in comparison.gates
        ],
        "configuration": {
            key: {"baseline": before, "candidate": after} for key, (before, after) in comparison.configuration.items()
        },
        "regressions": _changes(comparison.regressions),
        "improvements": _changes(comparison.improvements),
        "warnings": list(comparison.warnings),
    }


def _run(run: EvalRun) -> dict[str, Any]:
    return {"name": run.name, "started": run.started, "failed": sum(bool(one.error) for one in run.outcomes)}


def _difference(one: Difference) -> dict[str, Any]:
    plain = asdict(one)
    del plain["measure"]
    return plain


def _changes(changes: Iterable[Change]) -> list[dict[str, Any]]:
    return [
        {
            "id": change.outcome.id,
            "text": change.outcome.text,
            "baseline": change.baseline,
            "candidate": change.candidate,
            "difference": change.difference,
            "expected": list(change.outcome.relevant),
            "found": {"baseline": _found(change.before), "candidate": _found(change.outcome)},
        }
        for change in changes
    ]


def _found(outcome: Outcome) -> list[dict[str, Any]]:
    return [{"id": item.id, "score": item.score, "text": item.text} for item in outcome.ranking[:FOUND]]
