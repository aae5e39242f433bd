"""Whatever a run comes to, it is repeated to the byte, and its journal alone gives the request that came next."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tercet import Agent, Answer, Limits, Permissions, Scope, tool
from tercet.agents.conversation import Conversation
from tercet.agents.ends import End, Escalated, NeedsClarification
from tercet.agents.events import Event, ModelRequested, read
from tercet.agents.gate.breaker import Breakers
from tercet.agents.instructions import what_is_left
from tercet.agents.ledger import Ledger
from tercet.agents.replay import replay
from tercet.agents.requests import request_of
from tercet.agents.resuming import consumed_by
from tercet.agents.trust import Taint
from tercet.errors import ModelUnavailableError, NothingChangedError, TercetError
from tercet.memory.journal.in_memory import InMemoryJournal
from tercet.models.chat_records import ChatRequest, ChatResponse, ToolCallPart
from tercet.testing import FunctionModel, ScriptedModel, answer
from tests.agents.scripts import call, finish

SCOPE = Scope(tenant="acme", user="ada")
TASK = "Double the numbers, send bob a mail, and ask whoever knows."
DENIED = Permissions(
    allow=["double", "broken", "researcher", "flaky"], ask=["send"], readable=["*"], writable=["mail", "x"]
)


@tool(effect="pure")
def double(number: int) -> int:
    """Double a number.

    Args:
        number: Any.
    """
    return 2 * number


@tool(effect="pure")
def secret(number: int) -> int:
    """Never permitted.

    Args:
        number: Any.
    """
    raise AssertionError("it was called")


@tool(effect="read", reads=["x"])
def broken(number: int) -> int:
    """Always fails.

    Args:
        number: Any.
    """
    raise RuntimeError(f"no line to {number}")


@tool(effect="write", writes=["x"], fallback="double")
def flaky(number: int) -> int:
    """Changes nothing, and says so.

    Args:
        number: Any.
    """
    raise NothingChangedError(f"busy with {number}", retryable=True)


@tool(effect="irreversible", writes=["mail"])
def send(to: str) -> str:
    """Send a mail; a person has to agree.

    Args:
        to: Whom.
    """
    return f"sent to {to}"


def research(request: ChatRequest) -> ChatResponse:
    """Of the agent below: one tool call, then an answer; what it is asked decides which."""
    if len(request.messages) > 1:
        return finish("found")
    return answer(call("double", number=len(request.messages[0].text)))


numbers = st.integers(0, 3)
calls = st.one_of(
    st.builds(lambda name, number: (name, {"number": number}), st.sampled_from(["double", "broken", "flaky"]), numbers),
    st.builds(lambda number: ("secret", {"number": number}), numbers),
    st.just(("double", {"number": "many"})),
    st.just(("nothing", {})),
    st.builds(lambda number: ("researcher", {"task": "Find " + "x" * number}), numbers),
)
turns = st.one_of(
    st.lists(calls, min_size=1, max_size=3),
    st.just([("send", {"to": "bob"})]),
    st.just([("ask_user", {"question": "Which?"})]),
    st.just([("escalate", {"reason": "Somebody has to look."})]),
    st.just([("finish", {"text": "?", "confidence": 7, "citations": []})]),
    st.just([("finish", {"text": "?", "confidence": 0.5, "citations": ["9"]})]),
    st.just([("finish", {"text": "?", "confidence": 0.5, "citations": []}), ("double", {"number": 1})]),
    st.sampled_from(["words alone", "busy"]),
)


@dataclass
class Lived:
    """A run as it was."""

    agent: Agent[Any, str]
    run: str
    end: End[str] | None
    error: str
    requests: list[ChatRequest]

    @property
    def events(self) -> list[Event]:
        return [read(one).event for one in self.agent.journal.events(self.run)]


def item(turn: Any, place: int) -> Any:
    """What the model says."""
    if turn == "busy":
        return ModelUnavailableError("Busy.", retryable=True, retry_after=0)
    if isinstance(turn, str):
        return answer(turn)
    parts = [
        ToolCallPart(id=f"c{place}-{number}", name=name, arguments=given) for number, (name, given) in enumerate(turn)
    ]
    return answer("Well. ", *parts)


def live(script: list[Any], *, approve: bool, asks_twice: bool, limits: Limits) -> Lived:
    """Live a script through to its end, with a person who answers."""
    model = ScriptedModel([*(item(turn, place) for place, turn in enumerate(script)), *[finish("done")] * 3])
    journal = InMemoryJournal()
    researcher = Agent("researcher", model=FunctionModel(research), tools=[double])
    agent: Agent[Any, str] = Agent(
        "helper",
        model=model,
        journal=journal,
        tools=[double, secret, broken, flaky, send, researcher.as_tool("Finds out.")],
        permissions=DENIED,
        limits=limits,
        owner="ops",
        on_failure="raise",
        breakers=Breakers(failures=2),
    )
    end: End[str] | None = None
    error = ""
    try:
        end = agent.run_sync(TASK, scope=SCOPE)
        while isinstance(end, NeedsClarification | Escalated):
            if isinstance(end, NeedsClarification):
                end = agent.resume_sync(end.run, scope=SCOPE, answer="The first.")
                continue
            if asks_twice:
                again = agent.resume_sync(end.run, scope=SCOPE)
                assert again.text == end.text
            journal.decide(end.approval, approved=approve, approver="eve", answer="Well.", at=agent.clock())
            end = agent.resume_sync(end.run, scope=SCOPE)
    except TercetError as failure:
        error = type(failure).__name__
    (run,) = [one.id for one in journal.runs(scope=SCOPE) if not one.parent]
    return Lived(agent=agent, run=run, end=end if not error else None, error=error, requests=model.requests)


def assert_repeated(lived: Lived) -> None:
    repeated = asyncio.run(replay(lived.agent, lived.run, scope=SCOPE))
    assert type(repeated.end) is type(lived.end)
    assert repeated.error == lived.error
    if lived.end is not None and repeated.end is not None:
        assert (repeated.end.text, repeated.end.steps) == (lived.end.text, lived.end.steps)
    asked = [request_of(one) for one in lived.events if isinstance(one, ModelRequested)]
    assert asked == lived.requests


def assert_folded(lived: Lived) -> None:
    """The state made of the events before a request sends that request: whoever goes on goes on as if nothing was."""
    conversation = Conversation(taint=Taint())
    journal = lived.agent.journal
    before: list[Event] = []
    below = [[read(one) for one in journal.events(run.id)] for run in journal.runs(scope=SCOPE) if run.parent]
    for journalled in map(read, journal.events(lived.run)):
        event = journalled.event
        if isinstance(event, ModelRequested) and event.attempt == 1:
            until = [[one.event for one in run if one.at <= journalled.at] for run in below]
            ledger = Ledger(lived.agent.limits, agent="helper", consumed=consumed_by(before, until))
            ledger.book(steps=1).settle()
            note = what_is_left(ledger.remaining()) if conversation.step else ""
            assert conversation.next_messages(note) == request_of(event).messages
        conversation.apply(event)
        before.append(event)


@settings(max_examples=80)
@given(
    script=st.lists(turns, max_size=6),
    approve=st.booleans(),
    asks_twice=st.booleans(),
    limits=st.sampled_from(
        [Limits(steps=20), Limits(steps=4), Limits(steps=20, tool_calls=3), Limits(steps=20, model_calls=4)]
    ),
)
@example(script=["busy", "busy", "busy"], approve=True, asks_twice=False, limits=Limits())
@example(script=["words"] * 3, approve=True, asks_twice=False, limits=Limits())
@example(script=[[("send", {"to": "bob"})]] * 2, approve=True, asks_twice=True, limits=Limits(steps=20))
@example(script=[[("researcher", {"task": "Find"})]] * 2, approve=True, asks_twice=False, limits=Limits(steps=6))
@example(script=["words", "busy", "words"], approve=True, asks_twice=False, limits=Limits(model_calls=3))
@example(script=[[("double", {"number": 0})]] * 4, approve=True, asks_twice=True, limits=Limits(steps=20))
def test_any_run_is_repeated_to_the_byte_and_made_anew_from_its_events(
    script: list[Any], approve: bool, asks_twice: bool, limits: Limits
) -> None:
    """S2.74, S2.10: refusals, failures, questions, approvals, repairs, retries, limits and agents below."""
    lived = live(script, approve=approve, asks_twice=asks_twice, limits=limits)

    assert_repeated(lived)
    assert_folded(lived)
    assert all(lived.agent.journal.verify(one.id).intact for one in lived.agent.journal.runs(scope=SCOPE))


@pytest.mark.slow
@settings(max_examples=2000)
@given(script=st.lists(turns, max_size=10), approve=st.booleans(), asks_twice=st.booleans())
def test_very_many_runs_are_repeated_to_the_byte(script: list[Any], approve: bool, asks_twice: bool) -> None:
    """S2.74."""
    lived = live(script, approve=approve, asks_twice=asks_twice, limits=Limits(steps=20))
    assert_repeated(lived)
    assert_folded(lived)


def test_a_run_with_agents_below_is_repeated_without_them() -> None:
    """S2.74: an agent is a tool there; what it gave and what it consumed come from the journal."""
    script = [[("researcher", {"task": "Find"})], [("researcher", {"task": "Find more"}), ("double", {"number": 1})]]
    lived = live(script, approve=True, asks_twice=False, limits=Limits(steps=12, tool_calls=9))
    runs = len(lived.agent.journal.runs(scope=SCOPE))

    assert isinstance(lived.end, Answer)
    assert lived.requests[-1].messages[-1].text == "Left: 5 steps, 4 tool calls."
    assert_repeated(lived)
    assert len(lived.agent.journal.runs(scope=SCOPE)) == runs == 3
