"""A task that goes round in circles is handed to a person, with what was tried."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tercet.agents.gate.attempts import Attempt
from tercet.agents.gate.breaker import Breakers
from tercet.agents.gate.loop import LoopDetector
from tercet.agents.permissions import Permissions
from tercet.agents.tools.decorator import tool
from tercet.agents.tools.records import Call, Refused, Succeeded
from tercet.errors import ConfigurationError
from tests.agents.gate.rig import Rig


class Desk:
    """Tools whose answers a test decides, and what was executed."""

    def __init__(self, answer: Callable[[str, Any], Any] = lambda name, argument: "the same") -> None:
        self.ran: list[tuple[str, Any]] = []

        def run(name: str, argument: Any) -> Any:
            self.ran.append((name, argument))
            given = answer(name, argument)
            if isinstance(given, Exception):
                raise given
            return given

        @tool(effect="read", reads=["web"])
        async def look(query: object) -> object:
            """Look."""
            return run("look", query)

        @tool(effect="read", reads=["web"])
        async def ask_other(query: object) -> object:
            """Ask another agent."""
            return run("ask_other", query)

        @tool(effect="write", writes=["notes"])
        async def note(query: object) -> object:
            """Note."""
            return run("note", query)

        self.tools = [look, ask_other, note]

    def rig(self, **options: Any) -> Rig:
        return Rig(self.tools, **{"loops": LoopDetector(), "breakers": Breakers(failures=1000), **options})


async def calls(rig: Rig, *queries: Any, name: str = "look") -> list[Any]:
    return [await rig.call(name, {"query": query}) for query in queries]


def ended(outcome: Any) -> bool:
    return isinstance(outcome, Refused) and outcome.final and outcome.step == "loop"


def test_the_same_failing_call_is_made_three_times_and_never_a_fourth() -> None:
    """S1.37: escalation with evidence after N; N+1 never executes."""
    desk = Desk(lambda name, argument: ValueError("no such page"))
    rig = desk.rig()

    outcomes = asyncio.run(calls(rig, "a", "a", "a", "a", "a"))

    assert len(desk.ran) == 3
    assert [ended(outcome) for outcome in outcomes] == [False, False, False, True, True]
    assert len(outcomes[3].evidence) == 3
    assert "step 1, support: look({" in outcomes[3].evidence[0]
    assert "no such page" in outcomes[3].evidence[0]
    assert rig.ledger.consumed.tool_calls == 3


def test_success_of_something_else_in_between_resets_nothing() -> None:
    """S1.37: counts are of the task."""
    desk = Desk(lambda name, argument: ValueError("no") if argument == "a" else f"found {argument}")

    outcomes = asyncio.run(calls(desk.rig(), "a", "b", "a", "c", "a", "d", "a"))

    assert [argument for _, argument in desk.ran].count("a") == 3
    assert ended(outcomes[-1])


@pytest.mark.parametrize(
    "spellings",
    [
        [{"b": 1, "a": "x"}, {"a": "x", "b": 1}],
        [{"n": 1}, {"n": 1.0}],
        ["Rotate keys", "  rotate\n keys "],
        ["STRASSE", "straße"],
        [[{"a": [1.0]}], [{"a": [1]}]],
    ],
)
def test_the_same_call_is_told_however_it_is_spelt(spellings: list[Any]) -> None:
    """S1.37: canonical arguments."""
    desk = Desk()

    outcomes = asyncio.run(calls(desk.rig(), *(spellings * 4)))

    assert len(desk.ran) == 3
    assert ended(outcomes[3])


@pytest.mark.parametrize("others", [[1, "1"], [1, True], [None, "null"], [0, False], ["a b", "ab"], [[1], 1], [1, 1.5]])
def test_other_arguments_are_other_calls(others: list[Any]) -> None:
    desk = Desk(lambda name, argument: f"{argument!r}")

    asyncio.run(calls(desk.rig(), *(others * 2)))

    assert len(desk.ran) == 4


def test_asking_again_for_what_changes_is_no_loop_until_it_was_asked_often() -> None:
    count = iter(range(100))
    desk = Desk(lambda name, argument: f"{next(count)} % done")

    outcomes = asyncio.run(calls(desk.rig(), *["job"] * 8))

    assert len(desk.ran) == 6
    assert ended(outcomes[6])


def test_64_of_the_same_call_at_once_run_three_times() -> None:
    """S1.37: N+1 never executes, also when they come together."""
    desk = Desk()
    rig = desk.rig()

    async def storm() -> list[Any]:
        return await asyncio.gather(*(rig.call("look", {"query": "a"}, step=1) for _ in range(64)))

    outcomes = asyncio.run(storm())

    assert len(desk.ran) == 3
    assert sum(ended(outcome) for outcome in outcomes) == 61


def test_agents_that_pass_a_task_to_each_other_are_stopped() -> None:
    """S1.37: over the whole tree; what they say differs each time, and so do their runs."""
    count = iter(range(100))
    desk, loops = Desk(lambda name, argument: f"answer {next(count)}"), LoopDetector(repeats=50)
    one, other = desk.rig(loops=loops, run="one", agent="one"), desk.rig(loops=loops, run="other", agent="other")

    async def ping_pong() -> list[Any]:
        outcomes = []
        for _ in range(5):
            outcomes += await calls(one, "you do it", name="ask_other")
            outcomes += await calls(other, "you do it")
        return outcomes

    outcomes = asyncio.run(ping_pong())

    assert len(desk.ran) == 6
    assert ended(outcomes[6])
    assert len(outcomes[6].evidence) == 2


def test_a_cycle_of_three_is_seen_too_and_no_cycle_where_there_is_none() -> None:
    count = iter(range(1000))
    desk = Desk(lambda name, argument: f"answer {next(count)}")
    asyncio.run(calls(desk.rig(loops=LoopDetector(repeats=50)), *("abc" * 5)))
    assert len(desk.ran) == 9

    desk.ran.clear()
    asyncio.run(calls(desk.rig(loops=LoopDetector(repeats=50)), *"abcabdabeacbabfagba"))
    assert len(desk.ran) == 19


def test_the_same_error_in_three_turns_stops_the_tool_whatever_its_arguments() -> None:
    desk = Desk(lambda name, argument: ConnectionError(f"port {len(desk.ran)} refused") if name == "look" else "ok")
    rig = desk.rig()

    outcomes = asyncio.run(calls(rig, "a", "b", "c", "d"))
    other = asyncio.run(calls(rig, "d", name="note"))

    assert len(desk.ran) == 4
    assert ended(outcomes[3])
    assert other[0].kind == "succeeded"


def test_calls_of_one_turn_do_not_know_of_each_other_and_fail_as_one() -> None:
    desk = Desk(lambda name, argument: ConnectionError("refused"))
    rig = desk.rig()

    async def turns() -> None:
        for turn in range(4):
            await asyncio.gather(*(rig.call("look", {"query": [turn, number]}, step=turn + 1) for number in range(4)))

    asyncio.run(turns())

    assert len(desk.ran) == 12


def test_turns_that_bring_nothing_new_end() -> None:
    """S1.37: paraphrased questions, the same hits."""
    desk = Desk(lambda name, argument: ["the same three hits"])

    outcomes = asyncio.run(calls(desk.rig(), *"abcdefgh"))

    assert len(desk.ran) == 6
    assert ended(outcomes[6])
    assert "nothing new" in outcomes[6].reason


def test_eight_searches_of_one_turn_that_all_find_nothing_are_no_loop() -> None:
    desk = Desk(lambda name, argument: [])
    rig = desk.rig()

    async def one_turn() -> None:
        await asyncio.gather(*(rig.call("look", {"query": number}, step=1) for number in range(8)))

    asyncio.run(one_turn())

    assert asyncio.run(calls(rig, "again"))[0].kind == "succeeded"


def test_writing_ten_different_things_is_no_loop() -> None:
    desk = Desk(lambda name, argument: "done")

    asyncio.run(calls(desk.rig(), *range(10), name="note"))

    assert len(desk.ran) == 10


def test_what_is_refused_again_and_again_ends_the_run() -> None:
    """S1.37: the policy's refusals, and arguments that do not fit."""
    desk = Desk()
    denied = desk.rig(permissions=Permissions(allow=["note"], readable=["*"], writable=["*"]))

    outcomes = asyncio.run(calls(denied, "a", "a", "a"))

    assert [outcome.final for outcome in outcomes] == [False, False, True]
    assert len(outcomes[2].evidence) == 3
    wrong = desk.rig()
    outcomes = [asyncio.run(wrong.call("look", {"qery": "a"})) for _ in range(3)]
    assert [outcome.final for outcome in outcomes] == [False, False, True]
    assert desk.ran == []


def test_waiting_for_a_person_or_for_a_turn_is_no_attempt() -> None:
    desk = Desk()
    rig = desk.rig(permissions=Permissions(ask=["look"], allow=["*"], readable=["*"], writable=["*"]))

    outcomes = [asyncio.run(rig.call("look", {"query": "a"}, identifier=f"call-{number}")) for number in range(5)]

    assert {outcome.kind for outcome in outcomes} == {"pending"}


def test_counts_are_made_anew_from_what_was_journalled() -> None:
    desk, loops = Desk(), LoopDetector()
    rig = desk.rig(loops=loops)
    for number in range(3):
        call = Call(id=str(number), name="look", arguments={"query": "a"}, step=number, tool=desk.tools[0])
        attempt = Attempt.of(call, rig.state)
        assert loops.begin(attempt) is None
        loops.end(attempt, Succeeded(value="the same", trust="external"))

    assert ended(asyncio.run(calls(rig, " A "))[0])
    assert desk.ran == []


@pytest.mark.parametrize("counts", [{"attempts": 0}, {"repeats": 2}, {"rounds": 1}, {"stale": 1}])
def test_counts_too_low_to_tell_a_loop_from_work_are_refused(counts: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError):
        LoopDetector(**counts)
