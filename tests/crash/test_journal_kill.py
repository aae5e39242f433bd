"""kill -9 at any moment: every event, effect and decision that was acknowledged is there, and nothing half of one."""

from __future__ import annotations

import random
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tercet import Scope
from tercet.memory.database import Database
from tercet.memory.journal.sql import SqlJournal

WRITER = Path(__file__).with_name("journal_writer.py")
LIMIT = Decimal("500.00")
EVERYBODY = Scope.any()
AFTER = {
    "started": {"started", "done", "failed", "in_doubt"},
    "pending": {"pending", "approved", "denied", "used"},
    "approved": {"approved", "used"},
    "in_doubt": {"in_doubt"},
}
"""Which states may be found where one was said last: the next step may have been done and not yet said."""


def run_and_kill(place: str, seed: int, lines: int) -> list[list[str]]:
    """What a writer acknowledged before it was killed, which is some time after so many lines."""
    command = [sys.executable, str(WRITER), place, str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline() for _ in range(lines)]
        writer.kill()
        said += writer.stdout.readlines()
    assert writer.returncode == -9
    return [line.decode().split() for line in said if line.endswith(b"\n")]


def check(place: str, said: list[list[str]]) -> None:
    """Compare what was said with what is there."""
    with Database.open(place) as database:
        journal = SqlJournal(database)
        runs = {run.id: run for run in journal.runs(scope=EVERYBODY, limit=1_000_000)}
        for run in runs.values():
            found = journal.verify(run.id)
            assert (found.intact, found.reason) == (True, "")
            assert run.events % 2 == 1  # one event at the beginning, and two with each step
            for event in journal.events(run.id):
                assert None not in event.texts
                assert event.body == f'{{"texts":{len(event.texts)}}}'
        hashes = {run: {one.number: one.hash for one in journal.events(run)} for run in runs}
        states: dict[tuple[str, str], str] = {}
        for kind, name, *rest in said:
            if kind == "begun":
                assert name in runs
            elif kind == "run":
                assert hashes[name][int(rest[0])] == rest[1]
            else:
                states[kind, name] = rest[0]
        effects = {("effect", one.key): one for one in journal.effects(scope=EVERYBODY)}
        approvals = {("approval", one.id): one for one in journal.approvals(scope=EVERYBODY, at=datetime.now(UTC))}
        kept = {key: one.state for key, one in (effects | approvals).items()}
        for key, state in states.items():
            assert kept[key] in AFTER.get(state, {state})
        for effect in effects.values():
            assert (effect.result is not None) == (effect.state == "done")
            assert set(effect.amounts) == {"value"}
        spent = sum(one.amounts["value"] for one in effects.values() if one.state != "failed")
        assert spent <= LIMIT
        assert all((one.decided_at is None) == (one.state == "pending") for one in approvals.values())


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize("kills", [2, pytest.param(25, marks=pytest.mark.slow)])
def test_killed_writers_lose_nothing_that_was_acknowledged(request, tmp_path, kind, kills):
    place = str(tmp_path / "memory") if kind == "sqlite" else request.getfixturevalue("postgres_url")
    said: list[list[str]] = []
    choose = random.Random(kills)
    for number in range(1, kills + 1):
        said += run_and_kill(place, 1000 * number, choose.randrange(1, 120))
        check(place, said)
    assert {line[0] for line in said} == {"begun", "run", "effect", "approval"}
