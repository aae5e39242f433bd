"""What is asked of every configuration: which questions of which data set, looked for where, and measured how."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from tercet.errors import ConfigurationError, InputError
from tercet.evals.chunk_measures import parse_chunk_measures
from tercet.evals.corpus import Corpus
from tercet.evals.datasets import ConversationDataset, RetrievalDataset, SpanDataset
from tercet.evals.measures import parse_measures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tercet.evals.configuration import EvalConfiguration
    from tercet.evals.datasets import Dataset
    from tercet.evals.golden import HeldOut
    from tercet.evals.records import DatasetFacts, DatasetKind

MEASURES = {
    "retrieval": "nDCG@10 R@100 RR@10",
    "spans": "SpanRecall@5 SpanPrecision@5 SpanIoU@5",
    "conversations": "any@5 all@5 any@10 all@10 nDCG@10",
}
"""What is measured when nothing else is said, by kind of data set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is asked of every configuration: the questions, and where they are looked for."""

    dataset: Dataset
    facts: DatasetFacts
    measures: tuple[str, ...]
    corpus: Corpus | None
    """None: conversations are recorded."""
    corpus_facts: Mapping[str, Any]
    """Which documents are searched, as far as the data set does not say it."""
    limit: int | None
    seed: int
    warnings: tuple[str, ...] = ()

    def settings(self, configuration: EvalConfiguration) -> dict[str, Any]:
        """Every setting that can change a result, as JSON values; equal ones need not be measured twice."""
        rest: dict[str, Any] = {"measures": list(self.measures), "limit": self.limit}
        if self.corpus_facts:
            rest["corpus"] = dict(self.corpus_facts)
        return {**configuration.document(), **rest}


def make_task(
    dataset: Dataset,
    *,
    path: str | Path = "",
    measures: str | None = None,
    limit: int | None = None,
    seed: int = 0,
    documents: Path | None = None,
    memory: Path | None = None,
    held_out: HeldOut | None = None,
) -> Task:
    """Say what is to be measured.

    Args:
        dataset: Questions, with or without documents.
        path: Where it was read from.
        measures: Such as ``"nDCG@10 R@100"``; None: those of its kind.
        limit: So many questions, drawn at random under the seed; None: all.
        seed: Of the draw and of the resamples.
        documents: A file or folder to ingest, for a data set without documents.
        memory: A memory of the user's that is searched as it stands, for a data set without documents.
        held_out: What is searched in place of those documents or that memory. The data are then other data than those
            that are searched as they stand, and remain the same where only the documents change.

    Raises:
        ConfigurationError: The arguments contradict each other or the data set.
        InputError: The data set has no questions.
    """
    facts = dataset.facts(path)
    if not facts.questions:
        raise InputError(f"the data set {facts.name!r} has no questions.")
    if limit is not None and limit < 1:
        raise ConfigurationError(f"limit={limit} leaves no question.", remedy="Give 1 or more.")
    corpus = None
    corpus_facts: dict[str, Any] = {}
    warnings: list[str] = []
    if isinstance(dataset, ConversationDataset):
        if documents or memory:
            raise ConfigurationError("conversations are recorded, not searched in documents.", remedy="Leave them out.")
    else:
        corpus = Corpus(documents=dataset.documents, source=documents, memory=memory)
        corpus_facts = corpus.facts()
        if held_out is not None:
            corpus = Corpus(documents=held_out.documents)
            corpus_facts["held_out"] = True
            facts = replace(facts, fingerprint=sha256(f"{facts.fingerprint} held out".encode()).hexdigest())
            dataset = replace(dataset, documents=held_out.documents)
            if held_out.unplaced:
                warnings.append(
                    f"the words of {len(held_out.unplaced)} questions, such as {held_out.unplaced[0]!r}, no longer "
                    "stand in the documents that they were made from: make the questions anew"
                )
    named = MEASURES[facts.kind] if measures is None else measures
    return Task(
        dataset=_limited(dataset, limit, seed),
        facts=facts,
        measures=_measure_names(named, facts.kind),
        corpus=corpus,
        corpus_facts=corpus_facts,
        limit=limit,
        seed=seed,
        warnings=tuple(warnings),
    )


def _measure_names(text: str, kind: DatasetKind) -> tuple[str, ...]:
    parsed = parse_chunk_measures(text) if kind == "spans" else parse_measures(text)
    return tuple(map(str, parsed))


def _limited(dataset: Dataset, limit: int | None, seed: int) -> Dataset:
    """Some of the questions, in their order; all documents stay."""
    if isinstance(dataset, RetrievalDataset):
        chosen = _drawn(list(dataset.queries), limit, seed)
        return replace(
            dataset,
            queries={key: text for key, text in dataset.queries.items() if key in chosen},
            qrels={key: judged for key, judged in dataset.qrels.items() if key in chosen},
            unanswerable=dataset.unanswerable & chosen,
        )
    chosen = _drawn([one.id for one in dataset.questions], limit, seed)
    if isinstance(dataset, SpanDataset):
        return replace(dataset, questions=tuple(one for one in dataset.questions if one.id in chosen))
    return replace(dataset, questions=tuple(one for one in dataset.questions if one.id in chosen))


def _drawn(keys: Sequence[str], limit: int | None, seed: int) -> frozenset[str]:
    if limit is None or limit >= len(keys):
        return frozenset(keys)
    return frozenset(random.Random(seed).sample(sorted(keys), limit))  # noqa: S311  # not for secrets
