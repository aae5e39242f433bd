from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tercet import Episode, Memory, Scope, Turn
from tercet.errors import InputError
from tercet.memory.episodes.records import Doubt, State

ADA = Scope(tenant="acme", user="ada")
BOB = Scope(tenant="acme", user="bob")
DAY = datetime(2024, 5, 1, tzinfo=UTC)


def texts(episodes: list[Episode]) -> list[str]:
    return [episode.text for episode in episodes]


def fact(memory: Memory, text: str, day: int | None = None, **fields):
    """Record a fact of Ada's on a day of May."""
    occurred_at = None if day is None else DAY.replace(day=day)
    fields = {"scope": ADA, "actor": "ada", "kind": "fact", **fields}
    return memory.episodic.record(text, occurred_at=occurred_at, **fields)


def found(memory: Memory, query: str, *, limit: int = 10, scope=ADA, **where) -> list[str]:
    """Texts of the lexical candidates."""
    terms = dict.fromkeys(memory.episodic.analyzer.terms(query), 1)
    selection = memory.episodic.select(scope, **where)
    rows = [one.row for one in memory.episodic.lexical_candidates(terms, selection, limit=limit).candidates]
    loaded = memory.episodic.load(rows)
    return [loaded[row].episode.text for row in rows]


def similar(memory: Memory, query: str, *, limit: int = 10, scope=ADA, **where) -> list[str]:
    """Texts of the dense candidates."""
    selection = memory.episodic.select(scope, **where)
    vector = memory.embedder.embed_query(query)
    rows = [one.row for one in memory.episodic.dense_candidates(vector, selection, limit=limit)]
    loaded = memory.episodic.load(rows)
    return [loaded[row].episode.text for row in rows]


# -- keeping what happened -------------------------------------------------------------------------------------------


def test_a_record_is_kept_as_it_came_and_found_at_once(memory, clock):
    """Part of S1.30: a history of interactions and outcomes."""
    result = memory.episodic.record(
        "  Refund of order 4711\nwas approved yesterday. ",
        scope=ADA,
        actor="support",
        kind="outcome",
        occurred_at=datetime(2024, 5, 2, 23, 30, tzinfo=UTC),
        outcome="resolved",
        importance=0.9,
        entities=["Order 4711", "Ada"],
        trust="internal",
        metadata={"channel": "phone", "attempts": 2},
        expires_at=datetime(2025, 1, 1, tzinfo=UTC),
    )

    (episode,) = memory.episodic.get([result.id], scope=ADA)
    assert result.status == "added"
    assert episode == Episode(
        id=result.id,
        scope=ADA,
        kind="outcome",
        actor="support",
        text="  Refund of order 4711\nwas approved yesterday. ",
        occurred_at=datetime(2024, 5, 2, 23, 30, tzinfo=UTC),
        recorded_at=clock.now,
        outcome="resolved",
        importance=0.9,
        entities=("Ada", "Order 4711"),
        trust="internal",
        metadata={"channel": "phone", "attempts": 2},
        expires_at=datetime(2025, 1, 1, tzinfo=UTC),
        dates=episode.dates,
    )
    assert episode.dated_text.endswith("approved yesterday [2024-05-01]. ")
    assert found(memory, "refund 4711") == [episode.text]
    assert similar(memory, "refund of order") == [episode.text]


def test_an_unknown_event_time_is_said_to_be_unknown(memory, clock):
    memory.episodic.record("Ada called yesterday", scope=ADA, actor="support")

    (episode,) = memory.episodic.timeline(ADA)
    assert episode.occurred_at is None
    assert episode.recorded_at == clock.now
    assert episode.dates == ()


def test_the_same_record_again_changes_nothing(memory, clock):
    first = fact(memory, "Ada lives in Oslo", 1)
    clock.move(days=1)
    again = fact(memory, "Ada lives in Oslo", 1)

    assert (again.id, again.status, again.duplicate_of) == (first.id, "known", first.id)
    assert len(memory.episodic.timeline(Scope.any())) == 1


