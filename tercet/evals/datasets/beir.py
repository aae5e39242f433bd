"""Retrieval data sets in BEIR form: documents, queries and judgements, read from a folder.

The layout is that of Thakur et al., "BEIR: A Heterogenous Benchmark for Zero-shot Evaluation" (NeurIPS 2021):
``corpus.jsonl`` ``{_id, title, text, metadata}``, ``queries.jsonl`` ``{_id, text}`` and ``qrels/<split>.tsv`` with the
header ``query-id corpus-id score``. Files are untrusted: the first thing wrong stops the load and is named by file and
line.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tercet.errors import InputError, SourceError
from tercet.evals.datasets.records import RetrievalDataset
from tercet.records import Document

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

QRELS_HEADER = ("query-id", "corpus-id", "score")


def load_beir(folder: str | Path, *, split: str = "test", queries: str = "queries.jsonl") -> RetrievalDataset:
    """Read a data set in BEIR form.

    Args:
        folder: Holds ``corpus.jsonl``, the queries and ``qrels/``.
        split: Which judgements: ``qrels/<split>.tsv``.
        queries: Name of the queries file, for sets that have several forms of a query.

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
    documents = _documents(root / "corpus.jsonl")
    texts = _queries(root / queries)
    qrels = _qrels(root / "qrels" / f"{split}.tsv", texts, {document.uri for document in documents})
    return RetrievalDataset(
        name=root.resolve().name,
        documents=documents,
        queries={query: text for query, text in texts.items() if query in qrels},
        qrels=qrels,
    )


def _documents(path: Path) -> tuple[Document, ...]:
    found: dict[str, Document] = {}
    for line, record in _records(path):
        key = _identifier(path, line, record, found)
        title, text, metadata = record.get("title", ""), record.get("text"), record.get("metadata") or {}
        if not isinstance(text, str) or not isinstance(title, str):
            raise _malformed(path, line, "a document needs a string 'text', and 'title' must be a string")
        if not isinstance(metadata, dict) or not all(map(_is_metadata, metadata.values())):
            raise _malformed(path, line, "'metadata' must be an object of strings, numbers, booleans or lists of them")
        found[key] = Document(uri=key, title=title, text=text, metadata=metadata)
    return tuple(found.values())


def _queries(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for line, record in _records(path):
        key = _identifier(path, line, record, found)
        text = record.get("text")
        if not isinstance(text, str) or not text.strip():
            raise _malformed(path, line, "a query needs a 'text' that is not empty")
        found[key] = text
    return found


def _qrels(path: Path, queries: Mapping[str, str], documents: set[str]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    header_seen = False
    for line, content in _lines(path):
        fields = content.split("\t")
        if not header_seen:
            if tuple(fields) != QRELS_HEADER:
                raise _malformed(path, line, "the header must be 'query-id', 'corpus-id', 'score', separated by tabs")
            header_seen = True
            continue
        if len(fields) != 3:
            raise _malformed(path, line, f"expected 3 fields separated by tabs, found {len(fields)}")
        query, document, grade = fields
        if query not in queries:
            raise _malformed(path, line, f"query {query!r} is not in the queries file")
        if document not in documents:
            raise _malformed(path, line, f"document {document!r} is not in corpus.jsonl")
        try:
            value = int(grade)
        except ValueError:
            raise _malformed(path, line, f"the grade {grade!r} is not a whole number") from None
        judged = found.setdefault(query, {})
        if judged.setdefault(document, value) != value:
            raise _malformed(path, line, f"query {query!r} and document {document!r} have two different grades")
    if not header_seen:
        raise InputError(f"{path}: the file is empty.", remedy="It must start with the header line of BEIR qrels.")
    return found


def _identifier(path: Path, line: int, record: Mapping[str, Any], known: Mapping[str, object]) -> str:
    key = record.get("_id")
    if not isinstance(key, str) or not key:
        raise _malformed(path, line, "'_id' must be a string that is not empty")
    if key in known:
        raise _malformed(path, line, f"the id {key!r} occurs twice")
    return key


def _records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, content in _lines(path):
        try:
            record = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise _malformed(path, line, f"not valid JSON ({error})") from None
        if not isinstance(record, dict):
            raise _malformed(path, line, "expected a JSON object")
        yield line, record


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines that are not blank with their numbers, split at line feeds only (text may hold other separators)."""
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                try:
                    line = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
                except UnicodeDecodeError as error:
                    raise _malformed(path, number, f"not valid UTF-8 ({error.reason} at byte {error.start})") from None
                if line.strip():
                    yield number, line
    except OSError as error:
        raise SourceError(
            f"{path} cannot be read: {error.strerror}.",
            remedy="A BEIR folder holds corpus.jsonl, queries.jsonl and qrels/<split>.tsv.",
        ) from error


def _is_metadata(value: object) -> bool:
    values = value if isinstance(value, list) else [value]
    return all(isinstance(one, str | int | float | bool) for one in values)


def _malformed(path: Path, line: int, reason: str) -> InputError:
    return InputError(f"{path}, line {line}: {reason}.", remedy="Correct the line or remove it.")
