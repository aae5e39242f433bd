"""What is wrong with a data set, or likely to be: everything at once, with what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tercet.evals.datasets.lint_conversations import lint_conversations
from tercet.evals.datasets.lint_questions import Report
from tercet.evals.datasets.lint_retrieval import lint_retrieval
from tercet.evals.datasets.lint_spans import lint_spans
from tercet.evals.datasets.reading import LintFinding, Reading
from tercet.evals.datasets.recognition import load_dataset
from tercet.evals.datasets.records import RetrievalDataset, SpanDataset

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from tercet.evals.datasets.records import Dataset
    from tercet.evals.records import DatasetKind


class Linted(NamedTuple):
    """What could be read of a data set, and what is wrong with it."""

    dataset: Dataset
    findings: tuple[LintFinding, ...]


def lint(
    dataset: Dataset,
    *,
    uris: Collection[str] | None = None,
    places: Mapping[tuple[str, ...], str] | None = None,
) -> tuple[LintFinding, ...]:
    """Look for what makes measurements on a data set wrong or doubtful; docs/evals-datasets.md lists the codes.

    Args:
        dataset: Any kind.
        uris: Ids of your corpus' documents, for a data set that has none of its own; None: references to documents
            are then not looked at.
        places: File and line by kind and id, as a lenient reading notes them.

    Returns:
        Errors first, each group in the order of the data set.
    """
    report = Report(places or {})
    if isinstance(dataset, RetrievalDataset):
        lint_retrieval(dataset, report, uris)
    elif isinstance(dataset, SpanDataset):
        lint_spans(dataset, report, uris)
    else:
        lint_conversations(dataset, report)
    return _errors_first(report.findings)


def lint_path(
    path: str | Path, *, split: str = "test", kind: DatasetKind | None = None, uris: Collection[str] | None = None
) -> Linted:
    """Read what can be read of a data set and report all that is wrong, in its lines and in what they say.

    Raises:
        SourceError: There is nothing, nothing of a known form, or a file that cannot be read.
        InputError: Nearly every line is malformed: the file is of another form.
    """
    reading = Reading(lenient=True)
    dataset = load_dataset(path, split=split, kind=kind, reading=reading)
    found = lint(dataset, uris=uris, places=reading.places)
    return Linted(dataset, _errors_first([*reading.findings, *found]))


def _errors_first(findings: Collection[LintFinding]) -> tuple[LintFinding, ...]:
    return tuple(sorted(findings, key=lambda finding: finding.severity != "error"))
