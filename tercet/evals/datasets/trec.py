"""Judgements and rankings in the forms of the Text REtrieval Conference, which trec_eval and ir_measures read.

Judgements are lines ``query 0 document grade``; a ranking is lines ``query Q0 document rank score tag``. As in
trec_eval, the score orders a ranking and its rank column is not used.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from tercet.errors import InputError
from tercet.evals.datasets.beir import add_judgement
from tercet.evals.datasets.reading import Reading
from tercet.evals.datasets.writing import write_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tercet.evals.datasets.reading import Line
    from tercet.evals.records import Qrels, Run


def read_qrels(path: str | Path, *, reading: Reading | None = None) -> Qrels:
    """Read judgements.

    Raises:
        SourceError: The file cannot be read.
        InputError: A line is malformed, or contradicts an earlier one.

    Example:
        >>> _ = Path("qrels.txt").write_text("q1 0 d1 2\\nq1 0 d2 0\\n")
        >>> read_qrels("qrels.txt")
        {'q1': {'d1': 2, 'd2': 0}}
    """
    found: dict[str, dict[str, int]] = {}

    def take(line: Line) -> None:
        query, _, document, grade = _fields(line, "query 0 document grade")
        add_judgement(line, found, query, document, grade)

    (reading or Reading()).each_line(Path(path), take)
    return found


def read_run(path: str | Path, *, reading: Reading | None = None) -> Run:
    """Read a ranking.

    Raises:
        SourceError: The file cannot be read.
        InputError: A line is malformed, or ranks a document twice for a query.
    """
    found: dict[str, dict[str, float]] = {}

    def take(line: Line) -> None:
        query, _, document, _, number, _ = _fields(line, "query Q0 document rank score tag")
        try:
            score = float(number)
        except ValueError:
            score = math.nan
        if not math.isfinite(score):
            line.refuse("bad-score", f"the score {number!r} is no finite number")
        ranked = found.setdefault(line.identifier(query, "query"), {})
        ranked[line.identifier(document, "document", ranked)] = score

    (reading or Reading()).each_line(Path(path), take)
    return found


def write_qrels(qrels: Qrels, path: str | Path) -> None:
    """Write judgements; a query without any has no line.

    Raises:
        InputError: An id holds white space, which separates the fields of this form.
    """
    _refuse_spaces(key for query, judged in qrels.items() for key in (query, *judged))
    rows = ((query, document, grade) for query, judged in qrels.items() for document, grade in judged.items())
    write_lines(path, (f"{query} 0 {document} {grade}" for query, document, grade in rows))


def write_run(run: Run, path: str | Path, *, tag: str = "tercet") -> None:
    """Write a ranking, best first; equal scores in the order of the document's id, the later ones first, as trec_eval.

    Raises:
        InputError: An id or the tag holds white space, or a score is no finite number.
    """
    _refuse_spaces([tag, *(key for query, ranked in run.items() for key in (query, *ranked))])
    write_lines(path, _run_lines(run, tag))


def _run_lines(run: Run, tag: str) -> Iterator[str]:
    for query, ranked in run.items():
        ordered = sorted(ranked.items(), key=lambda item: (item[1], item[0]), reverse=True)
        for rank, (document, score) in enumerate(ordered, start=1):
            if not math.isfinite(score):
                raise InputError(
                    f"The score of document {document!r} for query {query!r} is {score}.", remedy="Scores are finite."
                )
            yield f"{query} Q0 {document} {rank} {float(score)!r} {tag}"


def _fields(line: Line, form: str) -> list[str]:
    fields, names = line.content.split(), form.split()
    if len(fields) != len(names):
        line.refuse("bad-fields", f"expected {len(names)} fields ({form}), found {len(fields)}")
    return fields


def _refuse_spaces(keys: Iterable[str]) -> None:
    for key in keys:
        if key.split() != [key]:
            raise InputError(
                f"The id {key!r} is empty or holds white space, which separates the fields of a TREC file.",
                remedy="Use other ids, or write the BEIR form.",
            )
