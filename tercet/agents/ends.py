"""How a run may end: each end is a type of its own, so that none is mistaken for a success."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from pydantic import TypeAdapter

from tercet.models.chat_records import SourcePart

if TYPE_CHECKING:
    from decimal import Decimal

    from tercet.records import Citation, Provenance, Usage
    from tercet.retrieval.context_records import Context

Output = TypeVar("Output")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A passage that an answer rests on, word for word."""

    source_id: str
    """By which the model named it: the number in the context, or of what a tool gave."""
    id: str
    """Of the chunk, episode or working document."""
    text: str
    source: str
    """Where it stands, for people."""
    provenance: Provenance | None = None
    """None: a tool gave it."""
    citation: Citation | None = None
    """Of a document, narrowed to the passage: ``start`` and ``end`` are its offsets in the document's stored text."""

    def as_source(self) -> SourcePart:
        """The quote as a source that another agent may cite."""
        return SourcePart(id=self.id, source=self.source, title=self.source, pieces=(self.text,))


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """What all ends say."""

    run: str
    """Id, for the journal, ``resume`` and ``replay``."""
    agent: str
    steps: int
    usage: Usage
    """Of this run and those below it, failed attempts included."""
    cost: Decimal | None = None
    """None: no prices are known."""
    context: Context | None = None
    """What memory gave, and what became of each candidate; None: the agent has no memory."""
    instructions: str = ""
    """Name, version and hash of the instructions that the run had."""

    @property
    def degraded(self) -> tuple[str, ...]:
        """What retrieval lacked, as in ``SearchResult.degraded``."""
        return self.context.degraded if self.context else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(_End, Generic[Output]):
    """The task is done."""

    output: Output
    """Valid."""
    confidence: float
    """What the model says of itself, from 0 to 1."""
    quotes: tuple[Quote, ...] = ()
    """What it rests on, in the order in which the model names it."""
    kind: Literal["answer"] = "answer"

    @property
    def text(self) -> str:
        """The output, as JSON unless it is text."""
        if isinstance(self.output, str):
            return self.output
        plain: Any = TypeAdapter(type(self.output)).dump_python(self.output, mode="json")
        return json.dumps(plain, ensure_ascii=False)

    @property
    def citations(self) -> tuple[Citation, ...]:
        """The documents among what it rests on; what happened is no document."""
        return tuple(quote.citation for quote in self.quotes if quote.citation is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Impossible(_End):
    """The task cannot be done, and trying again would not help."""

    reason: str
    evidence: tuple[str, ...] = ()
    """What shows it."""
    kind: Literal["impossible"] = "impossible"

    @property
    def text(self) -> str:
        """The reason."""
        return self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedsClarification(_End):
    """Somebody must say more: ``agent.resume(end.run, scope=…, answer=…)`` goes on from here."""

    question: str
    kind: Literal["clarification"] = "clarification"

    @property
    def text(self) -> str:
        """The question."""
        return self.question


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitReached(_End):
    """A limit ended the run before the task was done."""

    which: str
    """Such as ``"steps"``."""
    consumed: str
    limit: str
    partial: str = ""
    """What the model said last; it was not checked."""
    kind: Literal["limit"] = "limit"

    @property
    def text(self) -> str:
        """Which limit, in words."""
        return f"Agent {self.agent} reached its limit of {self.which}: {self.consumed} of {self.limit}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalated(_End):
    """A person must decide: after that ``agent.resume(end.run, scope=…)`` goes on from here."""

    approval: str
    """Id, for ``tercet approvals``; empty: there is nothing to approve, somebody must look."""
    reason: str
    evidence: str = ""
    kind: Literal["escalated"] = "escalated"

    @property
    def text(self) -> str:
        """The reason."""
        return self.reason


End = Answer[Output] | Impossible | NeedsClarification | LimitReached | Escalated
"""How a run ends. Errors are raised: a ``RunError`` says which agent, why, and what was spent."""
