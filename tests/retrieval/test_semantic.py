"""Search over the real engine with the hash embedder."""

from __future__ import annotations

import sys
from datetime import date
from typing import TYPE_CHECKING

import pytest

from tercet.errors import ConfigurationError, InputError
from tercet.memory.memory import Memory
from tercet.records import Document, DocumentFilter
from tercet.retrieval.queries import MAX_QUERY_CHARACTERS
from tercet.retrieval.semantic import SemanticRetriever
from tercet.settings import RetrievalConfig
from tercet.testing import HashEmbedder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Fill = Callable[..., None]

GUIDE = Document(
    uri="guide/keys.md",
    title="Guide",
    text="# Keys\n\nRotate the API keys every month.\n\nKeys are secret, never print them.\n\n"
    "# Colours\n\nKeys may be red.",
    metadata={"team": "platform", "year": 2024, "tags": ["security", "api"], "public": True},
)
FRUIT = Document(
    uri="guide/food/fruit.md",
    title="Fruit",
    text="Bananas are yellow.\n\nApples are rotated in the barrel.",
    metadata={"team": "kitchen", "year": 2020},
)
POLICY = Document(
    uri="policy.md",
    title="Policy",
    text="Keys are rotated by the owner.",
    effective_from=date(2025, 1, 1),
    effective_to=date(2026, 1, 1),
)


# -- hits ------------------------------------------------------------------------------------------------------------


def test_hits_come_best_first_with_text_citation_and_provenance(memory: Memory, fill: Fill) -> None:
    """S1.32: a citation leads to the span of the source that says it."""
    fill(memory, [GUIDE, FRUIT, POLICY])
    result = SemanticRetriever(memory.semantic).search("rotate API keys")

    best = result[0]
    assert best.text == "Rotate the API keys every month."
    assert GUIDE.text[best.citation.start : best.citation.end] == best.text
    assert (best.citation.uri, best.citation.title, best.citation.heading_path) == ("guide/keys.md", "Guide", ("Keys",))
    assert (best.provenance.store, best.provenance.source) == ("semantic", "guide/keys.md")
    assert (best.provenance.trust, best.metadata) == ("internal", GUIDE.metadata)
    assert (best.explanation, best.context, result.degraded) == (None, "", ())
    assert [hit.score for hit in result] == sorted((hit.score for hit in result), reverse=True)


@pytest.mark.parametrize("fusion", ["dbsf", "minmax", "rrf"])
def test_exactly_as_many_hits_as_asked_for_when_that_many_exist(memory: Memory, fill: Fill, fusion: str) -> None:
    fill(memory, [Document(uri=f"d{number}", text=f"word{number} shared") for number in range(30)])
    retriever = SemanticRetriever(memory.semantic, config=RetrievalConfig(fusion=fusion, candidates=5))

    for limit in (1, 7, 29, 30, 1000):
        hits = retriever.search("word3 shared", limit=limit).hits
        assert len({hit.chunk_id for hit in hits}) == len(hits) == min(limit, 30)


def test_equal_scores_are_ordered_by_chunk_id_each_time(memory: Memory, fill: Fill) -> None:
    fill(memory, [Document(uri=f"copy{number}", text="the same words everywhere") for number in range(12)])
    retriever = SemanticRetriever(memory.semantic)
    ids = [hit.chunk_id for hit in retriever.search("same words", limit=12)]

    assert ids == sorted(ids)
    assert [hit.chunk_id for hit in retriever.search("same words", limit=12)] == ids
    assert [hit.chunk_id for hit in retriever.search("same words", limit=5)] == ids[:5]


def test_ranking_is_the_same_after_reindex(memory: Memory, fill: Fill) -> None:
    fill(memory, [GUIDE, FRUIT, POLICY])
    retriever = SemanticRetriever(memory.semantic)
    before = retriever.search("rotate keys", limit=20, explain=True)
    memory.semantic.reindex()

    assert retriever.search("rotate keys", limit=20, explain=True) == before


def test_a_removed_document_is_found_no_more(memory: Memory, fill: Fill) -> None:
    fill(memory, [GUIDE, FRUIT])
    memory.semantic.forget(DocumentFilter(paths=("guide/keys.md",)))

    assert {hit.citation.uri for hit in SemanticRetriever(memory.semantic).search("rotate keys")} == {FRUIT.uri}


