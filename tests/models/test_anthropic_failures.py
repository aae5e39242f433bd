"""Whatever the service does, it ends soon, in an answer or in an error of the tree that says what was spent."""

from __future__ import annotations

import json
import socket
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tercet.errors import (
    ContextWindowError,
    IncompleteResponseError,
    MalformedResponseError,
    ModelError,
    ModelRefusalError,
    ModelUnavailableError,
    RateLimitedError,
    RequestRefusedError,
    TercetError,
)
from tercet.models.anthropic_answers import response_of
from tercet.models.anthropic_chat import AnthropicModel
from tercet.models.anthropic_events import MessageAssembly
from tercet.models.anthropic_failures import retry_after
from tercet.models.chat_records import ChatRequest, Completed
from tercet.models.model_requests import allow_model_requests
from tercet.records import Usage
from tercet.testing import Failure, Raw, Reply, text_block, thinking, tool_use
from tercet.testing.anthropic_replies import events_of, message_of, sse
from tests.models import chat_strategies as some
from tests.models.asking import HELLO, READ, respond, stream

ASKS = pytest.mark.parametrize("ask", [respond, stream])
SPENT = Usage(input_tokens=10, output_tokens=5)
STARTED = Usage(input_tokens=10, output_tokens=1)


@ASKS
@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (400, RequestRefusedError, False),
        (401, RequestRefusedError, False),
        (402, RequestRefusedError, False),
        (403, RequestRefusedError, False),
        (404, RequestRefusedError, False),
        (408, ModelUnavailableError, True),
        (409, ModelUnavailableError, True),
        (413, RequestRefusedError, False),
        (418, RequestRefusedError, False),
        (422, RequestRefusedError, False),
        (429, RateLimitedError, True),
        (500, ModelUnavailableError, True),
        (503, ModelUnavailableError, True),
        (529, ModelUnavailableError, True),
    ],
)
def test_every_status_is_an_error_of_its_kind(service, open_claude, ask, status, kind, retryable) -> None:
    """Part of S1.05, part of S1.55: one class for every failure."""
    service.reply(Failure(status=status, message="told so"))

    with pytest.raises(kind, match=f"{status}: told so") as raised:
        ask(open_claude())

    error = raised.value
    assert (type(error), error.retryable, error.request_id, error.usage) == (kind, retryable, "req_1", Usage())
    assert len(service.received) == 1


@ASKS
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "7", "retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "4290000000"}, 4.29e9),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
def test_what_the_service_says_of_coming_back_is_kept(service, open_claude, ask, headers, seconds) -> None:
    service.reply(Failure(status=429, type="rate_limit_error", headers=headers))

    with pytest.raises(RateLimitedError) as raised:
        ask(open_claude())

    assert raised.value.retry_after == seconds


def test_a_date_to_come_back_at_counts_from_the_date_of_the_answer() -> None:
    sent = {"date": "Sat, 21 Nov 2026 10:00:00 GMT"}

    assert retry_after({**sent, "retry-after": "Sat, 21 Nov 2026 10:01:30 GMT"}) == 90.0
    assert retry_after({**sent, "retry-after": "Sat, 21 Nov 2026 09:00:00 GMT"}) == 0.0
    assert retry_after({"retry-after": "Sat, 21 Nov 2026 10:01:30 GMT"}) is None


@pytest.mark.parametrize(("told", "status", "retryable"), [("false", 529, False), ("true", 400, True)])
def test_the_service_has_the_last_word_on_asking_again(service, open_claude, told, status, retryable) -> None:
    service.reply(Failure(status=status, headers={"x-should-retry": told}))

    with pytest.raises(ModelError) as raised:
        respond(open_claude())

    assert raised.value.retryable is retryable


def test_a_prompt_that_is_too_long_is_told_from_other_refusals(service, open_claude) -> None:
    service.reply(Failure(status=400, message="prompt is too long: 200001 tokens > 200000 maximum"))

    with pytest.raises(ContextWindowError, match="200001"):
        respond(open_claude())


