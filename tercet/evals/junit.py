"""Runs and comparisons as JUnit XML, which CI systems show beside the other tests.

The elements and attributes are those that the Jenkins and Surefire readers, GitLab and the common GitHub actions share:
``testsuites/testsuite/testcase`` with ``failure`` and ``system-out``. One test case is a measure or a gate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from tercet.evals.wording import clean, difference_words, estimate_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tercet.evals.comparison import Comparison
    from tercet.evals.records import EvalRun


def run_junit(run: EvalRun) -> str:
    """One passing case for each measure, and one that fails where questions failed."""
    suite = _suite(f"tercet eval run {run.name}", seconds=run.seconds, timestamp=run.started)
    for name, estimate in run.measures.items():
        case = _case(suite, name, f"tercet.eval.{run.dataset.name}")
        _text(case, "system-out", estimate_words(estimate))
    failed = [outcome for outcome in run.outcomes if outcome.error]
    case = _case(suite, "every question was answered", f"tercet.eval.{run.dataset.name}")
    if failed:
        lines = [f"{outcome.id}: {outcome.error}" for outcome in failed]
        _failure(case, f"{len(failed)} of {len(run.outcomes)} questions failed and count as 0", lines)
    return _document(suite)


def comparison_junit(comparison: Comparison) -> str:
    """One case for each measure, which fails never, and one for each gate, which fails where the gate does."""
    suite = _suite("tercet eval gate", seconds=0.0, timestamp=comparison.candidate.started)
    for difference in comparison.measures:
        case = _case(suite, difference.measure, "tercet.eval.measures")
        _text(case, "system-out", difference_words(difference))
    for result in comparison.gates:
        case = _case(suite, str(result.gate), "tercet.eval.gates")
        if result.passed:
            _text(case, "system-out", result.message)
        else:
            worst = [
                f"{change.outcome.text!r}: {change.baseline:.3f} -> {change.candidate:.3f}"
                for change in comparison.regressions
            ]
            _failure(case, result.message, [result.message, f"Worst regressions in {comparison.main.measure}:", *worst])
    return _document(suite)


def _suite(name: str, *, seconds: float, timestamp: str) -> ET.Element:
    suite = ET.Element("testsuite", {"name": clean(name), "time": f"{seconds:.3f}"})
    if timestamp:
        suite.set("timestamp", clean(timestamp)[:19])  # readers want it without a zone
    return suite


def _case(suite: ET.Element, name: str, group: str) -> ET.Element:
    return ET.SubElement(suite, "testcase", {"name": clean(name), "classname": clean(group), "time": "0"})


def _failure(case: ET.Element, message: str, lines: Sequence[str]) -> None:
    failure = ET.SubElement(case, "failure", {"message": clean(message), "type": "TercetEvalFailure"})
    failure.text = clean("\n".join(lines))


def _text(case: ET.Element, tag: str, text: str) -> None:
    ET.SubElement(case, tag).text = clean(text)


def _document(suite: ET.Element) -> str:
    counts = {
        "tests": str(len(suite)),
        "failures": str(len(suite.findall("testcase/failure"))),
        "errors": "0",
        "skipped": "0",
    }
    suite.attrib.update(counts)
    root = ET.Element("testsuites", {"name": "tercet eval", **counts, "time": suite.get("time", "0")})
    root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"
