from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from anthropic import Anthropic

from tercet.errors import ConfigurationError, CounterUnavailableError, ModelRequestsForbiddenError
from tercet.models.anthropic_counter import AnthropicTokenCounter
from tercet.models.counters import RunningCount, ScaledCounter, calibrate, resolve_counter
from tercet.models.model_requests import allow_model_requests

if TYPE_CHECKING:
    from collections.abc import Iterator


class CountServer(ThreadingHTTPServer):
    """Counts a token a character, and three for the message, as long as its status is 200."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        self.asked: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: CountServer

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append({"path": self.path, **question})
        if self.server.status == 200:
            answer: dict[str, Any] = {"input_tokens": 3 + len(question["messages"][0]["content"])}
        else:
            answer = {"type": "error", "error": {"type": "invalid_request_error", "message": "model: not found"}}
        body = json.dumps(answer).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[CountServer]:
    with CountServer() as server, allow_model_requests(True):
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def client(server: CountServer) -> Iterator[Anthropic]:
    with Anthropic(api_key="not-a-key", base_url=server.url, max_retries=0, open_telemetry=False) as client:
        yield client


def test_the_service_counts_and_is_asked_once_for_a_text(server: CountServer, client: Anthropic) -> None:
    counter = AnthropicTokenCounter("some-model", client=client)

    assert [counter.count(text) for text in ("four", "four", "", "密钥")] == [7, 7, 0, 5]
    assert server.asked == [
        {"path": "/v1/messages/count_tokens", "model": "some-model", "messages": [{"role": "user", "content": text}]}
        for text in ("four", "密钥")
    ]


def test_no_more_counts_are_kept_than_asked_for(server: CountServer, client: Anthropic) -> None:
    counter = AnthropicTokenCounter("some-model", client=client, remembered=2)
    for text in ("a", "bb", "a", "ccc", "a", "bb"):
        counter.count(text)

    assert [asked["messages"][0]["content"] for asked in server.asked] == ["a", "bb", "ccc", "bb"]


def test_texts_that_the_service_would_not_take_are_sent_in_another_form(server: CountServer, client: Anthropic) -> None:
    counter = AnthropicTokenCounter("some-model", client=client)

    assert counter.count(" \n") == 6
    assert counter.count("half \ud83d") == 9
    assert [asked["messages"][0]["content"] for asked in server.asked] == [" \n.", "half ?"]


def test_a_refusal_is_named_and_not_remembered(server: CountServer, client: Anthropic) -> None:
    counter = AnthropicTokenCounter("some-model", client=client)
    for status in (404, 429, 500):
        server.status = status
        with pytest.raises(CounterUnavailableError, match=r"some-model.*'default'"):
            counter.count("four")
    server.status = 200

    assert counter.count("four") == 7


def test_a_service_out_of_reach_is_named(server: CountServer) -> None:
    server.server_close()
    with Anthropic(api_key="not-a-key", base_url=server.url, max_retries=0, open_telemetry=False) as client:
        counter = AnthropicTokenCounter("some-model", client=client)
        with pytest.raises(CounterUnavailableError, match="APIConnectionError"):
            counter.count("four")


def test_no_key_is_an_error_with_a_way_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with allow_model_requests(True), pytest.raises(CounterUnavailableError, match="ANTHROPIC_API_KEY"):
        resolve_counter("anthropic:some-model").count("four")
    with pytest.raises(ConfigurationError, match="name"):
        AnthropicTokenCounter("")


def test_nothing_is_counted_by_the_service_while_requests_are_switched_off(
    server: CountServer, client: Anthropic
) -> None:
    counter = AnthropicTokenCounter("some-model", client=client)
    with allow_model_requests(False), pytest.raises(ModelRequestsForbiddenError, match="some-model"):
        counter.count("four")

    assert server.asked == []


def test_another_counter_is_calibrated_with_the_service(client: Anthropic) -> None:
    exact = AnthropicTokenCounter("some-model", client=client)
    default = resolve_counter()
    samples = [f"{number} keys rotate every {number} days. " * number for number in range(1, 30)]

    scaled = ScaledCounter(default, calibrate(default, exact, samples))

    assert all(scaled.count(text) >= exact.count(text) for text in samples)


def test_a_running_count_by_the_service_is_that_of_the_whole(client: Anthropic) -> None:
    running = RunningCount(AnthropicTokenCounter("some-model", client=client))

    assert [running.add("one\n"), running.add("two")] == [7, 3]
    assert running.tokens == 10
