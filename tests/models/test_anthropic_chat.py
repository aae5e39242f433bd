"""What Claude is sent, byte for byte, and what is read from its answers."""

from __future__ import annotations

import asyncio
import gc
import json
import math
import weakref
from contextlib import aclosing
from dataclasses import replace

import pytest
from hypothesis import given, settings
from pydantic import TypeAdapter

from tercet.errors import (
    ConfigurationError,
    CredentialsError,
    InputError,
    ModelRequestsForbiddenError,
    RequestRefusedError,
)
from tercet.models.anthropic_answers import response_of
from tercet.models.anthropic_chat import AnthropicModel
from tercet.models.anthropic_events import MessageAssembly
from tercet.models.anthropic_requests import body_of
from tercet.models.chat_records import (
    ChatMessage,
    ChatRequest,
    ReasoningPart,
    SourcePart,
    SourceQuote,
    TextPart,
    ToolCallPart,
    ToolDefinition,
    ToolResultPart,
)
from tercet.models.model_requests import allow_model_requests
from tercet.records import Usage
from tercet.testing import Reply, text_block, thinking, tool_use
from tercet.testing.anthropic_replies import events_of, message_of
from tests.models import chat_strategies as some
from tests.models.asking import HELLO, KEYS, READ, respond, stream

REQUESTS = TypeAdapter(ChatRequest)


def said(*parts, role="user", cached=False) -> ChatMessage:
    return ChatMessage(
        role=role, parts=tuple(TextPart(text=one) if isinstance(one, str) else one for one in parts), cached=cached
    )


def test_the_body_holds_everything_in_its_documented_place(service, open_claude) -> None:
    service.reply(Reply())
    request = ChatRequest(
        instructions="Answer from the sources.",
        messages=(said(KEYS, "How often?", cached=True), said("Hm.", role="assistant"), said("So?")),
        tools=(READ,),
        parallel_tools=False,
        max_tokens=100,
        stop_sequences=("END",),
        effort="low",
    )

    respond(open_claude(), request)

    mark = {"type": "ephemeral", "ttl": "5m"}
    assert service.received[0].json == {
        "model": "claude-test",
        "max_tokens": 100,
        "system": [{"type": "text", "text": "Answer from the sources.", "cache_control": mark}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {
                        "type": "search_result",
                        "source": "keys.md",
                        "title": "Keys",
                        "content": [{"type": "text", "text": piece} for piece in KEYS.pieces],
                        "citations": {"enabled": True},
                    },
                    {"type": "text", "text": "How often?", "cache_control": mark},
                ],
            },
            {"role": "assistant", "content": [{"type": "text", "text": "Hm."}]},
            {"role": "user", "content": [{"type": "text", "text": "So?"}]},
        ],
        "tools": [
            {
                "name": "read",
                "description": "Reads a file.",
                "input_schema": {
                    "type": "object",
                    "properties": {
                        "path": {"type": "string"},
                        "lines": {"type": "integer", "description": "{minimum: 1}"},
                    },
                    "additionalProperties": False,
                    "required": ["path"],
                },
                "strict": True,
            }
        ],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "stop_sequences": ["END"],
        "output_config": {"effort": "low"},
    }


def test_no_retries_no_telemetry_no_temperature_leave_us(service, open_claude) -> None:
    """Part of S1.05: one layer retries, and it is ours."""
    service.reply(Reply())

    respond(open_claude())

    (received,) = service.received
    assert received.headers["x-stainless-retry-count"] == "0"
    assert received.headers["authorization"] == "Bearer not-a-key"
    assert not {"traceparent", "x-api-key"} & set(received.headers)
    assert not {"temperature", "top_p", "top_k"} & set(received.json)


