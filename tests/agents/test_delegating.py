"""Agents as tools of agents: one tree, one budget, no more rights than the one above."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tercet import Agent, Answer, LimitReached, Limits, Permissions, Scope, tool
from tercet.agents.gate.breaker import Breakers
from tercet.memory.journal.in_memory import InMemoryJournal
from tercet.models.chat_records import ToolCallPart
from tercet.records import Usage
from tercet.testing import FunctionModel, ScriptedModel, answer
from tests.agents.scripts import call, finish

SCOPE = Scope(tenant="acme", user="ada")
WIDE = Limits(steps=1000, model_calls=1000, tool_calls=1000, children=1000, depth=10)


def test_what_a_sub_agent_spends_is_spent_by_the_one_above() -> None:
    """S1.36, S2.45: a tree has one budget."""
    below = ScriptedModel([finish("Lovelace")])
    researcher = Agent("researcher", model=below)
    above = ScriptedModel([answer(call("researcher", task="Who is Ada?")), finish("Ada Lovelace")])
    journal = InMemoryJournal()
    lead = Agent("lead", model=above, tools=[researcher.as_tool("Finds out.")], journal=journal)
    end = lead.run_sync("Who is Ada?", scope=SCOPE)

    assert isinstance(end, Answer)
    assert end.usage == Usage(input_tokens=30, output_tokens=15)
    told = json.loads(above.requests[1].messages[-1].parts[0].content[0].text)
    assert (told["end"], told["text"]) == ("answer", "Lovelace")
    runs = {run.agent: run for run in journal.runs(scope=SCOPE)}
    assert runs["researcher"].parent == runs["researcher"].root == end.run
    assert runs["researcher"].id == told["run"]


def test_the_tree_stops_at_its_limit_and_not_each_agent_at_its_own() -> None:
    """S1.36: N steps in total, whoever makes them."""
    below = FunctionModel(lambda request: finish("done"))
    researcher = Agent("researcher", model=below, limits=WIDE)
    above = FunctionModel(lambda request: answer(call("researcher", task=f"Task {len(request.messages)}")))
    lead = Agent("lead", model=above, tools=[researcher.as_tool("Finds out.")], limits=Limits(steps=4))
    end = lead.run_sync("Go on", scope=SCOPE)

    assert isinstance(end, LimitReached)
    assert end.which == "steps"
    assert len(above.requests) + len(below.requests) == 4


def test_an_agent_that_calls_itself_stops_at_the_depth_allowed() -> None:
    """S1.42, S2.34: an adversarial spawner stops at the cap, before any request."""
    tools: list[Any] = []
    model = FunctionModel(lambda request: answer(call("spawner", task=f"Deeper {len(request.messages)}")))
    spawner = Agent("spawner", model=model, limits=Limits(steps=50, tool_calls=50, depth=3, children=5))
    tools.append(spawner.as_tool("Spawns."))
    spawner.tools = {one.name: one for one in tools}
    spawner.permissions = Permissions(allow=["spawner"], readable=["*"])
    end = spawner.run_sync("Go", scope=SCOPE)

    assert not isinstance(end, Answer)
    journal = spawner.journal
    depths = {run.id: run.parent for run in journal.runs(scope=SCOPE)}

    def depth(run: str) -> int:
        return 1 + (depth(depths[run]) if depths[run] else 0)

    assert max(depth(run) for run in depths) == 3
    assert len(depths) - 1 <= 5


def test_64_calls_at_once_make_exactly_as_many_as_allowed() -> None:
    """S2.45: no overshoot, however many ask at the same time."""
    made = 0

    @tool(effect="read", reads=["x"])
    async def look(number: int) -> int:
        """Look.

        Args:
            number: Which.
        """
        nonlocal made
        made += 1
        await asyncio.sleep(0)
        return number

    calls = [ToolCallPart(id=f"c{number}", name="look", arguments={"number": number}) for number in range(64)]
    for limit in (3, 5, 9, 63):
        made = 0
        with ScriptedModel([answer(*calls)]) as model:
            end = Agent("helper", model=model, tools=[look], limits=Limits(tool_calls=limit)).run_sync(
                "Go", scope=SCOPE
            )
        assert isinstance(end, LimitReached)
        assert (end.which, made) == ("tool_calls", limit)


def test_64_sub_agents_at_once_share_the_limit_of_model_calls() -> None:
    """S2.45, S2.50: reserved before it is sent, in the whole tree."""
    asked = 0

    async def respond(request: Any) -> Any:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        return finish("done")

    below = Agent("worker", model=FunctionModel(respond), limits=WIDE)
    calls = [ToolCallPart(id=f"c{number}", name="worker", arguments={"task": f"T{number}"}) for number in range(64)]
    for limit in (3, 5, 9):
        asked = 0
        with ScriptedModel([answer(*calls)]) as model:
            limits = Limits(steps=200, model_calls=limit, tool_calls=200, children=100)
            lead = Agent(
                "lead", model=model, tools=[below.as_tool("Works.")], limits=limits, breakers=Breakers(failures=100)
            )
            end = lead.run_sync("Go", scope=SCOPE)
        assert isinstance(end, LimitReached)
        assert len(model.requests) + asked == limit
        assert end.usage.total_tokens == 15 * limit


def test_a_sub_agent_may_do_nothing_that_the_one_above_may_not() -> None:
    """S2.51: scopes are intersected on delegation."""
    sent: list[str] = []

    @tool(effect="write", writes=["mail"])
    def send(text: str) -> str:
        """Send a mail.

        Args:
            text: Of it.
        """
        sent.append(text)
        return "sent"

    script = [answer(call("send", text="hello")), finish("tried")]
    with ScriptedModel(script) as model:
        mailer = Agent(
            "mailer",
            model=model,
            tools=[send],
            permissions=Permissions(allow=["send"], writable=["mail"]),
            limits=Limits(),
            owner="ops",
            on_failure="raise",
        )
        above = ScriptedModel([answer(call("mailer", task="Mail hello")), finish("done")])
        lead = Agent(
            "lead",
            model=above,
            tools=[mailer.as_tool("Mails.")],
            permissions=Permissions(allow=["mailer"], readable=["agent:*"], writable=["mail"]),
            limits=Limits(steps=10),
            owner="ops",
            on_failure="raise",
        )
        lead.run_sync("Mail hello", scope=SCOPE)
    assert sent == []
    assert "send" not in [one.name for one in model.requests[0].tools]
