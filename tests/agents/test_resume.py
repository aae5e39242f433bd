"""Runs that are gone on with, repeated and explained; on the journal of a real memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tercet import Agent, Answer, Document, Escalated, Memory, NeedsClarification, Scope, ingest, tool
from tercet.agents.explain import explain
from tercet.agents.replay import replay, replay_from
from tercet.agents.running import go_on
from tercet.agents.tools.records import Succeeded
from tercet.errors import ClaimLostError, InputError, OutputError, ReplayError, StateError
from tercet.models.extractive_chat import ExtractiveModel
from tercet.testing import HashEmbedder, ScriptedModel, answer
from tests.agents.scripts import call, finish

SCOPE = Scope(tenant="acme", user="ada")
KEYS = "Keys expire after ninety days. Rotate a key with the rotate command."


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    with Memory.open(tmp_path / "memory", embedder=HashEmbedder()) as opened:
        ingest(documents=[Document(uri="keys", text=KEYS)], into=opened, tenant="acme")
        yield opened


@tool(effect="read", reads=["crm"])
def customer(name: str) -> dict[str, str]:
    """What is known of a customer.

    Args:
        name: Of the customer.
    """
    return {"name": name, "plan": "gold"}


SCRIPT = [answer("I look it up. ", call("customer", name="Ada")), finish("gold", citations=("1",))]


def test_another_process_goes_on_where_one_left_off(memory: Memory, tmp_path: Path) -> None:
    """Part of S1.24, S2.10: all that a run needs is in the journal."""
    asking = ScriptedModel([answer(call("customer", name="Ada")), answer(call("ask_user", question="Which Ada?"))])
    waiting = Agent("helper", model=asking, memory=memory, tools=[customer]).run_sync("Ada's plan?", scope=SCOPE)
    assert isinstance(waiting, NeedsClarification)
    memory.close()

    with Memory.open(tmp_path / "memory", embedder=HashEmbedder()) as opened:
        going_on = ScriptedModel([finish("gold", citations=("1",))])
        end = Agent("helper", model=going_on, memory=opened, tools=[customer]).resume_sync(
            waiting.run, scope=SCOPE, answer="Ada Lovelace"
        )
        assert isinstance(end, Answer)
        assert end.steps == 3
        assert end.quotes[0].citation is not None
        assert end.quotes[0].citation.uri == "keys"
        assert end.context == waiting.context
        assert opened.journal.verify(end.run).intact
    said, asked = asking.requests[1].messages, going_on.requests[0].messages
    assert asked[: len(said)] == said


def test_a_run_that_a_process_left_behind_makes_no_call_twice(memory: Memory) -> None:
    """S2.47: after a crash between a tool's result and the next request, the tool is not called again."""
    calls: list[str] = []

    @tool(effect="read", reads=["crm"])
    def look(name: str) -> str:
        """Look something up.

        Args:
            name: Of what.
        """
        calls.append(name)
        return "gold"

    class Crash(BaseException):
        pass

    class Crashing(ScriptedModel):
        async def respond(self, request: Any) -> Any:
            if len(self.requests) == 1:
                raise Crash
            return await super().respond(request)

    model = Crashing([answer(call("look", name="Ada"))])
    with pytest.raises(Crash):
        Agent("helper", model=model, memory=memory, tools=[look]).run_sync("Ada's plan?", scope=SCOPE)
    (left,) = memory.journal.runs(scope=SCOPE)
    assert left.status == "running"
    with ScriptedModel([finish("gold")]) as model:
        end = Agent("helper", model=model, memory=memory, tools=[look]).resume_sync(left.id, scope=SCOPE)
    assert isinstance(end, Answer)
    assert calls == ["Ada"]
    assert end.steps == 2


