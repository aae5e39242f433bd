"""Search in episodic memory over the real engine with the hash embedder."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from tercet import EpisodicConfig, EpisodicRetriever, Memory, Scope, Turn
from tercet.errors import ConfigurationError, InputError
from tercet.testing import HashEmbedder

NOW = datetime(2024, 5, 6, 8, tzinfo=UTC)
ADA = Scope(tenant="acme", user="ada")
BOB = Scope(tenant="acme", user="bob")


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    with Memory.open(tmp_path / "memory", embedder=HashEmbedder(), clock=lambda: NOW) as opened:
        yield opened


def search(memory: Memory, query: str, scope: Scope = ADA, config: EpisodicConfig | None = None, **how):
    return EpisodicRetriever(memory.episodic, config=config).search(query, scope=scope, **how)


def texts(result) -> list[str]:
    return [hit.text for hit in result]


def event(memory: Memory, text: str, days: float | None = 1, scope: Scope = ADA, **fields) -> str:
    """Record something that happened so many days ago."""
    when = None if days is None else NOW - timedelta(days=days)
    return memory.episodic.record(text, scope=scope, occurred_at=when, **{"actor": "desk", **fields}).id


def talk(memory: Memory, *lines: tuple[str, str], scope: Scope = ADA, name: str = "chat") -> list[str]:
    turns = [
        Turn(actor=actor, text=text, occurred_at=NOW - timedelta(days=1) + timedelta(minutes=place))
        for place, (actor, text) in enumerate(lines)
    ]
    return memory.episodic.record_turns(turns, scope=scope, conversation=name)


# -- what a hit says -------------------------------------------------------------------------------------------------


def test_same_issue_of_a_customer_in_the_last_30_days(memory: Memory) -> None:
    """S1.30: three episodes with outcomes; a fourth, 31 days old, is excluded."""
    for days, outcome in ((2, "refunded"), (11, "replaced"), (30, "escalated"), (31, "refused")):
        event(memory, f"Parcel damaged on arrival, report {outcome[0]}", days, kind="outcome", outcome=outcome)
    event(memory, "Parcel damaged on arrival", 3, scope=BOB, kind="outcome", outcome="refunded")

    result = search(memory, "damaged parcel", since=NOW - timedelta(days=30), kinds=["outcome"])

    assert sorted(hit.episode.outcome for hit in result) == ["escalated", "refunded", "replaced"]
    assert not result.nothing_relevant


def test_a_hit_names_its_record_time_and_trust(memory: Memory) -> None:
    key = event(memory, "Invoice paid", 1, trust="external")
    unknown = event(memory, "Invoice printed", None)
    first, second = sorted(search(memory, "invoice"), key=lambda hit: hit.when)

    assert (first.episode.id, first.provenance.store, first.provenance.source) == (key, "episodic", key)
    assert (first.provenance.trust, first.when) == ("external", "2024-05-05T08:00:00+00:00")
    assert (second.episode.id, second.when, second.explanation, second.neighbours) == (unknown, "unknown", None, ())


def test_another_store_is_refused(memory: Memory) -> None:
    """S1.27: passing one memory where another is due is an error."""
    with pytest.raises(ConfigurationError, match=r"not SemanticMemory.*memory\.episodic"):
        EpisodicRetriever(memory.semantic)


# -- what can be found -----------------------------------------------------------------------------------------------


def test_identifiers_are_found_whatever_the_embedder_says(tmp_path: Path) -> None:
    """Rare tokens among records whose vectors mean nothing: recall@5 is 1."""
    with Memory.open(tmp_path / "memory", embedder=HashEmbedder(8), clock=lambda: NOW) as memory:
        names = [
            name for n in range(40) for name in (f"ORD-{4471 + 7 * n}", f"err_{n}x", f"E{1000 + n}", f"{90210 + n}")
        ]
        lines = [("desk", f"Note {n % 7}: {name} came up with the parcel again") for n, name in enumerate(names)]
        talk(memory, *lines)
        for query in ("{}", "what happened with {} and the parcel", "was the parcel of {} damaged or lost again?"):
            for name in names[::3]:  # a third of each of the four forms
                assert any(name in text for text in texts(search(memory, query.format(name), limit=5))), (query, name)


def test_each_leg_alone_can_bring_a_record_in(memory: Memory) -> None:
    """Part of S1.31: words and vectors are both searched in the index."""
    event(memory, "The heater was repaired")
    words = search(memory, "heaters", config=EpisodicConfig(dense_weight=0))
    meaning = search(memory, "heater", config=EpisodicConfig(lexical_weight=0))

    assert texts(words) == texts(meaning) == ["The heater was repaired"]
    assert words.degraded == meaning.degraded == ()


def test_an_answer_is_found_by_the_question_before_it(memory: Memory) -> None:
    talk(
        memory,
        ("ada", "What did you name the new kitten?"),
        ("bo", "Whiskers!"),
        ("ada", "Sweet. I have to leave"),
        ("bo", "Fine by me"),
        ("ada", "Until Friday then"),
    )
    assert texts(search(memory, "name of the kitten"))[:2] == ["What did you name the new kitten?", "Whiskers!"]
    assert "Whiskers!" not in texts(search(memory, "name of the kitten", config=EpisodicConfig(context=0)))


def test_turns_beside_the_best_are_found_though_no_leg_returned_them(memory: Memory) -> None:
    talk(memory, *[("bo", f"filler number {n} kitten") for n in range(30)], name="other")
    talk(memory, ("ada", "Which name did the kitten get?"), ("bo", "Whiskers!"))
    narrow = EpisodicConfig(candidates=2)

    assert "Whiskers!" in texts(search(memory, "which name did the kitten get", config=narrow))


def test_who_is_named_is_who_spoke(memory: Memory) -> None:
    talk(
        memory,
        ("Ada Byron", "I bought a red bicycle"),
        ("Bo", "Ada, what a bicycle! Ada, I bought one too, a blue one"),
    )
    result = search(memory, "Which bicycle was bought by Ada?")

    assert result.actors == ("Ada Byron",)
    assert texts(result)[0] == "I bought a red bicycle"
    assert texts(search(memory, "Ada"))[0].startswith("Ada, what")  # nothing but a name: the name is looked for


# -- what cannot -----------------------------------------------------------------------------------------------------


def test_superseded_retracted_and_expired_records_never_take_a_slot(memory: Memory) -> None:
    """S1.35: nor come they in as the neighbours of a hit."""

    def fact(text: str, days: float, **fields) -> str:
        return event(memory, text, days, kind="fact", **fields)

    fact("Ada lives in Oslo", 9, subject="home")
    fact("Ada lives in Bergen", 2, subject="home")
    false = fact("Ada lives in Paris", 1)
    memory.episodic.retract(false, scope=ADA)
    fact("Ada lives in a tent", 1, expires_at=NOW - timedelta(hours=1))
    talk(memory, ("bo", "Where does Ada live now?"), ("ada", "I live in a houseboat"))
    (turn,) = [one for one in memory.episodic.timeline(ADA, kinds=["turn"]) if "houseboat" in one.text]
    memory.episodic.retract(turn.id, scope=ADA)

    for neighbours in (0, 3):
        result = search(memory, "where Ada lives", limit=50, neighbours=neighbours)
        seen = {*texts(result), *(one.text for hit in result for one in hit.neighbours)}
        assert seen == {"Ada lives in Bergen", "Where does Ada live now?"}


def test_as_of_finds_what_was_believed_then(tmp_path: Path) -> None:
    moment = [NOW]
    with Memory.open(tmp_path / "memory", embedder=HashEmbedder(), clock=lambda: moment[0]) as memory:
        old = event(memory, "Ada lives in Oslo", 9, kind="fact", subject="home")
        moment[0] += timedelta(days=1)
        event(memory, "Ada lives in Bergen", 2, kind="fact", subject="home")
        moment[0] += timedelta(days=1)

        assert [hit.episode.id for hit in search(memory, "Ada lives", as_of=NOW + timedelta(hours=1))] == [old]
        assert texts(search(memory, "Ada lives")) == ["Ada lives in Bergen"]
        assert search(memory, "Ada lives", as_of=NOW - timedelta(days=1)).reason == "nothing recorded"


def test_what_is_in_the_window_is_not_repeated(memory: Memory) -> None:
    ids = talk(memory, ("ada", "the roof leaks"), ("bo", "the roof is old"), ("ada", "a new roof then"))
    result = search(memory, "roof", window=ids[:2], neighbours=2)

    assert texts(result) == ["a new roof then"]
    assert result[0].neighbours == ()
    everything = search(memory, "roof", window=ids)
    assert (everything.hits, everything.reason, everything.nothing_relevant) == ((), "in the window", False)
    assert everything.best > 0.1


def test_nothing_relevant_is_said(memory: Memory) -> None:
    empty = search(memory, "roof")
    assert (empty.reason, empty.nothing_relevant, empty.best) == ("nothing recorded", True, 0.0)
    event(memory, "The printer jammed")
    below = search(memory, "volcanoes of Iceland", config=EpisodicConfig(floor=0.5))
    assert (below.hits, below.reason, below.nothing_relevant) == ((), "below the floor", True)
    assert search(memory, "printer jammed", config=EpisodicConfig(floor=0.5)).reason == ""
    words = search(memory, "volcanoes", config=EpisodicConfig(dense_weight=0))
    assert (words.reason, words.nothing_relevant) == ("nothing found", True)


def test_no_reader_sees_another_scope(memory: Memory) -> None:
    """Part of S1.31: the index filters by scope."""
    scopes = [Scope(tenant=f"t{n}", user=user) for n in range(5) for user in ("ada", "bob")]
    for number, scope in enumerate(scopes):
        talk(memory, ("Eve", f"secret plan {number}"), ("Mallory", f"answer {number}"), scope=scope)
    for number, scope in enumerate(scopes):
        result = search(memory, "What is the secret plan of Eve", scope=scope, limit=50, neighbours=5)
        seen = {*texts(result), *(one.text for hit in result for one in hit.neighbours)}
        assert seen == {f"secret plan {number}", f"answer {number}"}
    event(memory, "Zed was here", actor="Zed", scope=scopes[0])
    assert search(memory, "secret plan of Zed", scope=scopes[1]).actors == ()


# -- how it is ranked ------------------------------------------------------------------------------------------------


def test_parts_recombine_to_the_score(memory: Memory) -> None:
    for number in range(12):
        event(memory, f"meeting {number} about the roof", number, importance=number / 12, outcome="done" * (number % 2))
    talk(memory, ("Ada", "When is the meeting about ORD-77x?"), ("bo", "never"), ("Ada", "the roof meeting!"))
    result = search(memory, "Ada's meeting about the roof ORD-77x", explain=True, limit=20)

    assert len(result) == 15
    for hit in result:
        parts = hit.explanation
        legs = [leg for leg in parts.legs if leg.available]
        own = sum(leg.weight * leg.normalized for leg in legs) / sum(leg.weight for leg in legs)
        score = own + parts.context
        for factor in parts.boosts.values():
            score *= factor
        assert hit.score == pytest.approx(score, abs=1e-9)
        assert hit.score == pytest.approx(parts.score, abs=1e-9)
        assert hit.relevance == parts.relevance <= 1
        assert set(parts.boosts) == {"actor", "day", "recency", "importance", "outcome"}
        lexical = parts.legs[0]
        if lexical.rank:
            assert sum(lexical.terms.values()) == pytest.approx(lexical.score, rel=1e-4)
    (named,) = (hit for hit in result if hit.explanation.names == ("ORD-77x",))
    assert named.text == "When is the meeting about ORD-77x?"
    assert max(hit.explanation.context for hit in result) > 0


def test_recency_importance_and_outcome_decide_between_equals(memory: Memory) -> None:
    """Part of S1.35: episodes are ranked in their own way."""
    same = {"config": EpisodicConfig(context=0)}
    old, new = event(memory, "coffee with Bo", 60), event(memory, "coffee with Bo", 1)
    assert [hit.episode.id for hit in search(memory, "coffee", **same)] == [new, old]
    event(memory, "tea with Bo", 1, importance=0.2)
    event(memory, "tea with Bo", 1, importance=0.9, kind="outcome")
    assert [hit.episode.importance for hit in search(memory, "tea", **same)][:2] == [0.9, 0.2]
    event(memory, "soup with Bo", 1)
    event(memory, "soup with Bo", 1, outcome="spilled")
    assert [hit.episode.outcome for hit in search(memory, "soup", **same)][:2] == ["spilled", ""]


def test_a_named_day_is_preferred(memory: Memory) -> None:
    for days in (40, 20, 3):
        event(memory, "we painted the fence", days)
    for query, days in (("Who painted on April 16?", 20), ("painted last month", 20), ("painted in March", 40)):
        assert search(memory, query)[0].episode.occurred_at == NOW - timedelta(days=days)
    plain = search(memory, "Who painted on April 16?", config=EpisodicConfig(day_boost=0))
    assert plain[0].episode.occurred_at == NOW - timedelta(days=3)


def test_reading_changes_nothing_and_repeats_exactly(memory: Memory) -> None:
    for number in range(30):
        event(memory, "the same words every time", number % 3)
    first = search(memory, "same words", limit=30, explain=True)

    assert search(memory, "same words", limit=30, explain=True) == first
    assert search(memory, "same words", limit=7, explain=True).hits == first.hits[:7]
    for one, other in pairwise(first):
        assert (-one.score, one.episode.id) < (-other.score, other.episode.id)


def test_neighbours_come_once_and_in_order(memory: Memory) -> None:
    ids = talk(memory, *[("bo", f"line {word}") for word in ("one", "two", "three roof", "four", "five")])
    config = EpisodicConfig(floor=0.3, context=0)
    (hit,) = search(memory, "three roof", neighbours=1, config=config)
    assert [one.id for one in hit.neighbours] == [ids[1], ids[3]]
    (hit,) = search(memory, "three roof", neighbours=9, config=config)
    assert [one.id for one in hit.neighbours] == [*ids[:2], *ids[3:]]


# -- missing parts ---------------------------------------------------------------------------------------------------


def test_missing_vectors_are_said_and_cost_nothing(tmp_path: Path) -> None:
    with Memory.open(tmp_path / "memory", embedder=HashEmbedder(), clock=lambda: NOW) as memory:
        event(memory, "the roof leaks", embed=False)
        assert search(memory, "roof").degraded == ("dense 0 %",)
        event(memory, "the roof is red")
        result = search(memory, "roof leaks", explain=True)
        assert (texts(result)[0], result.degraded) == ("the roof leaks", ("dense 50 %",))
    with Memory.open(tmp_path / "words", embedder="none", clock=lambda: NOW) as memory:
        event(memory, "the roof leaks")
        result = search(memory, "roof")
        assert (texts(result), result.degraded) == (["the roof leaks"], ("dense",))
        with pytest.raises(ConfigurationError, match="no embedder"):
            search(memory, "roof", config=EpisodicConfig(lexical_weight=0))


@pytest.mark.parametrize(
    ("query", "how"),
    [("", {}), ("roof", {"limit": 0}), ("roof", {"neighbours": -1}), ("roof", {"since": NOW.replace(tzinfo=None)})],
)
def test_wrong_arguments_are_refused(memory: Memory, query: str, how: dict) -> None:
    event(memory, "the roof leaks")
    with pytest.raises(InputError):
        search(memory, query, **how)


@pytest.mark.parametrize(
    "settings",
    [
        {"candidates": 0},
        {"lexical_weight": 0, "dense_weight": 0},
        {"floor": 2},
        {"context": -1},
        {"actor_boost": 1.5},
        {"recency_boost": -0.1},
        {"recency_half_life_days": 0},
    ],
)
def test_wrong_settings_are_refused(settings: dict) -> None:
    with pytest.raises(ConfigurationError):
        EpisodicConfig(**settings)
