"""Choosing the sentences of a context that answer a question best, word for word."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tercet.models.lexical import Analyzer
from tercet.models.quotation import choose_quotes, sentences_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tercet.records import Citation, Provenance
    from tercet.retrieval.context_records import ContextItem
    from tercet.settings import LexicalConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A passage taken word for word from a document or an episode."""

    text: str
    score: float
    """BM25 of the passage among the passages that were considered."""
    item: int
    """Number of the context's item that it stands in."""
    provenance: Provenance
    citation: Citation | None = None
    """Of a document, narrowed to the passage: ``start`` and ``end`` are its offsets in the document's stored text."""

    @property
    def source(self) -> str:
        """Where it stands, for people."""
        return str(self.citation) if self.citation else f"{self.provenance.store} {self.provenance.source}"


def best_passages(question: str, items: Sequence[ContextItem], *, lexical: LexicalConfig, limit: int) -> list[Quote]:
    """The sentences that share most with the question, at most ``limit``, in the order in which the context has them.

    ``choose_quotes`` says which. Working memory is state and no testimony: it is not quoted.
    """
    passages = [
        (item, start, text) for item in items if item.provenance.store != "working" for start, text in _sentences(item)
    ]
    texts = [text for _, _, text in passages]
    chosen = choose_quotes(question, texts, analyzer=Analyzer(lexical), limit=limit)
    return [_quote(*passages[number], score) for number, score in chosen]


def _sentences(item: ContextItem) -> Iterator[tuple[int, str]]:
    for (begin, _), piece in zip(item.spans, item.pieces, strict=True):
        for start, text in sentences_of(piece):
            yield begin + start, text


def _quote(item: ContextItem, start: int, text: str, score: float) -> Quote:
    citation = item.citation and replace(item.citation, start=start, end=start + len(text))
    return Quote(text=text, score=score, item=item.number, provenance=item.provenance, citation=citation)
