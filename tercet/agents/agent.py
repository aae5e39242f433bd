"""An agent that answers from memory by quoting it: offline, without a model, each line with its citation."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tercet.agents.quoting import Quote, best_passages
from tercet.errors import ConfigurationError, InputError
from tercet.records import DocumentFilter
from tercet.retrieval.context import ContextBuilder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tercet.memory.memory import Memory
    from tercet.models.tokens import TextCounter
    from tercet.records import Citation, Scope
    from tercet.retrieval.context_records import Context
    from tercet.settings import ContextConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an agent found: quotes in the order of their sources, or nothing."""

    question: str
    quotes: tuple[Quote, ...]
    context: Context
    """What was considered, within the budget, and ``context.report``: what became of each candidate."""

    @property
    def found(self) -> bool:
        """False when nothing relevant was found: no sentence holds two fifths of the question's words."""
        return bool(self.quotes)

    @property
    def degraded(self) -> tuple[str, ...]:
        """What retrieval lacked, as in ``SearchResult.degraded``."""
        return self.context.degraded

    @property
    def text(self) -> str:
        """The quotes, one a line (line breaks in them made spaces), each with its number; empty when none fits."""
        return "\n".join(
            f"{' '.join(quote.text.split())} [{number}]" for number, quote in enumerate(self.quotes, start=1)
        )

    @property
    def citations(self) -> tuple[Citation, ...]:
        """The documents that are quoted, in the order of the quotes; what happened is no document."""
        return tuple(quote.citation for quote in self.quotes if quote.citation is not None)


class Agent:
    """Answers questions from a memory by quoting the sentences that fit best.

    It has no tools, writes nothing and calls no model, so it needs no permissions: it reads what the scope sees, and
    the documents that belong to no tenant and to the scope's.

    Args:
        name: Who answers; for people and logs.
        memory: What it may read.
        corpus: Names of the corpora it reads; empty: all.
        quotes: How many sentences an answer has at most.
        context: Budget and shares of the stores.
        counter: Counts the budget's tokens: a counter, or a name for ``resolve_counter``.

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
        context: ContextConfig | None = None,
        counter: TextCounter | str = "default",
    ) -> None:
        if quotes < 1:
            raise ConfigurationError(f"Agent {name!r} may give {quotes} quotes.", remedy="Allow at least 1.")
        self.name = name
        self._corpus = tuple(corpus)
        self._quotes = quotes
        self._lexical = memory.lexical
        self._contexts = ContextBuilder(memory, config=context, counter=counter)

    async def run(self, question: str, *, scope: Scope) -> Answer:
        """Answer a question in a worker thread; see ``run_sync``."""
        return await asyncio.to_thread(self.run_sync, question, scope=scope)

    def run_sync(self, question: str, *, scope: Scope) -> Answer:
        """Answer a question.

        Args:
            question: In the words of the documents, or near them.
            scope: On whose behalf: what it sees may be read.

        Raises:
            InputError: The question is empty.
            BudgetError: The constraints alone have more tokens than the budget.
        """
        if not question.strip():
            raise InputError("The question is empty.", remedy="Ask something.")
        where = DocumentFilter(corpus=self._corpus, tenant=scope.tenant)
        context = self._contexts.build(question, scope=scope, where=where)
        quotes = best_passages(question, context.items, lexical=self._lexical, limit=self._quotes)
        return Answer(question=question, quotes=tuple(quotes), context=context)
