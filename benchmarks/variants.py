"""Ways of searching a set that are tried by ``defaults.py``: the product's own, and others before they are built.

A search is worked out from the chunks, terms, weights and vectors of a memory and the product's own ``fuse``, so that a
variant costs milliseconds and nothing is ingested again for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from tercet import LexicalConfig, RetrievalConfig
from tercet.memory.stored import Candidate
from tercet.models.lexical import TermCounts, bm25_weights, bucket_length, idf, length_bucket
from tercet.records import embedded_text
from tercet.retrieval.fusion import Leg, fuse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from late_interaction import TokenVectors
    from numpy.typing import NDArray

    from tercet.models.lexical import Analyzer
    from tercet.retrieval.fusion import Ranking
    from tercet.settings import Fusion


@dataclass(frozen=True, kw_only=True)
class Method:
    """One way of searching; as it stands, the default."""

    fusion: Fusion = RetrievalConfig().fusion
    lexical_weight: float = RetrievalConfig().lexical_weight
    dense_weight: float = RetrievalConfig().dense_weight
    candidates: int = RetrievalConfig().candidates
    k1: float = LexicalConfig().k1
    b: float = LexicalConfig().b
    title: str = "once"
    """What words see: ``never``, ``once``, ``twice``, or ``path twice`` (title and headings)."""
    rm3: tuple[int, int, float] | None = None
    """Chunks fed back, terms taken from them, weight of the question's own terms."""
    feedback: tuple[int, float] | None = None
    """Chunks fed back, weight of their mean vector beside the question's."""
    max_sim: tuple[int, float] | None = None
    """Chunks reordered, weight of MaxSim beside the fused score, both stretched from 0 to 1; 1: MaxSim alone."""


DEFAULT = Method()


class Words:
    """BM25 over texts for any k1 and b: the terms, weights and rounding of the product."""

    def __init__(self, texts: Sequence[str], analyzer: Analyzer) -> None:
        self.counts: list[TermCounts] = [analyzer.count(text) for text in texts]
        lengths = [one.length for one in self.counts]
        self._average = bucket_length(length_bucket(sum(lengths) / len(lengths)))
        terms = np.concatenate([one.ids for one in self.counts])
        rows = np.repeat(np.arange(len(texts)), [len(one.ids) for one in self.counts])
        self._order = np.argsort(terms, kind="stable")
        self._rows = rows[self._order]
        known, starts = np.unique(terms[self._order], return_index=True)
        self._places = {
            int(term): (int(start), int(end))
            for term, (start, end) in zip(known, pairwise([*starts, len(terms)]), strict=True)
        }
        self._weights: dict[tuple[float, float], NDArray[np.float32]] = {}

    def scores(self, terms: Mapping[int, float], k1: float, b: float) -> NDArray[np.float64]:
        """The score of every text; terms by id, with their weight in the query."""
        if (k1, b) not in self._weights:
            weights = [bm25_weights(one, average_length=self._average, k1=k1, b=b) for one in self.counts]
            self._weights[k1, b] = np.concatenate(weights)[self._order]
        weights_of = self._weights[k1, b]
        found = np.zeros(len(self.counts))
        for term, weight in terms.items():
            if term in self._places:
                start, end = self._places[term]
                share = np.float32(idf(end - start, len(self.counts)) * weight)
                found[self._rows[start:end]] += share * weights_of[start:end]
        return found


@dataclass(frozen=True, kw_only=True)
class Question:
    text: str
    terms: Mapping[int, float]
    vector: NDArray[np.float32]


