"""Retrieval data sets in BEIR form: documents, queries and judgements, read from a folder.

The layout is that of Thakur et al., "BEIR: A Heterogenous Benchmark for Zero-shot Evaluation" (NeurIPS 2021):
``corpus.jsonl`` ``{_id, title, text, metadata}``, ``queries.jsonl`` ``{_id, text}`` and ``qrels/<split>.tsv`` with the
header ``query-id corpus-id score``. A query's ``metadata`` may hold ``slices`` (an object of strings), ``language`` or
``lang``, and ``unanswerable``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tercet.errors import InputError, SourceError
from tercet.evals.datasets.reading import Reading, Record
from tercet.evals.datasets.records import RetrievalDataset
from tercet.evals.datasets.writing import write_lines
from tercet.records import Document

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from tercet.evals.datasets.reading import Line

QRELS_HEADER = ("query-id", "corpus-id", "score")


class _Query(NamedTuple):
    text: str
    slices: Mapping[str, str]
    unanswerable: bool


def load_beir(
    folder: str | Path, *, split: str = "test", queries: str = "queries.jsonl", reading: Reading | None = None
) -> RetrievalDataset:
    """Read a data set in BEIR form.

    Args:
        folder: Holds ``corpus.jsonl``, the queries and ``qrels/``. Without ``qrels/``, that of the folder above is
            used: translations of one set share it.
        split: Which judgements: ``qrels/<split>.tsv``.
        queries: Name of the queries file, for sets that have several forms of a query.
        reading: How; None: strictly.

    Raises:
        SourceError: The folder or one of its files is missing or cannot be read.
        InputError: A line is malformed, an id occurs twice, or a judgement names an unknown id.

    Example:
        >>> dataset = load_beir("data/scifact")  # doctest: +SKIP
        >>> len(dataset.documents), len(dataset.queries)  # doctest: +SKIP
        (5183, 300)
    """
    root = Path(folder)
    if not root.is_dir():
        raise SourceError(
            f"there is no data set folder {str(root)!r}.", remedy="Name a folder that holds corpus.jsonl."
        )
    reading = reading or Reading()
    documents = _documents(root / "corpus.jsonl", reading)
    asked = _queries(root / queries, reading)
    shared = not (root / "qrels").is_dir() and (root.resolve().parent / "qrels").is_dir()
    judgements = (root.resolve().parent if shared else root) / "qrels" / f"{split}.tsv"
    qrels = _qrels(judgements, asked, {document.uri for document in documents}, reading)
    kept = {key: query for key, query in asked.items() if key in qrels or query.unanswerable}
    return RetrievalDataset(
        name=root.resolve().name if not shared else f"{root.resolve().parent.name}/{root.resolve().name}",
        documents=documents,
        queries={key: query.text for key, query in kept.items()},
        qrels=qrels,
        slices={key: query.slices for key, query in kept.items() if query.slices},
        unanswerable=frozenset(key for key, query in kept.items() if query.unanswerable),
    )


def write_beir(dataset: RetrievalDataset, folder: str | Path, *, split: str = "test") -> None:
    """Write a data set in BEIR form; ``load_beir`` reads the same again.

    Raises:
        OSError: The folder cannot be written to.
    """
    root = Path(folder)
    (root / "qrels").mkdir(parents=True, exist_ok=True)
    write_lines(
        root / "corpus.jsonl",
        (
            _json({"_id": one.uri, "title": one.title, "text": one.text, "metadata": dict(one.metadata)})
            for one in dataset.documents
        ),
    )
    write_lines(
        root / "queries.jsonl",
        (
            _json({"_id": key, "text": text, "metadata": _query_metadata(dataset, key)})
            for key, text in dataset.queries.items()
        ),
    )
    rows = [
        (query, document, str(grade)) for query, judged in dataset.qrels.items() for document, grade in judged.items()
    ]
    write_lines(root / "qrels" / f"{split}.tsv", map("\t".join, [QRELS_HEADER, *rows]))


def _query_metadata(dataset: RetrievalDataset, key: str) -> dict[str, object]:
    found: dict[str, object] = {}
    if slices := dataset.slices.get(key):
        found["slices"] = dict(slices)
    if key in dataset.unanswerable:
        found["unanswerable"] = True
    return found


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _documents(path: Path, reading: Reading) -> tuple[Document, ...]:
    found: dict[str, Document] = {}

    def take(record: Record) -> None:
        key = record.id("_id", known=found)
        title, text = record.text("title", default=""), record.values.get("text")
        metadata = record.values.get("metadata") or {}
        if not isinstance(text, str):
            record.refuse("bad-type", "a document needs a string 'text'")
        if not isinstance(metadata, dict) or not all(map(_is_metadata, metadata.values())):
            record.refuse("bad-type", "'metadata' must be an object of strings, numbers, booleans or lists of them")
        found[key] = Document(uri=key, title=title, text=text, metadata=metadata)
        record.note("document", key)

    reading.each_record(path, take)
    return tuple(found.values())


def _queries(path: Path, reading: Reading) -> dict[str, _Query]:
    found: dict[str, _Query] = {}

    def take(record: Record) -> None:
        key = record.id("_id", known=found)
        text = record.text("text")
        metadata = record.values.get("metadata") or {}
        if not isinstance(metadata, dict):
            record.refuse("bad-type", "'metadata' must be an object")
        told = Record(reading, path, record.number, metadata)
        slices = told.slices()
        language = metadata.get("language", metadata.get("lang"))
        if isinstance(language, str) and language:
            slices.setdefault("language", language)
        found[key] = _Query(text, slices, told.flag("unanswerable"))
        record.note("query", key)

    reading.each_record(path, take)
    return found


def _qrels(
    path: Path, queries: Container[str], documents: Container[str], reading: Reading
) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    header_seen = False

    def take(line: Line) -> None:
        nonlocal header_seen
        fields = line.content.split("\t")
        if not header_seen:
            header_seen = True
            if tuple(fields) != QRELS_HEADER:
                line.refuse("no-header", "the header must be 'query-id', 'corpus-id', 'score', separated by tabs")
            return
        if len(fields) != 3:
            line.refuse("bad-fields", f"expected 3 fields separated by tabs, found {len(fields)}")
        query, document, grade = fields
        if not reading.lenient:  # a lenient reading leaves this to lint, which sees all of them together
            if query not in queries:
                line.refuse("unknown-query", f"query {query!r} is not in the queries file")
            if document not in documents:
                line.refuse("unknown-document", f"document {document!r} is not in corpus.jsonl")
        add_judgement(line, found, query, document, grade)

    reading.each_line(path, take)
    if not header_seen:
        raise InputError(f"{path}: the file is empty.", remedy="It must start with the header line of BEIR qrels.")
    return found


def add_judgement(line: Line, found: dict[str, dict[str, int]], query: str, document: str, grade: str) -> None:
    """Take one judgement in, unless its ids or its grade are none or it contradicts an earlier one."""
    query, document = line.identifier(query, "query-id"), line.identifier(document, "corpus-id")
    try:
        value = int(grade)
    except ValueError:
        line.refuse("bad-grade", f"the grade {grade!r} is not a whole number")
    judged = found.setdefault(query, {})
    if judged.setdefault(document, value) != value:
        line.refuse("two-grades", f"query {query!r} and document {document!r} have two different grades")
    line.note("judgement", query, document)


def _is_metadata(value: object) -> bool:
    values = value if isinstance(value, list) else [value]
    return all(isinstance(one, str | int | float | bool) for one in values)
