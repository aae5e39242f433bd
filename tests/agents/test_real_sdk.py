"""The agent on Claude, through the real SDK, against a stand-in for the service that checks what it is sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tercet import Agent, Answer, Document, Escalated, LimitReached, Limits, Memory, Scope, ingest, tool
from tercet.agents.events import (
    Draft,
    DraftWithdrawn,
    Event,
    ModelAnswered,
    ModelFailed,
    ModelRequested,
    RunEnded,
    RunFailed,
    read,
)
from tercet.agents.replay import replay
from tercet.agents.requests import request_of
from tercet.agents.resuming import consumed_by
from tercet.errors import (
    IncompleteResponseError,
    MalformedResponseError,
    ModelRefusalError,
    ModelUnavailableError,
    OutputError,
    RateLimitedError,
    RequestRefusedError,
    TercetError,
)
from tercet.models.anthropic_answers import usage_of
from tercet.records import Usage
from tercet.testing import AnthropicServer, Failure, HashEmbedder, Raw, Reply, text_block, thinking, tool_use

SCOPE = Scope(tenant="acme", user="ada")
KEYS = "Keys expire after ninety days. Rotate a key with the rotate command. Old keys stop working at once."
QUEUES = "A queue keeps messages in order. Brokers deliver each message at least once."
MARK = {"type": "ephemeral", "ttl": "5m"}
AT_ONCE = {"retry-after": "0"}
MANY = Limits(steps=20, tokens=None)
CUT = 450
"""Bytes: behind the first event of a stream, and within an answer that comes as a whole."""

RESPONDED, STREAMED = False, True
BOTH_WAYS = pytest.mark.parametrize("streamed", [RESPONDED, STREAMED], ids=["whole", "streamed"])


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    with Memory.open(tmp_path / "memory", embedder=HashEmbedder()) as opened:
        documents = [Document(uri="keys", text=KEYS), Document(uri="queues", text=QUEUES)]
        ingest(documents=documents, into=opened, tenant="acme")
        yield opened


@tool(effect="read", reads=["crm"])
def customer(name: str, fields: list[str]) -> dict[str, Any]:
    """What is known of a customer.

    Args:
        name: Of the customer.
        fields: Which fields to look up.
    """
    return {"name": name, **dict.fromkeys(fields, "gold")}


def cost(number: int) -> dict[str, int]:
    """What the service says that a request cost: sums of these tell which of them are in."""
    return {
        "input_tokens": 7 * 10**number,
        "cache_creation_input_tokens": 20 * 10**number,
        "cache_read_input_tokens": 300 * 10**number,
        "output_tokens": 50 * 10**number,
    }


def begun(number: int) -> Usage:
    """What a stream says at its beginning; its end never came."""
    return usage_of({**cost(number), "output_tokens": 1})


def all_of(*numbers: int) -> Usage:
    return sum((usage_of(cost(number)) for number in numbers), Usage())


def calling(number: int, name: str, arguments: Mapping[str, Any], *before: dict[str, Any], **how: Any) -> Reply:
    called = tool_use(name, arguments, id=f"toolu_{number}")
    return Reply(content=[*before, called], stop_reason="tool_use", usage=cost(number), **how)


def looking(number: int, **how: Any) -> Reply:
    return calling(number, "customer", {"name": "Ada", "fields": ["plan"]}, text_block("I look it up."), **how)


def done(
    number: int,
    text: str = "gold",
    *before: dict[str, Any],
    citations: Sequence[str] = (),
    confidence: float = 0.9,
    **how: Any,
) -> Reply:
    arguments = {"text": text, "confidence": confidence, "citations": list(citations)}
    return calling(number, "finish", arguments, *before, **how)


def ended(
    agent: Agent[Any, Any], task: str, *, streamed: bool, shown: list[Any] | None = None, below: Sequence[Any] = ()
) -> Any:
    """The end of a run, watched or not. Who watches closes the models by himself, those of agents below included."""
    if not streamed:
        return agent.run_sync(task, scope=SCOPE)

    async def watch() -> Any:
        events: list[Any] = [] if shown is None else shown
        try:
            async with aclosing(agent.stream(task, scope=SCOPE)) as stream:
                events.extend([event async for event in stream])
        finally:
            for model in (agent.model, *below):
                await model.aclose()
        return events[-1]

    return asyncio.run(watch())


def events_of(agent: Agent[Any, Any], run: str) -> list[Event]:
    return [read(one).event for one in agent.journal.events(run)]


def assert_conserved(agent: Agent[Any, Any], run: str, told: Usage, spent: Usage) -> None:
    """The sum of the leaves of a tree is what the service said, what the end says and what is on record."""
    tree = agent.journal.runs(scope=Scope.any(), root=run)
    runs = {one.id: events_of(agent, one.id) for one in tree}
    leaves = [one for events in runs.values() for one in events if isinstance(one, ModelAnswered | ModelFailed)]
    (closing,) = [one for one in runs[run] if isinstance(one, RunEnded | RunFailed)]
    resumed = consumed_by(runs[run], [events for one, events in runs.items() if one != run])
    assert sum((one.usage for one in leaves), Usage()) == spent
    assert (told, closing.usage, resumed.spent) == (spent, spent, spent)
    assert all(agent.journal.verify(one).intact for one in runs)


@BOTH_WAYS
def test_a_run_on_claude_uses_tools_caches_its_prefix_and_quotes_what_it_was_given(
    service: AnthropicServer, open_claude: Callable[..., Any], memory: Memory, streamed: bool
) -> None:
    """S1.47, S2.45, S2.46, part of S1.48."""
    quoting = text_block("Rotate it with the rotate command.", (0, 1, 2))
    script = [looking(0), looking(1), done(2, "With the rotate command.", thinking("Hm."), quoting, citations=["1"])]
    service.reply(*script)
    helper = Agent("helper", model=open_claude(), memory=memory, tools=[customer], limits=MANY)
    end = ended(helper, "How do I rotate a key?", streamed=streamed)

    service.check_used_up()
    assert isinstance(end, Answer)
    assert (end.output, end.steps) == ("With the rotate command.", 3)
    assert_conserved(helper, end.run, end.usage, all_of(0, 1, 2))
    _assert_quoted(end, memory)
    sent = [one.json for one in service.received]
    assert [body.get("stream", False) for body in sent] == [streamed] * 3
    _assert_stable_prefix(sent)
    for offered in sent[0]["tools"]:
        assert offered["strict"], offered["name"]
        assert offered["input_schema"]["additionalProperties"] is False
    assert [one["name"] for one in sent[0]["tools"]] == ["customer", "finish", "impossible", "ask_user", "escalate"]
    repeated = asyncio.run(replay(helper, end.run, scope=SCOPE))
    assert repeated.end is not None
    assert (repeated.requests, repeated.end.text) == (3, end.text)


def _assert_quoted(end: Answer[str], memory: Memory) -> None:
    assert end.context is not None
    (quote,) = end.quotes
    first = end.context.items[0]
    assert (quote.source_id, quote.id, quote.text) == ("1", first.id, "Rotate a key with the rotate command.")
    assert quote.citation is not None
    assert KEYS[quote.citation.start : quote.citation.end] == quote.text
    assert quote.citation.uri == "keys"
    (chunk,) = (
        one
        for number in range(1, 10)
        for one in memory.semantic.load(memory.semantic.read(number)[1]).values()
        if one.chunk.id == quote.id
    )
    assert quote.text in chunk.chunk.text


def _assert_stable_prefix(sent: Sequence[Mapping[str, Any]]) -> None:
    """What a prompt cache keeps of a request is there again, byte for byte, in the next one."""

    def written(value: object) -> str:
        return json.dumps(value, ensure_ascii=False)

    assert len({written([body["tools"], body["system"]]) for body in sent}) == 1
    for before, after in pairwise(sent):
        assert written(after["messages"][: len(before["messages"])]) == written(before["messages"])
    for body in sent:
        blocks = [*body["tools"], *body["system"], *(one for said in body["messages"] for one in said["content"])]
        marked = [one for one in blocks if "cache_control" in one]
        assert marked == [body["system"][-1], body["messages"][0]["content"][-1]]
        assert all(one["cache_control"] == MARK for one in marked)


@BOTH_WAYS
@pytest.mark.parametrize(
    ("fails", "spent"),
    [
        (Failure(status=429, type="rate_limit_error", headers=AT_ONCE), {}),
        (Failure(status=529, type="overloaded_error", headers=AT_ONCE), {}),
        (Raw(body=b"{", headers=AT_ONCE), {}),
        (looking(3, cut_at=CUT), {STREAMED: begun(3)}),
        (looking(3, cut_at=CUT, abrupt=True), {STREAMED: begun(3)}),
        (looking(3, error_after=3), {STREAMED: begun(3), RESPONDED: all_of(3)}),
    ],
    ids=["429", "529", "malformed", "cut", "broken off", "error event"],
)
def test_what_fails_for_now_is_asked_again_and_every_attempt_is_counted(
    service: AnthropicServer,
    open_claude: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    streamed: bool,
    fails: Reply | Failure | Raw,
    spent: Mapping[bool, Usage],
) -> None:
    """S1.05, S1.47, S2.45: also what a cut stream said that it had spent."""
    monkeypatch.setattr("tercet.models.retrying._FIRST_WAIT_S", 0.0)
    service.reply(looking(0), fails, done(1))
    helper = Agent("helper", model=open_claude(), tools=[customer], limits=MANY)
    shown: list[Any] = []
    end = ended(helper, "Which plan has Ada?", streamed=streamed, shown=shown)

    service.check_used_up()
    assert isinstance(end, Answer)
    assert_conserved(helper, end.run, end.usage, all_of(0, 1) + spent.get(streamed, Usage()))
    assert len(service.received) == 3
    if any(isinstance(one, DraftWithdrawn) for one in shown):
        assert isinstance(fails, Reply)
        assert [one.text for one in shown if isinstance(one, Draft)][:2]


@BOTH_WAYS
@pytest.mark.parametrize("on_failure", ["raise", "escalate"])
@pytest.mark.parametrize(
    ("fails", "error", "spent"),
    [
        (Reply(content=[], stop_reason="refusal", usage=cost(1)), ModelRefusalError, all_of(1)),
        (Reply(content=[text_block("Half")], stop_reason="max_tokens", usage=cost(1)), IncompleteResponseError, None),
        (Reply(content=[text_block("Hm")], stop_reason="compaction", usage=cost(1)), IncompleteResponseError, None),
        (Raw(body=b"[]", content_type="application/json"), MalformedResponseError, Usage()),
        (Failure(status=429, type="rate_limit_error", headers=AT_ONCE), RateLimitedError, Usage()),
        (Failure(status=529, type="overloaded_error", headers=AT_ONCE), ModelUnavailableError, Usage()),
        (Failure(status=400, type="invalid_request_error"), RequestRefusedError, Usage()),
    ],
    ids=["refusal", "max_tokens", "strange stop", "malformed", "429", "529", "400"],
)
def test_what_fails_for_good_is_a_typed_failure_and_costs_what_it_cost(
    service: AnthropicServer,
    open_claude: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    streamed: bool,
    on_failure: Any,
    fails: Reply | Failure | Raw,
    error: type[TercetError],
    spent: Usage | None,
) -> None:
    """S1.05, S2.16, S2.45."""
    monkeypatch.setattr("tercet.models.retrying._FIRST_WAIT_S", 0.0)
    service.reply(looking(0), fails, fails, fails)
    helper = Agent("helper", model=open_claude(), tools=[customer], limits=MANY, on_failure=on_failure)
    expected = all_of(0) + (all_of(1) if spent is None else spent)

    if on_failure == "escalate":
        end = ended(helper, "Which plan has Ada?", streamed=streamed)
        assert isinstance(end, Escalated)
        assert error.__name__ in end.reason
        told = end.usage
    else:
        with pytest.raises(error):
            ended(helper, "Which plan has Ada?", streamed=streamed)
        told = expected
    (run,) = helper.journal.runs(scope=SCOPE)
    assert run.status == {"raise": "failed", "escalate": "suspended"}[on_failure]
    events = events_of(helper, run.id)
    leaves = [one for one in events if isinstance(one, ModelAnswered | ModelFailed)]
    closing = [one for one in events if isinstance(one, RunEnded | RunFailed)]
    assert sum((one.usage for one in leaves), Usage()) == told == expected
    assert [one.usage for one in closing] == [expected] * len(closing)
    assert {one.error for one in leaves if isinstance(one, ModelFailed)} == {error.__name__}


@BOTH_WAYS
@pytest.mark.parametrize("stall_at", [0, 100])
def test_an_answer_that_does_not_come_ends_with_the_time_of_the_run(
    service: AnthropicServer, open_claude: Callable[..., Any], streamed: bool, stall_at: int
) -> None:
    """S1.01, S2.45: whatever the model's own patience is."""
    service.reply(looking(0), done(1, stall_at=stall_at))
    helper = Agent("helper", model=open_claude(timeout=60.0), tools=[customer], limits=Limits(seconds=0.2, tokens=None))
    end = ended(helper, "Which plan has Ada?", streamed=streamed)

    assert isinstance(end, LimitReached)
    assert (end.which, end.limit) == ("seconds", "0.2")
    assert 0.2 <= float(end.consumed) < 5
    assert_conserved(helper, end.run, end.usage, all_of(0))
    assert [one.error for one in events_of(helper, end.run) if isinstance(one, ModelFailed)] == ["CancelledError"]
    repeated = asyncio.run(replay(helper, end.run, scope=SCOPE))
    assert isinstance(repeated.end, LimitReached)
    assert repeated.end.text == end.text


