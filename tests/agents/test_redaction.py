"""Secrets that a redactor knows are sent, and are in no file of the memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercet import Agent, Answer, Limits, Memory, NeedsClarification, Permissions, Scope, tool
from tercet.agents.events import ModelRequested, RunStarted, read
from tercet.agents.redaction import redacted
from tercet.agents.replay import replay
from tercet.errors import ModelUnavailableError, OutputError, ReplayError
from tercet.models.chat_records import SourcePart
from tercet.testing import HashEmbedder, ScriptedModel, answer
from tests.agents.scripts import call, finish

SCOPE = Scope(tenant="acme", user="ada")
SECRETS = ('sk-"q\\uote"-1', "sk-plain-2", "sk-größe-3", "sk-tool-4", "sk-answer-5", "sk-error-6")
MASKS = ["[redacted]", '"', "\\", '{"', "", "\n", "ü"]


def redactor(mask: str) -> Any:
    def redact(text: str) -> str:
        for secret in SECRETS:
            text = text.replace(secret, mask)
        return text

    return redact


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    return tmp_path / "memory"


def found(place: Path) -> list[tuple[str, str]]:
    """Secrets in files, by their beginning, in whatever way JSON writes the rest."""
    forms = {secret: [secret, json.dumps(secret)[1:-1], json.dumps(json.dumps(secret))[1:-1]] for secret in SECRETS}
    forms |= {secret[:6]: [secret[:6]] for secret in SECRETS}
    return [
        (file.name, secret)
        for file in sorted(place.rglob("*"))
        if file.is_file()
        for secret, written in forms.items()
        if any(one.encode() in file.read_bytes() for one in written)
    ]


@tool(effect="irreversible", writes=["mail"], content=["text"])
def send(text: str) -> dict[str, str]:
    """Send a mail.

    Args:
        text: Of it.
    """
    return {"sent": text, "receipt": SECRETS[3]}


def secretive(memory: Memory, model: ScriptedModel, mask: str, *, ask: bool = False) -> Agent[None, str]:
    return Agent(
        "helper",
        model=model,
        memory=memory,
        instructions=f"The key is {SECRETS[0]}.",
        tools=[send],
        permissions=Permissions(ask=["send"] if ask else [], allow=[] if ask else ["send(text=*)"], writable=["mail"]),
        limits=Limits(),
        owner="ops",
        on_failure="raise",
        redact=redactor(mask),
        repairs=1,
    )


@pytest.mark.parametrize("mask", MASKS)
def test_secrets_are_sent_and_in_no_file_of_the_memory(place: Path, mask: str) -> None:
    """S1.47: the hook redacts what is kept; JSON stays JSON whatever it returns."""
    busy = ModelUnavailableError(f"Busy with {SECRETS[5]}.", retryable=True, retry_after=0)
    said = f"I send {SECRETS[1]}."
    script = [busy, answer(said, call("send", text=f"{SECRETS[0]} {SECRETS[2]}")), answer(f"Ask {SECRETS[4]}?")]
    script.append(answer(call("ask_user", question=f"Is it {SECRETS[4]}?")))
    attached = SourcePart(id="a", source="upload", title=SECRETS[1], pieces=(f"Take {SECRETS[2]}.",))
    with Memory.open(place, embedder=HashEmbedder()) as memory, ScriptedModel(script) as model:
        agent = secretive(memory, model, mask)
        task = f'Mail "{SECRETS[0]}" and {SECRETS[2]}.'
        end = asyncio.run(agent.run(task, scope=SCOPE, attachments=[attached]))
        assert isinstance(end, NeedsClarification)
        assert end.question == f"Is it {SECRETS[4]}?"
        sent = str(model.requests)
        assert all(secret in sent or repr(secret)[1:-1] in sent for secret in SECRETS[:4])
        events = [read(one).event for one in memory.journal.events(end.run)]
        assert isinstance(events[0], RunStarted)
        assert events[0].redacted
        assert sum(isinstance(one, ModelRequested) for one in events) == len(model.requests)
        assert memory.journal.verify(end.run).intact
        assert found(place) == []
        with pytest.raises(ReplayError, match="redacted before"):
            asyncio.run(replay(agent, end.run, scope=SCOPE))
    assert found(place) == []


def test_neither_approvals_nor_failures_keep_secrets(place: Path) -> None:
    """S1.24, S1.47."""
    with Memory.open(place, embedder=HashEmbedder()) as memory:
        with ScriptedModel([answer(call("send", text=SECRETS[0]))]) as model:
            agent = secretive(memory, model, "***", ask=True)
            agent.run_sync(f"Mail {SECRETS[0]}", scope=SCOPE)
        (asked,) = memory.journal.approvals(scope=SCOPE, state="pending", at=agent.clock())
        assert json.loads(asked.arguments or "") == {"text": "***"}
        with ScriptedModel([finish(SECRETS[4], citations=(SECRETS[1],))] * 2) as model, pytest.raises(OutputError):
            secretive(memory, model, "***").run_sync("Say it", scope=SCOPE)
        with ScriptedModel([answer(call("escalate", reason=f"What is {SECRETS[5]}?"))]) as model:
            secretive(memory, model, "***").run_sync("Say it", scope=SCOPE)
    assert found(place) == []


def test_what_agents_below_say_is_redacted_by_those_above(place: Path) -> None:
    """S1.47."""
    asking = answer(call("researcher", task=f"Find {SECRETS[1]}"))
    with (
        Memory.open(place, embedder=HashEmbedder()) as memory,
        ScriptedModel([finish(SECRETS[3])]) as below,
        ScriptedModel([asking, finish("done")]) as model,
    ):
        delegated = Agent("researcher", model=below, memory=memory).as_tool("Finds out.")
        lead = Agent("lead", model=model, memory=memory, tools=[delegated], redact=redactor("***"))
        end = lead.run_sync("Find it", scope=SCOPE)
    assert isinstance(end, Answer)
    assert SECRETS[3] in model.requests[1].messages[-1].parts[0].content[0].text
    assert found(place) == []


def test_without_a_redactor_the_scan_would_find_them(place: Path) -> None:
    with Memory.open(place, embedder=HashEmbedder()) as memory, ScriptedModel([finish("done")]) as model:
        Agent("helper", model=model, memory=memory).run_sync(f"Say {SECRETS[1]}", scope=SCOPE)
    assert found(place)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda one: st.lists(one) | st.dictionaries(st.text(), one)
)


@given(value=JSON, mask=st.text())
def test_json_stays_json_whatever_the_redactor_returns(value: Any, mask: str) -> None:
    kept = redacted(json.dumps(value), lambda text: text.replace("0", mask))

    if isinstance(value, list | dict):
        assert type(json.loads(kept)) is type(value)