@ASKS
@pytest.mark.parametrize(
    ("stop", "kind"),
    [
        ("max_tokens", IncompleteResponseError),
        ("pause_turn", IncompleteResponseError),
        ("compaction", IncompleteResponseError),
        (None, IncompleteResponseError),
        ("refusal", ModelRefusalError),
        ("model_context_window_exceeded", ContextWindowError),
    ],
)
def test_an_answer_that_did_not_end_well_is_no_answer_and_costs_all_the_same(
    service, open_claude, ask, stop, kind
) -> None:
    """Part of S1.05: a strange end is never taken for success."""
    service.reply(Reply(content=[text_block("Half an ans")], stop_reason=stop))

    with pytest.raises(kind) as raised:
        ask(open_claude())

    error = raised.value
    assert (error.usage, error.request_id, error.retryable) == (SPENT, "req_1", False)
    if isinstance(error, IncompleteResponseError):
        assert (error.reason, error.partial_text) == (str(stop), "Half an ans")


def test_a_refusal_names_its_category(service, open_claude) -> None:
    service.reply(Reply(content=[], stop_reason="refusal", stop_details={"type": "refusal", "category": "bio"}))

    with pytest.raises(ModelRefusalError, match="bio") as raised:
        respond(open_claude())

    assert raised.value.category == "bio"


@pytest.mark.parametrize(
    "arguments", ['{"path": "a', '{"path": NaN}', "[1]", '"text"', "null", '{"a": "\\ud83d"}', "[" * 100_000]
)
def test_arguments_that_are_no_json_object_are_no_tool_call(service, open_claude, arguments: str) -> None:
    message = message_of(
        Reply(content=[tool_use("read", {})], stop_reason="tool_use"), {"model": "m", "messages": []}, 1
    )
    told = b"".join(sse(event) for event in events_of(message))
    broken = told.replace(b'"partial_json": ""', b'"partial_json": %b' % json.dumps(arguments).encode(), 1)
    broken = broken.replace(b'"partial_json": "{}"', b'"partial_json": ""')

    service.reply(Raw(body=broken, content_type="text/event-stream"))

    with pytest.raises(MalformedResponseError) as raised:
        stream(open_claude())

    assert raised.value.usage == SPENT


def test_arguments_cut_off_by_the_limit_are_an_incomplete_answer(service, open_claude) -> None:
    message = message_of(
        Reply(content=[tool_use("read", {"path": "a.md"})], stop_reason="max_tokens"), {"model": "m"}, 1
    )
    told = b"".join(sse(event) for event in events_of(message) if event.get("delta", {}).get("partial_json") != 'md"}')
    assert b'"a."' not in told
    service.reply(Raw(body=told, content_type="text/event-stream"))

    with pytest.raises(IncompleteResponseError, match="4096"):
        stream(open_claude())


@pytest.mark.parametrize(
    "changed",
    [
        {"content": None},
        {"content": [{"type": "image"}]},
        {"content": [{"type": "text", "text": 5}]},
        {"content": [{"type": "text", "text": "\ud83d"}]},
        {"content": [{"type": "tool_use", "id": "", "name": "a", "input": {}}], "stop_reason": "tool_use"},
        {"content": [{"type": "tool_use", "id": "1", "name": "a", "input": []}], "stop_reason": "tool_use"},
        {"content": [{"type": "tool_use", "id": "1", "name": "a", "input": {}}]},
        {"stop_reason": "tool_use"},
        {"role": "user"},
        {"id": None},
        {"content": [text_block("a") | {"citations": [{"type": "char_location"}]}]},
        {
            "content": [
                text_block("a")
                | {
                    "citations": [
                        {
                            "type": "search_result_location",
                            "search_result_index": 0,
                            "start_block_index": 0,
                            "end_block_index": 1,
                            "cited_text": "never sent",
                        }
                    ]
                }
            ]
        },
    ],
)
def test_a_message_out_of_form_is_malformed_and_its_cost_is_known(service, open_claude, changed) -> None:
    message = {**message_of(Reply(), {"model": "m", "messages": []}, 1), **changed}
    service.reply(Raw(body=json.dumps(message).encode()))

    with pytest.raises(MalformedResponseError) as raised:
        respond(open_claude())

    assert (raised.value.usage, raised.value.retryable) == (SPENT, False)


@ASKS
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "application/json"),
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b"null", "application/json"),
        (b"\xff\xfe", "application/json"),
        (b"[" * 100_000, "application/json"),
        (b"<html>Sign in</html>", "text/html"),
        (b'{"type": "message"}', "application/json"),
        (b'{"type": "message", "usage": {"input_tokens": -1, "output_tokens": 0}}', "application/json"),
        (b"data: \xff\n\n", "text/event-stream"),
        (b"event: message_start\ndata: {\n\n", "text/event-stream"),
        (b"event: message_start\ndata: []\n\n", "text/event-stream"),
        (b'event: message_start\ndata: {"type": "message_start"}\n\n', "text/event-stream"),
        (b'event: message_stop\ndata: {"type": "message_stop"}\n\n', "text/event-stream"),
        (b'event: error\ndata: {"type": "error"}\n\n', "text/event-stream"),
    ],
)
def test_rubbish_is_a_malformed_answer(service, open_claude, ask, body, kind) -> None:
    service.reply(Raw(body=body, content_type=kind))

    with pytest.raises(MalformedResponseError):
        ask(open_claude())


