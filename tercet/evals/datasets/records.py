"""The three kinds of evaluation data: documents with judgements, documents with gold spans, and conversations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from tercet.evals.datasets.fingerprint import fingerprint
from tercet.evals.records import DatasetFacts, Qrels, Span

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tercet.records import Document

EvidenceUnit = Literal["turn", "session"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalDataset:
    """Documents, and queries with the documents that answer them."""

    name: str
    documents: tuple[Document, ...]
    """In the order of the file; ``uri`` is the document's id. Empty where the corpus is a memory or folder of yours."""
    queries: Mapping[str, str]
    """Text by query id: every query that the split judges or calls unanswerable, and no other."""
    qrels: Qrels
    """By query id, then document id: the grade. 0 means judged and not relevant."""
    slices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By query id, such as ``{"language": "de"}``; queries without slices are left out."""
    unanswerable: frozenset[str] = frozenset()
    """Ids of the queries that no document answers."""

    def facts(self, path: str | Path) -> DatasetFacts:
        """Which data this is, for the record of a run; ``path`` is where it was read from."""
        digest = fingerprint(
            documents=map(_document, self.documents),
            questions=(
                [query, text, query not in self.unanswerable, dict(self.slices.get(query, {}))]
                for query, text in self.queries.items()
            ),
            judgements=([query, *pair] for query, judged in self.qrels.items() for pair in judged.items()),
        )
        return DatasetFacts(
            name=self.name,
            kind="retrieval",
            path=str(path),
            fingerprint=digest,
            documents=len(self.documents),
            questions=len(self.queries),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanQuestion:
    """A question and the stretches of text that answer it."""

    id: str
    text: str
    spans: tuple[Span, ...]
    slices: Mapping[str, str] = field(default_factory=dict)
    answerable: bool = True
    quotes: tuple[str, ...] = ()
    """What the file says stands at each of ``spans``; empty where it does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanDataset:
    """Documents, and questions with the exact places that answer them."""

    name: str
    documents: tuple[Document, ...]
    """Their text is the file's own, so that offsets hold. Empty where the corpus is a memory or folder of yours."""
    questions: tuple[SpanQuestion, ...]

    def facts(self, path: str | Path) -> DatasetFacts:
        """Which data this is, for the record of a run; ``path`` is where it was read from."""
        digest = fingerprint(
            documents=map(_document, self.documents),
            questions=([one.id, one.text, one.answerable, dict(one.slices)] for one in self.questions),
            judgements=([one.id, span.uri, span.start, span.end] for one in self.questions for span in one.spans),
        )
        return DatasetFacts(
            name=self.name,
            kind="spans",
            path=str(path),
            fingerprint=digest,
            documents=len(self.documents),
            questions=len(self.questions),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationTurn:
    """What one speaker said."""

    id: str
    """Unique in its conversation."""
    speaker: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Turns that were said on one occasion."""

    id: str
    """Unique in its conversation."""
    date: str
    """As the data set writes it; empty where it does not say."""
    turns: tuple[ConversationTurn, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """Sessions of the same speakers, oldest first."""

    id: str
    sessions: tuple[Session, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationQuestion:
    """A question about one conversation, and the turns or sessions that answer it."""

    id: str
    conversation: str
    """Id of the conversation."""
    text: str
    evidence: frozenset[str]
    """Ids of turns or sessions, as ``unit`` says. Empty and answerable: the data set names no place."""
    unit: EvidenceUnit = "turn"
    category: str = ""
    answerable: bool = True
    answer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationDataset:
    """Conversations, and questions with the turns or sessions that answer them."""

    name: str
    conversations: tuple[Conversation, ...]
    questions: tuple[ConversationQuestion, ...]

    def facts(self, path: str | Path) -> DatasetFacts:
        """Which data this is, for the record of a run; ``path`` is where it was read from. Documents are turns."""
        turns = [
            [talk.id, session.id, session.date, turn.id, turn.speaker, turn.text]
            for talk in self.conversations
            for session in talk.sessions
            for turn in session.turns
        ]
        digest = fingerprint(
            documents=turns,
            questions=(
                [one.id, one.conversation, one.text, one.answerable, one.category, one.answer] for one in self.questions
            ),
            judgements=([one.id, one.unit, place] for one in self.questions for place in one.evidence),
        )
        return DatasetFacts(
            name=self.name,
            kind="conversations",
            path=str(path),
            fingerprint=digest,
            documents=len(turns),
            questions=len(self.questions),
        )


Dataset = RetrievalDataset | SpanDataset | ConversationDataset


def _document(document: Document) -> list[object]:
    metadata = {key: list(value) if isinstance(value, tuple) else value for key, value in document.metadata.items()}
    return [document.uri, document.title, document.text, metadata]
