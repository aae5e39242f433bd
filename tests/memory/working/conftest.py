"""A working memory on both databases, and a plan in it."""

from __future__ import annotations

import pytest

from tercet.memory.database import Database
from tercet.memory.working.memory import WorkingMemory
from tests.memory.working.plans import PLAN, TASK, Clock


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path):
    where = str(tmp_path / "memory") if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    with Database.open(where) as opened:
        yield opened


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def working(database, clock) -> WorkingMemory:
    return WorkingMemory(database, clock=clock)


@pytest.fixture
def plan(working):
    return working.create(
        PLAN, key="plan", scope=TASK, actor="planner", owners={"notes": "writer"}, constraints=("goal", "budget")
    )
