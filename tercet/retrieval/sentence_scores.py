"""What a sentence is worth for a question: by its words, its neighbours, its passage, what leads to it, its meaning."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tercet.models.passage_scores import PassageScorer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tercet.models.embedding import Embedder
    from tercet.settings import CompressionConfig

BRIDGES = 10
"""Best sentences that may point to other passages."""
NAMED = 0.6
"""Share of a title's words, by rarity, that a sentence must hold to point to its passage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreParts:
    """Why a sentence has its rank: each part already carries its weight, and they add up to ``total``."""

    lexical: float = 0.0
    """BM25 of the sentence and its title among the candidates; the best has 1."""
    neighbours: float = 0.0
    """From the better of the sentences before and after it."""
    parent: float = 0.0
    """From the score that retrieval gave the passage."""
    bridge: float = 0.0
    """The title of its passage occurs in one of the best sentences of another passage."""
    dense: float = 0.0
    """Cosine of sentence and question; the lowest one of those compared where it was not compared."""

    @property
    def total(self) -> float:
        """The sum, by which sentences are ranked."""
        return self.lexical + self.neighbours + self.parent + self.bridge + self.dense


@dataclass(frozen=True, slots=True)
class Candidates:
    """Sentences beside their passages, as scoring sees them."""

    texts: Sequence[str]
    terms: Sequence[Sequence[str]]
    """Of each sentence."""
    passages: Sequence[int]
    """Number of each sentence's passage, ascending."""
    titles: Sequence[Sequence[str]]
    """Terms of each passage's title."""
    parents: Sequence[float]
    """Score of each passage."""


def score_sentences(
    question: str,
    asked: Sequence[str],
    candidates: Candidates,
    *,
    config: CompressionConfig,
    embedder: Embedder | None = None,
) -> list[ScoreParts]:
    """Score every sentence.

    Args:
        question: For the embedder.
        asked: Its terms.
        candidates: What is scored.
        config: The weights.
        embedder: Compares the ``config.dense_candidates`` best by meaning; None: nobody does.
    """
    words = [
        frozenset(terms).union(candidates.titles[passage])
        for terms, passage in zip(candidates.terms, candidates.passages, strict=True)
    ]
    scorer = PassageScorer([sorted(terms) for terms in words], k1=1.2, b=0.5, delta=0.0)
    lexical = _over_best(scorer.scores(sorted(set(asked))))
    neighbours = [config.neighbour_weight * score for score in _better_neighbour(lexical, candidates.passages)]
    parents = _stretched(candidates.parents)
    parent = [config.parent_weight * parents[passage] for passage in candidates.passages]
    base = [sum(parts) for parts in zip(lexical, neighbours, parent, strict=True)]
    bridge = [0.0] * len(base)
    if config.bridge_weight:
        reached = _bridges(base, words, candidates, scorer)
        bridge = [config.bridge_weight * reached[passage] for passage in candidates.passages]
        base = [score + more for score, more in zip(base, bridge, strict=True)]
    dense = [0.0] * len(base)
    if embedder is not None and config.dense_weight:
        dense = _cosines(question, candidates.texts, base, embedder, limit=config.dense_candidates)
        dense = [config.dense_weight * score for score in dense]
    return [
        ScoreParts(lexical=words_, neighbours=near, parent=above, bridge=led, dense=meaning) if terms else ScoreParts()
        for terms, words_, near, above, led, meaning in zip(
            candidates.terms, lexical, neighbours, parent, bridge, dense, strict=True
        )
    ]


def _over_best(scores: Sequence[float]) -> list[float]:
    best = max(scores, default=0.0)
    return [score / best for score in scores] if best > 0 else [0.0] * len(scores)


def _stretched(scores: Sequence[float]) -> list[float]:
    """From 0, the worst, to 1, the best: retrieval scores of any kind have no zero that means anything here."""
    low, high = min(scores, default=0.0), max(scores, default=0.0)
    if not high - low > 0:
        return [0.5] * len(scores)
    return [(score - low) / (high - low) for score in scores]


def _better_neighbour(scores: Sequence[float], passages: Sequence[int]) -> list[float]:
    last = len(scores) - 1
    found = []
    for place, passage in enumerate(passages):
        before = scores[place - 1] if place > 0 and passages[place - 1] == passage else 0.0
        after = scores[place + 1] if place < last and passages[place + 1] == passage else 0.0
        found.append(max(before, after))
    return found


def _bridges(
    base: Sequence[float], words: Sequence[frozenset[str]], candidates: Candidates, scorer: PassageScorer
) -> list[float]:
    """How strongly the best sentences point to each passage by its title: the second step of a question in two."""
    reached = [0.0] * len(candidates.titles)
    titles = [frozenset(terms) for terms in candidates.titles]
    # fsum: the order of a set must not show in the last digit of a score.
    weights = [math.fsum(scorer.idf(term) for term in title) for title in titles]
    order = sorted(range(len(base)), key=lambda number: (-base[number], number))[:BRIDGES]
    for number in order:
        strength = base[number] / base[order[0]] if base[order[0]] > 0 else 0.0
        for passage, title in enumerate(titles):
            if passage == candidates.passages[number] or not weights[passage]:
                continue
            named = math.fsum(scorer.idf(term) for term in title & words[number]) / weights[passage]
            if named >= NAMED:
                reached[passage] = max(reached[passage], named * strength)
    return reached


def _cosines(
    question: str, texts: Sequence[str], base: Sequence[float], embedder: Embedder, *, limit: int
) -> list[float]:
    chosen = sorted(range(len(base)), key=lambda number: (-base[number], number))[:limit]
    if not chosen:
        return []
    vectors = embedder.embed_documents([texts[number] for number in chosen])
    found = [max(0.0, float(cosine)) for cosine in vectors @ embedder.embed_query(question)]
    lowest = min(found)
    cosines = dict(zip(chosen, found, strict=True))
    return [cosines.get(number, lowest) for number in range(len(base))]