def test_same_issue_in_the_last_thirty_days_gives_three_episodes_and_not_the_fourth(memory, clock):
    """S1.30: customer X, same issue, last 30 days: three episodes with outcomes; one 31 days old is left out."""
    for days in (1, 10, 30, 31):
        memory.episodic.record(
            "Printer jams again",
            scope=ADA,
            actor="support",
            kind="outcome",
            occurred_at=clock.now - timedelta(days=days),
            outcome=f"fixed after {days} days",
            entities=["customer X", "printer jam"],
        )
    memory.episodic.record(
        "Printer jams again", scope=ADA, actor="support", kind="outcome", entities=["customer Y", "printer jam"]
    )

    since = clock.now - timedelta(days=30)
    episodes = memory.episodic.timeline(ADA, since=since, undated=False, entities=["Customer X", "printer jam"])
    assert [episode.outcome for episode in episodes] == [f"fixed after {days} days" for days in (30, 10, 1)]
    assert len(found(memory, "printer", since=since, entities=["customer x"])) == 3
    assert len(similar(memory, "printer", since=since, entities=["customer x"])) == 3
    assert found(memory, "printer", entities=["customer Z"]) == []


def test_a_time_window_leaves_out_what_has_no_time_unless_asked(memory):
    fact(memory, "dated early printer", 1)
    fact(memory, "dated late printer", 9)
    fact(memory, "undated printer")

    bounds = {"since": DAY.replace(day=5), "until": DAY.replace(day=9)}
    assert found(memory, "printer", **bounds) == ["dated late printer"]
    assert sorted(found(memory, "printer", undated=True, **bounds)) == ["dated late printer", "undated printer"]
    assert sorted(similar(memory, "printer", undated=True, **bounds)) == ["dated late printer", "undated printer"]
    assert texts(memory.episodic.timeline(ADA, **bounds)) == ["dated late printer", "undated printer"]
    assert sorted(found(memory, "printer", undated=True, until=DAY)) == ["dated early printer", "undated printer"]


def test_a_conversation_is_recorded_whole_and_its_turns_are_neighbours(memory):
    turns = [
        Turn(actor="ada" if n % 2 else "bot", text=f"turn {n}", occurred_at=DAY + timedelta(minutes=n))
        for n in range(6)
    ]
    ids = memory.episodic.record_turns(turns[:4], scope=ADA, conversation="c1")
    memory.episodic.record_turns([Turn(actor="ada", text="elsewhere")], scope=ADA, conversation="c2")

    assert memory.episodic.record_turns(turns, scope=ADA, conversation="c1")[:4] == ids
    assert texts(memory.episodic.timeline(ADA, until=DAY + timedelta(hours=1), undated=False)) == [
        f"turn {n}" for n in range(6)
    ]
    assert texts(memory.episodic.neighbours(ids[2], before=1, after=2, scope=ADA)) == [
        "turn 1",
        "turn 2",
        "turn 3",
        "turn 4",
    ]
    assert texts(memory.episodic.neighbours(ids[0], before=5, after=0, scope=ADA)) == ["turn 0"]


def test_equal_turns_at_other_positions_are_all_kept(memory):
    ids = memory.episodic.record_turns([Turn(actor="ada", text="ok") for _ in range(3)], scope=ADA, conversation="c")

    assert len(set(ids)) == 3
    assert texts(memory.episodic.timeline(ADA)) == ["ok"] * 3


def test_another_turn_at_a_taken_position_is_refused_whole(memory):
    memory.episodic.record_turns([Turn(actor="a", text="one")], scope=ADA, conversation="c")

    with pytest.raises(InputError, match="position 0") as refusal:
        memory.episodic.record_turns(
            [Turn(actor="a", text="two"), Turn(actor="a", text="x")], scope=ADA, conversation="c"
        )
    assert "first=" in refusal.value.remedy
    assert texts(memory.episodic.timeline(ADA)) == ["one"]
    memory.episodic.record_turns([Turn(actor="a", text="two")], scope=ADA, conversation="c", first=1)
    assert texts(memory.episodic.timeline(ADA)) == ["one", "two"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"text": "  "}, "empty"),
        ({"actor": ""}, "actor"),
        ({"kind": "rumour"}, "kind"),
        ({"importance": 1.5}, "importance"),
        ({"trust": "blind"}, "trust"),
        ({"occurred_at": datetime(2024, 1, 1)}, "time zone"),  # noqa: DTZ001  # what is refused
        ({"entities": "Ada"}, "entities"),
        ({"kind": "turn", "subject": "home"}, "subject"),
        ({"metadata": {"x": float("nan")}}, "metadata"),
        ({"metadata": {"x": object()}}, "metadata"),
        ({"text": "nul \0 byte"}, "NUL"),
        ({"derived_from": ["0" * 32]}, "Nothing is recorded"),
        ({"recalled_from": ["0" * 32]}, "Nothing is recorded"),
    ],
)
def test_what_cannot_be_recorded_is_refused_with_the_reason(memory, fields, message):
    with pytest.raises(InputError, match=message):
        memory.episodic.record(**{"text": "x", "scope": ADA, "actor": "ada", "kind": "fact"} | fields)
    assert memory.episodic.timeline(Scope.any()) == []


