"""The stand-in refuses what the service would refuse, and speaks as the service documents it."""

from __future__ import annotations

import json

import anthropic
import httpx2
import pytest

from tercet.models.model_requests import allow_model_requests
from tercet.testing import AnthropicServer, Reply, text_block, tool_use
from tercet.testing.anthropic_protocol import fault
from tercet.testing.anthropic_replies import events_of, message_of

TURN = {"role": "user", "content": "Hi"}
GOOD = {"model": "m", "max_tokens": 1, "messages": [TURN]}
CALL = {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "read", "input": {}}]}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "done"}
TOOL = {"name": "read", "input_schema": {"type": "object", "properties": {}}}
SOURCE = {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "a"}]}
MARKED = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}
THOUGHT = {"type": "thinking", "thinking": "a", "signature": "b"}


def blocks(*content, role="user"):
    return {"role": role, "content": list(content)}


@pytest.mark.parametrize(
    "request_",
    [
        GOOD,
        GOOD | {"system": "s", "tools": [TOOL], "tool_choice": {"type": "any"}, "stream": True},
        GOOD | {"messages": [TURN, CALL, blocks(RESULT, {"type": "text", "text": "so?"})]},
        GOOD | {"messages": [blocks(SOURCE | {"citations": {"enabled": True}}), TURN]},
        GOOD | {"messages": [blocks(*[MARKED] * 4)]},
    ],
)
def test_good_requests_pass(request_) -> None:
    assert fault(request_) is None


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ([], "dictionary"),
        ({key: GOOD[key] for key in ("model", "messages")}, "max_tokens"),
        ({key: GOOD[key] for key in ("max_tokens", "messages")}, "model"),
        (GOOD | {"max_tokens": 0}, "max_tokens"),
        (GOOD | {"max_tokens": "1"}, "max_tokens"),
        (GOOD | {"temperature": 0.1}, "temperature"),
        (GOOD | {"messages": []}, "messages"),
        (GOOD | {"messages": [{"role": "system", "content": "a"}]}, "messages"),
        (GOOD | {"messages": [TURN, blocks({"type": "text", "text": "a"}, role="assistant")]}, "end with a user"),
        (GOOD | {"messages": [CALL, blocks(RESULT)]}, "first message"),
        (GOOD | {"messages": [TURN, CALL, TURN]}, "without tool_result"),
        (GOOD | {"messages": [TURN, blocks(RESULT)]}, "unexpected tool_use_id"),
        (GOOD | {"messages": [TURN, CALL, blocks(RESULT, RESULT)]}, "single result"),
        (GOOD | {"messages": [TURN, CALL, blocks({"type": "text", "text": "a"}, RESULT)]}, "must come first"),
        (GOOD | {"messages": [blocks({"type": "text", "text": " \n"})]}, "non-whitespace"),
        (GOOD | {"messages": [blocks({"type": "text", "text": "a", "extra": 1})]}, "extra"),
        (GOOD | {"messages": [blocks({"type": "image"})]}, "image"),
        (GOOD | {"messages": [blocks(SOURCE | {"content": []})]}, "content"),
        (GOOD | {"messages": [blocks(SOURCE, SOURCE | {"citations": {"enabled": True}})]}, "all search results"),
        (GOOD | {"messages": [blocks(*[MARKED] * 5)]}, "maximum of 4"),
        (GOOD | {"tools": [TOOL | {"name": "no spaces"}]}, "tools.0.name"),
        (GOOD | {"tools": [TOOL, TOOL]}, "unique"),
        (GOOD | {"tools": [TOOL | {"input_schema": {"type": "string"}}]}, "must be object"),
        (GOOD | {"tools": [TOOL | {"strict": True}]}, "additionalProperties"),
        (GOOD | {"tool_choice": {"type": "auto"}}, "while providing tools"),
        (GOOD | {"stop_sequences": ["\n"]}, "non-whitespace"),
        (GOOD | {"output_config": {"format": {"type": "json_schema", "schema": {"minimum": 1}}}}, "not supported"),
        (
            GOOD
            | {
                "messages": [blocks(SOURCE | {"citations": {"enabled": True}})],
                "output_config": {"format": {"type": "json_schema", "schema": {"type": "string"}}},
            },
            "cannot be used",
        ),
        (GOOD | {"messages": [TURN, blocks(THOUGHT, role="assistant"), TURN]}, "final block"),
        (GOOD | {"messages": [TURN, blocks(THOUGHT, {"type": "text", "text": "a"}, role="assistant"), TURN]}, "signat"),
    ],
)
def test_what_the_service_would_refuse_is_refused(request_, said) -> None:
    assert said in fault(request_)


