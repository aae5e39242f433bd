"""``WorkingRetriever``: exact, scoped, newest first, and of working memory only."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import BaseModel

from tercet import Memory, Provenance, Scope, SemanticRetriever, WorkingRetriever
from tercet.errors import ConfigurationError, InputError

TASK = Scope(tenant="acme", session="s1")


class Plan(BaseModel):
    budget: int
    steps: list[str] = []


class Finding(BaseModel):
    text: str


@pytest.fixture
def memory(tmp_path):
    with Memory.open(tmp_path / "memory", embedder="none") as opened:
        now = datetime(2024, 5, 1, tzinfo=UTC)
        opened.working._writer._clock = lambda: now
        opened.working.create(
            Plan(budget=5, steps=["look", "book"]),
            key="plan",
            scope=TASK,
            actor="planner",
            owners={"steps": "writer"},
            constraints=["budget"],
            trust="user",
        )
        for number in range(3):
            now += timedelta(minutes=1)
            opened.working.create(Finding(text=f"budget {number}"), key=f"f{number}", scope=TASK, actor="writer")
        yield opened


def keys(hits) -> list[str]:
    return [hit.reference.key for hit in hits]


def test_a_key_finds_its_document_and_nothing_like_it(memory):
    search = WorkingRetriever(memory.working).search
    (hit,) = search(scope=TASK, key="plan")
    assert hit.value == {"budget": 5, "steps": ["look", "book"]}
    assert hit.text == '{"budget":5,"steps":["look","book"]}'
    assert (hit.reference.version, hit.time, hit.schema) == (1, datetime(2024, 5, 1, tzinfo=UTC), "Plan")
    assert hit.provenance == Provenance(store="working", source="plan", trust="user")
    assert memory.working.resolve(Plan, hit.reference, scope=TASK).value.budget == 5
    for near in ("Plan", "plan ", "pla", "budget", "%"):
        assert search(scope=TASK, key=near) == []


def test_a_pointer_finds_the_place_and_who_owns_it(memory):
    search = WorkingRetriever(memory.working).search
    (budget,) = search(scope=TASK, pointer="/budget")
    assert (budget.value, budget.owner, budget.constraint) == (5, "planner", True)
    (step,) = search(scope=TASK, pointer="/steps/1", owner="writer")
    assert (step.value, step.owner, step.constraint, step.provenance.source) == (
        "book",
        "writer",
        False,
        "plan#/steps/1",
    )
    assert search(scope=TASK, pointer="/steps/1", owner="planner") == []
    assert search(scope=TASK, pointer="/steps/2") == []
    assert search(scope=TASK, pointer="/steps/x") == []
    with pytest.raises(InputError, match="no JSON Pointer"):
        search(scope=TASK, pointer="budget")


def test_schema_owner_and_time_narrow_what_is_found(memory):
    search = WorkingRetriever(memory.working).search
    assert keys(search(scope=TASK)) == ["f2", "f1", "f0", "plan"]
    assert keys(search(scope=TASK, newest=False)) == ["f0", "f1", "f2", "plan"]
    assert keys(search(scope=TASK, schema=Finding, limit=2)) == ["f2", "f1"]
    assert keys(search(scope=TASK, schema="Plan")) == ["plan"]
    assert keys(search(scope=TASK, owner="planner")) == ["plan"]
    assert keys(search(scope=TASK, pointer="/text", limit=1)) == ["f2"]
    assert search(scope=TASK, owner="nobody") == []
    with pytest.raises(InputError):
        search(scope=TASK, limit=0)


def test_a_search_sees_what_its_scope_sees(memory):
    search = WorkingRetriever(memory.working).search
    assert search(scope=Scope(tenant="acme")) == []
    assert search(scope=Scope(tenant="globex", session="s1")) == []
    assert len(search(scope=Scope.any(tenant="acme"))) == 4
    assert len(search(scope=Scope(tenant="acme", user="ada", session="s1"))) == 4


def test_a_document_that_has_expired_is_not_found(memory):
    memory.working.create(Plan(budget=1), key="short", scope=TASK, actor="a", expires_in=timedelta(minutes=5))
    search = WorkingRetriever(memory.working).search
    assert len(search(scope=TASK, key="short")) == 1
    late = datetime(2024, 5, 1, 1, tzinfo=UTC)
    memory.working._writer._clock = lambda: late
    assert search(scope=TASK, key="short") == []


def test_another_store_is_refused(memory):
    """S1.27: passing a store where another is due is an error."""
    with pytest.raises(ConfigurationError, match="not SemanticMemory"):
        WorkingRetriever(memory.semantic)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_another_store_is_a_type_error(tmp_path):
    """S1.27: the type checker says so before anything runs."""
    program = tmp_path / "program.py"
    program.write_text(
        "from tercet import Memory, SemanticRetriever, WorkingRetriever\n"
        "memory = Memory.open('m')\n"
        "WorkingRetriever(memory.working)\n"
        "WorkingRetriever(memory.semantic)\n"
        "SemanticRetriever(memory.working)\n"
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if "program.py" in line]
    assert [line.split(":")[1] for line in lines] == ["4", "5"], done.stdout
    assert all("arg-type" in line for line in lines)
    assert SemanticRetriever.__module__ == "tercet.retrieval.semantic"
