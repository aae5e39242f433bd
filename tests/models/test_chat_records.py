"""The records of a chat: what they refuse, and that JSON keeps all of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from tercet.errors import InputError
from tercet.models.chat_records import (
    ChatEvent,
    ChatMessage,
    ChatRequest,
    ChatResponse,
    SourcePart,
    SourceQuote,
    TextPart,
    ToolCallPart,
    ToolDefinition,
    ToolResultPart,
)
from tercet.records import Usage
from tests.models import chat_strategies as some

REQUESTS: TypeAdapter[ChatRequest] = TypeAdapter(ChatRequest)
RESPONSES: TypeAdapter[ChatResponse] = TypeAdapter(ChatResponse)
EVENTS: TypeAdapter[Any] = TypeAdapter(ChatEvent)
USER = ChatMessage(role="user", parts=(TextPart(text="Hello"),))


@given(some.requests)
def test_a_request_is_read_back_from_json_as_it_was(request: ChatRequest) -> None:
    """Part of S1.47: what a journal stores is what was asked."""
    stored = REQUESTS.dump_json(request)

    again = REQUESTS.validate_json(stored)

    assert again == request
    assert REQUESTS.dump_json(again) == stored


@given(some.responses)
def test_a_response_is_read_back_from_json_as_it_was(response: ChatResponse) -> None:
    """Part of S1.47: what a journal stores is what was answered."""
    stored = RESPONSES.dump_json(response)

    again = RESPONSES.validate_json(stored)

    assert again == response
    assert RESPONSES.dump_json(again) == stored


@given(some.events)
def test_an_event_is_read_back_from_json_as_it_was(event: ChatEvent) -> None:
    assert EVENTS.validate_json(EVENTS.dump_json(event)) == event


@given(st.lists(some.usages))
def test_usage_adds_up_field_by_field(usages: list[Usage]) -> None:
    total = sum(usages, Usage())

    for name in Usage.__dataclass_fields__:
        assert getattr(total, name) == sum(getattr(usage, name) for usage in usages)
    assert total.total_tokens == total.input_tokens + total.output_tokens


def test_who_gave_a_value_cannot_change_the_record_any_more() -> None:
    """Part of S1.03: nothing that is done to what was given changes what is asked."""
    schema: dict[str, Any] = {"type": "object", "properties": {"path": {"type": "string"}}}
    arguments: dict[str, Any] = {"paths": ["a"]}
    tool = ToolDefinition(name="read", description="", parameters=schema)
    call = ToolCallPart(id="1", name="read", arguments=arguments)
    request = ChatRequest(messages=(USER,), output_schema=schema)
    schema["properties"]["path"]["type"] = "number"
    arguments["paths"].append("b")

    assert tool.parameters["properties"] == {"path": {"type": "string"}} == request.output_schema["properties"]
    assert call.arguments == {"paths": ["a"]}


@pytest.mark.parametrize(
    "arguments", [{"a": float("nan")}, {"a": object()}, {"a": b""}, {"half": "\ud83d"}, {"\ud83d": 1}]
)
def test_arguments_that_json_cannot_carry_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="'pay'"):
        ToolCallPart(id="1", name="pay", arguments=arguments)


def test_half_a_surrogate_pair_is_refused_where_it_stands() -> None:
    with pytest.raises(InputError, match="at 5"):
        TextPart(text="half \ud83d")
    with pytest.raises(InputError, match="'c1'"):
        SourcePart(id="c1", source="a.md", title="A", pieces=("\ud83d",))
    with pytest.raises(InputError, match="instructions"):
        ChatRequest(messages=(USER,), instructions="\ud83d")


def test_a_source_needs_names_and_pieces_that_say_something() -> None:
    for pieces in ((), ("",), ("a", " \n")):
        with pytest.raises(InputError, match="'c1'"):
            SourcePart(id="c1", source="a.md", title="A", pieces=pieces)
    with pytest.raises(InputError, match="title"):
        SourcePart(id="c1", source="a.md", title="", pieces=("a",))


def test_only_the_user_gives_sources_and_only_the_assistant_calls_tools() -> None:
    with pytest.raises(InputError, match="source"):
        ChatMessage(role="assistant", parts=(SourcePart(id="1", source="a", title="A", pieces=("a",)),))
    with pytest.raises(InputError, match="tool_call"):
        ChatMessage(role="user", parts=(ToolCallPart(id="1", name="read", arguments={}),))


def test_requests_that_make_no_sense_are_refused() -> None:
    tool = ToolDefinition(name="read", description="", parameters={"type": "object"})
    assistant = ChatMessage(role="assistant", parts=(TextPart(text="Hi"),))
    with pytest.raises(InputError, match="begins and ends"):
        ChatRequest(messages=())
    with pytest.raises(InputError, match="begins and ends"):
        ChatRequest(messages=(USER, assistant))
    with pytest.raises(InputError, match="0 tokens"):
        ChatRequest(messages=(USER,), max_tokens=0)
    with pytest.raises(InputError, match="same name"):
        ChatRequest(messages=(USER,), tools=(tool, tool))
    with pytest.raises(InputError, match="required"):
        ChatRequest(messages=(USER,), tool_choice="required")


def test_sources_are_found_in_the_order_of_the_messages_also_in_tool_results() -> None:
    first, second, third = (SourcePart(id=name, source="s", title="t", pieces=("p",)) for name in "abc")
    result = ToolResultPart(call_id="1", content=(TextPart(text="found"), second))
    call = ChatMessage(role="assistant", parts=(ToolCallPart(id="1", name="search", arguments={}),))
    request = ChatRequest(
        messages=(ChatMessage(role="user", parts=(first,)), call, ChatMessage(role="user", parts=(result, third)))
    )

    assert [source.id for source in request.sources] == ["a", "b", "c"]


def test_a_response_shows_its_text_calls_citations_and_total_usage() -> None:
    quote = SourceQuote(source_id="a", start_piece=0, end_piece=1, text="p")
    call = ToolCallPart(id="1", name="read", arguments={})
    response = ChatResponse(
        id="m",
        model="some",
        parts=(TextPart(text="It is "), TextPart(text="so.", citations=(quote,)), call),
        stop_reason="tool_use",
        usage=Usage(output_tokens=5),
        failed_usage=Usage(output_tokens=2),
    )

    assert response.text == "It is so."
    assert response.tool_calls == (call,)
    assert response.citations == (quote,)
    assert response.total_usage.output_tokens == 7
    assert response.message == ChatMessage(role="assistant", parts=response.parts)
