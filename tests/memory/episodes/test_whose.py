"""Who does not see a record learns nothing of it, not even that it is there, and cannot change it."""

from __future__ import annotations

import pytest

from tercet import Scope, Turn
from tercet.errors import InputError
from tercet.memory.episodes.records import State

ACME = Scope(tenant="acme")
ADA = Scope(tenant="acme", user="ada")
SESSION = Scope(tenant="acme", user="ada", session="s1")
OTHERS = [Scope(tenant="acme", user="bob"), Scope(tenant="globex", user="ada"), Scope(), Scope.any(tenant="globex")]


def record(memory, text, scope=ADA, **fields):
    return memory.episodic.record(text, scope=scope, actor="ada", kind="fact", **fields)


READS = {
    "get": lambda episodic, key, scope: episodic.get([key], scope=scope),
    "history": lambda episodic, key, scope: episodic.history(key, scope=scope),
    "neighbours": lambda episodic, key, scope: episodic.neighbours(key, scope=scope),
}
CHANGES = {
    "supersede": lambda episodic, key, scope: episodic.supersede(key, by=key, scope=scope),
    "retract": lambda episodic, key, scope: episodic.retract(key, scope=scope),
    "pin": lambda episodic, key, scope: episodic.pin(key, scope=scope),
    "unpin": lambda episodic, key, scope: episodic.unpin(key, scope=scope),
}


@pytest.mark.parametrize("name", READS | CHANGES)
@pytest.mark.parametrize("stranger", OTHERS, ids=str)
def test_a_record_of_somebody_else_is_as_if_it_were_not_there(memory, name, stranger):
    key = record(memory, "Ada's key is blue").id
    missing = "0" * 32
    call = (READS | CHANGES)[name]

    with pytest.raises(InputError) as refused:
        call(memory.episodic, key, stranger)
    with pytest.raises(InputError) as unknown:
        call(memory.episodic, missing, stranger)

    assert str(refused.value).replace(key, missing) == str(unknown.value)
    (episode,) = memory.episodic.get([key], scope=ADA)
    assert (episode.state, episode.pinned) == (State.LIVE, False)


@pytest.mark.parametrize("name", READS)
def test_a_descendant_and_a_wider_look_read_it(memory, name):
    key = record(memory, "Ada's key is blue").id

    for reader in (ADA, SESSION, Scope.any(tenant="acme"), Scope.any()):
        assert READS[name](memory.episodic, key, reader)


@pytest.mark.parametrize("name", ["retract", "pin", "unpin"])
def test_what_a_reader_sees_of_its_ancestors_is_not_its_to_change(memory, name):
    key = record(memory, "Acme closes at five", scope=ACME).id

    with pytest.raises(InputError, match="Nothing is recorded"):
        CHANGES[name](memory.episodic, key, SESSION)
    CHANGES[name](memory.episodic, key, ACME)
    CHANGES[name](memory.episodic, key, Scope.any(tenant="acme"))


@pytest.mark.parametrize("stranger", OTHERS, ids=str)
def test_events_and_reviews_of_somebody_else_are_not_there(memory, stranger):
    key = record(memory, "Ada's key is blue").id
    event = memory.episodic.retract(key, scope=ADA)
    record(memory, "The printer on the second floor is broken")
    record(memory, "The printer on the second floor is broken again")
    (review,) = memory.episodic.reviews(ADA)

    with pytest.raises(InputError, match=f"no event {event}"):
        memory.episodic.undo(event, scope=stranger)
    with pytest.raises(InputError, match=f"no review {review.id}"):
        memory.episodic.accept_merge(review.id, scope=stranger)
    with pytest.raises(InputError, match=f"no review {review.id}"):
        memory.episodic.reject_merge(review.id, scope=stranger)

    assert memory.episodic.reviews(ADA) == [review]
    memory.episodic.reject_merge(review.id, scope=ADA)
    assert memory.episodic.reviews(ADA) == []


def test_sources_lie_above_or_below_and_never_beside(memory):
    """A user's facts come from her sessions; nothing is derived from what another user said."""
    (turn,) = memory.episodic.record_turns([Turn(actor="ada", text="I moved")], scope=SESSION, conversation="c")
    house_rule = record(memory, "Acme closes at five", scope=ACME).id

    made = record(memory, "Ada moved", derived_from=[turn, house_rule])
    assert set(memory.episodic.get([made.id], scope=ADA)[0].derived_from) == {turn, house_rule}
    for stranger in (Scope(tenant="acme", user="bob"), Scope(tenant="globex")):
        for lineage in ({"derived_from": [turn]}, {"recalled_from": [turn]}):
            with pytest.raises(InputError, match="Nothing is recorded"):
                record(memory, "I moved", scope=stranger, **lineage)


# -- what the index does not look at -----------------------------------------------------------------------------------


def test_records_that_do_not_count_take_no_live_one_its_place(memory):
    """The index is asked for states only when too many of the best do not count."""
    texts = [f"key {number} key {number}" for number in range(45)]
    texts += [f"the key number {number} of all that Ada has" for number in range(5)]
    ids = memory.episodic.record_turns([Turn(actor="ada", text=text) for text in texts], scope=ADA, conversation="keys")
    kept = ids[45:]
    for key in ids[:45]:
        memory.episodic.retract(key, scope=ADA)
    vector = memory.embedder.embed_query("key")

    for where in ({}, {"as_of": memory.episodic.clock()}):
        selection = memory.episodic.select(ADA, **where)
        words = memory.episodic.lexical_candidates({"key": 1.0}, selection, limit=4).candidates
        near = memory.episodic.dense_candidates(vector, memory.episodic.select(ADA, **where), limit=5)
        assert len(words) == 4
        assert {one.id for one in words} < set(kept)
        assert {one.id for one in near} == set(kept)


@pytest.mark.parametrize("hidden", [0, 2, 30])
def test_a_look_at_many_scopes_sees_all_of_them_and_no_other(memory, hidden):
    """Above 16 scopes the index is told the shorter list: those to see or those not to see."""
    acme = {
        record(memory, f"door {number}", scope=Scope(tenant="acme", user=f"user {number}")).id for number in range(20)
    }
    for number in range(hidden):
        record(memory, f"door {number}", scope=Scope(tenant="other", user=f"user {number}"))
    selection = memory.episodic.select(Scope.any(tenant="acme"))
    late = record(memory, "door door", scope=Scope(tenant="third")).id  # neither seen nor hidden

    words = memory.episodic.lexical_candidates({"door": 1.0}, selection, limit=50).candidates
    near = memory.episodic.dense_candidates(memory.embedder.embed_query("door"), selection, limit=50)

    assert {one.id for one in words} == {one.id for one in near} == acme
    assert late not in acme