@dataclass(kw_only=True)
class Collected:
    """A set as it is searched: everything about its chunks, and its questions."""

    name: str
    cut: str
    analyzer: Analyzer
    ids: list[str]
    """Of chunks."""
    units: list[str]
    """What a chunk counts for: its document, or itself where evidence is spans."""
    parts: list[tuple[str, tuple[str, ...], str, str]]
    """Title, heading path, lead and text of each chunk."""
    vectors: NDArray[np.float32]
    questions: dict[str, Question]
    qrels: Mapping[str, Mapping[str, int]]
    words: dict[str, Words] = field(default_factory=dict)
    _first: dict[tuple[str, Method], Ranking] = field(default_factory=dict)

    def words_of(self, title: str) -> Words:
        if title not in self.words:
            self.words[title] = Words([seen(*part, how=title) for part in self.parts], self.analyzer)
        return self.words[title]

    def text(self, row: int) -> str:
        return embedded_text(*self.parts[row])

    def search(self, key: str, method: Method, tokens: TokenVectors | None = None) -> dict[str, float]:
        """Score by unit, each as its best chunk."""
        question = self.questions[key]
        if method.max_sim is not None:
            assert tokens is not None
            ranked = self._late(question, self.fused(key, replace(method, max_sim=None)), method.max_sim, tokens)
        else:
            ranked = [(chunk.row, chunk.score) for chunk in self.fused(key, method).chunks]
        found: dict[str, float] = {}
        for row, score in ranked:
            found.setdefault(self.units[row], score)
        return found

    def fused(self, key: str, method: Method) -> Ranking:
        if (key, method) in self._first:
            return self._first[key, method]
        question = self.questions[key]
        terms, vector = question.terms, question.vector
        if method.rm3 is not None:
            terms = self._expanded(terms, self.fused(key, replace(method, rm3=None)), *method.rm3)
        if method.feedback is not None:
            count, weight = method.feedback
            best = [chunk.row for chunk in self.fused(key, replace(method, feedback=None)).chunks[:count]]
            vector = (1 - weight) * vector + weight * self.vectors[best].mean(axis=0)
            vector /= np.linalg.norm(vector)
        by_words = self.words_of(method.title).scores(terms, method.k1, method.b)
        by_meaning = self.vectors @ vector
        legs = [
            Leg(
                name="lexical",
                weight=method.lexical_weight,
                candidates=self._best(by_words, method.candidates, above=0.0),
                searched=bool(terms),
            ),
            Leg(name="dense", weight=method.dense_weight, candidates=self._best(by_meaning, method.candidates)),
        ]
        ranking = fuse([leg for leg in legs if leg.weight], method=method.fusion)
        if method == DEFAULT:
            self._first[key, method] = ranking
        return ranking

    def _best(self, scores: NDArray[np.floating], count: int, *, above: float = -np.inf) -> list[Candidate]:
        rows = np.flatnonzero(scores > above)
        if len(rows) > count:
            rows = rows[np.argpartition(-scores[rows], count - 1)[:count]]
        return [Candidate(int(row), self.ids[row], float(scores[row]), True) for row in rows]

    def _expanded(
        self, terms: Mapping[int, float], first: Ranking, count: int, most: int, weight: float
    ) -> dict[int, float]:
        """RM3: Abdul-Jaleel et al., "UMass at TREC 2004: Novelty and HARD" (2004)."""
        best = first.chunks[:count]
        total = sum(chunk.score for chunk in best)
        if not terms or not total:
            return dict(terms)
        model: dict[int, float] = {}
        for chunk in best:
            counted = self.words_of("once").counts[chunk.row]
            for term, times in zip(counted.ids.tolist(), counted.counts.tolist(), strict=True):
                model[term] = model.get(term, 0.0) + chunk.score / total * times / counted.length
        kept = dict(sorted(model.items(), key=lambda pair: (-pair[1], pair[0]))[:most])
        own, fed = sum(terms.values()), sum(kept.values())
        mixed = {term: weight * value / own for term, value in terms.items()}
        for term, value in kept.items():
            mixed[term] = mixed.get(term, 0.0) + (1 - weight) * value / fed
        return mixed

    def _late(
        self, question: Question, first: Ranking, settings: tuple[int, float], tokens: TokenVectors
    ) -> list[tuple[int, float]]:
        depth, weight = settings
        head, rest = first.chunks[:depth], first.chunks[depth:]
        late = stretched(tokens.rerank(question.text, [self.text(chunk.row) for chunk in head]))
        fused = stretched([chunk.score for chunk in head])
        mixed = [weight * one + (1 - weight) * other for one, other in zip(late, fused, strict=True)]
        order = sorted(range(len(head)), key=lambda place: (-mixed[place], head[place].chunk_id))
        # What was not reordered stays behind.
        return [(head[place].row, 1 + mixed[place]) for place in order] + [(one.row, one.score / 2) for one in rest]


def stretched(scores: Sequence[float]) -> list[float]:
    low, width = min(scores, default=0.0), max(scores, default=0.0) - min(scores, default=0.0)
    return [(score - low) / width if width else 0.0 for score in scores]


def seen(title: str, path: tuple[str, ...], lead: str, text: str, *, how: str) -> str:
    """What the words see of a chunk."""
    if how == "never":
        return embedded_text("", tuple(one for one in path if one != title), lead, text)
    once = embedded_text(title, path, lead, text)
    if how == "twice":
        return f"{title}\n{once}"
    return embedded_text(title, path, "", once) if how == "path twice" else once
