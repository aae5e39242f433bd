"""Golden files: questions about a corpus of your own, with the documents or places that answer them.

A JSON Lines file has ``{"id", "query", "relevant": [uri, …]}`` a line, with ``spans`` (``{uri, start, end}``),
``unanswerable``, ``slices``, ``sources`` (spans: where the query was taken from) and ``alternatives`` (documents that
may answer as well) where they apply. A CSV file has the columns ``id``, ``query``, ``relevant`` and, where they apply,
``spans``, ``unanswerable`` and ``slice.NAME``; several values in a cell are separated by ``|``, a span is
``uri:start-end``.
"""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tercet.errors import InputError
from tercet.evals.datasets.reading import MAX_LINE_BYTES, Line, Reading, Record
from tercet.evals.datasets.records import RetrievalDataset, SpanDataset, SpanQuestion
from tercet.evals.datasets.writing import write_lines
from tercet.evals.records import Span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

_SPAN = re.compile(r"(?P<uri>.+):(?P<start>\d{1,15})-(?P<end>\d{1,15})")
_FLAGS = {"": False, "0": False, "false": False, "no": False, "1": True, "true": True, "yes": True}
_COLUMNS = ("id", "query", "relevant", "spans", "unanswerable")
_SLICE = "slice."


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenQuestion:
    """A question about a corpus, and what answers it."""

    id: str
    query: str
    relevant: tuple[str, ...] = ()
    """Uris of documents."""
    spans: tuple[Span, ...] = ()
    """Places in them, where they are known."""
    unanswerable: bool = False
    slices: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[Span, ...] = ()
    """Where in the corpus the query's words were taken from; see ``hold_out``."""
    alternatives: tuple[str, ...] = ()
    """Other documents that may answer as well: the doubt in the label."""


def read_golden(path: str | Path, *, reading: Reading | None = None) -> tuple[GoldenQuestion, ...]:
    """Read a golden file: CSV by its suffix, else JSON Lines.

    Raises:
        SourceError: The file cannot be read.
        InputError: A line is malformed, or an id occurs twice.
    """
    file, reading = Path(path), reading or Reading()
    found: dict[str, GoldenQuestion] = {}

    def take(record: Record) -> None:
        question = _question(record, found)
        found[question.id] = question
        record.note("query", question.id)

    if file.suffix.lower() == ".csv":
        _each_row(file, reading, take)
    else:
        reading.each_record(file, take)
    return tuple(found.values())


def write_golden(questions: Iterable[GoldenQuestion], path: str | Path) -> None:
    """Write a golden file, CSV by its suffix, else JSON Lines; it is replaced as a whole.

    Raises:
        InputError: CSV cannot say it: an id with ``|`` in it, sources or alternatives.
        OSError: The folder cannot be written to.
    """
    if Path(path).suffix.lower() == ".csv":
        write_lines(path, _rows(tuple(questions)))
    else:
        write_lines(path, (json.dumps(_plain(one), ensure_ascii=False) for one in questions))


def golden_dataset(questions: Iterable[GoldenQuestion], *, name: str) -> RetrievalDataset:
    """Golden questions as a retrieval data set, whose documents are those of your corpus."""
    asked = tuple(questions)
    return RetrievalDataset(
        name=name,
        documents=(),
        queries={one.id: one.query for one in asked},
        qrels={one.id: dict.fromkeys(one.relevant, 1) for one in asked if one.relevant},
        slices={one.id: dict(one.slices) for one in asked if one.slices},
        unanswerable=frozenset(one.id for one in asked if one.unanswerable),
    )


def golden_spans(questions: Iterable[GoldenQuestion], *, name: str) -> SpanDataset:
    """The golden questions that name places, and the unanswerable ones, as a data set of spans."""
    return SpanDataset(
        name=name,
        documents=(),
        questions=tuple(
            SpanQuestion(
                id=one.id, text=one.query, spans=one.spans, slices=dict(one.slices), answerable=not one.unanswerable
            )
            for one in questions
            if one.spans or one.unanswerable
        ),
    )


def _question(record: Record, known: Mapping[str, object]) -> GoldenQuestion:
    key, query = record.id("id", known=known), record.text("query")
    spans = tuple(map(_span, record.parts("spans")))
    if "relevant" not in record.values and not spans and not record.flag("unanswerable"):
        record.refuse("no-judgement", "it has neither 'relevant' nor 'spans', and is not 'unanswerable'")
    named = [record.identifier(one, "relevant") for one in record.list("relevant")]
    return GoldenQuestion(
        id=key,
        query=query,
        relevant=tuple(dict.fromkeys([*named, *(span.uri for span in spans)])),
        spans=spans,
        unanswerable=record.flag("unanswerable"),
        slices=record.slices(),
        sources=tuple(map(_span, record.parts("sources"))),
        alternatives=tuple(record.identifier(one, "alternatives") for one in record.list("alternatives")),
    )