def test_kinds_of_events_that_are_not_known_yet_say_nothing(service, open_claude) -> None:
    told = b"".join(sse({"type": "weather"}) + sse(event) for event in events_of(_message()))
    service.reply(Raw(body=b": comment\n\n" + told, content_type="text/event-stream; charset=utf-8"))

    assert stream(open_claude())[-1].response.text == "Hello."


def test_a_delta_that_is_not_known_is_malformed_as_it_may_be_part_of_the_answer(service, open_claude) -> None:
    told = b"".join(sse(event) for event in events_of(_message())).replace(b"text_delta", b"song_delta")
    service.reply(Raw(body=told, content_type="text/event-stream"))

    with pytest.raises(MalformedResponseError, match="song_delta"):
        stream(open_claude())


@ASKS
def test_what_cannot_be_written_in_utf8_is_refused_before_it_is_sent(service, open_claude, ask) -> None:
    broken = replace(READ, description="half \ud83d")

    with pytest.raises(RequestRefusedError, match="surrogates"):
        ask(open_claude(), replace(HELLO, tools=(broken,)))
    assert service.received == []


@pytest.mark.parametrize("stall_at", [0, 40])
def test_a_slow_answer_is_given_up_in_time(service, open_claude, stall_at) -> None:
    """Part of S1.01: no answer may take longer than was allowed."""
    service.reply(Reply(stall_at=stall_at), Reply(stall_at=stall_at))

    with pytest.raises(ModelUnavailableError, match="in time") as raised:
        respond(open_claude(timeout=0.05))
    assert raised.value.retryable
    with pytest.raises(ModelUnavailableError, match="in time"):
        stream(open_claude(silence_timeout=0.05))


@pytest.mark.parametrize("limit", ["timeout", "silence_timeout"])
def test_a_stream_that_falls_silent_is_incomplete_and_costs_what_was_said(service, open_claude, limit) -> None:
    service.reply(Reply(content=[text_block("Seven letters and more.")], stall_at=900))

    told = []
    with pytest.raises(IncompleteResponseError) as raised:
        stream(open_claude(**{limit: 1.0}), told=told)

    assert (raised.value.reason, raised.value.usage, raised.value.retryable) == ("cut", STARTED, True)
    assert raised.value.partial_text == "".join(event.text for event in told) != ""


def test_nobody_listening_is_an_unavailable_model() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        model = AnthropicModel("m", api_key="not-a-key", base_url=f"http://127.0.0.1:{unused.getsockname()[1]}")
        with allow_model_requests(True):
            for ask in (respond, stream):
                with pytest.raises(ModelUnavailableError, match="cannot be reached") as raised:
                    ask(model)
                assert raised.value.retryable


@pytest.mark.parametrize(
    ("told", "kind", "retryable"),
    [
        ("overloaded_error", ModelUnavailableError, True),
        ("api_error", ModelUnavailableError, True),
        ("rate_limit_error", RateLimitedError, True),
        ("invalid_request_error", RequestRefusedError, False),
    ],
)
def test_an_error_in_a_stream_is_the_error_that_it_names(service, open_claude, told, kind, retryable) -> None:
    service.reply(Reply(error_after=4, error_type=told))

    with pytest.raises(kind, match=told) as raised:
        stream(open_claude())

    assert (raised.value.usage, raised.value.retryable) == (STARTED, retryable)


WHOLE = Reply(
    content=[thinking("Let me see."), text_block("I read it: é."), tool_use("read", {"path": "a.md"})],
    stop_reason="tool_use",
)
BODY = b"".join(sse(event) for event in events_of(message_of(WHOLE, {"model": "claude-test", "messages": []}, 1)))