def test_the_same_request_sends_the_same_bytes_also_after_json(service, open_claude) -> None:
    """Part of S1.47, part of S2.74: a stored request, read back, is sent again byte for byte."""
    request = ChatRequest(
        instructions="Read it.",
        messages=(
            said(KEYS, "Read a.md"),
            said(ToolCallPart(id="t1", name="read", arguments={"z": 1, "a": [1.5, None, "é"]}), role="assistant"),
            said(ToolResultPart(call_id="t1", content=(TextPart(text="empty"), KEYS))),
        ),
        tools=(READ, replace(READ, name="look", strict=False)),
        effort="high",
    )
    service.reply(Reply(), Reply(), Reply())

    for asked in (request, REQUESTS.validate_json(REQUESTS.dump_json(request))):
        respond(open_claude(), asked)
    stream(open_claude(), request)

    first, second, streamed = (one.body for one in service.received)
    assert first == second
    assert json.loads(streamed) == {**json.loads(first), "stream": True}


@settings(max_examples=40)
@given(some.requests)
def test_a_request_read_back_from_json_makes_the_same_body(request: ChatRequest) -> None:
    """Part of S2.74: replay asks byte for byte what was asked."""
    try:
        body = json.dumps(body_of(request, model="m", cache_ttl="5m", strict=dict))
    except InputError:  # a message of the user that says nothing
        body = None
    again = REQUESTS.validate_json(REQUESTS.dump_json(request))

    if body is not None:
        assert json.dumps(body_of(again, model="m", cache_ttl="5m", strict=dict)) == body
        assert body.count('"cache_control": {') <= 4


