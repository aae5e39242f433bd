"""Several journals on one database, as several processes have them: what one remembers the other may have changed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select, update

from tercet import Memory, Scope
from tercet.errors import ClaimLostError, CorruptMemoryError, StateError, StoreError
from tercet.memory.database import Database
from tercet.memory.journal import tails
from tercet.memory.journal.chain import Tail
from tercet.memory.journal.sql import SqlJournal
from tercet.memory.schema import run_events, run_texts
from tercet.testing.journal_records import ACME, NOON, later, new_run, said


@pytest.fixture
def other(database) -> SqlJournal:
    return SqlJournal(database)


def test_a_run_goes_on_in_another_process(journal, other):
    journal.begin(new_run(), [said("one", "two")])
    other.append("run-1", [said("one", "two", "three")], after=1)
    with pytest.raises(ClaimLostError, match="2 events, not 1"):
        journal.append("run-1", [said("late")], after=1)
    journal.append("run-1", [said("three", "four", "one")], after=2)
    assert [one.texts for one in other.events("run-1")] == [
        ("one", "two"),
        ("one", "two", "three"),
        ("three", "four", "one"),
    ]
    assert other.verify("run-1").intact


def test_each_text_of_a_run_is_kept_once(journal, other, database):
    journal.begin(new_run())
    journal.begin(new_run("run-2"), [said("message 0")])
    messages = []
    for turn in range(30):
        messages += [f"message {turn}", f"answer {turn}"]
        writer = journal if turn % 7 else SqlJournal(database)
        writer.append("run-1", [said(*messages), said(messages[-1])], after=2 * turn)
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(run_texts)).scalar_one() == 60 + 1
        numbers = select(func.sum(func.length(run_events.c.texts)))
        assert connection.execute(numbers).scalar_one() < 10 * 60  # ranges: they do not grow with the requests either
    assert other.events("run-1")[-2].texts == tuple(messages)
    assert other.verify("run-1").intact


def test_a_run_that_another_process_erased_is_not_gone_on_with(journal, other):
    journal.begin(new_run(), [said("secret")])
    other.erase(["run-1"], at=NOON)
    with pytest.raises(StateError, match="erased"):
        journal.append("run-1", [said("secret")], after=1)
    assert journal.verify("run-1").erased == 2


def test_a_head_that_is_out_of_date_is_read_again(journal, other, database):
    """The database was restored to an earlier state, and the run went on from there another way."""
    journal.begin(new_run("other"))
    journal.begin(new_run(), [said("one")])
    other.append("run-1", [said("kept")], after=1)
    tail = journal._tails.get("run-1")
    journal._tails.put("run-1", Tail(tail.row, 2, b"0" * 32, {"lost": 2}, 2))
    journal.append("run-1", [said("lost", "kept", "one")], after=2)
    assert other.events("run-1")[-1].texts == ("lost", "kept", "one")
    assert other.verify("run-1").intact


def test_a_failed_write_is_not_remembered(journal, other, database, monkeypatch):
    journal.begin(new_run(), [said("one")])

    def fail(*_: object) -> None:
        raise StoreError("the disk is gone")

    with monkeypatch.context() as patched:
        patched.setattr(journal._add_events, "change_rows", fail)
        with pytest.raises(StoreError, match="gone"):
            journal.append("run-1", [said("two")], after=1)
    assert other.run("run-1").events == 1
    journal.append("run-1", [said("two", "one")], after=1)
    assert other.events("run-1")[1].texts == ("two", "one")
    assert other.verify("run-1").intact


def test_few_runs_are_remembered(journal, monkeypatch):
    monkeypatch.setattr(tails, "MAX_RUNS", 3)
    for number in range(5):
        journal.begin(new_run(f"{number}"), [said("text")])
    assert [number for number in range(5) if journal._tails.get(str(number))] == [2, 3, 4]
    monkeypatch.setattr(tails, "MAX_CHARACTERS", 100)
    journal.append("3", [said("x" * 99)], after=1)
    assert [number for number in range(5) if journal._tails.get(str(number))] == [3]
    journal.append("0", [said("text", "new")], after=1)
    assert [number for number in range(5) if journal._tails.get(str(number))] == [0]
    journal.append("0", [], after=2, status="finished")
    assert journal._tails.get("0") is None
    assert all(journal.verify(str(number)).intact for number in range(5))


@pytest.mark.parametrize("texts", ["1-99999999999", "2", "0", "x", "1-", "-5", "1,,2"])
def test_events_that_use_texts_that_are_not_there_are_damaged(journal, database, texts):
    journal.begin(new_run(), [said("one")])
    with database.write() as connection:
        connection.execute(update(run_events).values(texts=texts))
    with pytest.raises(CorruptMemoryError):
        journal.events("run-1")
    assert journal.verify("run-1").broken_at == 1


def test_it_works_beside_a_process_that_holds_the_folder(tmp_path):
    with Memory.open(tmp_path / "memory", embedder="none") as holder:
        holder.claim()
        with Memory.open(tmp_path / "memory") as beside:
            beside.journal.begin(new_run(), [said("one")])
            assert holder.journal.run("run-1").scope == beside.journal.run("run-1").scope
            holder.journal.append("run-1", [said("one")], after=1)
            assert beside.journal.verify("run-1").events == 2


def test_a_reader_reads_and_does_not_write(tmp_path):
    with Memory.open(tmp_path / "memory", embedder="none") as memory:
        memory.journal.begin(new_run(), [said("one")])
    with Memory.open(tmp_path / "memory", read_only=True) as reader:
        assert reader.journal.events("run-1")[0].texts == ("one",)
        with pytest.raises(StoreError, match="reading only"):
            reader.journal.append("run-1", [said("two")], after=1)


def test_times_without_events_are_those_of_the_clock(tmp_path):
    with Memory.open(tmp_path / "memory", embedder="none", clock=lambda: later(60)) as memory:
        assert memory.journal.begin(new_run()).began_at == later(60)
    with Database.open(tmp_path / "memory") as database:
        before = datetime.now(UTC)
        SqlJournal(database).append("run-1", [], after=0, status="failed")
        assert before <= SqlJournal(database).run("run-1").changed_at <= datetime.now(UTC)


def test_a_run_makes_no_agent_known(tmp_path):
    """``knows`` asks what is remembered for an agent, so that a mistyped name is noticed; that it ran is not that."""
    named = Scope(tenant="acme", agent="planner")
    with Memory.open(tmp_path / "memory", embedder="none") as memory:
        memory.journal.begin(new_run(scope=named))
        assert not memory.knows(named)
        memory.episodic.record("Rome", scope=named, actor="ada")
        assert memory.knows(named)
        assert not memory.knows(Scope(tenant="acme", agent="planer"))
        assert memory.journal.runs(scope=ACME) == []
