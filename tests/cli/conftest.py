"""A small corpus, a memory made of it by the command itself, and a way to run commands in this process."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel

from tercet import Memory, Scope
from tercet.cli import main
from tests.cli.journals import fill


class Outcome(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as the one JSON document it must be."""
        return json.loads(self.out)


Run = Callable[..., Outcome]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line in an empty folder, without the settings of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    for variable in [name for name in os.environ if name.startswith("TERCET_")]:
        monkeypatch.delenv(variable)

    def command(*words: object) -> Outcome:
        capsys.readouterr()
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return command


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Three small documents in a folder called guide."""
    folder = tmp_path / "guide"
    folder.mkdir()
    (folder / "keys.md").write_text(
        "---\nteam: platform\nyear: 2024\n---\n# Keys\n\n## Rotation\n\nRotate API keys every 90 days.\n",
        encoding="utf-8",
    )
    (folder / "deploy.md").write_text("# Deploys\n\nNever deploy on a Friday.\n", encoding="utf-8")
    (folder / "faq.txt").write_text("Who rotates the keys? The platform team.\n", encoding="utf-8")
    return folder


@pytest.fixture
def ingested(run: Run, corpus: Path) -> Run:
    """``run``, after the corpus was ingested into ``.tercet`` for searching by words."""
    assert run("ingest", corpus, "--embedder", "none").code == 0
    return run


class Plan(BaseModel):
    goal: str


@pytest.fixture
def people(run: Run, tmp_path: Path) -> Run:
    """``run``, beside a memory with records of two tenants in ``.tercet``."""
    ada, eve = Scope(tenant="acme", user="ada"), Scope(tenant="globex", user="eve")
    with Memory.open(tmp_path / ".tercet", embedder="none") as memory:
        for text, day in (("Ada lives in Oslo", 1), ("Ada lives in Bergen", 9)):
            memory.episodic.record(
                text,
                scope=ada,
                actor="ada",
                kind="fact",
                subject="home",
                entities=["Ada"],
                occurred_at=datetime(2024, 5, day, tzinfo=UTC),
            )
        memory.episodic.record("Eve knows yesterday's secret", scope=eve, actor="eve", metadata={"n": 1})
        for scope in (ada, eve):
            memory.working.create(Plan(goal=f"aim of {scope.user}"), key="plan", scope=scope, actor="planner")
    return run


@pytest.fixture
def journalled(run: Run, tmp_path: Path) -> Run:
    """``run``, beside a memory whose journal has runs, approvals and effects, in ``.tercet``."""
    fill(tmp_path / ".tercet")
    return run
