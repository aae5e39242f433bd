"""Retention, consolidation, audit and the vector index of episodic memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tercet import Document, DocumentFilter, Memory, Scope, Turn, ingest
from tercet.errors import ConfigurationError
from tercet.memory.backup import backup, restore
from tercet.memory.episodes.records import Doubt, State
from tercet.memory.episodes.retention import Retention
from tercet.memory.health import check
from tercet.memory.vectors import Point
from tercet.testing import HashEmbedder
from tests.memory.episodes.test_episodic import ADA, BOB, DAY, fact, found, similar, texts


def test_too_old_and_too_unimportant_records_expire_and_pinned_ones_stay(memory, clock):
    for age, importance, pinned in ((400, 0.9, False), (400, 0.9, True), (10, 0.1, False), (10, 0.9, False)):
        memory.episodic.record(
            f"{age} days old, importance {importance}, pinned {pinned}",
            scope=ADA,
            actor="ada",
            occurred_at=clock.now - timedelta(days=age),
            importance=importance,
            pinned=pinned,
        )
    theirs = memory.episodic.record("Bob's", scope=BOB, actor="bob", importance=0.0)

    expired = memory.episodic.expire(ADA, Retention(max_age=timedelta(days=365), min_importance=0.2))
    assert sorted(texts(memory.episodic.get(expired, scope=ADA))) == [
        "10 days old, importance 0.1, pinned False",
        "400 days old, importance 0.9, pinned False",
    ]
    assert len(memory.episodic.timeline(ADA)) == 2
    assert memory.episodic.get([theirs.id], scope=BOB)[0].state == State.LIVE
    entry = memory.episodic.history(expired[0], scope=ADA)[-1]
    assert (entry.kind, bool(entry.reason)) == ("expired", True)
    memory.episodic.undo(entry.id, scope=ADA)
    assert len(memory.episodic.timeline(ADA)) == 3


def test_a_scope_keeps_its_most_important_records_up_to_its_quota(memory):
    for number, importance in enumerate((0.5, 0.9, 0.1, 0.5, 0.2)):
        fact(memory, f"note {number}", number + 1, importance=importance, pinned=number == 4)
    fact(memory, "a word", 1, scope=BOB)

    memory.episodic.expire(Scope.any(tenant="acme"), Retention(per_scope=3))
    assert texts(memory.episodic.timeline(ADA)) == ["note 1", "note 3", "note 4"]
    assert texts(memory.episodic.timeline(BOB)) == ["a word"]
    assert memory.episodic.expire(ADA, Retention(per_scope=0, kinds=("turn",))) == []
    memory.episodic.unpin(memory.episodic.timeline(ADA)[-1].id, scope=ADA)
    memory.episodic.expire(ADA, Retention(per_scope=2))
    assert texts(memory.episodic.timeline(ADA)) == ["note 1", "note 3"]


@pytest.mark.parametrize("wrong", [{"per_scope": -1}, {"min_importance": 2}, {"max_age": timedelta(0)}])
def test_a_policy_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ConfigurationError):
        Retention(**wrong)


def test_an_expiry_leaves_the_records_of_ancestors_alone(memory):
    common = memory.episodic.record("for all of acme", scope=Scope(tenant="acme"), actor="x", importance=0.0)

    assert memory.episodic.expire(ADA, Retention(min_importance=0.5)) == []
    assert memory.episodic.get([common.id], scope=ADA)[0].state == State.LIVE


def test_consolidation_without_a_model_writes_nothing(memory):
    memory.episodic.record_turns([Turn(actor="ada", text="hello")], scope=ADA, conversation="c")
    report = memory.episodic.consolidate(ADA)

    assert (report.settled, report.expired, report.summaries, report.reviews) == (0, (), (), 0)
    assert texts(memory.episodic.timeline(ADA)) == ["hello"]


def test_a_summary_is_derived_from_its_turns_and_written_again_when_they_change(memory):
    """Opportunities 17 and 18 of the memory survey: lineage, and the least trust of the sources."""
    turns = [
        Turn(actor="ada", text="I want a refund", occurred_at=DAY, importance=0.8),
        Turn(actor="web", text="Refunds take 5 days", occurred_at=DAY + timedelta(hours=1), trust="external"),
    ]
    ids = memory.episodic.record_turns(turns, scope=ADA, conversation="c")
    asked = []

    def summarize(episodes):
        asked.append(texts(episodes))
        return "Summary: " + "; ".join(texts(episodes))

    (first,) = memory.episodic.consolidate(ADA, summarize=summarize).summaries
    (summary,) = memory.episodic.get([first], scope=ADA)
    assert (summary.trust, summary.derived_from) == ("external", tuple(sorted(ids)))
    assert (summary.occurred_at, summary.importance) == (DAY + timedelta(hours=1), 0.8)
    assert memory.episodic.consolidate(ADA, summarize=summarize).summaries == ()
    assert len(asked) == 1

    memory.episodic.retract(ids[1], scope=ADA)
    assert memory.episodic.get([first], scope=ADA)[0].doubt == Doubt.SOURCE_RETRACTED
    (second,) = memory.episodic.consolidate(ADA, summarize=summarize).summaries
    assert [memory.episodic.get([key], scope=ADA)[0].state for key in (first, second)] == [State.SUPERSEDED, State.LIVE]
    assert memory.episodic.get([second], scope=ADA)[0].text == "Summary: I want a refund"
    assert memory.episodic.consolidate(ADA, summarize=lambda _: "").summaries == ()


def test_the_audit_finds_what_was_planted_and_nothing_else(memory, clock):
    """Opportunity 27 of the memory survey."""
    fact(memory, "Ada owns a bicycle and a boat", 1)
    same = [
        fact(memory, "The customer likes dark roast coffee", 1).id,
        fact(memory, "The customer really likes dark roast coffee", 2).id,
    ]
    against = [
        fact(memory, "Signing keys rotate every 30 days", 1).id,
        fact(memory, "Signing keys rotate every 90 days", 2).id,
    ]
    tied = [
        fact(memory, "Ada works at Globex", 5, subject="employer").id,
        fact(memory, "Initech employs her", 5, subject="employer").id,
    ]
    root = fact(memory, "Printer three is broken")
    orphan = fact(memory, "Buy a replacement", derived_from=[root.id])
    memory.episodic.retract(root.id, scope=ADA)
    late = fact(memory, "Voucher 77 can be used", expires_at=clock.now + timedelta(days=1))
    old = fact(memory, "Uses Windows", pinned=True)
    memory.episodic.supersede(old.id, by=fact(memory, "Switched over to Debian").id, scope=ADA)
    silent = memory.episodic.record("🙂", scope=ADA, actor="ada", embed=False)
    clock.move(days=2)

    findings = {(one.kind, one.episodes) for one in memory.episodic.audit(ADA)}
    assert findings == {
        ("duplicate", tuple(sorted(same))),
        ("contradiction", tuple(sorted(against))),
        ("contradiction", tuple(sorted(tied))),
        ("orphan", (orphan.id,)),
        ("stale", (late.id,)),
        ("stale", (old.id,)),
        ("unreachable", (silent.id,)),
    }
    assert memory.episodic.audit(BOB) == []


def test_vectors_that_were_left_for_later_are_made_later(memory):
    fact(memory, "Ada lives in Oslo", embed=False)
    selection = memory.episodic.select(ADA)

    assert found(memory, "Oslo") == ["Ada lives in Oslo"]
    assert similar(memory, "Oslo") == []
    assert (memory.episodic.coverage(selection), memory.episodic.missing_vectors()) == ((0, 1), 1)
    assert memory.episodic.embed_missing() == 1
    assert similar(memory, "Oslo") == ["Ada lives in Oslo"]
    assert (memory.episodic.coverage(selection), memory.episodic.embed_missing()) == ((1, 1), 0)
    row = memory.episodic.dense_candidates(memory.embedder.embed_query("x"), selection, limit=1)[0].row
    assert memory.episodic.contents([row])[row][1].shape == (64,)


def test_a_rebuilt_index_answers_as_before_without_embedding(memory):
    fact(memory, "Ada lives in Oslo", 1, subject="home", entities=["Oslo"])
    fact(memory, "Ada lives in Bergen", 2, subject="home", entities=["Bergen"])
    before = found(memory, "lives"), similar(memory, "lives", entities=["bergen"])
    embedded = memory.embedder.embedded

    assert memory.episodic.reindex() == 2
    assert (found(memory, "lives"), similar(memory, "lives", entities=["bergen"])) == before
    assert memory.embedder.embedded == embedded + 1  # the query


def test_doctor_finds_and_repairs_an_index_that_disagrees(memory):
    fact(memory, "Ada lives in Oslo")
    fact(memory, "Ada likes tea")
    row = next(iter(memory.episodic.index.ids()))
    memory.episodic.index.delete([row])
    memory.episodic.index.upsert([Point(id=999, payload={"scope": 1})])

    assert len(check(memory)) == 2
    assert check(memory, repair=True) == []
    assert found(memory, "lives") == ["Ada lives in Oslo"]


def test_another_embedder_embeds_episodes_again(memory):
    fact(memory, "Ada lives in Oslo")

    assert memory.change_embedder(HashEmbedder(dimension=32)) == 1
    assert similar(memory, "Ada lives in Oslo") == ["Ada lives in Oslo"]


def test_removing_documents_keeps_the_vectors_of_episodes(memory):
    fact(memory, "Rotate keys.")
    ingest(documents=[Document(uri="a", text="Rotate keys.")], into=memory)
    memory.semantic.forget(DocumentFilter(paths=("a",)))

    assert memory.episodic.reindex() == 1
    assert similar(memory, "Rotate keys.") == ["Rotate keys."]


def test_neither_store_returns_what_the_other_keeps(memory):
    """S1.34: conflated memory is the most common failure."""
    fact(memory, "Rotate the signing key")
    ingest(documents=[Document(uri="a", text="Rotate the signing key")], into=memory)

    selection = memory.semantic.select(DocumentFilter())
    terms = dict.fromkeys(memory.episodic.analyzer.terms("signing key"), 1)
    (chunk,) = memory.semantic.lexical_candidates(terms, selection, limit=9).candidates
    assert memory.semantic.load([chunk.row])[chunk.row].uri == "a"
    assert found(memory, "signing key") == ["Rotate the signing key"]


def test_a_restored_backup_rebuilds_the_index_of_episodes(tmp_path, clock):
    with Memory.open(tmp_path / "memory", embedder=HashEmbedder(), clock=clock) as memory:
        fact(memory, "Ada lives in Oslo", 1, subject="home")
        fact(memory, "Ada lives in Bergen", 2, subject="home")
    backup(tmp_path / "memory", tmp_path / "saved")
    restore(tmp_path / "saved", tmp_path / "other")

    with Memory.open(tmp_path / "other", embedder=HashEmbedder(), clock=clock) as memory:
        assert found(memory, "lives") == similar(memory, "lives") == ["Ada lives in Bergen"]


def test_a_memory_without_an_embedder_is_searched_by_words(tmp_path):
    with Memory.open(tmp_path / "memory", embedder="none") as memory:
        fact(memory, "Ada lives in Oslo")
        assert found(memory, "Oslo") == ["Ada lives in Oslo"]
        assert memory.episodic.coverage(memory.episodic.select(ADA)) == (0, 1)


def test_a_large_conversation_is_embedded_in_windows(tmp_path, monkeypatch):
    monkeypatch.setattr("tercet.memory.episodic.WINDOW", 8)
    monkeypatch.setattr("tercet.memory.episodes.indexing.WINDOW", 8)
    with Memory.open(tmp_path / "memory", embedder=HashEmbedder()) as memory:
        turns = [
            Turn(actor="a", text=f"turn {n}", occurred_at=datetime(2024, 1, 1, 1, n, tzinfo=UTC)) for n in range(30)
        ]
        memory.episodic.record_turns(turns, scope=ADA, conversation="c")
        assert memory.episodic.missing_vectors() == 0
        assert len(memory.episodic.timeline(ADA, limit=7)) == 7
        assert texts(memory.episodic.timeline(ADA, limit=2)) == ["turn 28", "turn 29"]
