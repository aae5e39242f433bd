"""Another process that reads while something is forgotten keeps the log: the receipt says so, and how to finish."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tercet import Scope
from tercet.cli import main
from tercet.memory import database as module
from tercet.memory.health import check
from tests.memory.forgetting.canaries import Canaries, fill, found_in, hits, open_memory

ADA = Scope(tenant="acme", user="ada")
READER = """
import sqlite3, sys
connection = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True, isolation_level=None)
connection.execute("BEGIN")
connection.execute("SELECT count(*) FROM episodes").fetchone()
print("reading", flush=True)
sys.stdin.read()
"""


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """A second process with a read transaction open."""
    command = [sys.executable, "-c", READER, str(folder / "memory.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        try:
            assert reader.stdout.readline() == "reading\n"
            yield
        finally:
            reader.stdin.close()
            reader.wait(timeout=30)


@pytest.fixture
def word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Canaries:
    monkeypatch.setattr(module, "READER_SECONDS", 0.1)
    canaries = Canaries(5)
    with open_memory(tmp_path / "memory") as memory:
        fill(memory, canaries, ADA)
    return canaries


def test_a_reader_makes_it_pending_and_the_next_claim_finishes_it(tmp_path, word):
    folder = tmp_path / "memory"
    with open_memory(folder) as memory, reading(folder):
        receipt = memory.forget(scope=Scope.any(tenant="acme"))
        assert receipt.status == "pending"
        assert "reads the database" in receipt.reason
        assert receipt.remedy.endswith(f"tercet forget --finish --memory {folder}")
        assert memory.episodic.timeline(Scope.any()) == []  # found by nobody
        assert found_in(hits(folder, word.needles()))
        again = memory.finish_forgetting()
        assert again is not None
        assert again.status == "pending"
        assert again.removed == receipt.removed
        assert ["pending" in problem.what for problem in check(memory)] == [True]
    with open_memory(folder) as memory:
        memory.claim()
    assert hits(folder, word.needles()) == set()


def test_the_command_says_pending_with_exit_code_1_and_finishes(tmp_path, word, capsys):
    folder = str(tmp_path / "memory")

    def run(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        return main(["forget", "--memory", folder, *words]), capsys.readouterr().out

    with reading(tmp_path / "memory"):
        code, out = run("--tenant", "acme", "--user", "ada", "--any", "--yes", "--json")
        assert code == 1
        assert json.loads(out)["receipt"]["status"] == "pending"
        code, out = run("--finish")
        assert code == 1
        assert "Pending: another process reads the database" in out
        assert "tercet forget --finish" in out
    code, out = run("--finish", "--json")
    assert code == 0
    assert json.loads(out)["receipt"]["status"] == "erased"
    assert hits(tmp_path / "memory", word.needles()) == set()
    assert run("--finish") == (0, "No erasure is pending.\n")
