"""What can be seen of a run from outside: its log lines, what is kept of secrets, and the settings it had."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tercet import Agent, Memory, Scope, tool
from tercet.agents.events import ModelRequested, read
from tercet.testing import ScriptedModel, answer
from tests.agents.scripts import call, finish

SCOPE = Scope(tenant="acme", user="ada")
SECRET = "sk-4711-0815"


@pytest.fixture
def memory(tmp_path: Path):
    with Memory.open(tmp_path / "memory", embedder="none") as opened:
        yield opened


@tool(effect="read", reads=["vault"])
def look(name: str) -> str:
    """Look a key up.

    Args:
        name: Of the key.
    """
    return f"The key {name} is {SECRET}."


def helper(memory: Memory, **options) -> Agent[None, str]:
    script = [answer("I look. ", call("look", name=f"main ({SECRET})")), finish(f"It is {SECRET}.")]
    return Agent("helper", model=ScriptedModel(script), tools=[look], memory=memory, **options)


def test_every_log_line_says_run_task_agent_and_span_so_that_one_search_gives_one_run(
    memory: Memory, caplog: pytest.LogCaptureFixture
) -> None:
    """S2.73."""
    with caplog.at_level(logging.INFO, "tercet.agents"):
        ends = [helper(memory).run_sync("Which key?", scope=SCOPE, kind=kind) for kind in ("audit", "repair")]

    lines = [record for record in caplog.records if record.name.startswith("tercet.agents")]
    for end, kind in zip(ends, ("audit", "repair"), strict=True):
        of_run = [line for line in lines if line.run == end.run]
        events = memory.journal.events(end.run)
        assert [(line.getMessage(), line.span) for line in of_run] == [(event.kind, event.span) for event in events]
        assert {(line.agent, line.task, line.root) for line in of_run} == {("helper", kind, end.run)}
    assert {line.run for line in lines} == {end.run for end in ends}
    assert SECRET not in caplog.text


def test_secrets_that_the_hook_takes_out_are_nowhere_in_the_memory(memory: Memory, tmp_path: Path) -> None:
    """S1.47: prompts and completions are kept whole, but for what the hook redacts."""
    end = helper(memory, redact=lambda text: text.replace(SECRET, "[key]")).run_sync("Which key?", scope=SCOPE)

    events = memory.journal.events(end.run)
    kept = "\n".join(str(text) for event in events for text in (event.body, *event.texts))
    assert end.text == f"It is {SECRET}."
    assert SECRET not in kept
    for part in ("Which key?", "The key main ([key]) is [key].", "It is [key]."):
        assert part in kept
    assert memory.journal.verify(end.run).intact
    memory.close()
    files = [file for file in (tmp_path / "memory").rglob("*") if file.is_file()]
    assert files
    assert not [file for file in files if SECRET.encode() in file.read_bytes()]


def test_each_agent_asks_with_the_settings_of_its_role(memory: Memory) -> None:
    """Part of S2.23: what the requests of an agent say is its own, and on record with them."""
    said = {}
    for name, tokens, effort in (("router", 256, "low"), ("specialist", 4096, "high")):
        model = ScriptedModel([finish("Done.")])
        agent = Agent(name, model=model, memory=memory, max_tokens=tokens, effort=effort)
        end = agent.run_sync("Which one?", scope=SCOPE)
        (request,) = model.requests
        events = [read(record).event for record in memory.journal.events(end.run)]
        (recorded,) = [event.parameters for event in events if isinstance(event, ModelRequested)]
        said[name] = (request.max_tokens, request.effort)
        assert (recorded["max_tokens"], recorded["effort"]) == (tokens, effort)

    assert said == {"router": (256, "low"), "specialist": (4096, "high")}
