"""Data sets of gold spans: ``questions.jsonl`` beside a folder with the documents as files.

Two layouts are read. In that of Smith and Troynikov, "Evaluating Chunking Strategies for Retrieval" (2024), a question
has ``corpus_id`` and ``references`` ``{content, start_index, end_index}``, and the documents lie in ``corpora/``. In
that of SQuAD as long documents, it has ``doc``, ``answer``, ``answer_start`` and ``answer_end``, and they lie in
``articles/`` (or ``documents/``). Offsets are code points of the file's text as it lies there.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tercet.errors import SourceError
from tercet.evals.datasets.reading import Reading, Record
from tercet.evals.datasets.records import SpanDataset, SpanQuestion
from tercet.evals.records import Span
from tercet.records import Document

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDERS = ("corpora", "articles", "documents")
MAX_DOCUMENT_BYTES = 256 * 1024 * 1024


def load_spans(folder: str | Path, *, reading: Reading | None = None) -> SpanDataset:
    """Read a data set of gold spans; a document's ``uri`` is its file's name.

    Raises:
        SourceError: A file or the folder with the documents is missing or cannot be read.
        InputError: A line is malformed, an id occurs twice, or a span lies outside its document.
    """
    root = Path(folder)
    reading = reading or Reading()
    texts = _texts(root)
    # A question names its document with or without the suffix; no path is ever made of what it says.
    stems = Counter(Path(name).stem for name in texts)
    names = {Path(name).stem: name for name in texts if stems[Path(name).stem] == 1}
    names |= {name: name for name in texts}
    found: dict[str, SpanQuestion] = {}

    def take(record: Record) -> None:
        question = _question(record, names, found)
        if not reading.lenient:
            for span in question.spans:
                if span.uri not in texts:
                    record.refuse("unknown-document", f"document {span.uri!r} is not among the documents")
                if not span.start < span.end <= len(texts[span.uri]):
                    record.refuse("bad-span", f"the span {span.start}-{span.end} is empty or outside {span.uri!r}")
        found[question.id] = question
        record.note("question", question.id)

    reading.each_record(root / "questions.jsonl", take)
    documents = tuple(Document(uri=name, text=text) for name, text in texts.items())
    return SpanDataset(name=root.resolve().name, documents=documents, questions=tuple(found.values()))


def _question(record: Record, names: Mapping[str, str], known: Mapping[str, object]) -> SpanQuestion:
    key = record.id("qid", "id", known=known)
    text = record.text("question", "query")
    slices, unanswerable = record.slices(), record.flag("unanswerable")
    quoted: list[tuple[Span, str]] = []
    if "references" in record.values:
        corpus = record.text("corpus_id")
        slices = {"corpus": corpus} | slices
        for part in record.parts("references"):
            span = Span(uri=names.get(corpus, corpus), start=part.offset("start_index"), end=part.offset("end_index"))
            quoted.append((span, part.text("content", default="")))
    elif not unanswerable or "doc" in record.values:
        uri = record.text("doc")
        span = Span(uri=names.get(uri, uri), start=record.offset("answer_start"), end=record.offset("answer_end"))
        quoted.append((span, record.text("answer", default="")))
    return SpanQuestion(
        id=key,
        text=text,
        spans=tuple(span for span, _ in quoted),
        quotes=tuple(quote for _, quote in quoted),
        slices=slices,
        answerable=not unanswerable,
    )


def _texts(root: Path) -> dict[str, str]:
    folder = next((root / name for name in FOLDERS if (root / name).is_dir()), None)
    if folder is None:
        raise SourceError(
            f"{root} has no folder with documents.", remedy=f"Put them as files into one called {FOLDERS[0]}."
        )
    texts: dict[str, str] = {}
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith("."):
            texts[path.name] = _text(path)
    return texts


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_DOCUMENT_BYTES:
            raise SourceError(
                f"{path} is larger than {MAX_DOCUMENT_BYTES // 2**20} MiB.", remedy="Cut the document in several."
            )
        return path.read_bytes().decode("utf-8")  # neither line ends nor marks are touched: offsets must hold
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.", remedy="Check its permissions.") from error
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{path} is not valid UTF-8 ({error.reason} at byte {error.start}).", remedy="Store it as UTF-8."
        ) from None