# -- what is believed ------------------------------------------------------------------------------------------------


def test_the_fact_that_happened_last_is_current_whatever_came_first(memory):
    """Part of S1.26, S1.35: the latest fact wins; superseded ones take no slot."""
    late = fact(memory, "Ada lives in Bergen", 9, subject="home")
    early = fact(memory, "Ada lives in Oslo", 1, subject="home")

    assert texts(memory.episodic.timeline(ADA)) == ["Ada lives in Bergen"]
    assert found(memory, "lives") == similar(memory, "Ada lives") == ["Ada lives in Bergen"]
    assert memory.episodic.get([early.id], scope=ADA)[0].state == State.SUPERSEDED
    assert memory.episodic.get([early.id], scope=ADA)[0].state_by == late.id
    assert sorted(found(memory, "lives", include_superseded=True)) == ["Ada lives in Bergen", "Ada lives in Oslo"]


def test_a_new_fact_names_what_it_supersedes(memory):
    early = fact(memory, "Ada lives in Oslo", 1, subject="home")

    assert fact(memory, "Ada lives in Bergen", 9, subject="home").supersedes == (early.id,)
    earlier = fact(memory, "Ada lived in Rome", 5, subject="home")
    assert (earlier.supersedes, earlier.state) == ((), State.SUPERSEDED)


def test_retracting_the_latest_fact_brings_the_one_before_back_and_undo_reverses_it(memory):
    fact(memory, "Ada lives in Oslo", 1, subject="home")
    late = fact(memory, "Ada lives in Bergen", 9, subject="home")

    event = memory.episodic.retract(late.id, actor="ada", reason="a mistake", scope=ADA)
    assert texts(memory.episodic.timeline(ADA)) == found(memory, "lives") == ["Ada lives in Oslo"]
    undoing = memory.episodic.undo(event, scope=ADA)
    assert texts(memory.episodic.timeline(ADA)) == found(memory, "lives") == ["Ada lives in Bergen"]
    memory.episodic.undo(undoing, scope=ADA)
    assert texts(memory.episodic.timeline(ADA)) == similar(memory, "Ada lives") == ["Ada lives in Oslo"]
    assert [entry.kind for entry in memory.episodic.history(late.id, scope=ADA)] == [
        "recorded",
        "retracted",
        "undone",
        "undone",
    ]
    assert [entry.active for entry in memory.episodic.history(late.id, scope=ADA)] == [True, True, False, True]
    with pytest.raises(InputError, match="undone already"):
        memory.episodic.undo(undoing, scope=ADA)


def test_as_of_answers_what_was_believed_then(memory, clock):
    fact(memory, "Ada lives in Oslo", 1, subject="home")
    first = clock.now
    clock.move(days=1)
    late = fact(memory, "Ada lives in Bergen", 3, subject="home")
    second = clock.now
    clock.move(days=1)
    memory.episodic.retract(late.id, scope=ADA)
    third = clock.now

    for moment, expected in ((first, "Oslo"), (second, "Bergen"), (third, "Oslo")):
        assert texts(memory.episodic.timeline(ADA, as_of=moment)) == [f"Ada lives in {expected}"]
        assert found(memory, "lives", as_of=moment) == [f"Ada lives in {expected}"]
        assert similar(memory, "lives", as_of=moment) == [f"Ada lives in {expected}"]
    assert memory.episodic.timeline(ADA, as_of=first - timedelta(seconds=1)) == []


def test_a_superseded_record_stands_again_when_its_superseder_is_retracted(memory):
    old, new = fact(memory, "The key is blue"), fact(memory, "The lock was changed")
    event = memory.episodic.supersede(old.id, by=new.id, scope=ADA)

    assert memory.episodic.supersede(old.id, by=new.id, scope=ADA) == event
    assert texts(memory.episodic.timeline(ADA)) == ["The lock was changed"]
    memory.episodic.retract(new.id, scope=ADA)
    assert texts(memory.episodic.timeline(ADA)) == ["The key is blue"]


@pytest.mark.parametrize("decided", [(0, 1), (1, 0)])
def test_of_several_superseders_the_one_that_happened_last_is_named(memory, decided):
    old = fact(memory, "The key is blue")
    new = [fact(memory, "The lock was changed", 3), fact(memory, "The lock was sold", 2)]
    for number in decided:
        memory.episodic.supersede(old.id, by=new[number].id, scope=ADA)

    def became():
        (episode,) = memory.episodic.get([old.id], scope=ADA)
        return episode.state, episode.state_by

    assert became() == (State.SUPERSEDED, new[0].id)
    memory.episodic.retract(new[0].id, scope=ADA)
    assert became() == (State.SUPERSEDED, new[1].id)
    memory.episodic.retract(new[1].id, scope=ADA)
    assert became() == (State.LIVE, "")


