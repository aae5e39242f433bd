"""Choosing the sentences of some hits that answer a question best, word for word."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tercet.models.lexical import Analyzer
from tercet.models.passage_scores import PassageScorer
from tercet.models.sentences import sentence_starts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tercet.records import Citation, Hit
    from tercet.settings import LexicalConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A passage taken word for word from a document."""

    text: str
    citation: Citation
    """Narrowed to the passage: ``start`` and ``end`` are its own offsets in the document's stored text."""
    score: float
    """BM25 of the passage among the passages that were considered."""


def best_passages(question: str, hits: Sequence[Hit], *, lexical: LexicalConfig, limit: int) -> list[Quote]:
    """The sentences that share most with the question, at most ``limit``, in the order of the hits they are from.

    Sentences are scored by BM25+ (Lv and Zhai, 2011), which stays positive in sets as small as these; one that shares
    no word with the question is never taken, nor the same sentence twice.
    """
    analyzer = Analyzer(lexical)
    asked = analyzer.terms(question)
    passages = [(hit, start, text) for hit in hits for start, text in _sentences(hit.text)]
    terms = [analyzer.terms(text) for _, _, text in passages]
    if not asked or not any(terms):
        return []
    scores = PassageScorer(terms).scores(asked)
    order = sorted(range(len(passages)), key=lambda number: (-scores[number], number))
    chosen: list[int] = []
    said: set[str] = set()
    for number in order:
        text = passages[number][2]
        if text not in said and set(asked) & set(terms[number]):
            said.add(text)
            chosen.append(number)
        if len(chosen) == limit:
            break
    return [_quote(*passages[number], scores[number]) for number in sorted(chosen)]


def _sentences(text: str) -> Iterator[tuple[int, str]]:
    starts = sentence_starts(text)
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        sentence = text[start:end]
        stripped = sentence.strip()
        if stripped:
            yield start + len(sentence) - len(sentence.lstrip()), stripped


def _quote(hit: Hit, start: int, text: str, score: float) -> Quote:
    begin = hit.citation.start + start
    return Quote(text=text, citation=replace(hit.citation, start=begin, end=begin + len(text)), score=score)