def test_an_empty_memory_has_no_hits_and_lacks_nothing(memory: Memory) -> None:
    result = SemanticRetriever(memory.semantic).search("anything")

    assert (result.hits, result.degraded) == ((), ())


def test_a_query_of_stop_words_is_answered_by_meaning_at_full_score(memory: Memory, fill: Fill) -> None:
    fill(memory, [GUIDE, FRUIT])
    result = SemanticRetriever(memory.semantic, config=RetrievalConfig(fusion="minmax")).search("the", explain=True)

    assert " the " in result[0].text
    assert result[0].score == 1.0
    assert [leg.available for leg in result[0].explanation.legs] == [False, True]


# -- filters ---------------------------------------------------------------------------------------------------------

FILTERS = {
    "corpus": (DocumentFilter(corpus=("docs",)), {"guide/keys.md", "guide/food/fruit.md", "policy.md"}),
    "two corpora": (DocumentFilter(corpus=("old", "none such")), {"old.md"}),
    "version": (DocumentFilter(version="2.0"), {"v2.md"}),
    "no tenant": (DocumentFilter(), {"guide/keys.md", "guide/food/fruit.md", "policy.md", "old.md", "v2.md"}),
    "tenant": (
        DocumentFilter(tenant="acme", corpus=("docs",)),
        {"guide/keys.md", "guide/food/fruit.md", "policy.md", "acme.md"},
    ),
    "text": (DocumentFilter(equals={"team": "platform"}), {"guide/keys.md"}),
    "any of": (DocumentFilter(equals={"team": ["platform", "kitchen"]}), {"guide/keys.md", "guide/food/fruit.md"}),
    "list element": (DocumentFilter(equals={"tags": "api"}), {"guide/keys.md"}),
    "boolean": (DocumentFilter(equals={"public": True}), {"guide/keys.md"}),
    "number": (DocumentFilter(equals={"year": 2020}), {"guide/food/fruit.md"}),
    "range": (DocumentFilter(ranges={"year": (2021, None)}), {"guide/keys.md"}),
    "both bounds": (DocumentFilter(ranges={"year": (2020, 2024)}), {"guide/keys.md", "guide/food/fruit.md"}),
    "glob": (DocumentFilter(paths=("guide/*.md",)), {"guide/keys.md"}),
    "deep glob": (DocumentFilter(paths=("guide/**",)), {"guide/keys.md", "guide/food/fruit.md"}),
    "in effect": (
        DocumentFilter(as_of=date(2025, 1, 1), corpus=("docs",)),
        {"guide/keys.md", "guide/food/fruit.md", "policy.md"},
    ),
    "not yet": (DocumentFilter(as_of=date(2024, 12, 31), corpus=("docs",)), {"guide/keys.md", "guide/food/fruit.md"}),
    "no longer": (DocumentFilter(as_of=date(2026, 1, 1), corpus=("docs",)), {"guide/keys.md", "guide/food/fruit.md"}),
    "all of it": (
        DocumentFilter(equals={"team": "kitchen"}, ranges={"year": (None, 2020)}, paths=("**",)),
        {"guide/food/fruit.md"},
    ),
    "nothing": (DocumentFilter(equals={"team": "nobody"}), set()),
}


@pytest.fixture(scope="module")
def filtered(tmp_path_factory: pytest.TempPathFactory, fill: Fill) -> Iterator[Memory]:
    with Memory.open(tmp_path_factory.mktemp("filters") / "memory", embedder=HashEmbedder()) as memory:
        fill(memory, [GUIDE, FRUIT, POLICY])
        fill(memory, [Document(uri="old.md", text="Rotated keys of old.")], corpus="old")
        fill(memory, [Document(uri="v2.md", text="Rotated keys, version two.")], corpus="manual", version="2.0")
        fill(memory, [Document(uri="acme.md", text="Rotated keys of acme.")], tenant="acme")
        yield memory


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("weights", [(1, 1), (1, 0), (0, 1)], ids=["both legs", "words", "meaning"])
def test_only_and_all_documents_that_a_filter_allows_are_found(
    filtered: Memory, name: str, weights: tuple[float, float]
) -> None:
    """S1.32: corpora apart, and documents only while they are in effect, whichever leg finds them."""
    where, expected = FILTERS[name]
    config = RetrievalConfig(lexical_weight=weights[0], dense_weight=weights[1])

    hits = SemanticRetriever(filtered.semantic, config=config).search("rotated keys", limit=50, where=where)

    assert {hit.citation.uri for hit in hits} == expected


