"""Golden questions about one's own documents: their words are taken out of the documents before anything is asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tercet.evals.datasets import ConversationDataset, load_dataset, read_golden
from tercet.memory.memory import Memory

if TYPE_CHECKING:
    from tercet.evals.datasets import Dataset
    from tercet.evals.golden import HeldOut
    from tercet.evals.records import DatasetKind

GOLDEN_SUFFIXES = {".jsonl", ".csv"}


class Loaded(NamedTuple):
    """A data set, and where its questions are looked for when it brings no documents."""

    dataset: Dataset
    documents: Path | None
    memory: Path | None
    held_out: HeldOut | None = None
    """What is searched in their place: the same documents without the words of the questions."""


def load_with_corpus(
    path: str | Path,
    *,
    documents: Path | None = None,
    memory: Path | None = None,
    hold_out: bool = True,
    kind: DatasetKind | None = None,
) -> Loaded:
    """Read a data set; beside one whose questions were made from the corpus, the corpus without their words.

    Args:
        path: Of the data set.
        documents: A folder that a golden file is about.
        memory: Or a memory.
        hold_out: False: search the corpus as it is. Questions that stand in it word for word then prove nothing.
        kind: ``spans``: measure a golden file by the places that it names, not by the documents. Another than the data
            set has is refused; None: its own.

    Raises:
        SourceError: The data set or the corpus cannot be read.
        InputError: It is malformed, or of another kind.
    """
    dataset = load_dataset(path, kind=kind)
    source = documents or memory
    if not hold_out or source is None or Path(path).suffix.lower() not in GOLDEN_SUFFIXES:
        return Loaded(dataset, documents, memory)
    questions = read_golden(path)
    if isinstance(dataset, ConversationDataset) or not any(one.sources for one in questions):
        return Loaded(dataset, documents, memory)
    from tercet.evals.golden import hold_out as taken_out  # few data sets were made from the corpus

    if memory is None:
        return Loaded(dataset, documents, memory, taken_out(source, questions))
    with Memory.open(memory, create=False, read_only=True) as opened:
        return Loaded(dataset, documents, memory, taken_out(opened, questions))
