"""Whatever goes wrong around a run, it ends, and with an end or an error that has a type."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sqlite3
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from tercet import Agent, Document, Memory, Scope, ingest
from tercet.agents.ends import Answer, End, Escalated, Impossible, LimitReached, NeedsClarification
from tercet.agents.limits import Limits
from tercet.agents.permissions import Permissions
from tercet.errors import TercetError
from tercet.memory.journal.in_memory import InMemoryJournal
from tercet.memory.journal.records import Journal
from tercet.models.chat_records import ToolCallPart
from tests.agents.chaos import (
    EDGES,
    FAULTS,
    START,
    TOOLS,
    ChaosClock,
    ChaosEmbedder,
    ChaosJournal,
    ChaosModel,
    Faults,
    World,
)

ENDS = (Answer, Impossible, NeedsClarification, LimitReached, Escalated)
SCOPE = Scope(tenant="acme", user="ada")
LIMITS = Limits(steps=6, tool_calls=12, seconds=1.5)
HANGS_AFTER = 15.0
"""Seconds: ten times what a run may take."""
POLICY = Permissions(
    allow=["look_up", "note", "ring(number=*)"], ask=["ring_later"], readable=["words"], writable=["notes", "bell"]
)


def plan(faults: Faults) -> list[list[ToolCallPart]]:
    """Up to four turns of tool calls, then the end."""

    def call(name: str, **arguments: Any) -> ToolCallPart:
        return ToolCallPart(id=f"{name}-{faults.random.randrange(10**9)}", name=name, arguments=arguments)

    choices = (
        lambda: [call("look_up", word="tercet"), call("look_up", word="rhyme")],
        lambda: [call("look_up", word=f"word-{faults.random.random()}")],
        lambda: [call("note", text="three lines")],
        lambda: [call("ring", number=faults.random.randint(1, 9))],
        lambda: [call("ring_later", number=3)],
    )
    turns = [faults.random.choice(choices)() for _ in range(faults.random.randint(1, 4))]
    return [*turns, [call("finish", text="Done.", confidence=0.9, citations=[])]]


class Interrupted:
    """Makes SQLite itself fail, in the middle of a statement, where the faults of the running run say so."""

    def __init__(self, memory: Memory) -> None:
        self.faults: Faults | None = None
        event.listen(memory.database.engine, "before_cursor_execute", self)

    def __call__(self, connection: Any, *_: Any) -> None:
        raw: sqlite3.Connection = connection.connection.driver_connection
        raw.set_progress_handler(None, 0)
        if self.faults and self.faults.strike("database"):
            blows = iter([1])
            raw.set_progress_handler(lambda: next(blows, 0), 1)


async def run_to_its_end(agent: Agent[World, str], faults: Faults, world: World, approver: Journal) -> str:
    """The type of the end or of the error; ``hang`` and ``untyped`` are what must not be."""
    try:
        async with asyncio.timeout(HANGS_AFTER) as limit:
            end: End[str] = await _begun(agent, faults, world)
            for _ in range(3):
                if not (isinstance(end, Escalated) and end.approval):
                    break
                approved = faults.random.random() < 0.5
                approver.decide(end.approval, approved=approved, approver="ada", at=START)
                end = await agent.resume(end.run, scope=SCOPE, deps=world)
        return type(end).__name__ if isinstance(end, ENDS) else f"untyped: {end!r}"
    except TercetError as error:
        return type(error).__name__
    except TimeoutError as error:
        return "hang" if limit.expired() else f"untyped: {error!r}"
    except Exception as error:
        *_, last = traceback.extract_tb(error.__traceback__)
        return f"untyped: {error!r} in {Path(last.filename).name}, line {last.lineno}"


async def _begun(agent: Agent[World, str], faults: Faults, world: World) -> End[str]:
    if faults.random.random() < 0.7:
        return await agent.run("What is a tercet?", scope=SCOPE, deps=world)
    async with contextlib.aclosing(agent.stream("What is a tercet?", scope=SCOPE, deps=world)) as events:
        *_, end = [one async for one in events]
    return end


async def chaos(folder: Path, seeds: range) -> tuple[dict[int, str], Counter[tuple[str, str]]]:
    """Runs by seed, and how often each fault struck."""
    ended: dict[int, str] = {}
    struck: Counter[tuple[str, str]] = Counter()
    embedder = ChaosEmbedder()
    with Memory.open(folder / "memory", embedder=embedder) as memory:
        ingest(documents=[Document(uri="tercet", text="A tercet is three lines bound by rhyme.")], into=memory)
        database = Interrupted(memory)
        for seed in seeds:
            faults = Faults(seed)
            embedder.faults = database.faults = faults
            journal = memory.journal if seed % 2 else InMemoryJournal()
            world = World(faults)
            agent: Agent[World, str] = Agent(
                "poet",
                model=ChaosModel(faults, plan(faults)),
                memory=memory,
                tools=TOOLS,
                permissions=POLICY,
                limits=LIMITS,
                owner="ada",
                on_failure=faults.random.choice(("raise", "escalate")),
                journal=ChaosJournal(journal, faults),
                clock=ChaosClock(faults),
            )
            ended[seed] = await run_to_its_end(agent, faults, world, journal)
            embedder.faults = database.faults = None
            struck += faults.struck
            left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task() and not task.done()]
            if left:
                await asyncio.wait(left, timeout=1.0)
            if any(not task.done() for task in left):
                ended[seed] = f"untyped: {len(left)} tasks were left running after {ended[seed]}"
        broken = [
            run.id for run in memory.journal.runs(scope=SCOPE, limit=10_000) if not memory.journal.verify(run.id).intact
        ]
    assert not broken
    return ended, struck


def bad(ended: dict[int, str]) -> dict[int, str]:
    """What must not be."""
    return {seed: end for seed, end in ended.items() if end == "hang" or end.startswith("untyped")}


def test_a_run_ends_with_a_type_whatever_fails(tmp_path: Path) -> None:
    """S1.05, S2.16, S1.55: at every edge errors, untyped errors, nothing in time, and garbage."""
    ended, struck = asyncio.run(chaos(tmp_path, range(60)))

    assert bad(ended) == {}
    assert struck
    assert len(set(ended.values())) > 3, "faults show in how runs end"


@pytest.mark.slow
def test_a_thousand_runs_end_with_a_type_whatever_fails(tmp_path: Path) -> None:
    """Every edge returns errors, untyped errors, nothing in time, and garbage; TERCET_CHAOS_OUT keeps the counts."""
    ended, struck = asyncio.run(chaos(tmp_path, range(1_000, 2_000)))
    if "TERCET_CHAOS_OUT" in os.environ:
        counts = {"ends": Counter(ended.values()), "struck": {" ".join(key): count for key, count in struck.items()}}
        Path(os.environ["TERCET_CHAOS_OUT"]).write_text(json.dumps(counts, indent=1), encoding="utf-8")

    assert bad(ended) == {}
    assert {key for key in struck if key[0] != "database"} == {
        (edge, fault) for edge in EDGES for fault in FAULTS if edge != "database"
    }
