"""What is off by default: parent expansion, diversity, reranking."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercet.errors import ConfigurationError
from tercet.records import Document
from tercet.retrieval.diversity import maximal_marginal_relevance
from tercet.retrieval.rerank import Reranker
from tercet.retrieval.semantic import SemanticRetriever
from tercet.settings import RetrievalConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tercet.memory.memory import Memory

    Fill = Callable[..., None]

GUIDE = Document(
    uri="guide.md",
    title="Guide",
    text="# Keys\n\nRotate the API keys.\n\nKeep them secret.\n\n# Colours\n\nKeys may be red.",
)


class LastWordFirst:
    """Scores texts by how late they come in the alphabet, far outside [0, 1]."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[str]]] = []

    def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        self.calls.append((query, list(texts)))
        order = sorted(texts)
        return [100.0 * order.index(text) - 50 for text in texts]


# -- parent expansion ------------------------------------------------------------------------------------------------


def test_a_hit_brings_the_section_around_it(memory: Memory, fill: Fill) -> None:
    fill(memory, [GUIDE])
    result = SemanticRetriever(memory.semantic, config=RetrievalConfig(expand="parent")).search("secret")

    assert result[0].text == "Keep them secret."
    assert result[0].context == "Rotate the API keys.\n\nKeep them secret."
    assert {hit.context for hit in result if hit.citation.heading_path == ("Colours",)} == {"Keys may be red."}


# -- diversity -------------------------------------------------------------------------------------------------------


def test_diversity_moves_a_copy_behind_something_else(memory: Memory, fill: Fill) -> None:
    fill(memory, [Document(uri=f"copy{n}", text="rotate the api keys monthly") for n in range(3)])
    fill(memory, [Document(uri="other", text="keys of the piano are white"), Document(uri="far", text="bananas")])
    plain = SemanticRetriever(memory.semantic).search("rotate api keys", limit=2)
    diverse = SemanticRetriever(memory.semantic, config=RetrievalConfig(diversity=0.5)).search(
        "rotate api keys", limit=2
    )

    assert [hit.text for hit in plain] == ["rotate the api keys monthly"] * 2
    assert len({hit.text for hit in diverse}) == 2
    assert diverse[0] == plain[0]
    assert diverse.degraded == ()


def test_diversity_that_lacks_vectors_keeps_the_ranking_and_says_so(memory: Memory, fill: Fill) -> None:
    fill(memory, [GUIDE])
    fill(memory, [Document(uri="new", text="Rotate keys, rotate keys.")], embed=False)
    plain = SemanticRetriever(memory.semantic).search("rotate keys")
    diverse = SemanticRetriever(memory.semantic, config=RetrievalConfig(diversity=0.9)).search("rotate keys")

    assert diverse.hits == plain.hits
    assert diverse.degraded == (*plain.degraded, "diversity")


@pytest.mark.parametrize("fusion", ["dbsf", "rrf"])
def test_full_diversity_returns_each_chunk_once(memory: Memory, fill: Fill, fusion: str) -> None:
    fill(memory, [Document(uri=f"d{n}", text=f"keys word{n % 4}") for n in range(20)])
    config = RetrievalConfig(diversity=1.0, fusion=fusion)
    hits = SemanticRetriever(memory.semantic, config=config).search("keys word1", limit=3)

    assert len({hit.chunk_id for hit in hits}) == 3
    assert len({hit.text for hit in hits}) == 3


@given(
    relevance=st.lists(st.floats(0, 1), min_size=1, max_size=12),
    diversity=st.floats(0, 1),
    limit=st.integers(1, 15),
    seed=st.integers(0, 99),
)
def test_marginal_relevance_is_greedy_as_defined(
    relevance: list[float], diversity: float, limit: int, seed: int
) -> None:
    relevance = sorted(relevance, reverse=True)
    vectors = np.random.default_rng(seed).normal(size=(len(relevance), 5)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    picked = maximal_marginal_relevance(relevance, vectors, diversity=diversity, limit=limit)

    assert picked[0] == 0
    assert len(set(picked)) == len(picked) == min(limit, len(relevance))
    like = vectors.astype(np.float64) @ vectors.astype(np.float64).T
    for step in range(1, len(picked)):
        trade = {
            item: (1 - diversity) * relevance[item] - diversity * max(like[item][other] for other in picked[:step])
            for item in range(len(relevance))
            if item not in picked[:step]
        }
        assert math.isclose(trade[picked[step]], max(trade.values()), abs_tol=1e-9)


def test_no_diversity_keeps_the_order() -> None:
    assert maximal_marginal_relevance([0.9, 0.5, 0.5], np.eye(3, dtype=np.float32), diversity=0, limit=3) == [0, 1, 2]


# -- reranking -------------------------------------------------------------------------------------------------------


def test_a_reranker_orders_the_hits_and_its_scores_replace_theirs(memory: Memory, fill: Fill) -> None:
    """Part of S1.33: what ranks can be exchanged."""
    fill(memory, [Document(uri=name, text=f"{name} keys") for name in ("alpha", "beta", "gamma")])
    reranker = LastWordFirst()
    result = SemanticRetriever(memory.semantic, reranker=reranker).search("alpha keys", explain=True)

    assert isinstance(reranker, Reranker)
    assert [hit.citation.uri for hit in result] == ["gamma", "beta", "alpha"]
    assert [hit.score for hit in result] == [150.0, 50.0, -50.0]
    assert [hit.explanation.rerank_score for hit in result] == [hit.score for hit in result]
    assert result[2].explanation.fused == max(hit.explanation.fused for hit in result)


def test_only_the_best_are_reranked_and_never_fewer_than_asked_for(memory: Memory, fill: Fill) -> None:
    fill(memory, [Document(uri=f"d{n:02}", text=f"keys word{n:02}") for n in range(30)])
    reranker = LastWordFirst()
    retriever = SemanticRetriever(memory.semantic, reranker=reranker, rerank_depth=5)

    assert len(retriever.search("keys", limit=3)) == 3
    assert len(retriever.search("keys", limit=20)) == 20
    assert [len(texts) for _, texts in reranker.calls] == [5, 20]


def test_a_reranker_sees_headings_too_and_is_not_called_for_nothing(memory: Memory, fill: Fill) -> None:
    reranker = LastWordFirst()
    retriever = SemanticRetriever(memory.semantic, reranker=reranker)
    assert retriever.search("keys").hits == ()
    assert reranker.calls == []

    fill(memory, [GUIDE])
    retriever.search("red keys")
    assert "Guide > Colours\nKeys may be red." in reranker.calls[0][1]


@pytest.mark.parametrize("scores", [[1.0], [math.nan, 1.0, 2.0], [math.inf] * 3, [0.0] * 4])
def test_a_reranker_that_answers_wrongly_is_an_error(memory: Memory, fill: Fill, scores: list[float]) -> None:
    class Wrong:
        def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
            return scores

    fill(memory, [GUIDE])
    with pytest.raises(ConfigurationError, match="Wrong"):
        SemanticRetriever(memory.semantic, reranker=Wrong()).search("keys")


def test_a_rerank_depth_below_one_is_refused(memory: Memory) -> None:
    with pytest.raises(ConfigurationError, match="rerank_depth"):
        SemanticRetriever(memory.semantic, rerank_depth=0)
