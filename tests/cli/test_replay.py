"""``tercet runs replay``: runs of ``tercet ask`` and of an agent in a module, repeated and lived anew."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import pytest

from tercet import Memory, Scope
from tercet.agents.events import RunStarted, write
from tercet.memory.journal.records import NewRun
from tests.cli.test_json import assert_documented

AGENTS = '''
from tercet import Agent, Scope, tool
from tercet.models.chat_records import ToolCallPart
from tercet.testing import ScriptedModel, answer


@tool(effect="read", reads=["crm"])
def plan(name: str) -> str:
    """The plan of a customer.

    Args:
        name: Of the customer.
    """
    return "gold"


def said(tool_name, **arguments):
    return answer(ToolCallPart(id=f"call-{tool_name}", name=tool_name, arguments=arguments))


SCRIPT = [said("plan", name="Ada"), said("finish", text="Gold.", confidence=0.9, citations=[])]
support = Agent("support", model=ScriptedModel(SCRIPT), tools=[plan])
other = support.with_instructions("Be brief.")
ready = "no agent"


def of(memory):
    return Agent("support", model=ScriptedModel(SCRIPT[1:]), tools=[plan], memory=memory)


def broken(memory):
    raise RuntimeError("no database")
'''


@pytest.fixture
def asked(ingested) -> tuple:
    """``run``, after a question was asked by ``tercet ask``, and the id of the run."""
    return ingested, ingested("ask", "When are keys rotated?", "--json").json["run"]


@pytest.fixture
def supported(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """``run``, after the agent of a module here did a task for the memory in ``.tercet``, and the id of the run."""
    (tmp_path / "my_agents.py").write_text(AGENTS, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_agents", raising=False)
    my_agents = import_module("my_agents")
    with Memory.open(tmp_path / ".tercet", embedder="none") as memory:
        my_agents.support.journal = memory.journal
        end = my_agents.support.run_sync("Plan of Ada?", scope=Scope(tenant="acme"))
    yield run, end.run
    sys.modules.pop("my_agents", None)


def test_a_run_of_ask_repeats_to_the_byte(asked) -> None:
    """Part of S2.74: no model and no memory is asked."""
    run, id_ = asked
    told = run("runs", "replay", id_, "--json")

    assert_documented("runs-replay", told.json)
    assert (told.code, told.json["requests"], told.json["difference"], told.json["end"]) == (0, 1, "", "answer")
    assert run("runs", "replay", id_).out.startswith(f"Run {id_} repeats: 1 request the same to the byte.\n")
    assert len(run("runs", "list", "--json").json["runs"]) == 1


def test_a_run_of_ask_is_lived_anew_with_other_instructions(asked, tmp_path: Path) -> None:
    """Part of S2.74: from a step on, with one thing changed."""
    run, id_ = asked
    (tmp_path / "new.md").write_text("Be brief.", encoding="utf-8")
    told = run("runs", "replay", id_, "--from", 1, "--instructions", "new.md", "--json").json

    assert_documented("runs-replay", told)
    runs = {one["id"]: one for one in run("runs", "list", "--json").json["runs"]}
    assert runs[told["new_run"]]["replays"] == id_
    assert "Be brief." in run("runs", "show", told["new_run"], "--event", 3).out


def test_an_agent_of_a_module_repeats_its_run(supported) -> None:
    run, id_ = supported
    words = ("runs", "replay", id_, "--tenant", "acme")

    told = run(*words, "--with", "my_agents:support", "--json")
    assert (told.code, told.json["requests"], told.json["text"]) == (0, 2, "Gold.")
    changed = run(*words, "--with", "my_agents:other")
    assert changed.code == 1
    assert changed.out.startswith(f"Run {id_} does not repeat:\n  | Step 1 of run {id_}: the instructions of the")
    assert run(*words, "--with", "my_agents:other", "--json").json["difference"]
    anew = run(*words, "--with", "my_agents:of", "--from", 2)
    assert (anew.code, anew.out.splitlines()[1:]) == (0, ["It ended: answer", "  | Gold."])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "which the journal cannot make again"),
        (("--with", "nothing:here"), "ModuleNotFoundError"),
        (("--with", "my_agents"), "AttributeError"),
        (("--with", "my_agents:nobody"), "AttributeError"),
        (("--with", "my_agents:ready"), "is no agent"),
        (("--with", "my_agents:broken"), "RuntimeError: no database"),
        (("--with", "my_agents:support", "--from", "9"), "has steps 1 to 2"),
        (("--with", "my_agents:support", "--instructions", "new.md"), "need a step"),
        (("--with", "my_agents:support", "--from", "1", "--instructions", "none.md"), "No such file"),
    ],
)
def test_what_cannot_be_repeated_is_2_with_a_message(supported, words: tuple[str, ...], message: str) -> None:
    run, id_ = supported

    outcome = run("runs", "replay", id_, "--tenant", "acme", *words)

    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err
    assert "defect" not in outcome.err
    assert run("runs", "replay", id_, *words).code == 2
    assert len(run("runs", "list", "--any", "--json").json["runs"]) == 1


def test_another_model_is_not_guessed(journalled, tmp_path: Path) -> None:
    with Memory.open(tmp_path / ".tercet") as memory:
        started = RunStarted(
            agent="ask",
            owner="ask",
            model="claude-x",
            instructions="@1#9f2c",
            tools=(),
            policy="",
            limits={},
            texts=("Which?", "Answer."),
        )
        first = write(started, at=memory.clock(), span="s1", parent="")
        memory.journal.begin(NewRun(id="asked", scope=Scope(), agent="ask"), [first])

    outcome = journalled("runs", "replay", "asked", "--from", 1)

    assert (outcome.code, "asked the model 'claude-x'" in outcome.err, "--model" in outcome.err) == (2, True, True)
