"""The pure parts of episodic ranking: boosts, relevance, and names in questions."""

from __future__ import annotations

from datetime import UTC, date, datetime

from hypothesis import given
from hypothesis import strategies as st

from tercet.memory.episodes.records import EpisodePlace
from tercet.retrieval.actors import named_actors
from tercet.retrieval.boosts import boosts
from tercet.retrieval.days import lies_in, named_days
from tercet.retrieval.relevance import Judgement, greatest_bm25, lift
from tercet.settings import EpisodicConfig

NOW = 1_700_000_000_000_000
BOUND = st.floats(0, 1)
CONFIGS = st.builds(
    EpisodicConfig, actor_boost=BOUND, day_boost=BOUND, recency_boost=BOUND, importance_boost=BOUND, outcome_boost=BOUND
)
PLACES = st.builds(
    EpisodePlace,
    row=st.just(1),
    id=st.just("e"),
    actor=st.sampled_from(["ada", "bo"]),
    occurred_at=st.none() | st.integers(0, 2 * NOW) | st.integers(NOW - 10**13, NOW),
    importance=st.floats(0, 1),
    outcome=st.sampled_from(["", "done"]),
    scope=st.just(1),
    conversation=st.just("c"),
    ordinal=st.integers(0, 9),
)


def product(place: EpisodePlace, config: EpisodicConfig) -> float:
    total = 1.0
    days = ((date(2023, 11, 1), date(2023, 11, 30)),)
    for factor in boosts(place, config, now=NOW, actors={"ada"}, days=days).values():
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
    places = {
        row: EpisodePlace(row, str(row), "a", None, 0.5, "", 1, "" if row in alone else "talk", row) for row in scores
    }
    lifts = lift(scores, places, context=context)
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
        assert 0 <= own <= 1


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


def spans(query: str) -> tuple[list[str], str]:
    dated = named_days(query, datetime(2024, 5, 6, tzinfo=UTC))
    return [str(first) if first == last else f"{first}..{last}" for first, last in dated.spans], dated.rest


def test_days_and_months_of_a_question() -> None:
    assert spans("What came on October 13, 2023?") == (["2023-10-13"], "What came on ?")
    assert spans("the 3rd of May or 7 June") == (["2024-05-03", "2023-06-07"], "the or")
    assert spans("on 20240405 and 2024-04-06") == (["2024-04-05", "2024-04-06"], "on and")
    assert spans("setback in October 2023") == (["2023-10-01..2023-10-31"], "setback in")
    assert spans("in May, since june") == (["2024-05-01..2024-05-31", "2023-06-01..2023-06-30"], ",")
    assert spans("yesterday at the 12. märz") == (["2024-05-05", "2024-03-12"], "at the")
    assert spans("on 29 February") == (["2024-02-29"], "on")


def test_what_is_no_date_names_no_day() -> None:
    for query in (
        "may I march",
        "February 30",
        "build 20241345",
        "order 120240405",
        "in 2023",
        "0000 May 99",
        "x" * 9999,
    ):
        assert spans(query) == ([], query)


@given(st.text(alphabet="0123456789 -/.,stndrdMayJune", max_size=200))
def test_any_text_is_searched_for_days(query: str) -> None:
    for first, last in named_days(query, datetime(2024, 5, 6, tzinfo=UTC)).spans:
        assert first <= last


def test_the_day_after_counts_too() -> None:
    may = ((date(2024, 5, 6), date(2024, 5, 7)),)
    assert [lies_in(date(2024, 5, day), may) for day in (5, 6, 7, 8, 9)] == [False, True, True, True, False]