def test_as_many_hits_as_the_filter_leaves_even_when_others_score_higher(memory: Memory, fill: Fill) -> None:
    fill(memory, [Document(uri=f"loud{n}", text="keys keys keys", metadata={"kind": "loud"}) for n in range(300)])
    fill(
        memory,
        [Document(uri=f"calm{n}", text=f"keys and other{n} things", metadata={"kind": "calm"}) for n in range(8)],
    )
    retriever = SemanticRetriever(memory.semantic, config=RetrievalConfig(candidates=10))

    hits = retriever.search("keys", limit=8, where=DocumentFilter(equals={"kind": "calm"}))

    assert sorted(hit.citation.uri for hit in hits) == [f"calm{n}" for n in range(8)]


# -- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["", "   \n", "\u200b\u2060", "x" * (MAX_QUERY_CHARACTERS + 1)])
def test_a_query_without_content_or_without_end_is_refused(memory: Memory, query: str) -> None:
    with pytest.raises(InputError) as caught:
        SemanticRetriever(memory.semantic).search(query)
    assert caught.value.remedy


@pytest.mark.parametrize("limit", [0, -1, True, 2.0])
def test_a_limit_that_is_no_positive_whole_number_is_refused(memory: Memory, limit: object) -> None:
    with pytest.raises(InputError, match="limit"):
        SemanticRetriever(memory.semantic).search("keys", limit=limit)


def test_hidden_characters_in_a_query_change_nothing(memory: Memory, fill: Fill) -> None:
    fill(memory, [GUIDE, FRUIT])
    retriever = SemanticRetriever(memory.semantic)

    assert retriever.search("ro\u200btate\x1b[31m keys\u202e ") == retriever.search("rotate keys")


@pytest.mark.parametrize("query", ["' OR 1=1 --", "*", "%_%", '{"must": []}', "кот 猫 🐈", "a" * 30_000])
def test_odd_queries_are_words_like_any_other(memory: Memory, fill: Fill, query: str) -> None:
    fill(memory, [GUIDE])

    assert len(SemanticRetriever(memory.semantic).search(query)) == 3


# -- floor, degraded -------------------------------------------------------------------------------------------------


def test_hits_below_the_floor_are_dropped(memory: Memory, fill: Fill) -> None:
    """S1.35: what is irrelevant is not returned."""
    fill(memory, [GUIDE, FRUIT, POLICY])
    everything = SemanticRetriever(memory.semantic).search("rotate keys", limit=50)
    floor = everything[2].score
    above = SemanticRetriever(memory.semantic, config=RetrievalConfig(floor=floor)).search("rotate keys", limit=50)

    assert above.hits == tuple(hit for hit in everything if hit.score >= floor)
    assert 0 < len(above) < len(everything)


def test_without_an_embedder_every_result_says_so(lexical_memory: Memory, fill: Fill) -> None:
    fill(lexical_memory, [GUIDE, FRUIT])
    result = SemanticRetriever(lexical_memory.semantic).search("rotate keys", explain=True)

    assert result.degraded == ("dense",)
    assert [leg.leg for leg in result[0].explanation.legs] == ["lexical"]
    assert result[0].score == pytest.approx(result[0].explanation.legs[0].normalized)
    assert SemanticRetriever(lexical_memory.semantic).search("unheard-of").degraded == ("dense",)


