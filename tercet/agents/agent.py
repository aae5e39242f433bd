"""An agent that answers from semantic memory by quoting it: offline, without a model, each line with its citation."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tercet.agents.quoting import Quote, best_passages
from tercet.errors import ConfigurationError, InputError
from tercet.records import DocumentFilter
from tercet.retrieval.semantic import SemanticRetriever
from tercet.settings import RetrievalConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tercet.memory.memory import Memory
    from tercet.records import Citation, Hit, Scope

CONSIDERED = 5
"""Chunks whose sentences may be quoted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an agent found: quotes in the order of their sources, or nothing."""

    question: str
    quotes: tuple[Quote, ...]
    hits: tuple[Hit, ...]
    """The chunks that were considered, best first."""
    degraded: tuple[str, ...] = ()
    """What retrieval lacked, as in ``SearchResult.degraded``."""

    @property
    def found(self) -> bool:
        """False when no passage shares a word with the question."""
        return bool(self.quotes)

    @property
    def text(self) -> str:
        """The quotes, one a line, each with the number of its citation; empty when nothing was found."""
        return "\n".join(f"{quote.text} [{number}]" for number, quote in enumerate(self.quotes, start=1))

    @property
    def citations(self) -> tuple[Citation, ...]:
        """The sources of the quotes, in the order of their numbers."""
        return tuple(quote.citation for quote in self.quotes)


class Agent:
    """Answers questions from a memory's documents by quoting the sentences that fit best.

    It has no tools, writes nothing and calls no model, so it needs no permissions: it reads the documents that belong
    to no tenant and those of the scope's tenant.

    Args:
        name: Who answers; for people and logs.
        memory: What it may read.
        corpus: Names of the corpora it reads; empty: all.
        quotes: How many sentences an answer has at most.
        retrieval: How it searches.

    Example:
        >>> from tercet import Agent, Memory, Scope
        >>> with Memory.open("my-memory") as memory:  # doctest: +SKIP
        ...     print(Agent("support", memory=memory).run_sync("How do I rotate a key?", scope=Scope()).text)
    """

    def __init__(
        self,
        name: str,
        *,
        memory: Memory,
        corpus: Sequence[str] = (),
        quotes: int = 3,
        retrieval: RetrievalConfig | None = None,
    ) -> None:
        if quotes < 1:
            raise ConfigurationError(f"Agent {name!r} may give {quotes} quotes.", remedy="Allow at least 1.")
        self.name = name
        self._memory = memory
        self._corpus = tuple(corpus)
        self._quotes = quotes
        self._retrieval = retrieval or RetrievalConfig()

    async def run(self, question: str, *, scope: Scope) -> Answer:
        """Answer a question in a worker thread; see ``run_sync``."""
        return await asyncio.to_thread(self.run_sync, question, scope=scope)

    def run_sync(self, question: str, *, scope: Scope) -> Answer:
        """Answer a question.

        Args:
            question: In the words of the documents, or near them.
            scope: On whose behalf: its tenant decides which documents may be read.

        Raises:
            InputError: The question is empty.
        """
        if not question.strip():
            raise InputError("The question is empty.", remedy="Ask something.")
        where = DocumentFilter(corpus=self._corpus, tenant=scope.tenant)
        retriever = SemanticRetriever(self._memory.semantic, config=self._retrieval)
        result = retriever.search(question, limit=CONSIDERED, where=where)
        quotes = best_passages(question, result.hits, lexical=self._memory.lexical, limit=self._quotes)
        return Answer(question=question, quotes=tuple(quotes), hits=result.hits, degraded=result.degraded)