def test_at_most_four_places_are_marked_for_the_cache_the_newest_messages_first(service, open_claude) -> None:
    service.reply(Reply(), Reply(), Reply())
    turns = tuple(said(f"turn {number}", role=("user", "assistant")[number % 2], cached=True) for number in range(7))
    asked = ChatRequest(messages=turns, tools=(READ,))

    respond(open_claude(cache_ttl="1h"), asked)
    respond(open_claude(), replace(asked, cached_prefix=False))
    reasoned = said(ToolCallPart(id="t", name="read", arguments={}), role="assistant")
    respond(
        open_claude(),
        ChatRequest(messages=(said("a"), reasoned, said(ToolResultPart(call_id="t", content=()), cached=True))),
    )

    first, second, third = (one.json for one in service.received)
    assert first["tools"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    marked = ["cache_control" in message["content"][-1] for message in first["messages"]]
    assert marked == [False, False, False, False, True, True, True]
    assert "cache_control" not in second["tools"][0]
    assert third["messages"][2]["content"] == [
        {
            "type": "tool_result",
            "tool_use_id": "t",
            "is_error": False,
            "cache_control": {"type": "ephemeral", "ttl": "5m"},
        }
    ]


def test_citations_name_the_source_and_the_pieces_also_from_tool_results(service, open_claude) -> None:
    other = SourcePart(id="c2", source="days.md", title="Days", pieces=("A day.", "A week.", "A year."))
    call = said(ToolCallPart(id="t1", name="read", arguments={"path": "a"}), role="assistant")
    # The service counts what stands in tool results first, as they must come first in their message.
    results = said(KEYS, ToolResultPart(call_id="t1", content=(TextPart(text="found"), other)))
    service.reply(Reply(content=[text_block("A week or more.", (0, 1, 3)), text_block("90 days.", (1, 1, 2))]))

    got = respond(open_claude(), ChatRequest(messages=(said("go"), call, results), tools=(READ,)))

    assert got.citations == (
        SourceQuote(source_id="c2", start_piece=1, end_piece=3, text="A week.A year."),
        SourceQuote(source_id="c1", start_piece=1, end_piece=2, text="Every 90 days."),
    )


def test_cited_text_goes_back_with_its_citation_as_long_as_the_source_is_there(service, open_claude) -> None:
    service.reply(Reply(content=[text_block("Every 90 days.", (1, 1, 2))]), Reply(), Reply())
    decoy = replace(KEYS, pieces=("Keys.",))
    asked = ChatRequest(messages=(said(decoy, KEYS, "How often?"),))
    got = respond(open_claude(), asked)

    for history in (asked.messages, (said("How often?"),)):
        respond(open_claude(), ChatRequest(messages=(*history, got.message, said("Sure?"))))

    cited, dropped = (one.json["messages"][1]["content"][0] for one in service.received[1:])
    assert cited["citations"] == [
        {
            "type": "search_result_location",
            "cited_text": "Every 90 days.",
            "search_result_index": 1,
            "source": "keys.md",
            "title": "Keys",
            "start_block_index": 1,
            "end_block_index": 2,
        }
    ]
    assert dropped == {"type": "text", "text": "Every 90 days."}


def test_reasoning_goes_back_unchanged_and_the_service_would_notice(service, open_claude) -> None:
    redacted = {"type": "redacted_thinking", "data": "b3BhcXVl"}
    service.reply(*[Reply(content=[thinking("Hm.\n "), redacted, text_block("Yes.")])] * 2, Reply())
    got = respond(open_claude())
    assert stream(open_claude())[-1].response.parts == got.parts
    respond(open_claude(), ChatRequest(messages=(*HELLO.messages, got.message, said("Sure?"))))

    assert got.parts[:2] == (
        ReasoningPart(text="Hm.\n ", signature="c2lnbmVk"),
        ReasoningPart(text="", signature="b3BhcXVl", redacted=True),
    )
    changed = ChatMessage(role="assistant", parts=(replace(got.parts[0], text="Hm!"), *got.parts[1:]))
    with pytest.raises(RequestRefusedError, match="signature"):
        respond(open_claude(), ChatRequest(messages=(*HELLO.messages, changed, said("Sure?"))))


def test_structured_output_is_asked_for_without_citations_and_read_as_text(service, open_claude) -> None:
    """Part of S1.43: whoever asked validates, and the tokens are counted whether or not it fits."""
    schema = {"type": "object", "properties": {"days": {"type": "integer", "maximum": 365}}, "required": ["days"]}
    service.reply(Reply(content=[text_block('{"days": "many"}')], usage={"input_tokens": 3, "output_tokens": 9}))

    got = respond(open_claude(), ChatRequest(messages=(said(KEYS, "How often?"),), output_schema=schema))

    body = service.received[0].json
    assert body["output_config"]["format"]["schema"]["properties"]["days"]["type"] == "integer"
    assert body["messages"][0]["content"][0]["citations"] == {"enabled": False}
    assert (got.text, got.usage) == ('{"days": "many"}', Usage(input_tokens=3, output_tokens=9))


def test_the_input_is_the_sum_of_its_three_kinds(service, open_claude) -> None:
    usage = {
        "input_tokens": 7,
        "cache_creation_input_tokens": 20,
        "cache_read_input_tokens": 300,
        "output_tokens": 50,
        "output_tokens_details": {"thinking_tokens": 40},
        "service_tier": "standard",
    }
    service.reply(Reply(usage=usage), Reply(usage=usage), Reply(usage={"input_tokens": 1, "output_tokens": 0}))

    expected = Usage(
        input_tokens=327, cache_read_tokens=300, cache_write_tokens=20, output_tokens=50, reasoning_tokens=40
    )
    assert respond(open_claude()).usage == expected
    assert stream(open_claude())[-1].response.usage == expected
    assert respond(open_claude()).usage == Usage(input_tokens=1)


def test_an_answer_knows_its_ids_and_what_stopped_it(service, open_claude) -> None:
    service.reply(Reply(stop_reason="stop_sequence", stop_sequence="END"))

    got = respond(open_claude(), replace(HELLO, stop_sequences=("END",)))

    assert (got.id, got.request_id, got.model) == ("msg_000001", "req_1", "claude-test")
    assert (got.stop_reason, got.stop_sequence) == ("stop_sequence", "END")


@pytest.mark.parametrize(("choice", "sent"), [("auto", "auto"), ("required", "any"), ("none", "none")])
def test_the_choice_of_tools_is_passed_on(service, open_claude, choice, sent) -> None:
    service.reply(Reply())

    respond(open_claude(), replace(HELLO, tools=(READ,), tool_choice=choice))

    assert service.received[0].json["tool_choice"] == {"type": sent}


def test_blank_text_of_the_model_is_not_sent_back_and_blank_questions_are_refused(service, open_claude) -> None:
    service.reply(Reply())
    empty = said("\n\n", role="assistant")
    thought = said(ReasoningPart(text="Hm.", signature="c2ln"), " ", role="assistant")

    respond(open_claude(), ChatRequest(messages=(said("a", " "), empty, thought, said("b"))))

    assert service.received[0].json["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "a"}]},
        {"role": "user", "content": [{"type": "text", "text": "b"}]},
    ]
    with pytest.raises(InputError, match="Message 0"):
        respond(open_claude(), ChatRequest(messages=(said(" "),)))


def test_a_schema_that_cannot_be_enforced_is_named_before_anything_is_sent(service, open_claude) -> None:
    vague = ToolDefinition(name="vague", description="", parameters={"type": "object", "properties": {"any": {}}})

    with pytest.raises(ConfigurationError, match=r"'vague'.*strict=False"):
        respond(open_claude(), replace(HELLO, tools=(vague,)))
    assert service.received == []


def test_the_fuse_stops_every_request_before_a_socket_is_opened(service, open_claude) -> None:
    with allow_model_requests(False):
        for ask in (respond, stream):
            with pytest.raises(ModelRequestsForbiddenError, match="claude-test"):
                ask(open_claude())
    assert service.received == []


def test_no_key_is_an_error_with_a_remedy_before_the_first_request(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(CredentialsError, match=r"claude-test.*ANTHROPIC_API_KEY.*extractive"):
        AnthropicModel("claude-test")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "not-a-key")
    assert AnthropicModel("claude-test").name == "anthropic:claude-test"
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    monkeypatch.setenv("ANTHROPIC_PROFILE", "missing")
    with pytest.raises(CredentialsError, match="claude-test"):
        AnthropicModel("claude-test")


def test_a_model_needs_a_name_and_limits_of_time() -> None:
    with pytest.raises(ConfigurationError, match="name"):
        AnthropicModel("", api_key="not-a-key")
    for seconds in (0, -1, math.inf, math.nan):
        with pytest.raises(ConfigurationError, match="time limit"):
            AnthropicModel("claude-test", api_key="not-a-key", timeout=seconds)


def test_a_cancelled_request_leaves_no_connection_and_the_model_usable(service, open_claude) -> None:
    """Part of S2.08: cancelling at any point leaves nothing running."""
    stalls = (Reply(stall_at=0), Reply(stall_at=100), Reply(stall_at=200))
    service.reply(*stalls, Reply())
    model = open_claude()

    async def first_event() -> None:
        async with aclosing(model.stream(HELLO)) as events:
            async for _ in events:
                pass

    async def talk() -> str:
        async with asyncio.timeout(30), aclosing(model):
            for ask in (lambda: model.respond(HELLO), lambda: model.respond(HELLO), first_event):
                task = asyncio.create_task(ask())
                before = len(service.received)
                while len(service.received) == before:  # until the request has arrived
                    await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            assert asyncio.all_tasks() == {asyncio.current_task()}
            return (await model.respond(HELLO)).text

    assert asyncio.run(talk()) == "Hello."


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of the connections that nobody closes here
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_event_loops_that_were_left_without_closing_are_not_kept(service, open_claude) -> None:
    service.reply(*[Reply()] * 5)
    model, loops = open_claude(), []

    async def ask() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        await model.respond(HELLO)

    for _ in range(4):
        asyncio.run(ask())
    respond(model)  # and closes
    gc.collect()

    assert [loop() for loop in loops] == [None] * 4


@settings(max_examples=30)
@given(some.objects)
def test_any_arguments_reach_us_as_the_model_gave_them(arguments) -> None:
    message = message_of(
        Reply(content=[tool_use("read", arguments)], stop_reason="tool_use"), {"model": "m", "messages": []}, 1
    )
    assembly = MessageAssembly()
    for event in events_of(message):
        list(assembly.take(json.loads(json.dumps(event))))

    for whole in (message, assembly.finished()):
        got = response_of(whole, name="m", sources=(), request_id=None, max_tokens=1)
        assert got.tool_calls[0].arguments == arguments
