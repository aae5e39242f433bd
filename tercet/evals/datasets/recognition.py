"""Recognising a data set by what lies in its place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tercet.errors import InputError, SourceError
from tercet.evals.datasets.beir import load_beir
from tercet.evals.datasets.conversations import load_conversations
from tercet.evals.datasets.golden_files import golden_dataset, golden_spans, read_golden
from tercet.evals.datasets.spans import FOLDERS, load_spans

if TYPE_CHECKING:
    from tercet.evals.datasets.reading import Reading
    from tercet.evals.datasets.records import Dataset, RetrievalDataset, SpanDataset
    from tercet.evals.records import DatasetKind

FORMS = (
    "a folder with corpus.jsonl, queries.jsonl and qrels/<split>.tsv (BEIR, kind retrieval)",
    f"a folder with questions.jsonl and documents in {' or '.join(FOLDERS)} (kind spans)",
    "a folder with questions.jsonl and conversations.jsonl (kind conversations)",
    "a .jsonl or .csv file of golden questions about your own corpus (kind retrieval, or spans)",
)


def load_dataset(
    path: str | Path, *, split: str = "test", kind: DatasetKind | None = None, reading: Reading | None = None
) -> Dataset:
    """Read a data set of any form, recognised by what lies there.

    Args:
        path: A folder, or a golden file.
        split: Which judgements of a BEIR folder.
        kind: Refuse another one; None: whatever it is. A golden file is ``retrieval`` unless ``spans`` is asked for.
        reading: How; None: strictly.

    Raises:
        SourceError: There is nothing, nothing of a known form, or something that cannot be read.
        InputError: It is malformed, or of another kind.

    Example:
        >>> load_dataset("data/scifact").facts("data/scifact").kind  # doctest: +SKIP
        'retrieval'
    """
    place = Path(path)
    dataset: Dataset
    if place.is_file() and place.suffix.lower() in {".jsonl", ".csv"}:
        return _golden(place, kind, reading)
    if (place / "corpus.jsonl").is_file():
        found, dataset = "retrieval", load_beir(place, split=split, reading=reading)
    elif (place / "conversations.jsonl").is_file():
        found, dataset = "conversations", load_conversations(place, reading=reading)
    elif (place / "questions.jsonl").is_file() and any((place / name).is_dir() for name in FOLDERS):
        found, dataset = "spans", load_spans(place, reading=reading)
    else:
        what = "is of no known form" if place.exists() else "does not exist"
        raise SourceError(f"The data set {str(place)!r} {what}.", remedy=f"Known are: {'; '.join(FORMS)}.")
    if kind not in {None, found}:
        raise _other_kind(place, found, kind)
    return dataset


def _golden(place: Path, kind: DatasetKind | None, reading: Reading | None) -> RetrievalDataset | SpanDataset:
    if kind == "conversations":
        raise _other_kind(place, "retrieval or spans", kind)
    questions = read_golden(place, reading=reading)
    return (golden_spans if kind == "spans" else golden_dataset)(questions, name=place.stem)


def _other_kind(place: Path, found: str, asked: DatasetKind | None) -> InputError:
    return InputError(
        f"The data set {str(place)!r} is of the kind {found}, not {asked}.",
        remedy="Leave the kind out, or name another data set.",
    )