@BOTH_WAYS
def test_tokens_are_counted_whether_or_not_the_answer_is_any(
    service: AnthropicServer, open_claude: Callable[..., Any], streamed: bool
) -> None:
    """S1.43, S2.45: usage is booked before anything is validated."""
    wrong = done(1, confidence=7)
    service.reply(looking(0), wrong, done(2, citations=["99"]), done(3))
    helper = Agent("helper", model=open_claude(), tools=[customer], limits=MANY)
    end = ended(helper, "Which plan has Ada?", streamed=streamed)
    assert isinstance(end, Answer)
    assert_conserved(helper, end.run, end.usage, all_of(0, 1, 2, 3))

    service.reply(looking(0), wrong, wrong, done(2, citations=["99"]))
    with pytest.raises(OutputError) as caught:
        ended(helper, "Which plan has Ada?", streamed=streamed)
    assert_conserved(helper, caught.value.run, caught.value.usage, all_of(0, 1, 1, 2))
    service.check_used_up()


@BOTH_WAYS
def test_what_sub_agents_spend_adds_up_in_the_tree(
    service: AnthropicServer, open_claude: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, streamed: bool
) -> None:
    """S2.45, S2.46: retries, repairs and failures of those below included."""
    monkeypatch.setattr("tercet.models.retrying._FIRST_WAIT_S", 0.0)
    researcher = Agent("researcher", model=open_claude(), tools=[customer], limits=MANY)
    below = calling(0, "researcher", {"task": "Which plan has Ada?"})
    overloaded = Failure(status=529, type="overloaded_error", headers=AT_ONCE)
    service.reply(below, looking(1), overloaded, done(2, confidence=7), done(3))
    service.reply(calling(4, "researcher", {"task": "Which plan has Bob?"}))
    service.reply(Reply(content=[], stop_reason="refusal", usage=cost(5)))
    service.reply(done(6))
    lead = Agent("lead", model=open_claude(), tools=[researcher.as_tool("Finds out.")], limits=MANY)
    end = ended(lead, "Which plans?", streamed=streamed, below=[researcher.model])

    service.check_used_up()
    assert isinstance(end, Answer)
    tree = lead.journal.runs(scope=SCOPE, root=end.run)
    assert sorted(one.agent for one in tree) == ["lead", "researcher", "researcher"]
    assert {one.status for one in tree if one.agent == "researcher"} == {"finished", "failed"}
    assert_conserved(lead, end.run, end.usage, all_of(*range(7)))


def test_the_journal_has_the_request_from_which_the_very_bytes_are_made_again(
    service: AnthropicServer, open_claude: Callable[..., Any], memory: Memory
) -> None:
    """S1.47: the stored bytes reproduce the call."""
    service.reply(looking(0), done(1), Reply(), Reply())
    helper = Agent("helper", model=open_claude(), memory=memory, tools=[customer], limits=MANY, effort="low")
    end = helper.run_sync("Which plan has Ada?", scope=SCOPE)
    asked = [request_of(one) for one in events_of(helper, end.run) if isinstance(one, ModelRequested)]

    async def again() -> None:
        async with aclosing(helper.model):
            for request in asked:
                await helper.model.respond(request)

    asyncio.run(again())
    bodies = [one.body for one in service.received]
    assert bodies[:2] == bodies[2:]
    assert asdict(asked[0])["effort"] == "low"
