"""What an agent has said, works on and has learned is its own: found, handed over and deleted without another's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import BaseModel

from tercet import EpisodicRetriever, Memory, Scope, Turn, WorkingRetriever
from tercet.testing import HashEmbedder

NOON = datetime(2026, 5, 10, 12, tzinfo=UTC)
AGENTS = {name: Scope(tenant="acme", agent=name) for name in ("planner", "writer")}


class Plan(BaseModel):
    goal: str


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    with Memory.open(tmp_path / "memory", embedder=HashEmbedder(), clock=lambda: NOON) as opened:
        for name, scope in AGENTS.items():
            turns = [Turn(actor=name, text=f"The {name} said hello.", occurred_at=NOON)]
            opened.episodic.record_turns(turns, scope=scope, conversation="talk")
            learned = f"The {name} learned that brevity pays."
            opened.episodic.record(learned, scope=scope, actor=name, kind="fact", subject=f"{name}/style")
            opened.working.create(Plan(goal=f"what the {name} wants"), key="plan", scope=scope, actor=name)
        yield opened


def all_of(memory: Memory, name: str) -> list[str]:
    """Conversation, learned facts and working memory, each read through its own interface."""
    scope = AGENTS[name]
    said = [one.text for one in memory.episodic.timeline(scope, kinds=["turn"])]
    found = EpisodicRetriever(memory.episodic).search("what was learned about brevity", scope=scope, kinds=["fact"])
    plans = [one.value["goal"] for one in WorkingRetriever(memory.working).search(scope=scope, key="plan")]
    return [*said, *(hit.episode.text for hit in found), *plans]


def own(name: str) -> list[str]:
    return [f"The {name} said hello.", f"The {name} learned that brevity pays.", f"what the {name} wants"]


def test_each_agents_memory_is_addressed_exported_and_deleted_alone(memory: Memory, tmp_path: Path) -> None:
    """S2.12."""
    for name in AGENTS:
        assert all_of(memory, name) == own(name)

    memory.export(tmp_path / "planner.jsonl", scope=AGENTS["planner"])
    with Memory.open(tmp_path / "other", embedder=HashEmbedder(), clock=lambda: NOON) as other:
        other.import_(tmp_path / "planner.jsonl", scope=AGENTS["planner"])
        assert all_of(other, "planner") == own("planner")
        assert all_of(other, "writer") == []

    assert memory.forget(scope=AGENTS["planner"]).status == "erased"
    assert all_of(memory, "planner") == []
    assert all_of(memory, "writer") == own("writer")
