"""Whoever changes, removes, adds or moves a row of a run is found out, with the first event that is not as it was.

Part of S1.25.
"""

from __future__ import annotations

import pytest
from sqlalchemy import delete, insert, select, text, update

from tercet.memory.journal.chain import EventRow, TextRow
from tercet.memory.schema import run_events, run_texts, runs, scopes
from tercet.testing.journal_records import ADA, BOB, later, new_run, said

EVENTS = 6


@pytest.fixture
def run(journal) -> int:
    """The row of a run of six events and seven texts: 1, 2; 3; none; 4, 5; 6; 7."""
    journal.begin(new_run("other", scope=BOB), [said("other")])
    journal.begin(new_run(task="refund"), [said("one", "two", body='{"n":1}')])
    journal.append("run-1", [said("one", "three", body='{"n":2}'), said(body='{"n":3}')], after=1)
    journal.append("run-1", [said("four", "five", body='{"n":4}'), said("six", "one", body='{"n":5}')], after=3)
    journal.append("run-1", [said("seven", body='{"n":6}')], after=5)
    assert journal.verify("run-1").intact
    with journal._database.read() as connection:
        return connection.execute(select(runs.c.id).where(runs.c.run_id == "run-1")).scalar_one()


def event(run: int, number: int):
    return (run_events.c.run == run) & (run_events.c.number == number)


def words(run: int, number: int):
    return (run_texts.c.run == run) & (run_texts.c.number == number)


def change(database, *statements) -> None:
    with database.write() as connection:
        for statement in statements:
            connection.execute(statement)


def broken_at(journal) -> int | None:
    found = journal.verify("run-1")
    assert found.intact == (found.broken_at is None) == (found.reason == "")
    assert journal.verify("other").intact
    return found.broken_at


@pytest.mark.parametrize("number", range(1, EVENTS + 1))
@pytest.mark.parametrize(
    "values",
    [
        {"kind": "other"},
        {"span": "s9"},
        {"parent": ""},
        {"at": 1},
        {"texts": "1-7"},
        {"body": "{}"},
        {"body": None},
        {"body": None, "salt": None},
        {"salt": None},
        {"salt": b"0" * 16},
        {"digest": b"0" * 32},
        {"hash": b"0" * 32},
        {"hash": b""},
        {"kind": "a\ud7ff"},
    ],
    ids=str,
)
def test_a_changed_event_is_found(journal, database, run, number, values):
    change(database, update(run_events).where(event(run, number)).values(values))
    assert broken_at(journal) == number


@pytest.mark.parametrize(("number", "first_used"), [(1, 1), (2, 1), (3, 2), (4, 4), (5, 4), (6, 5), (7, 6)])
@pytest.mark.parametrize(
    "values",
    [
        {"text": "another"},
        {"text": None},
        {"text": None, "salt": None},
        {"salt": b"0" * 16},
        {"digest": b"0" * 32},
        None,
    ],
    ids=str,
)
def test_a_changed_or_missing_text_is_found_where_it_was_used_first(journal, database, run, number, first_used, values):
    where = words(run, number)
    statement = delete(run_texts).where(where) if values is None else update(run_texts).where(where).values(values)
    change(database, statement)
    assert broken_at(journal) == first_used


@pytest.mark.parametrize("number", range(1, EVENTS + 1))
def test_a_missing_event_is_found(journal, database, run, number):
    change(database, delete(run_events).where(event(run, number)))
    assert broken_at(journal) == number


@pytest.mark.parametrize("number", range(1, EVENTS))
def test_a_gap_that_was_closed_is_found(journal, database, run, number):
    change(database, delete(run_events).where(event(run, number)))
    for later_number in range(number + 1, EVENTS + 1):
        change(database, update(run_events).where(event(run, later_number)).values(number=later_number - 1))
    change(database, update(runs).where(runs.c.id == run).values(events=EVENTS - 1))
    assert broken_at(journal) == number


@pytest.mark.parametrize(("first", "second"), [(1, 2), (2, 5), (5, 6), (3, 4)])
def test_events_that_changed_places_are_found(journal, database, run, first, second):
    for number, other in ((first, 99), (second, first), (99, second)):
        change(database, update(run_events).where(event(run, number)).values(number=other))
    assert broken_at(journal) == first


