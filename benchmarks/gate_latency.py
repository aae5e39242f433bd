"""What the gate adds to a tool call: the full default order, beyond the tool itself and the journal's commits.

    python benchmarks/gate_latency.py [--calls 1000] [--rounds 7] [--json PATH]

Calls of tools with three arguments: one that computes, one that reads, one that reads and is no coroutine, and one that
changes something and counts towards a window, with a journal in memory and on disk, whose reserve and settle are timed
and taken off. So is the bare call of the function. A policy of 20 rules and two thresholds, limits of an agent below
another, rates, breakers and loop detection are switched on, and the run has read 20 pages of low trust. Of several
rounds the quietest is reported, and the median of all.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tercet import Memory, Scope
from tercet.agents.gate.breaker import Breakers
from tercet.agents.gate.gate import Gate
from tercet.agents.gate.loop import LoopDetector
from tercet.agents.gate.rate import Rate, RateLimits
from tercet.agents.gate.records import RunState
from tercet.agents.ledger import Ledger
from tercet.agents.limits import Limits
from tercet.agents.permissions import Permissions
from tercet.agents.thresholds import Threshold
from tercet.agents.tools.decorator import tool
from tercet.agents.tools.records import Call
from tercet.agents.trust import Taint
from tercet.memory.journal.in_memory import InMemoryJournal
from tercet.memory.journal.sql import SqlJournal

if TYPE_CHECKING:
    from collections.abc import Callable

BAR_MS = 0.3
ARGUMENTS = {"query": "How do I rotate the key of the account 4711?", "limit": 5, "tags": ["keys", "accounts"]}
SAID = " ".join([ARGUMENTS["query"], *ARGUMENTS["tags"], *map(str, range(100))])
"""By the user: all arguments stand in it, so that a call which changes something needs no approval."""
WIDE = Limits(steps=10**9, tool_calls=None, tokens=None, seconds=10**6, depth=3)


@tool(effect="pure")
async def compute(query: str, limit: int, tags: list[str]) -> list[str]:
    """Compute."""
    return [query[:limit], *tags]


@tool(effect="read", reads=["docs"])
async def read(query: str, limit: int, tags: list[str]) -> list[str]:
    """Read."""
    return [query[:limit], *tags]


@tool(effect="read", reads=["docs"])
def read_in_thread(query: str, limit: int, tags: list[str]) -> list[str]:
    """Read."""
    return [query[:limit], *tags]


@tool(effect="write", writes=["crm"], amounts=lambda given: {"value": Decimal(given["limit"]), "targets": 1})
async def change(query: str, limit: int, tags: list[str]) -> list[str]:
    """Change."""
    return [query[:limit], *tags]


POLICY = Permissions(
    allow=["compute", "read", "read_*", "change(limit=*)", *(f"search_{number}" for number in range(8))],
    ask=["change(query=*secret*)", *(f"change_{number}(query=*secret*)" for number in range(3))],
    deny=["change(tags=forbidden-*)", *(f"*_{number}(tags=forbidden-*)" for number in range(3))],
    readable=["docs"],
    writable=["crm"],
    thresholds=[
        Threshold(tool="change", measure="value", per_call=Decimal(1000)),
        Threshold(tool="change", measure="value", total=Decimal(10**12), window=timedelta(hours=1)),
    ],
)


class Commits:
    """Adds up what a journal's commits take."""

    spent = 0.0

    def _timed(self, work: Callable[..., Any], *given: Any, **named: Any) -> Any:
        started = time.perf_counter()
        try:
            return work(*given, **named)
        finally:
            self.spent += time.perf_counter() - started

    def reserve(self, *given: Any, **named: Any) -> Any:
        return self._timed(super().reserve, *given, **named)  # type: ignore[misc]

    def settle(self, *given: Any, **named: Any) -> None:
        self._timed(super().settle, *given, **named)  # type: ignore[misc]


class InMemory(Commits, InMemoryJournal):
    """In memory."""


