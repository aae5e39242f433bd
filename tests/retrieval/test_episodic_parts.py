"""The pure parts of episodic ranking: boosts, relevance, and names in questions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tercet.memory.episodes.records import EpisodePlace
from tercet.retrieval.actors import named_actors
from tercet.retrieval.boosts import boosts
from tercet.retrieval.relevance import Judgement, Own, greatest_bm25, lift
from tercet.settings import EpisodicConfig

NOW = 1_700_000_000_000_000
BOUND = st.floats(0, 1)
CONFIGS = st.builds(EpisodicConfig, actor_boost=BOUND, recency_boost=BOUND, importance_boost=BOUND, outcome_boost=BOUND)
PLACES = st.builds(
    EpisodePlace,
    row=st.just(1),
    id=st.just("e"),
    actor=st.sampled_from(["ada", "bo"]),
    occurred_at=st.none() | st.integers(0, 2 * NOW),
    importance=st.floats(0, 1),
    outcome=st.sampled_from(["", "done"]),
    scope=st.just(1),
    conversation=st.just("c"),
    ordinal=st.integers(0, 9),
)


def product(place: EpisodePlace, config: EpisodicConfig) -> float:
    total = 1.0
    for factor in boosts(place, config, now=NOW, actors={"ada"}).values():
        total *= factor
    return total


@given(PLACES, PLACES, CONFIGS, st.floats(1e-6, 1))
def test_boosts_cannot_reorder_beyond_the_stated_margin(
    one: EpisodePlace, other: EpisodePlace, config: EpisodicConfig, relevance: float
) -> None:
    assert 1 <= product(one, config) <= config.margin * (1 + 1e-12)
    ahead = relevance * config.margin * (1 + 1e-9)
    assert ahead * product(one, config) >= relevance * product(other, config)


@given(
    st.dictionaries(st.integers(0, 30), st.floats(0, 1), min_size=1),
    st.sets(st.integers(0, 30)),
    st.floats(0, 1),
)
def test_neighbours_only_lift_and_never_above_the_better_one(
    scores: dict[int, float], alone: set[int], context: float
) -> None:
    own = {row: Own(score, ()) for row, score in scores.items()}
    places = {
        row: EpisodePlace(row, str(row), "a", None, 0.5, "", 1, "" if row in alone else "talk", row) for row in scores
    }
    lifts = lift(own, places, context=context)
    for row, score in scores.items():
        beside = [scores[near] for near in (row - 1, row + 1) if near in scores and near not in alone]
        assert lifts[row] >= 0
        if row in alone or not beside:
            assert lifts[row] == 0
        else:
            assert score + lifts[row] <= max(score, *beside) + 1e-12


@given(st.dictionaries(st.integers(0, 9), st.floats(0, 50)), st.dictionaries(st.integers(0, 9), st.floats(-1, 1)))
def test_relevance_lies_between_0_and_1(lexical: dict[int, float], dense: dict[int, float]) -> None:
    judgement = Judgement(lexical=lexical, dense=dense, greatest=20.0, lexical_weight=1.0, dense_weight=2.0)
    for own in judgement.own(judgement.rows()).values():
        assert 0 <= own.score <= 1


def test_no_text_exceeds_the_greatest_sum() -> None:
    assert greatest_bm25({"a": 2, "b": 1}, {"a": 1.5}, documents=0, k1=1.2) > 2.2 * 3
    assert greatest_bm25({}, {}, documents=9, k1=1.2) == 0


def named(query: str, *actors: str) -> tuple[list[str], str]:
    found = named_actors(query, actors, is_word=lambda word: word.casefold() not in {"the", "a"})
    return sorted(found.actors), found.rest


def test_names_are_found_whole_or_by_a_capitalised_word() -> None:
    assert named("What is Ada\u2019s new address?", "Ada Byron") == (["Ada Byron"], "What is new address?")
    assert named("what does ada byron like", "Ada Byron") == (["Ada Byron"], "what does like")
    assert named("Did LiHua call Adam Smith?", "Li Hua", "AdamSmith") == (["AdamSmith", "Li Hua"], "Did call ?")
    assert named("caroline's dog", "Caroline") == (["Caroline"], "dog")
    assert named("\u5c0f\u660e \u662f\u8c01", "\u5c0f\u660e") == (["\u5c0f\u660e"], "\u662f\u8c01")


def test_common_words_name_nobody() -> None:
    for query, actor in (("The end", "The Bot"), ("a support group", "support agent"), ("adam smith", "Smith Jones")):
        assert named(query, actor) == ([], query)
    assert named("anything", "", "  ", "--") == ([], "anything")
