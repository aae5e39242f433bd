"""Forgetting reaches the journal: what runs said and did goes, that they were stays, and chains verify."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tercet import Scope
from tercet.errors import InputError, StateError
from tercet.memory.backup import backup, restore
from tercet.memory.memory import Memory
from tercet.testing.journal_records import ACME, ADA, BOB, NOON, ceiling, later, new_run, payment, question, said
from tests.memory.forgetting.canaries import open_memory

SESSION = Scope(tenant="acme", user="ada", session="s1")


def fill(memory: Memory) -> None:
    for run, scope, hours in (("old", ADA, 0), ("new", ADA, 48), ("narrow", SESSION, 0), ("bob", BOB, 0)):
        journal = memory.journal
        journal.begin(new_run(run, scope=scope), [said(f"{run} said so", seconds=3600 * hours)])
        journal.reserve(payment(run, "100", run=run, scope=scope), ceilings=(), at=NOON)
        journal.settle(run, state="done", result=f'"{run}"', at=NOON)
        journal.ask(question(run, run=run, scope=scope), at=NOON)


def erased(memory: Memory) -> set[str]:
    """Runs of which nothing is left, with all that they did; the others are whole."""
    found = set()
    for run in memory.journal.runs(scope=Scope.any()):
        effect, approval = memory.journal.effect(run.id), memory.journal.approval(run.id, at=NOON)
        assert effect is not None
        gone = [one.erased_at is not None for one in (run, effect, approval)]
        assert len(set(gone)) == 1
        assert (memory.journal.events(run.id)[0].body is None) == gone[0]
        assert memory.journal.verify(run.id).intact
        if gone[0]:
            found.add(run.id)
    return found


@pytest.mark.parametrize(
    ("chosen", "gone"),
    [
        ({"scope": ADA}, {"old", "new"}),
        ({"scope": Scope.any(tenant="acme", user="ada")}, {"old", "new", "narrow"}),
        ({"scope": Scope.any()}, {"old", "new", "narrow", "bob"}),
        ({"scope": ADA, "runs": ["new"]}, {"new"}),
        ({"scope": Scope.any(), "runs": ["narrow", "bob"]}, {"narrow", "bob"}),
        ({"scope": Scope.any(), "runs_before": NOON + timedelta(days=1)}, {"old", "narrow", "bob"}),
        ({"scope": ADA, "runs_before": NOON}, set()),
        ({"scope": ADA, "episodes": []}, {"old", "new"}),
    ],
    ids=["own", "user", "all", "one", "two", "before", "before-own", "no-episodes"],
)
def test_what_was_named_is_erased_and_the_rest_is_whole(memory, chosen, gone):
    fill(memory)
    planned = memory.forget(**chosen, dry_run=True)
    assert erased(memory) == set()
    receipt = memory.forget(**chosen)
    assert erased(memory) == gone
    assert receipt.removed["runs"] == planned.removed["runs"] == len(gone)
    for kind in ("run_events", "run_texts", "effects", "approvals"):
        assert receipt.removed[kind] == planned.removed[kind] == len(gone)


def test_other_records_stay_when_runs_are_named(memory):
    fill(memory)
    memory.episodic.record("Ada moved", scope=ADA, actor="ada")
    receipt = memory.forget(scope=ADA, runs=["old"])
    assert "episodes" not in receipt.removed
    assert len(memory.episodic.timeline(ADA)) == 1
    memory.forget(scope=ADA, episodes=[memory.episodic.timeline(ADA)[0].id])
    assert erased(memory) == {"old"}


def test_a_run_of_another_scope_is_not_erased(memory):
    fill(memory)
    for scope, run in ((ADA, "bob"), (ACME, "new"), (ADA, "nothing")):
        with pytest.raises(InputError, match=run):
            memory.forget(scope=scope, runs=["new", run])
    with pytest.raises(InputError, match="scope"):
        memory.forget(runs=["old"])
    assert erased(memory) == set()
    memory.forget(scope=ADA, runs=["old"])
    with pytest.raises(InputError, match="old"):
        memory.forget(scope=ADA, runs=["old"])


def test_effects_and_approvals_go_with_their_scope_whoever_ran(memory):
    memory.journal.begin(new_run("bob", scope=BOB), [said("bob pays for ada")])
    memory.journal.reserve(payment(run="bob", scope=ADA), ceilings=(), at=NOON)
    memory.journal.ask(question(run="bob", scope=ADA), at=NOON)
    receipt = memory.forget(scope=ADA)
    assert (receipt.removed["runs"], receipt.removed["effects"], receipt.removed["approvals"]) == (0, 1, 1)
    assert memory.journal.run("bob").erased_at is None
    assert memory.journal.effects(scope=BOB) == []
    assert memory.journal.approvals(scope=ADA, at=NOON) == []


def test_forgetting_lifts_no_ceiling_and_frees_no_key(memory):
    fill(memory)
    memory.forget(scope=Scope.any(tenant="acme", user="ada"))
    again = memory.journal.reserve(payment("old", "1"), ceilings=(), at=NOON)
    assert (again.new, again.effect.state, again.effect.result) == (False, "done", None)
    assert memory.journal.reserve(payment("x", "1"), ceilings=[ceiling("5000")], at=NOON).total == 401


def test_a_run_that_is_going_on_ends_with_its_records(memory):
    fill(memory)
    memory.forget(scope=ADA)
    with pytest.raises(StateError, match="erased"):
        memory.journal.append("new", [said("new said so")], after=1)
    assert not memory.journal.use("new", at=NOON)


def test_the_receipt_says_that_runs_of_narrower_scopes_stay(memory):
    memory.journal.begin(new_run(scope=SESSION))
    assert "1 records of narrower scopes stay" in memory.forget(scope=ADA).notes[0]


def test_a_backup_carries_the_journal_as_it_is(tmp_path):
    with open_memory(tmp_path / "memory") as memory:
        fill(memory)
        memory.journal.decide("new", approved=True, approver="eve", at=NOON)
        memory.forget(scope=ADA, runs=["old"])
        kept = [memory.journal.run(run) for run in ("old", "new", "bob")]
        events = memory.journal.events("new")
        effects, approvals = _did(memory)
    backup(tmp_path / "memory", tmp_path / "a.backup")
    restore(tmp_path / "a.backup", tmp_path / "again")
    with open_memory(tmp_path / "again") as memory:
        assert [memory.journal.run(run) for run in ("old", "new", "bob")] == kept
        assert memory.journal.events("new") == events
        assert _did(memory) == (effects, approvals)
        assert erased(memory) == {"old"}
        memory.journal.append("new", [said("goes on", "new said so")], after=1)
        assert memory.journal.use("new", at=later(1))
        assert memory.journal.verify("new").intact


def _did(memory: Memory) -> tuple[object, object]:
    everybody = Scope.any()
    return memory.journal.effects(scope=everybody), memory.journal.approvals(scope=everybody, at=NOON)