@pytest.mark.parametrize(("first", "second", "event_number"), [(1, 2, 1), (4, 5, 4), (2, 6, 1)])
def test_texts_that_changed_places_are_found(journal, database, run, first, second, event_number):
    for number, other in ((first, 99), (second, first), (99, second)):
        change(database, update(run_texts).where(words(run, number)).values(number=other))
    assert broken_at(journal) == event_number


@pytest.mark.parametrize("counted", [False, True])
def test_an_added_event_is_found(journal, database, run, counted):
    with database.read() as connection:
        last = EventRow._make(connection.execute(select(run_events).where(event(run, EVENTS))).one())
    change(database, insert(run_events).values(last._replace(number=EVENTS + 1)._asdict()))
    if counted:
        change(database, update(runs).where(runs.c.id == run).values(events=EVENTS + 1))
    assert broken_at(journal) == EVENTS + 1


@pytest.mark.parametrize("of_event", [-1, 0, 2, EVENTS + 3])
def test_an_added_text_is_found(journal, database, run, of_event):
    with database.read() as connection:
        last = TextRow._make(connection.execute(select(run_texts).where(words(run, 7))).one())
    change(database, insert(run_texts).values(last._replace(number=8, event=of_event)._asdict()))
    assert broken_at(journal) == max(of_event, 0)


def test_a_run_that_was_cut_short_is_found(journal, database, run):
    change(database, delete(run_events).where(event(run, EVENTS)), delete(run_texts).where(words(run, 7)))
    change(database, update(runs).where(runs.c.id == run).values(events=EVENTS - 1))
    assert broken_at(journal) == EVENTS - 1  # the run's row still names the hash of the last event


@pytest.mark.parametrize(
    "values",
    [
        {"agent": "other"},
        {"task": ""},
        {"parent": "other"},
        {"root": "other"},
        {"replays": "other"},
        {"began_at": 1},
        {"header_salt": None},
        {"header_digest": b"0" * 32},
        {"scope_id": None},
    ],
    ids=str,
)
def test_a_changed_run_is_found(journal, database, run, values):
    change(database, update(runs).where(runs.c.id == run).values(values))
    assert broken_at(journal) == 0


def test_a_run_given_to_another_person_is_found(journal, database, run):
    bob = select(scopes.c.id).where(scopes.c.user == "bob").scalar_subquery()
    change(database, update(runs).where(runs.c.id == run).values(scope_id=bob))
    assert journal.run("run-1").scope == BOB
    assert broken_at(journal) == 0


def test_a_run_that_took_the_id_of_another_is_found(journal, database, run):
    change(
        database,
        update(runs).where(runs.c.run_id == "other").values(run_id="gone"),
        update(runs).where(runs.c.id == run).values(run_id="other"),
    )
    assert journal.verify("other").broken_at == 0
    assert journal.verify("gone").broken_at == 0


def test_the_events_of_one_run_are_not_those_of_another(journal, database, run):
    journal.begin(new_run("twin", task="refund"), [said("one", "two", body='{"n":1}')])
    twin = select(runs.c.id).where(runs.c.run_id == "twin").scalar_subquery()
    change(
        database,
        delete(run_events).where(event(run, 1)),
        update(run_events).where(run_events.c.run == twin).values(run=run),
    )
    assert broken_at(journal) == 1


@pytest.mark.parametrize("table", [run_events, run_texts])
def test_what_was_erased_does_not_come_back(journal, database, run, table):
    journal.erase(["run-1"], at=later(1))
    assert broken_at(journal) is None
    change(database, update(table).where(table.c.run == run, table.c.number == 2).values({table.c[_said(table)]: "x"}))
    assert broken_at(journal) == (2 if table is run_events else 1)


def _said(table) -> str:
    return "body" if table is run_events else "text"


def test_an_erasure_that_was_made_up_shows_that_events_are_gone(journal, database, run):
    """Nobody can tell a false erasure from a true one, but what it says of itself is seen."""
    change(database, text("UPDATE runs SET erased_at = 1, scope_id = NULL, header_salt = NULL"))
    change(database, text("UPDATE run_events SET body = NULL, salt = NULL"))
    assert journal.verify("run-1").broken_at == 1
    change(database, text("UPDATE run_texts SET text = NULL, salt = NULL"))
    found = journal.verify("run-1")
    assert (found.intact, found.erased) == (True, EVENTS + 7)
    assert journal.run("run-1").erased_at is not None
    assert journal.run("run-1").scope != ADA
