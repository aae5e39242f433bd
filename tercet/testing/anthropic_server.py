"""A stand-in for the Anthropic service on 127.0.0.1, for its real client."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections import deque
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from tercet.testing.anthropic_protocol import fault
from tercet.testing.anthropic_replies import Failure, Raw, Reply, error_body, events_of, message_of, sse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

_LONGEST_STALL_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A request as it came over the wire."""

    path: str
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever JSON was sent
        """The body, parsed."""
        return json.loads(self.body)


class AnthropicServer:
    """Speaks the Messages API: checks each request as the service does, then gives the next scripted reply.

    Requests are refused that the service would refuse (400, 401); they use up no reply. Tokens are counted as one for
    each character of text. A context manager: it listens from the start to the end of the block.

    Args:
        replies: The script.
        otherwise: Takes the JSON of a request and gives the reply to it, once the script is used up.

    Attributes:
        received: All requests, in the order of their arrival.
        refused: Why requests were refused.

    Example:
        >>> from tercet.models.anthropic_chat import AnthropicModel
        >>> from tercet.testing import Failure
        >>> with AnthropicServer([Failure(status=529, type="overloaded_error")]) as server:
        ...     model = AnthropicModel("claude-some", api_key="test", base_url=server.url)
    """

    def __init__(
        self,
        replies: Sequence[Reply | Failure | Raw] = (),
        *,
        otherwise: Callable[[Any], Reply | Failure | Raw] | None = None,
    ) -> None:
        self.received: list[Received] = []
        self.refused: list[str] = []
        self._replies = deque(replies)
        self._otherwise = otherwise
        self._lock = threading.Lock()
        self._signatures: dict[str, str] = {}
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        """For ``base_url=``."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def reply(self, *replies: Reply | Failure | Raw) -> None:
        """Add to the script."""
        with self._lock:
            self._replies.extend(replies)

    def check_used_up(self) -> None:
        """Fail if part of the script was never asked for, or a request was refused.

        Raises:
            AssertionError: It was.
        """
        if self._replies or self.refused:
            raise AssertionError(f"{len(self._replies)} replies were not used; refused: {self.refused}")

    def __enter__(self) -> AnthropicServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self._thread.join()

    def _take(self, received: Received) -> tuple[int, Reply | Failure | Raw]:
        """The number of the request and what it is answered with, in one step for all threads."""
        with self._lock:
            self.received.append(received)
            number = len(self.received)
            refusal = self._refusal(received)
            if refusal is not None:
                self.refused.append(refusal.message)
                return number, refusal
            if received.path.endswith("/count_tokens"):
                counted = {"input_tokens": _characters(received.json)}
                return number, Raw(body=json.dumps(counted).encode())
            if self._replies:
                reply = self._replies.popleft()
            elif self._otherwise is not None:
                reply = self._otherwise(received.json)
            else:
                return number, Failure(status=500, message="the script of this stand-in is used up")
            for block in reply.content if isinstance(reply, Reply) else ():
                if block["type"] == "thinking":
                    self._signatures[block["signature"]] = block["thinking"]
            return number, reply

    def _refusal(self, received: Received) -> Failure | None:
        if received.path not in ("/v1/messages", "/v1/messages/count_tokens"):
            return Failure(status=404, type="not_found_error", message=f"Not found: {received.path}")
        keys = (received.headers.get("authorization", "").removeprefix("Bearer "), received.headers.get("x-api-key"))
        if not any(keys):
            return Failure(status=401, type="authentication_error", message="x-api-key header is required")
        if "anthropic-version" not in received.headers:
            return Failure(status=400, type="invalid_request_error", message="anthropic-version: header is required")
        try:
            request = received.json
        except ValueError as error:
            return Failure(status=400, type="invalid_request_error", message=f"body is no JSON: {error}")
        found = fault(request, counted=received.path.endswith("/count_tokens"), signatures=self._signatures)
        return None if found is None else Failure(status=400, type="invalid_request_error", message=found)


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for them
    request_queue_size = 128

    def __init__(self, owner: AnthropicServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.owner = owner
        self.closing = threading.Event()
        self._open: set[socket.socket] = set()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - as in the base class
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as in the base class
        """A client that went away is no fault of the stand-in; anything else is shown."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def close(self) -> None:
        self.closing.set()
        self.shutdown()
        for connection in list(self._open):  # idle ones, which their threads wait on
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        received = Received(path=self.path.partition("?")[0], headers=headers, body=body)
        number, reply = self.server.owner._take(received)
        if isinstance(reply, Failure):
            reply = Raw(
                body=json.dumps(error_body(reply.type, reply.message)).encode(),
                status=reply.status,
                headers=reply.headers,
            )
        if isinstance(reply, Raw):
            self._head(number, reply.status, reply.content_type, reply.headers, len(reply.body))
            self.wfile.write(reply.body)
            return
        try:
            message = message_of(reply, received.json, number)
        except ValueError as error:
            text = json.dumps(error_body("api_error", str(error))).encode()
            self._head(number, 500, "application/json", {}, len(text))
            self.wfile.write(text)
            return
        if received.json.get("stream"):
            self._stream(number, reply, message)
        else:
            self._whole(number, reply, message)

    def _whole(self, number: int, reply: Reply, message: dict[str, Any]) -> None:
        body = json.dumps(message).encode()
        end = len(body) if reply.cut_at is None else reply.cut_at
        self._head(number, 200, "application/json", {}, len(body) if reply.abrupt else end)
        self._send(body[:end], reply.stall_at)
        if reply.abrupt and reply.cut_at is not None:
            self.close_connection = True

    def _stream(self, number: int, reply: Reply, message: dict[str, Any]) -> None:
        events = list(events_of(message))
        if reply.error_after is not None:
            error = error_body(reply.error_type, "scripted error event")
            events = [*events[: reply.error_after], error]
        body = b"".join(sse(event) for event in events)[: reply.cut_at]
        self._head(number, 200, "text/event-stream; charset=utf-8", {}, None)
        self._send(body, reply.stall_at, chunked=True)
        if reply.abrupt and reply.cut_at is not None:
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")

    def _send(self, body: bytes, stall_at: int | None, *, chunked: bool = False) -> None:
        first = body[:stall_at]
        for part in (first, body[len(first) :]):
            if part:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
                self.wfile.flush()
            if stall_at is not None and part is first:
                self.server.closing.wait(_LONGEST_STALL_S)

    def _head(self, number: int, status: int, kind: str, headers: Mapping[str, str], length: int | None) -> None:
        self.send_response(status)
        self.send_header("request-id", f"req_{number}")
        self.send_header("Content-Type", kind)
        for name, value in headers.items():
            self.send_header(name, value)
        if length is None:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Tests say what they need to say."""


def _characters(value: object) -> int:
    if isinstance(value, dict):
        return sum(len(one) if key == "text" else _characters(one) for key, one in value.items()) + (
            len(value["content"]) if isinstance(value.get("content"), str) else 0
        )
    return sum(_characters(one) for one in value) if isinstance(value, list) else 0
