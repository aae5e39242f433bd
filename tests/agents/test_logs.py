"""Structured logs of runs."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from datetime import datetime

import pytest

from tercet import Agent, Answer, Scope, tool
from tercet.agents.logs import FIELDS, JsonFormatter
from tercet.memory.journal.in_memory import InMemoryJournal
from tercet.testing import ScriptedModel, answer
from tests.agents.scripts import call, finish

SCOPE = Scope(tenant="acme", user="ada")


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("tercet.agents")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield stream
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_one_search_gives_all_lines_of_a_run_and_no_other(written: io.StringIO) -> None:
    """S2.73: every line has the ids of run, task, agent and span; two runs at once, one with an agent below."""
    both_run = asyncio.Barrier(2)

    @tool(effect="read", reads=["x"])
    async def meet(name: str) -> str:
        """Wait for the other run.

        Args:
            name: Of whoever waits.
        """
        await both_run.wait()
        return "SECRET-RESULT"

    journal = InMemoryJournal()
    below = Agent("researcher", model=ScriptedModel([finish("SECRET-FOUND")]))
    first = ScriptedModel(
        [answer(call("meet", name="SECRET-ARGUMENT")), answer(call("researcher", task="SECRET-TASK")), finish("SECRET")]
    )
    second = ScriptedModel([answer(call("meet", name="Bob")), finish("done")])
    ada = Agent("ada", model=first, tools=[meet, below.as_tool("Finds out.")], journal=journal)
    bob = Agent("bob", model=second, tools=[meet], journal=journal)

    async def both() -> list[object]:
        runs = (one.run("SECRET-QUESTION", scope=SCOPE, kind=f"kind of {one.name}") for one in (ada, bob))
        return await asyncio.gather(*runs)

    ends = asyncio.run(both())
    assert all(isinstance(end, Answer) for end in ends)
    lines = written.getvalue().splitlines()
    runs = {run.agent: run for run in journal.runs(scope=SCOPE)}
    for name, run in runs.items():
        found = [json.loads(line) for line in lines if f'"run": "{run.id}"' in line]
        assert [one["event"] for one in found] == [event.kind for event in journal.events(run.id)]
        assert [one["span"] for one in found] == [event.span for event in journal.events(run.id)]
        assert {(one["agent"], one["task"]) for one in found} == {(name, run.task)}
    tree = [json.loads(line) for line in lines if runs["ada"].id in line]
    assert {one["run"] for one in tree} == {runs["ada"].id, runs["researcher"].id}, "the whole id gives the whole tree"
    assert [line for line in lines if runs["bob"].id in line and runs["ada"].id in line] == []
    for line in lines:
        said = json.loads(line)
        assert set(FIELDS) <= set(said)
        assert (said["level"], said["logger"]) == ("INFO", "tercet.agents")
        assert datetime.fromisoformat(said["time"]).tzinfo is not None
    assert "SECRET" not in written.getvalue(), "what is said stays in the journal"
    assert len(lines) == sum(len(journal.events(run.id)) for run in runs.values())


def test_a_line_stays_a_line_whatever_is_logged() -> None:
    logger = logging.Logger("other")
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger.addHandler(handler)
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logger.exception('It %s:\n"quoted"', "failed")

    (line,) = stream.getvalue().splitlines()
    said = json.loads(line)
    assert (said["event"], said["level"]) == ('It failed:\n"quoted"', "ERROR")
    assert "ValueError: two\nlines" in said["error"]
    assert not set(FIELDS) & set(said)
