"""Parts of a data set that are also measured by themselves: by what the data says, and by type of document."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from tercet.evals.datasets import RetrievalDataset, SpanDataset

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tercet.evals.datasets import Dataset
    from tercet.evals.records import Outcome
    from tercet.records import Document

DOCUMENT_TYPE = "document type"
LANGUAGE = "language"
_SPAN = re.compile(r":\d+-\d+$")
MOST_VALUES = 50
"""A slice with more values than this tells questions apart, not kinds of questions."""


def sliced(dataset: Dataset, outcomes: Sequence[Outcome]) -> list[dict[str, str]]:
    """The slices of each outcome: its own, and the type and language of the first document that answers it.

    A slice in which all questions have the same value says nothing, and is left out; so is one with too many values.
    """
    documents: dict[str, Document] = {}
    if isinstance(dataset, RetrievalDataset | SpanDataset):
        documents = {document.uri: document for document in dataset.documents}
    found = [{**_of_document(one, documents), **one.slices} for one in outcomes]
    values: dict[str, Counter[str]] = {}
    for slices in found:
        for name, value in slices.items():
            values.setdefault(name, Counter())[value] += 1
    told = {
        name
        for name, counts in values.items()
        if len(counts) <= MOST_VALUES and (len(counts) > 1 or counts.total() < len(outcomes))
    }
    return [{name: value for name, value in slices.items() if name in told} for slices in found]


def _of_document(outcome: Outcome, documents: Mapping[str, Document]) -> dict[str, str]:
    if not outcome.relevant:
        return {}
    slices: dict[str, str] = {}
    answer = outcome.relevant[0]
    uri = answer if answer in documents else _SPAN.sub("", answer)
    document = documents.get(uri)
    kind = document.metadata.get("type") if document else None
    suffix = PurePosixPath(uri).suffix[1:].lower()
    if isinstance(kind, str) and kind:
        slices[DOCUMENT_TYPE] = kind
    elif suffix.isalpha():
        slices[DOCUMENT_TYPE] = suffix
    language = document.metadata.get("language") if document else None
    if isinstance(language, str) and language:
        slices[LANGUAGE] = language
    return slices
