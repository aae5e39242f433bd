"""Choosing the sentences of a context that answer a question best, word for word."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tercet.models.lexical import Analyzer
from tercet.models.passage_scores import PassageScorer
from tercet.models.sentences import sentence_starts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tercet.records import Citation, Provenance
    from tercet.retrieval.context_records import ContextItem
    from tercet.settings import LexicalConfig

LEAST_SHARED = 0.4
"""Of the question's different words, that the best sentence must hold for the question to be answered at all.

Chosen on 300 questions of XQuAD (English). On 300 others it lets 94 % be answered, and refuses 66 % once the paragraph
that holds the answer is taken out of the ten that are found.
"""
LEAST_SCORE = 0.5
"""Of the best sentence's score, that any other quoted sentence must have."""


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

    Sentences are scored by BM25+ (Lv and Zhai, 2011), which stays positive in sets as small as these. None is taken
    when the best has less than two fifths of the question's words, and never the same sentence twice. Working memory is
    state and no testimony: it is not quoted.
    """
    analyzer = Analyzer(lexical)
    asked = analyzer.terms(question)
    passages = [
        (item, start, text) for item in items if item.provenance.store != "working" for start, text in _sentences(item)
    ]
    terms = [analyzer.terms(text) for _, _, text in passages]
    if not asked or not any(terms):
        return []
    scores = PassageScorer(terms).scores(asked)
    order = sorted(range(len(passages)), key=lambda number: (-scores[number], number))
    shared = [len(set(asked) & set(one)) for one in terms]
    if shared[order[0]] < LEAST_SHARED * len(set(asked)):
        return []
    chosen: list[int] = []
    said: set[str] = set()
    for number in order:
        text = passages[number][2]
        if text not in said and shared[number] and scores[number] >= LEAST_SCORE * scores[order[0]]:
            said.add(text)
            chosen.append(number)
        if len(chosen) == limit:
            break
    return [_quote(*passages[number], scores[number]) for number in sorted(chosen)]


def _sentences(item: ContextItem) -> Iterator[tuple[int, str]]:
    for (begin, _), piece in zip(item.spans, item.pieces, strict=True):
        starts = sentence_starts(piece)
        for start, end in zip(starts, [*starts[1:], len(piece)], strict=True):
            sentence = piece[start:end]
            stripped = sentence.strip()
            if stripped:
                yield begin + start + len(sentence) - len(sentence.lstrip()), stripped


def _quote(item: ContextItem, start: int, text: str, score: float) -> Quote:
    citation = item.citation and replace(item.citation, start=start, end=start + len(text))
    return Quote(text=text, score=score, item=item.number, provenance=item.provenance, citation=citation)
