"""What a step of an agent costs in the journal: six events with two new texts in one commit.

A run takes 200 steps, so that its conversation grows. Each begins with a request that repeats all messages before it,
400 characters each. Measured is each ``append``, on SQLite with synchronous NORMAL (``durability="process"``) and in
memory: CPU time of the thread, and time on the clock. Beside it: effects reserved below a ceiling whose window holds
1,000 others and settled, and the verification of the run.

    python benchmarks/journal.py
"""

from __future__ import annotations

import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from query_latency import write_result

from tercet.memory.database import Database
from tercet.memory.journal.in_memory import InMemoryJournal
from tercet.memory.journal.records import Ceiling, NewEffect, NewEvent, NewRun
from tercet.memory.journal.sql import SqlJournal
from tercet.records import Scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from tercet.memory.journal.records import Journal

RUNS = 5
STEPS = 200
EFFECTS = 1_000
NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)
ADA = Scope(tenant="acme", user="ada")
KINDS = ("model.requested", "model.answered", "tool.requested", "tool.decided", "tool.finished", "step.finished")
SPENDING = Ceiling(name="pay", measure="value", limit=Decimal(10**9), window=timedelta(days=1), tools=("pay",))


def measured(calls: list[Callable[[], object]]) -> dict[str, float]:
    """Medians over calls, in milliseconds."""
    cpu, wall = [], []
    for call in calls:
        began, on_cpu = time.perf_counter(), time.thread_time()
        call()
        cpu.append(time.thread_time() - on_cpu)
        wall.append(time.perf_counter() - began)
    return {"cpu_ms": round(1e3 * statistics.median(cpu), 3), "wall_ms": round(1e3 * statistics.median(wall), 3)}


def steps(journal: Journal, run: str) -> list[Callable[[], object]]:
    """The appends of one run."""
    journal.begin(NewRun(id=run, scope=ADA, agent="helper"))
    messages: list[str] = []
    calls: list[Callable[[], object]] = []
    for step in range(STEPS):
        messages += [f"{run} question {step} " + "q" * 380, f"{run} answer {step} " + "a" * 380]
        texts = {0: tuple(messages)}
        body = f'{{"step":{step},"parameters":"{"p" * 200}"}}'
        events = [
            NewEvent(kind=kind, body=body, texts=texts.get(place, ()), span=f"{step}", parent="root", at=NOON)
            for place, kind in enumerate(KINDS)
        ]
        calls.append(partial(journal.append, run, events, after=step * len(KINDS)))
    return calls


def effects(journal: Journal) -> list[Callable[[], object]]:
    """Effects below a ceiling, each reserved and settled, after as many others."""

    def one(number: int) -> None:
        key = f"effect {number}"
        wanted = NewEffect(
            key=key,
            run="run 0",
            call=key,
            agent="helper",
            tool="pay",
            scope=ADA,
            arguments_hash="0" * 64,
            amounts={"value": Decimal("9.99")},
        )
        journal.reserve(wanted, ceilings=[SPENDING], at=NOON)
        journal.settle(key, state="done", result="{}", at=NOON)

    for number in range(EFFECTS):
        one(number)
    return [partial(one, number) for number in range(EFFECTS, EFFECTS + 200)]


def figures(journal: Journal) -> dict[str, Any]:
    """All figures of one journal."""
    appends = [call for number in range(RUNS) for call in steps(journal, f"run {number}")]
    found: dict[str, Any] = {"append": measured(appends)}
    found["verify_1200_events"] = measured([lambda: journal.verify("run 0")] * 10)
    found["reserve_and_settle"] = measured(effects(journal))
    return found


def main() -> None:
    """Measure both journals and write the result."""
    with tempfile.TemporaryDirectory() as folder, Database.open(Path(folder) / "memory") as database:
        on_disk = figures(SqlJournal(database))
        database.checkpoint()
        size = (Path(folder) / "memory" / "memory.db").stat().st_size
    per_step = {"bytes_per_step_with_effects": size // (RUNS * STEPS)}
    found = {"sqlite": on_disk | per_step, "in memory": figures(InMemoryJournal())}
    out = Path(__file__).parent / "results" / "journal.json"
    write_result(out, "python benchmarks/journal.py", found)
    print(out.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