def test_what_makes_no_sense_to_supersede_is_refused(memory):
    one, two = fact(memory, "one"), fact(memory, "two")
    theirs = memory.episodic.record("three", scope=BOB, actor="bob", kind="fact")
    memory.episodic.supersede(one.id, by=two.id, scope=ADA)

    with pytest.raises(InputError, match="itself"):
        memory.episodic.supersede(one.id, by=one.id, scope=ADA)
    with pytest.raises(InputError, match="itself superseded"):
        memory.episodic.supersede(two.id, by=one.id, scope=ADA)
    with pytest.raises(InputError, match="two scopes"):
        memory.episodic.supersede(one.id, by=theirs.id, scope=Scope.any())
    with pytest.raises(InputError, match="Nothing is recorded"):
        memory.episodic.retract("0" * 32, scope=ADA)
    with pytest.raises(InputError, match="no event"):
        memory.episodic.undo(12345, scope=ADA)


def test_what_is_known_already_may_be_recorded_again_with_its_sources(memory):
    root = fact(memory, "Ada works at Globex")
    first = fact(memory, "Ada commutes by train", derived_from=[root.id])
    again = fact(memory, "Ada commutes by train", derived_from=[root.id])
    assert (again.id, again.status) == (first.id, "known")


def test_what_was_derived_from_a_retracted_record_is_flagged_all_the_way_down(memory):
    """Opportunity 18 of the memory survey: a cascade along the lineage."""
    root = fact(memory, "Ada works at Globex", 1, subject="employer", trust="user")
    child = fact(memory, "Ada commutes by train", derived_from=[root.id])
    grandchild = memory.episodic.record(
        "Ada reads on the train", scope=ADA, actor="bot", kind="summary", derived_from=[child.id], trust="system"
    )

    def doubts() -> list[Doubt]:
        return [one.doubt for one in memory.episodic.get([root.id, child.id, grandchild.id], scope=ADA)]

    event = memory.episodic.retract(root.id, scope=ADA)
    assert doubts() == [Doubt.NONE, Doubt.SOURCE_RETRACTED, Doubt.SOURCE_RETRACTED]
    memory.episodic.undo(event, scope=ADA)
    assert doubts() == [Doubt.NONE] * 3
    fact(memory, "Ada works at Initech", 9, subject="employer")
    assert doubts() == [Doubt.NONE, Doubt.SOURCE_SUPERSEDED, Doubt.SOURCE_SUPERSEDED]
    late = fact(memory, "Ada is tired", derived_from=[grandchild.id])
    assert memory.episodic.get([late.id], scope=ADA)[0].doubt == Doubt.SOURCE_SUPERSEDED


def test_trust_never_rises_above_that_of_the_sources(memory):
    """Part of S1.39: a summary does not launder what it was made from."""
    web = fact(memory, "The site says so", trust="external")
    mine = fact(memory, "I say so", trust="user")
    both = fact(memory, "All say so", derived_from=[web.id, mine.id], trust="system")

    assert memory.episodic.get([both.id], scope=ADA)[0].trust == "external"


# -- duplicates ------------------------------------------------------------------------------------------------------


def test_facts_that_say_the_same_take_one_slot_and_the_merge_can_be_undone(memory):
    first = fact(memory, "I'm fond of tea.", 1)
    second = fact(memory, "I am fond of tea", 9)

    assert (second.status, second.event is None) == ("added", False)  # it happened last: it stands for both
    assert texts(memory.episodic.timeline(ADA)) == found(memory, "tea") == ["I am fond of tea"]
    assert memory.episodic.get([first.id], scope=ADA)[0].state_by == second.id
    third = fact(memory, "i'm fond of tea", 5)
    assert (third.status, third.duplicate_of) == ("merged", second.id)
    memory.episodic.undo(second.event, scope=ADA)
    assert texts(memory.episodic.timeline(ADA)) == ["i'm fond of tea", "I am fond of tea"]


def test_what_happened_twice_or_was_said_by_someone_else_is_never_merged(memory):
    for kind in ("turn", "outcome", "event"):
        for day in (1, 2):
            memory.episodic.record(
                "Paid the invoice", scope=ADA, actor="ada", kind=kind, occurred_at=DAY.replace(day=day)
            )
    fact(memory, "I like tea", actor="ada")
    fact(memory, "I like tea", actor="bob")

    assert len(memory.episodic.timeline(ADA)) == 8