@pytest.mark.parametrize("abrupt", [False, True])
@settings(max_examples=40)
@given(cut=st.integers(0, len(BODY)))
@example(cut=len(BODY))
@example(cut=len(BODY) - 1)
def test_a_stream_cut_anywhere_is_a_failure_or_the_whole_answer(service, open_claude, abrupt, cut) -> None:
    """Part of S1.05: never a part of an answer as if it were one; the cost is what the service had said until then."""
    service.reply(Reply(content=WHOLE.content, stop_reason="tool_use", cut_at=cut, abrupt=abrupt))
    asked = ChatRequest(messages=HELLO.messages, tools=(READ,))
    if cut == len(BODY):
        assert stream(open_claude(), asked)[-1].response.usage == SPENT
        return

    told = []
    with pytest.raises((IncompleteResponseError, ModelUnavailableError)) as raised:
        stream(open_claude(), asked, told)

    assert not any(isinstance(event, Completed) for event in told)
    assert raised.value.retryable
    came = [event for event in BODY[:cut].split(b"\n\n")[:-1] if event]  # an event without its blank line never came
    expected = SPENT if any(b"event: message_delta" in event for event in came) else STARTED if came else Usage()
    assert raised.value.usage == expected


def test_after_every_single_event_the_cost_is_known_and_only_the_last_completes_the_answer() -> None:
    """Part of S1.05: what was spent is known at any cut."""
    events = [json.loads(line[6:]) for line in BODY.decode().splitlines() if line.startswith("data: ")]
    for end in range(len(events) + 1):
        assembly = MessageAssembly()
        for event in events[:end]:
            list(assembly.take(event))
        assert assembly.complete == (end == len(events))
        seen = [event["type"] for event in events[:end]]
        expected = SPENT if "message_delta" in seen else STARTED if "message_start" in seen else Usage()
        assert assembly.usage == expected


@settings(max_examples=40)
@given(
    status=st.integers(200, 599).filter(lambda status: status not in (204, 304)),  # those have no body
    kind=st.sampled_from(
        ["application/json", "text/event-stream", "text/html", "", "application/json; charset=utf-16"]
    ),
    body=st.binary(max_size=60) | some.values.map(lambda value: json.dumps(value).encode()),
    wait=some.texts,
)
def test_whatever_comes_back_is_a_typed_failure(service, open_claude, status, kind, body, wait) -> None:
    """Part of S1.05: garbage at the edge of the network, through the real client."""
    headers = {"retry-after": wait.encode("ascii", "ignore").decode().translate({ord(end): None for end in "\r\n"})}
    service.reply(*[Raw(status=status, content_type=kind, body=body, headers=headers)] * 2)

    for ask in (respond, stream):
        with pytest.raises(ModelError) as raised:
            ask(open_claude())
        assert raised.value.usage == Usage()


@settings(max_examples=60)
@given(place=st.integers(0, len(BODY) - 1), byte=st.integers(0, 255))
def test_a_stream_with_a_wrong_byte_is_an_answer_or_a_typed_failure(service, open_claude, place, byte) -> None:
    """Part of S1.05: no untyped exception, no hang."""
    changed = BODY[:place] + bytes([byte]) + BODY[place + 1 :]
    service.reply(Raw(body=changed, content_type="text/event-stream"))
    told = []
    try:
        stream(open_claude(), told=told)
    except ModelError:
        assert not any(isinstance(event, Completed) for event in told)
    else:
        assert isinstance(told[-1], Completed)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=3))
def test_events_out_of_order_are_refused_or_leave_all_words_in_place(swaps) -> None:
    events = [json.loads(line[6:]) for line in BODY.decode().splitlines() if line.startswith("data: ")]
    for first, second in swaps:
        one, other = first % len(events), second % len(events)
        events[one], events[other] = events[other], events[one]
    assembly = MessageAssembly()
    try:
        for event in events:
            list(assembly.take(event))
        content = assembly.finished()["content"]
    except (ValueError, LookupError, TypeError):
        return

    assert [block["type"] for block in content] == ["thinking", "text", "tool_use"]
    assert sorted(content[0]["thinking"] + content[1]["text"]) == sorted("Let me see.I read it: é.")


@given(some.values)
def test_any_json_is_a_response_or_a_typed_failure(value) -> None:
    """Part of S1.05: no garbage makes an untyped exception."""
    for raw in (value, {"type": "message", "usage": value}, {**json.loads(json.dumps(_message())), "content": value}):
        try:
            response_of(raw, name="m", sources=(), request_id=None, max_tokens=1)
        except TercetError:
            continue
        assert raw.get("content") == []


def _message() -> dict:
    return message_of(Reply(), {"model": "m", "messages": []}, 1)