class OnDisk(Commits, SqlJournal):
    """In a memory's database."""


def run_state(journal: Any, *, run: str) -> RunState:
    tools = (compute, read, read_in_thread, change)
    texts = [(f"Page {number} about keys and accounts. " * 50, "external") for number in range(20)]
    return RunState(
        run=run,
        agent="support",
        scope=Scope(tenant="acme", user="ada"),
        deps=None,
        tools={one.name: one for one in tools},
        permissions=POLICY,
        journal=journal,
        ledger=Ledger(WIDE, agent="root").child(WIDE, agent="support"),
        taint=Taint([("Help people with their accounts. " * 20, "system"), (SAID, "user"), *texts]),
        loops=LoopDetector(attempts=10**6, repeats=10**6, rounds=2, stale=10**6),
        rates=RateLimits(each_tool=Rate(calls=10**6), agent=Rate(calls=10**6), tenant=Rate(calls=10**6)),
        breakers=Breakers(),
        clock=lambda: datetime.now(UTC),
        monotonic=time.monotonic,
    )


async def bare(name: str, state: RunState, calls: int) -> list[float]:
    function, taken = state.tools[name].function, []
    for _ in range(calls):
        started = time.perf_counter()
        result = function(**ARGUMENTS)
        if asyncio.iscoroutine(result):
            await result
        taken.append(time.perf_counter() - started)
    return taken


async def gated(name: str, state: RunState, calls: int) -> list[float]:
    gate, taken, journal = Gate(), [], state.journal
    for number in range(calls):
        arguments = {**ARGUMENTS, "limit": number % 100}
        call = Call(id=f"{name}-{number}", name=name, arguments=arguments, step=number)
        before = journal.spent
        started = time.perf_counter()
        outcome = await gate.pass_(call, state)
        taken.append(time.perf_counter() - started - (journal.spent - before))
        assert outcome.kind == "succeeded", outcome
    return taken


def measure(name: str, journal: Any, *, calls: int, rounds: int) -> dict[str, Any]:
    """Of the quietest round, and the median of all."""
    measured = []
    for number in range(rounds + 1):  # the first warms up
        load = os.getloadavg()[0]
        state = run_state(journal, run=f"{name}-{number}")
        taken = sorted(asyncio.run(gated(name, state, calls)))
        tool_s = statistics.median(asyncio.run(bare(name, state, 500)))
        p50, p95 = statistics.median(taken) - tool_s, taken[int(len(taken) * 0.95)] - tool_s
        measured.append({"p50_ms": round(p50 * 1000, 4), "p95_ms": round(p95 * 1000, 4), "load": load})
    best = min(measured[1:], key=lambda one: one["p50_ms"])
    median = statistics.median(one["p50_ms"] for one in measured[1:])
    return {**best, "p50_ms_median_of_rounds": round(median, 4), "bar_ms": BAR_MS, "calls": calls, "rounds": rounds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1000, help="a round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "results" / "gate_latency.json")
    options = parser.parse_args()
    figures = {}
    with tempfile.TemporaryDirectory() as folder, Memory.open(Path(folder) / "m", embedder="none") as memory:
        for label, name, journal in (
            ("computes", "compute", InMemory()),
            ("reads", "read", InMemory()),
            ("reads, sync, in a thread of its own", "read_in_thread", InMemory()),
            ("changes, journal in memory", "change", InMemory()),
            ("changes, journal on disk", "change", OnDisk(memory.database)),
        ):
            figures[label] = found = measure(name, journal, calls=options.calls, rounds=options.rounds)
            print(
                f"{label:<36} p50 {found['p50_ms']:.3f} ms (median of rounds {found['p50_ms_median_of_rounds']:.3f}), "
                f"p95 {found['p95_ms']:.3f} ms, bar {BAR_MS}"
            )
    machine = {"processors": os.cpu_count(), "python": platform.python_version()}
    options.json.write_text(json.dumps({"machine": machine, "gate": figures}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
