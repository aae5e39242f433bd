"""Nothing that is slow holds up a run beyond its limits, and where its time went is on record."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tercet import Agent, Answer, LimitReached, Limits, Scope, tool
from tercet.agents.timing import timing
from tercet.errors import InputError
from tercet.memory.journal.in_memory import InMemoryJournal
from tercet.testing import FunctionModel, ScriptedModel, answer
from tests.agents.scripts import call, finish

SCOPE = Scope(tenant="acme", user="ada")


def test_a_tool_of_5_seconds_is_given_up_after_its_time() -> None:
    """S1.01: with a step timeout of 0.2 s the run ends in under 1 s, and the time of each step is on record."""

    @tool(effect="read", reads=["x"], timeout=0.2)
    async def slow() -> str:
        """Take 5 seconds."""
        await asyncio.sleep(5)
        return "late"

    began = time.monotonic()
    with ScriptedModel([answer(call("slow")), finish("It took too long.", confidence=0.3)]) as model:
        used = Agent("helper", model=model, tools=[slow], journal=InMemoryJournal())
        end = used.run_sync("Look", scope=SCOPE)
    assert isinstance(end, Answer)
    assert time.monotonic() - began < 1
    assert "did not end within 0.2 seconds" in model.requests[1].messages[-1].parts[0].content[0].text
    taken = timing(used.journal, end.run, scope=SCOPE)
    assert [one.step for one in taken.steps] == [1, 2]
    assert 0.2 <= taken.steps[0].tools <= taken.steps[0].seconds < 1
    assert taken.p50 <= taken.p95 <= max(one.seconds for one in taken.steps)


def test_a_model_that_never_answers_ends_with_the_time_of_the_run() -> None:
    """S1.01."""

    async def never(request: Any) -> Any:
        await asyncio.Event().wait()

    used = Agent("helper", model=FunctionModel(never), limits=Limits(seconds=0.2), journal=InMemoryJournal())
    began = time.monotonic()
    end = used.run_sync("Look", scope=SCOPE)
    assert isinstance(end, LimitReached)
    assert end.which == "seconds"
    assert time.monotonic() - began < 1


def test_the_parts_of_a_run_add_up_to_its_duration() -> None:
    """S1.49: models, tools and memory on the critical path, and the gaps between them, which are told apart."""

    @tool(effect="read", reads=["x"])
    async def look(number: int) -> int:
        """Look.

        Args:
            number: Which.
        """
        await asyncio.sleep(0.05)
        return number

    both = answer(call("look", id="a", number=1), call("look", id="b", number=2))
    with ScriptedModel([both, finish("done")]) as model:
        used = Agent("helper", model=model, tools=[look], journal=InMemoryJournal())
        end = used.run_sync("Look", scope=SCOPE)
    taken = timing(used.journal, end.run, scope=SCOPE)

    assert taken.seconds == pytest.approx(sum((one.seconds for one in taken.steps), taken.before + taken.gaps))
    for one in taken.steps:
        assert one.seconds == pytest.approx(one.model + one.tools + one.gaps, abs=1e-9)
        assert min(one.model, one.tools, one.gaps) >= 0
    assert taken.steps[0].tools < 0.1, "side by side, the slower one counts"
    with pytest.raises(InputError, match="no run"):
        timing(used.journal, end.run, scope=Scope(tenant="other"))