def _span(record: Record) -> Span:
    span = Span(uri=record.id("uri"), start=record.offset("start"), end=record.offset("end"))
    if span.end <= span.start:
        record.refuse("bad-span", f"the span {span.start}-{span.end} is empty")
    return span


def _plain(question: GoldenQuestion) -> dict[str, object]:
    written: dict[str, object] = {"id": question.id, "query": question.query, "relevant": list(question.relevant)}
    optional = {
        "spans": [asdict(span) for span in question.spans],
        "unanswerable": question.unanswerable,
        "slices": dict(question.slices),
        "sources": [asdict(span) for span in question.sources],
        "alternatives": list(question.alternatives),
    }
    return written | {name: value for name, value in optional.items() if value}


def _each_row(path: Path, reading: Reading, take: Callable[[Record], None]) -> None:
    """Hand every row of a CSV file to ``take`` in the shape of a JSON Lines record.

    A quoted cell may go on over several lines; a row is then named by its last one.
    """
    pending: list[str] = []
    size = quotes = 0
    header: list[str] = []

    def take_line(line: Line) -> None:
        nonlocal size, quotes
        if not pending and not line.content.strip():
            return
        pending.append(line.content)
        size, quotes = size + len(line.content), quotes + line.content.count('"')
        if quotes % 2 and size < MAX_LINE_BYTES:
            return  # inside a quoted cell
        text = "\n".join(pending)
        pending.clear()
        size = quotes = 0
        try:
            cells = next(csv.reader(io.StringIO(text, newline=""), strict=True))
        except csv.Error as error:
            line.refuse("bad-csv", f"not valid CSV ({error})")
        if not header:
            header.extend(_header(line, cells))
            return
        if len(cells) != len(header):
            line.refuse("bad-fields", f"expected {len(header)} cells, found {len(cells)}")
        take(Record(reading, path, line.number, _values(line, dict(zip(header, cells, strict=True)))))

    reading.each_line(path, take_line, blank=True)  # a quoted cell may hold blank lines
    if pending:
        reading.report("bad-csv", str(path), "a quoted cell does not end", "Close it with a quotation mark.")


def _header(line: Line, cells: list[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    unknown = [name for name in names if name not in _COLUMNS and not name.startswith(_SLICE)]
    if unknown or len(set(names)) < len(names) or not {"id", "query"} <= set(names):
        raise InputError(
            f"{line}: the header must name id and query, and relevant, spans, unanswerable and slice.NAME at most "
            f"once{f'; it names {unknown[0]!r}' if unknown else ''}.",
            remedy="Such as: id,query,relevant,slice.language",
        )
    return names


def _values(line: Line, cells: Mapping[str, str]) -> dict[str, Any]:
    flag = _FLAGS.get(cells.get("unanswerable", "").strip().lower())
    if flag is None:
        line.refuse("bad-type", "'unanswerable' must be true, false or empty")
    values: dict[str, Any] = {"id": cells["id"].strip(), "query": cells["query"], "unanswerable": flag}
    if "relevant" in cells:
        values["relevant"] = _several(cells["relevant"])
    spans = [(one, _SPAN.fullmatch(one)) for one in _several(cells.get("spans", ""))]
    for text, found in spans:
        if found is None:
            line.refuse("bad-span", f"the span {text!r} is not of the form uri:start-end")
    values["spans"] = [
        {"uri": found["uri"], "start": int(found["start"]), "end": int(found["end"])} for _, found in spans if found
    ]
    values["slices"] = {
        name.removeprefix(_SLICE): value for name, value in cells.items() if name.startswith(_SLICE) and value
    }
    return values


def _several(cell: str) -> list[str]:
    return [part.strip() for part in cell.split("|") if part.strip()]


def _rows(questions: Sequence[GoldenQuestion]) -> Iterator[str]:
    slices = sorted({name for one in questions for name in one.slices})
    yield _row([*_COLUMNS, *(_SLICE + name for name in slices)])
    for one in questions:
        spans = [f"{span.uri}:{span.start}-{span.end}" for span in one.spans]
        if one.sources or one.alternatives or any("|" in key or key != key.strip() for key in (*one.relevant, *spans)):
            raise InputError(
                f"Question {one.id!r} has sources, alternatives, or an id that a CSV cell cannot hold.",
                remedy="Write JSON Lines: a name that ends in .jsonl.",
            )
        flag = "true" if one.unanswerable else ""
        cells = [one.id, one.query, "|".join(one.relevant), "|".join(spans), flag]
        yield _row([*cells, *(one.slices.get(name, "") for name in slices)])


def _row(cells: Sequence[str]) -> str:
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator="\r\n").writerow(cells)  # cells with either sign of it are quoted
    return written.getvalue().removesuffix("\r\n")