def test_vectors_still_to_come_are_counted_and_their_chunks_not_ranked_down(memory: Memory, fill: Fill) -> None:
    fill(memory, [FRUIT, Document(uri="filler", text="one\n\ntwo\n\nthree")])
    fill(memory, [Document(uri="new", text="Rotate rotate the keys.\n\nfour")], embed=False)
    result = SemanticRetriever(memory.semantic).search("rotate the keys", explain=True)

    assert result.degraded == ("dense 71 %",)  # 5 of 7
    assert result[0].citation.uri == "new"
    assert [leg.available for leg in result[0].explanation.legs] == [True, False]


def test_before_the_first_vector_only_words_are_searched(memory: Memory, fill: Fill) -> None:
    fill(memory, [GUIDE, FRUIT], embed=False)
    asked = memory.embedder.embedded
    result = SemanticRetriever(memory.semantic).search("rotate keys", explain=True)

    assert result.degraded == ("dense 0 %",)
    assert result[0].text == "Rotate the API keys every month."
    assert [leg.available for leg in result[0].explanation.legs] == [True, False]
    assert memory.embedder.embedded == asked


def test_what_is_missing_is_counted_within_the_filter(memory: Memory, fill: Fill) -> None:
    fill(memory, [GUIDE])
    fill(memory, [FRUIT], corpus="later", embed=False)
    retriever = SemanticRetriever(memory.semantic)

    assert retriever.search("keys", where=DocumentFilter(corpus=("docs",))).degraded == ()
    assert retriever.search("keys", where=DocumentFilter(corpus=("later",))).degraded == ("dense 0 %",)
    assert retriever.search("keys").degraded == ("dense 60 %",)


@pytest.mark.parametrize("config", [RetrievalConfig(lexical_weight=0), RetrievalConfig(diversity=0.5)])
def test_asking_a_memory_without_embedder_for_vectors_is_an_error(
    lexical_memory: Memory, config: RetrievalConfig
) -> None:
    with pytest.raises(ConfigurationError, match="no embedder"):
        SemanticRetriever(lexical_memory.semantic, config=config).search("keys")


def test_a_search_by_words_on_purpose_lacks_nothing(memory: Memory, fill: Fill) -> None:
    fill(memory, [GUIDE], embed=False)
    config = RetrievalConfig(dense_weight=0)

    assert SemanticRetriever(memory.semantic, config=config).search("keys").degraded == ()


# -- explain ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fusion", ["dbsf", "minmax", "rrf"])
def test_an_explanation_recombines_to_the_score(memory: Memory, fill: Fill, fusion: str) -> None:
    fill(memory, [GUIDE, FRUIT, POLICY])
    fill(memory, [Document(uri="new", text="keys to come")], embed=False)
    config = RetrievalConfig(fusion=fusion, lexical_weight=0.7, dense_weight=2.0, candidates=4)
    result = SemanticRetriever(memory.semantic, config=config).search("rotate keys secret", limit=20, explain=True)

    assert len(result) >= 4
    for hit in result:
        assert hit.explanation.fused == pytest.approx(hit.score, abs=1e-9)
        assert [leg.weight for leg in hit.explanation.legs] == [0.7, 2.0]
        assert all((leg.rank is None) == (leg.score is None) for leg in hit.explanation.legs)


def test_contributions_of_terms_add_up_to_the_lexical_score(memory: Memory, fill: Fill) -> None:
    fill(memory, [GUIDE, FRUIT, POLICY, Document(uri="long", text="keys " * 40 + "rotate getUserName")])
    query = "rotate rotate the keys of getUserName"
    result = SemanticRetriever(memory.semantic).search(query, limit=20, explain=True)
    lexical = [hit.explanation.legs[0] for hit in result if hit.explanation.legs[0].rank]

    assert len(lexical) >= 5
    for leg in lexical:
        assert sum(leg.terms.values()) == pytest.approx(leg.score, rel=1e-4)
    assert {"rotat", "key", "getusername"} <= {term for leg in lexical for term in leg.terms}
    assert sorted(leg.rank for leg in lexical) == list(range(1, len(lexical) + 1))


def test_searching_loads_no_model_library(memory: Memory, fill: Fill) -> None:
    fill(memory, [GUIDE])
    before = set(sys.modules)
    SemanticRetriever(memory.semantic).search("keys", explain=True)

    assert not {name.partition(".")[0] for name in set(sys.modules) - before} & {"torch", "sentence_transformers"}
