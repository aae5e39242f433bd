"""What a context is made of, and the account of how it came about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - pydantic reads the types here and below
from typing import Any, Literal

from tercet.records import Citation, Provenance  # noqa: TC001

Store = Literal["working", "episodic", "semantic"]
STORES: tuple[Store, ...] = ("working", "episodic", "semantic")
"""In the order in which a context shows them."""

Outcome = Literal["kept", "compressed", "dropped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextItem:
    """One record in a context, or what was kept of it."""

    number: int
    """Shown in its label, from 1; answers cite by it."""
    id: str
    """Of the chunk or episode, or ``key@version#/field`` of a working document."""
    provenance: Provenance
    time: datetime | None
    """When it happened or was written; None: unknown, or a document without dates."""
    label: str
    """The line above its text."""
    text: str
    """Word for word from its source, with marks where something was left out."""
    spans: tuple[tuple[int, int], ...]
    """Where the pieces of ``text`` stand in the source: the document's stored text, the episode or the field."""
    pieces: tuple[str, ...]
    """The text of each span."""
    tokens: int
    """What it adds to the context, label and separators included."""
    pinned: bool = False
    citation: Citation | None = None
    """Of a document: narrowed to what was kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateReport:
    """What became of one candidate."""

    store: Store
    id: str
    source: str
    outcome: Outcome
    reason: str = ""
    """Why not all of it was kept; empty for what was kept whole."""
    tokens: int = 0
    """Of what was kept of it."""
    score: float = 0.0
    """Relevance, as its store's retriever gave it; 0 in working memory, which is not searched by likeness."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextReport:
    """Every candidate, in the order of stores and of rank within each, and what the budget was spent on."""

    candidates: tuple[CandidateReport, ...]
    budget: int
    tokens: int
    """Of the whole context; the candidates' tokens add up to it."""
    counter: str

    @property
    def by_store(self) -> dict[str, int]:
        """Tokens spent on each store."""
        return {store: sum(one.tokens for one in self.candidates if one.store == store) for store in STORES}

    def __str__(self) -> str:
        spent = ", ".join(f"{store} {tokens}" for store, tokens in self.by_store.items())
        lines = [f"{self.tokens} of {self.budget} tokens by {self.counter} ({spent})"]
        lines += [
            f"{one.outcome:<10} {one.tokens:>6}  {one.store:<8} {one.source}{f': {one.reason}' if one.reason else ''}"
            for one in self.candidates
        ]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a model is given to answer a question with. ``text`` never has more tokens than the budget."""

    question: str
    items: tuple[ContextItem, ...]
    text: str
    """The items with their labels, a blank line between them. All of it is data, never instruction."""
    report: ContextReport
    degraded: tuple[str, ...] = ()
    """What retrieval lacked, as in ``SearchResult.degraded``."""

    @property
    def tokens(self) -> int:
        """Of ``text``, by the counter that the report names."""
        return self.report.tokens

    @property
    def prefix(self) -> str:
        """The pinned items at the start of ``text``: the same for every question while they do not change.

        A prompt cache can be told to keep it.
        """
        return "\n\n".join(f"{item.label}\n{item.text}" for item in self.items if item.pinned)

    @property
    def citations(self) -> tuple[Citation, ...]:
        """Of the documents among the items, in their order."""
        return tuple(item.citation for item in self.items if item.citation is not None)

    def search_results(self) -> list[dict[str, Any]]:
        """The items as ``search_result`` blocks of the Anthropic Messages API, one text block for each kept piece.

        A citation that a model returns names the item by ``search_result_index`` and the piece by
        ``start_block_index``. See https://platform.claude.com/docs/en/build-with-claude/search-results.
        """
        return [
            {
                "type": "search_result",
                "source": f"{item.provenance.store}:{item.provenance.source}",
                "title": item.label,
                "content": [{"type": "text", "text": piece} for piece in item.pieces],
                "citations": {"enabled": True},
            }
            for item in self.items
        ]
