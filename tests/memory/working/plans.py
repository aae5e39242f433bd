"""What the tests of working memory write: a plan, and the time at which they do."""

from __future__ import annotations

from datetime import UTC, date, datetime

from pydantic import BaseModel

from tercet import Scope

TASK = Scope(tenant="acme", user="ada", session="s1")


class Step(BaseModel):
    name: str
    due: date | None = None


class Plan(BaseModel):
    goal: str
    budget: int
    steps: list[Step] = []
    notes: dict[str, str] = {}


PLAN = Plan(goal="visit Rome", budget=900, steps=[Step(name="look", due=date(2024, 5, 1))])


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2024, 5, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def rows(database, table) -> int:
    with database.read() as connection:
        return len(connection.execute(table.select()).all())