def test_headers_and_paths_are_checked_and_refusals_use_up_no_reply() -> None:
    with AnthropicServer([Reply()]) as server, httpx2.Client() as client:
        version = {"anthropic-version": "2026-10-21"}
        key = {"authorization": "Bearer k"}
        url = f"{server.url}/v1/messages"
        told = [
            client.post(url, json=GOOD, headers=version),
            client.post(url, json=GOOD, headers=key),
            client.post(url, content=b"{", headers=version | key),
            client.post(f"{server.url}/v1/other", json=GOOD, headers=version | key),
            client.post(url, json=GOOD, headers=version | key),
            client.post(url, json=GOOD, headers=version | key),
        ]

        assert [one.status_code for one in told] == [401, 400, 400, 404, 200, 500]
        assert "used up" in told[-1].text
        assert [one.headers["request-id"] for one in told] == [f"req_{number}" for number in range(1, 7)]
        with pytest.raises(AssertionError, match="refused"):
            server.check_used_up()


def test_a_function_may_answer_what_the_script_does_not() -> None:
    def echo(request) -> Reply:
        return Reply(content=[text_block(request["messages"][-1]["content"])])

    with (
        AnthropicServer([Reply()], otherwise=echo) as server,
        anthropic.Anthropic(api_key="k", base_url=server.url, max_retries=0, open_telemetry=False) as client,
    ):
        told = [client.messages.create(model="m", max_tokens=9, messages=[TURN]).content[0].text for _ in range(2)]
        server.check_used_up()

    assert told == ["Hello.", "Hi"]


def test_the_real_client_reads_its_streams_and_its_counts() -> None:
    content = [text_block("Seven letters."), tool_use("read", {"path": "é.md"})]
    with (
        AnthropicServer([Reply(content=content, stop_reason="tool_use")]) as server,
        allow_model_requests(True),
        anthropic.Anthropic(api_key="k", base_url=server.url, max_retries=0, open_telemetry=False) as client,
    ):
        with client.messages.stream(model="m", max_tokens=9, messages=[TURN]) as stream:
            message = stream.get_final_message()
        counted = client.messages.count_tokens(model="m", messages=[TURN, TURN])
        server.check_used_up()

    assert message.content[0].text == "Seven letters."
    assert message.content[1].input == {"path": "é.md"}
    assert (message.stop_reason, message.usage.output_tokens) == ("tool_use", 5)
    assert counted.input_tokens == 4


def test_events_come_in_the_documented_order() -> None:
    reply = Reply(content=[text_block("Hi"), tool_use("read", {})], stop_reason="tool_use")
    told = [event["type"] for event in events_of(message_of(reply, GOOD, 1))]

    assert told == [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "ping",
        "message_delta",
        "message_stop",
    ]


def test_a_reply_may_only_cite_what_the_request_holds() -> None:
    reply = Reply(content=[text_block("Hi", (0, 0, 1))])
    citing = GOOD | {"messages": [blocks(SOURCE | {"citations": {"enabled": True}}), TURN]}

    cited = message_of(reply, json.loads(json.dumps(citing)), 1)["content"][0]["citations"][0]

    assert cited["cited_text"] == "a"
    for request in (GOOD, GOOD | {"messages": [blocks(SOURCE)]}):
        with pytest.raises(ValueError, match="search result 0"):
            message_of(reply, request, 1)
    with AnthropicServer([reply]) as server, httpx2.Client() as client:
        headers = {"authorization": "Bearer k", "anthropic-version": "2026-10-21"}
        told = client.post(f"{server.url}/v1/messages", json=GOOD, headers=headers)
        assert (told.status_code, "search result 0" in told.text) == (500, True)