def test_a_retracted_fact_does_not_come_back_by_repetition_but_by_being_said_again_later(memory, clock):
    """Opportunities 9 and 12 of the memory survey; a false fact that is looped stays retracted."""
    fact(memory, "Ada likes tea", 1)
    second = fact(memory, "Ada likes tea.", 2)
    memory.episodic.retract(second.id, scope=ADA)

    assert memory.episodic.timeline(ADA) == []
    assert fact(memory, "Ada likes the tea", 3).state == State.RETRACTED
    assert fact(memory, "Ada likes tea", 1).state == State.RETRACTED
    assert memory.episodic.timeline(ADA) == []
    memory.episodic.record("Ada likes tea", scope=ADA, actor="ada", kind="fact", occurred_at=clock.move(days=1))
    assert texts(memory.episodic.timeline(ADA)) == ["Ada likes tea"]


def test_near_duplicates_are_listed_and_merged_only_when_accepted(memory):
    first = fact(memory, "The customer likes dark roast coffee", 1)
    second = fact(memory, "The customer really likes dark roast coffee", 2)
    fact(memory, "The customer likes 2 dark roast coffees", 3)

    (review,) = memory.episodic.reviews(ADA)
    assert second.reviews == (review.id,)
    assert {review.first.id, review.second.id} == {first.id, second.id}
    event = memory.episodic.accept_merge(review.id, actor="ada", scope=ADA)
    assert memory.episodic.get([first.id], scope=ADA)[0].state_by == second.id
    assert memory.episodic.reviews(ADA) == []
    memory.episodic.undo(event, scope=ADA)
    assert memory.episodic.get([first.id], scope=ADA)[0].state == State.LIVE
    memory.episodic.reject_merge(memory.episodic.reviews(ADA)[0].id, scope=ADA)
    assert memory.episodic.reviews(ADA) == []
    with pytest.raises(InputError, match="no review"):
        memory.episodic.accept_merge(99, scope=ADA)


def test_a_hundred_cycles_of_recall_and_record_add_nothing(memory, clock):
    """Opportunity 12 of the memory survey: one fact looped 668 times elsewhere."""
    known = [fact(memory, "Ada lives in Oslo.", 1), fact(memory, "Ada likes tea.", 2)]
    before = memory.episodic.timeline(Scope.any(), include_superseded=True)
    for _ in range(100):
        clock.move(minutes=1)
        recalled = memory.episodic.timeline(ADA)
        for text in ("Ada lives in Oslo. Ada likes tea.", *texts(recalled)):
            result = memory.episodic.record(
                text,
                scope=ADA,
                actor="bot",
                kind="fact",
                occurred_at=clock.now,
                recalled_from=[episode.id for episode in recalled],
            )
            assert result.status == "recalled"
            assert result.duplicate_of in {one.id for one in known}

    assert memory.episodic.timeline(Scope.any(), include_superseded=True) == before


def test_what_adds_to_the_recalled_is_kept_as_derived_from_it(memory):
    known = fact(memory, "Ada lives in Oslo.", 1, trust="external")
    new = fact(memory, "Ada lives in Oslo and hates the snow", recalled_from=[known.id])

    (episode,) = memory.episodic.get([new.id], scope=ADA)
    assert (episode.derived_from, episode.trust) == ((known.id,), "external")


# -- retention -------------------------------------------------------------------------------------------------------


def test_what_expires_is_not_found_from_that_moment_on(memory, clock):
    """S1.35: expired items never reach a prompt, whether or not expire() ran."""
    fact(memory, "The code is 4711", expires_at=clock.now + timedelta(hours=1))

    assert found(memory, "code") == ["The code is 4711"]
    clock.move(hours=1)
    assert found(memory, "code") == similar(memory, "code") == memory.episodic.timeline(ADA) == []
    assert texts(memory.episodic.timeline(ADA, as_of=clock.now - timedelta(minutes=1))) == ["The code is 4711"]
    assert len(memory.episodic.expire(ADA)) == 1
    assert memory.episodic.expire(ADA) == []


def test_a_derived_record_is_known_when_it_comes_again(memory):
    source = fact(memory, "Ada moved")
    first = memory.episodic.record("Ada lives elsewhere", scope=ADA, actor="ada", derived_from=[source.id])
    again = memory.episodic.record("Ada lives elsewhere", scope=ADA, actor="ada", derived_from=[source.id])

    assert (again.status, again.id) == ("known", first.id)
    assert memory.episodic.get([first.id], scope=ADA)[0].derived_from == (source.id,)
