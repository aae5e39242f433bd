"""What an eval leaves behind: one outcome a question, estimates with intervals, and what the run was made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Loss = Literal["none", "write", "read", "compression"]
"""Where evidence went missing: not stored, stored but not retrieved, retrieved but not kept in the context."""

DatasetKind = Literal["retrieval", "spans", "conversations"]


Qrels = Mapping[str, Mapping[str, int]]
"""Judgements: by question id, then document id, the grade. 0 is judged and not relevant."""

Run = Mapping[str, Mapping[str, float]]
"""A ranking as TREC keeps it: by question id, then document id, the score."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Span:
    """A stretch of one document."""

    uri: str
    start: int
    """Code points from the start of the document's text."""
    end: int
    """After the last one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean over questions with its 95 % interval."""

    mean: float
    low: float
    high: float
    count: int
    """Questions it is the mean of."""


SHOWN_TEXTS = 10
"""Ranks of a question whose text a run keeps: what a person reads of it. The others are ids and scores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedItem:
    """One thing found for a question: a document, a chunk, a turn or a session, under the data set's own id."""

    id: str
    score: float
    text: str = ""
    """Empty beyond the first ``SHOWN_TEXTS`` of a ranking."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What happened to one question."""

    id: str
    text: str
    ranking: tuple[RankedItem, ...]
    """Best first."""
    values: Mapping[str, float]
    """By the measure's name, such as ``nDCG@10``. A question that failed has 0 everywhere."""
    relevant: tuple[str, ...] = ()
    """Ids of what should have been found."""
    slices: Mapping[str, str] = field(default_factory=dict)
    """Such as ``{"language": "de", "category": "temporal"}``."""
    answerable: bool = True
    loss: Loss | None = None
    """None where the run did not look."""
    seconds: float | None = None
    """Time of the search, without what the embedding cache saved."""
    tokens: int | None = None
    """Tokens of the context that was built."""
    error: str = ""
    """Why it failed; empty where it did not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetFacts:
    """Which data a run was made on."""

    name: str
    kind: DatasetKind
    path: str
    fingerprint: str
    """Hash over documents, questions and judgements: equal fingerprints are comparable."""
    documents: int
    questions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalRun:
    """One configuration measured on one data set."""

    name: str
    dataset: DatasetFacts
    configuration: Mapping[str, object]
    """Every setting that can change a result, JSON values only."""
    versions: Mapping[str, str]
    seed: int
    started: str
    """ISO 8601, UTC."""
    seconds: float
    measures: Mapping[str, Estimate]
    slices: Mapping[str, Mapping[str, Mapping[str, Estimate]]]
    """By slice (``language``), then its value (``de``), then measure."""
    curves: Mapping[str, tuple[tuple[float, float], ...]]
    """Points by name: ``recall against k``, ``retention against budget``, ``risk against coverage``."""
    outcomes: tuple[Outcome, ...]
    """In the order of the data set; no question is left out."""
    warnings: tuple[str, ...] = ()
