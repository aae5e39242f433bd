"""kill -9 at any moment: what working memory acknowledged is there when it is opened again, with all its versions."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

from tercet import Scope
from tercet.memory.database import Database
from tercet.memory.working.memory import WorkingMemory

WRITER = Path(__file__).with_name("working_writer.py")
THREADS = 4
"""Of the writer: so many writes at most were done and not yet said."""


class Log(BaseModel):
    entries: list[str] = []


def run_and_kill(place: str, seed: int, lines: int) -> list[tuple[str, int, str]]:
    """What a writer acknowledged before it was killed, which is some time after so many lines."""
    command = [sys.executable, str(WRITER), place, str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline() for _ in range(lines)]
        writer.kill()
        said += writer.stdout.readlines()
    assert writer.returncode == -9
    parts = [line.split() for line in said if line.endswith(b"\n")]
    return [(key.decode(), int(version), what.decode()) for key, version, what in parts]


def check(place: str, acknowledged: list[tuple[str, int, str]]) -> int:
    """Every acknowledged version is there unless it was deleted; returns how many writes were done and not said."""
    said: dict[str, dict[int, str]] = {}
    gone: dict[str, int] = {}
    for key, version, what in acknowledged:
        if what == "gone":
            gone[key] = max(version, gone.get(key, 0))
        else:
            said.setdefault(key, {})[version] = what
    unsaid = 0
    with Database.open(place) as database:
        working = WorkingMemory(database)
        documents = {one.key: one for one in working.documents(Scope.any())}
        for key in said.keys() | documents.keys():
            expected = {version: what for version, what in said.get(key, {}).items() if version > gone.get(key, 0)}
            if key not in documents:
                unsaid += bool(expected)  # a deletion that was not said any more
                continue
            scope = documents[key].scope
            kept = {change.version: change.hash for change in working.history(key=key, scope=scope)}
            if min(kept) > min(expected, default=min(kept)):  # made anew after a deletion that was not said any more
                expected = {version: what for version, what in expected.items() if version >= min(kept)}
                unsaid += 1
            assert expected.items() <= kept.items()
            unsaid += len(kept) - len(expected)
            assert list(kept) == list(range(min(kept), max(kept) + 1))
            for version, what in kept.items():
                assert working.read(Log, key=key, scope=scope, version=version).hash == what
            assert working.read(Log, key=key, scope=scope).version == max(kept)
    return unsaid


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize("kills", [2, pytest.param(25, marks=pytest.mark.slow)])
def test_killed_writers_lose_nothing_that_was_acknowledged(request, tmp_path, kind, kills):
    place = str(tmp_path / "memory") if kind == "sqlite" else request.getfixturevalue("postgres_url")
    acknowledged: list[tuple[str, int, str]] = []
    choose = random.Random(kills)
    for number in range(1, kills + 1):
        acknowledged += run_and_kill(place, 1000 * number, choose.randrange(1, 60))
        assert check(place, acknowledged) <= THREADS * number
    assert len(acknowledged) > kills
