"""``tercet status`` counts what the journal holds; ``tercet doctor --runs`` verifies it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import update

from tercet import Memory
from tercet.memory.health import check, status
from tercet.memory.schema import run_events
from tercet.testing import HashEmbedder
from tercet.testing.journal_records import NOON, later, new_run, payment, question, said


@pytest.fixture
def memory(tmp_path):
    with Memory.open(tmp_path / "memory", embedder=HashEmbedder(16), clock=lambda: later(60)) as opened:
        yield opened


def test_runs_effects_and_approvals_are_counted(memory):
    empty = status(memory)
    memory.journal.begin(new_run("a"))
    memory.journal.begin(new_run("b"))
    for key in ("a", "b", "c"):
        memory.journal.reserve(payment(key), ceilings=(), at=NOON)
    memory.journal.settle("b", state="in_doubt", result=None, at=NOON)
    for approval, expires in (("open", 61), ("late", 60), ("decided", 3600)):
        memory.journal.ask(question(approval, expires_at=later(expires)), at=NOON)
    memory.journal.decide("decided", approved=False, approver="eve", at=NOON)
    found = status(memory)
    counts = {"runs": 2, "effects": 3, "effects_in_doubt": 1, "approvals": 3, "approvals_pending": 1}
    assert replace(empty, **counts, bytes_on_disk=None) == replace(found, bytes_on_disk=None)


def test_a_run_that_was_tampered_with_is_a_problem_when_runs_are_verified(memory):
    memory.journal.begin(new_run("whole"), [said("one")])
    memory.journal.begin(new_run("changed"), [said("one"), said("two"), said("three")])
    assert check(memory, chains=True) == []
    with memory.database.write() as connection:
        connection.execute(update(run_events).where(run_events.c.number == 2).values(kind="other"))
    assert check(memory) == []
    [problem] = check(memory, chains=True)
    assert "'changed'" in problem.what
    assert "event 2" in problem.what


def test_the_journal_is_not_made_ready_before_it_is_used(memory):
    assert "journal" not in vars(memory)
    assert memory.journal is memory.journal