def test_of_two_who_go_on_with_a_run_the_second_is_refused(memory: Memory) -> None:
    with ScriptedModel([answer(call("ask_user", question="Which?"))]) as model:
        waiting = Agent("helper", model=model, memory=memory).run_sync("Ada's plan?", scope=SCOPE)
    agents = [Agent("helper", model=ScriptedModel([finish("gold")]), memory=memory) for _ in range(2)]

    async def both() -> list[Any]:
        loops = [await go_on(one, waiting.run, scope=SCOPE, answer="Ada", deps=None) for one in agents]
        return await asyncio.gather(*(loop.run() for loop in loops), return_exceptions=True)

    ends = asyncio.run(both())
    assert {type(end) for end in ends} == {Answer, ClaimLostError}


def test_a_replay_sends_the_same_bytes_and_executes_nothing(memory: Memory) -> None:
    """S2.74."""
    with ScriptedModel(SCRIPT) as model:
        used = Agent("helper", model=model, memory=memory, tools=[customer])
        end = used.run_sync("Which plan has Ada, and when do keys expire?", scope=SCOPE)
    assert isinstance(end, Answer)
    before = memory.journal.run(end.run)

    nothing = Agent("helper", model=ScriptedModel([]), memory=memory, tools=[customer])
    repeated = asyncio.run(replay(nothing, end.run, scope=SCOPE))
    assert isinstance(repeated.end, Answer)
    assert (repeated.end.output, repeated.end.quotes, repeated.requests) == (end.output, end.quotes, 2)
    assert memory.journal.run(end.run) == before

    with pytest.raises(ReplayError, match=r"Step 1 .* the instructions of the request differ"):
        asyncio.run(replay(nothing.with_instructions("Be brief."), end.run, scope=SCOPE))
    with pytest.raises(ReplayError, match="the tools of the request differ"):
        asyncio.run(replay(Agent("helper", model=model, memory=memory), end.run, scope=SCOPE))
    with pytest.raises(InputError, match="no run"):
        asyncio.run(replay(nothing, end.run, scope=Scope(tenant="other")))


def waiting_for_people(memory: Memory) -> list[str]:
    return [one.id for one in memory.journal.approvals(scope=SCOPE, at=memory.clock())]


def test_an_agent_that_escalates_its_failures_does_not_escalate_its_replays(memory: Memory) -> None:
    """S2.74: what parts from the journal is said, wherever it does, and nobody is asked to look at it."""
    with ScriptedModel(SCRIPT) as model:
        used = Agent("helper", model=model, memory=memory, tools=[customer], on_failure="escalate")
        end = used.run_sync("Which plan has Ada?", scope=SCOPE)
    nothing = Agent("helper", model=ScriptedModel([]), memory=memory, tools=[customer], on_failure="escalate")
    with pytest.raises(ReplayError, match="the instructions of the request differ"):
        asyncio.run(replay(nothing.with_instructions("Be brief."), end.run, scope=SCOPE))

    single = Agent("helper", model=ScriptedModel([finish("gold")]), memory=memory, on_failure="escalate")
    end = single.run_sync("Which plan has Ada?", scope=SCOPE)
    with pytest.raises(ReplayError, match="the instructions of the request differ"):
        asyncio.run(replay(single.with_instructions("Be brief."), end.run, scope=SCOPE))
    assert waiting_for_people(memory) == []

    broken = Agent("helper", model=ScriptedModel([answer("done")]), memory=memory, repairs=0, on_failure="escalate")
    failed = broken.run_sync("Which plan has Ada?", scope=SCOPE)
    before = waiting_for_people(memory)
    repeated = asyncio.run(replay(broken, failed.run, scope=SCOPE))
    assert isinstance(repeated.end, Escalated)
    assert repeated.end.reason == failed.text
    assert waiting_for_people(memory) == before


