"""Counts in a working document, as a process of its own: ``counting.py PLACE TIMES``. Prints each version it made."""

from __future__ import annotations

import sys

from pydantic import BaseModel

from tercet import Scope
from tercet.memory.database import Database
from tercet.memory.working.memory import WorkingMemory

SHARED = Scope(tenant="acme")


class Counter(BaseModel):
    count: int = 0


def add_one(value: Counter) -> Counter:
    value.count += 1
    return value


def count(working: WorkingMemory, times: int, actor: str = "counter") -> list[int]:
    """Count on, and say which versions that made."""
    return [working.update(Counter, add_one, key="count", scope=SHARED, actor=actor).version for _ in range(times)]


if __name__ == "__main__":
    with Database.open(sys.argv[1], create=False) as database:
        versions = count(WorkingMemory(database), int(sys.argv[2]))
    sys.stdout.write(" ".join(map(str, versions)))