def test_a_suspended_and_a_failed_run_are_repeated_too(memory: Memory) -> None:
    """S2.74: the failed ones above all."""
    script = [answer(call("ask_user", question="Which?")), finish("gold")]
    with ScriptedModel(script) as model:
        used = Agent("helper", model=model, memory=memory)
        waiting = used.run_sync("Ada's plan?", scope=SCOPE)
        used.resume_sync(waiting.run, scope=SCOPE, answer="Lovelace")
    repeated = asyncio.run(replay(used, waiting.run, scope=SCOPE))
    assert isinstance(repeated.end, Answer)
    assert repeated.requests == 2

    with ScriptedModel([answer("done"), answer("done")]) as model:
        used = Agent("helper", model=model, memory=memory, repairs=1)
        with pytest.raises(OutputError) as caught:
            used.run_sync("Ada's plan?", scope=SCOPE)
    repeated = asyncio.run(replay(used, caught.value.run, scope=SCOPE))
    assert (repeated.end, repeated.error, repeated.requests) == (None, "OutputError", 2)


def test_from_a_step_on_one_thing_may_be_changed(memory: Memory) -> None:
    """S2.74: stop at step k and change one thing."""
    with ScriptedModel(SCRIPT) as model:
        used = Agent("helper", model=model, memory=memory, tools=[customer])
        end = used.run_sync("Which plan has Ada, and when do keys expire?", scope=SCOPE)
    with ScriptedModel([finish("silver")]) as other:
        changed = Agent("helper", model=other, memory=memory, tools=[customer])
        outcome = Succeeded(value={"plan": "silver"}, trust="external")
        what_if = asyncio.run(replay_from(changed, end.run, step=2, scope=SCOPE, results={"call-customer": outcome}))
    assert isinstance(what_if, Answer)
    assert (what_if.output, what_if.steps) == ("silver", 2)
    assert json.loads(other.requests[0].messages[-1].parts[0].content[0].text) == {"plan": "silver"}
    assert memory.journal.run(what_if.run).replays == end.run
    assert what_if.run != end.run
    with pytest.raises(InputError, match="steps 1 to 2, not 3"):
        asyncio.run(replay_from(changed, end.run, step=3, scope=SCOPE))


def test_other_instructions_do_not_go_on_with_a_run_and_can_be_rolled_back(memory: Memory) -> None:
    """S2.56."""
    with ScriptedModel([answer(call("ask_user", question="Which?")), finish("gold")]) as model:
        old = Agent("helper", model=model, memory=memory, instructions="Be exact.")
        waiting = old.run_sync("Ada's plan?", scope=SCOPE)
        new = old.with_instructions("Be brief.")
        with pytest.raises(StateError, match="begun with the instructions"):
            new.resume_sync(waiting.run, scope=SCOPE, answer="Lovelace")
        back = new.rolled_back_to(waiting.run, scope=SCOPE)
        assert back.instructions.hash == old.instructions.hash
        end = back.resume_sync(waiting.run, scope=SCOPE, answer="Lovelace")
    assert isinstance(end, Answer)
    assert end.instructions == old.instructions.label
    assert end.instructions.startswith("helper@1#")


def test_explain_names_the_first_step_that_went_wrong(memory: Memory) -> None:
    """S1.51."""

    @tool(effect="read", reads=["crm"])
    def broken(name: str) -> str:
        """Look something up.

        Args:
            name: Of what.
        """
        raise RuntimeError(f"no line to {name}")

    script = [
        answer(call("customer", name="Ada")),
        answer(call("broken", name="crm")),
        finish("gold", citations=("99",)),
    ]
    with ScriptedModel([*script, finish("gold")]) as model:
        used = Agent("helper", model=model, memory=memory, tools=[customer, broken])
        end = used.run_sync("Ada's plan?", scope=SCOPE)
    explained = explain(memory.journal, end.run, scope=SCOPE)
    assert explained.end == "answer"
    assert explained.first is not None
    assert (explained.first.step, explained.first.what) == (2, "broken failed: exception")
    assert "no line to crm" in explained.first.reason
    assert [one.step for one in explained.deviations] == [2, 3, 3]

    plain = Agent("plain", model=ExtractiveModel(), memory=memory).run_sync("When do keys expire?", scope=SCOPE)
    assert explain(memory.journal, plain.run, scope=SCOPE).deviations == ()
    with pytest.raises(InputError, match="no run"):
        explain(memory.journal, end.run, scope=Scope(tenant="other"))
