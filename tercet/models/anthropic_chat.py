"""Claude as a chat model, through Anthropic's SDK. Retries and telemetry are not left to the SDK."""

from __future__ import annotations

import asyncio
import json
import math
import threading
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import httpx2
from anthropic import (
    AnthropicError,
    APIConnectionError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    AsyncAnthropic,
    AsyncStream,
    DefaultAsyncHttpxClient,
    transform_schema,
)

from tercet.errors import (
    ConfigurationError,
    CredentialsError,
    IncompleteResponseError,
    MalformedResponseError,
    ModelError,
    ModelUnavailableError,
    RequestRefusedError,
)
from tercet.models.anthropic_answers import response_of
from tercet.models.anthropic_events import MessageAssembly
from tercet.models.anthropic_failures import STATUS_OF_EVENT, status_error
from tercet.models.anthropic_requests import body_of, sent_sources
from tercet.models.chat_records import Completed
from tercet.models.model_requests import check_model_requests

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator

    from tercet.models.chat_records import ChatEvent, ChatRequest, ChatResponse

_BROKEN = (AnthropicError, httpx2.HTTPError, httpx2.StreamError, OSError)
_REQUEST_ERRORS = (*_BROKEN, TypeError, ValueError)
"""TypeError: no key was found; ValueError: something cannot be written as JSON in UTF-8."""


@cache
def _certificates() -> ssl.SSLContext:
    """Reading them takes longer than all the rest of making a client."""
    return httpx2.create_ssl_context()


class AnthropicModel:
    """A model of Anthropic, asked through the Messages API. What it is asked is sent to the service.

    One attempt a request: wrap it in ``RetryingModel`` for more. Each event loop has its own connections, so that it
    may be asked from several loops, one after the other or in threads.

    Args:
        model: Its name at the service, such as ``"claude-sonnet-5-5"``.
        api_key: Otherwise found where the SDK looks: ``ANTHROPIC_API_KEY``, ``ANTHROPIC_AUTH_TOKEN`` or a profile.
        base_url: Otherwise ``ANTHROPIC_BASE_URL``, or the service itself.
        timeout: Seconds for a whole answer.
        connect_timeout: Seconds to connect.
        silence_timeout: Seconds without a sign of life in a stream, pings included.
        cache_ttl: How long the prompt cache of the service keeps what a request marks for it.

    Raises:
        ConfigurationError: No name, or a time that is not above 0.
        CredentialsError: There is no key.

    Example:
        >>> AnthropicModel("claude-sonnet-5-5", api_key="not-a-key").name
        'anthropic:claude-sonnet-5-5'
    """

    def __init__(
        self,
        model: str,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        timeout: float = 600.0,
        connect_timeout: float = 5.0,
        silence_timeout: float = 60.0,
        cache_ttl: Literal["5m", "1h"] = "5m",
    ) -> None:
        if not model:
            raise ConfigurationError("a hosted model needs a name.", remedy="Use 'claude-…' or 'anthropic:MODEL'.")
        if not all(0 < seconds < math.inf for seconds in (timeout, connect_timeout, silence_timeout)):
            raise ConfigurationError("a request without a time limit may never end.", remedy="Use seconds above 0.")
        self.name = f"anthropic:{model}"
        self._model = model
        self._key, self._base_url = api_key, base_url
        self._timeout, self._connect, self._silence = timeout, connect_timeout, silence_timeout
        self._cache_ttl = cache_ttl
        self._lock = threading.Lock()
        self._clients: dict[asyncio.AbstractEventLoop, AsyncAnthropic] = {}
        client = self._new_client()
        self._unused: AsyncAnthropic | None = client  # for the first event loop that asks
        if client.api_key is None and client.auth_token is None and client.credentials is None:
            raise CredentialsError(
                f"there is no key to ask {self.name} with.",
                remedy="Set ANTHROPIC_API_KEY, give api_key=, or use the offline model 'extractive'.",
            )

    async def respond(self, request: ChatRequest) -> ChatResponse:
        """The whole answer, in one request and one attempt.

        Long answers are better streamed: here the connection is silent until the end.

        Raises:
            InputError: A message of the user says nothing.
            ModelError: There is no whole answer.
        """
        check_model_requests(self.name)
        body = self._body(request)
        try:
            async with asyncio.timeout(self._timeout):
                raw = await self._client().messages.with_raw_response.create(
                    **body, timeout=httpx2.Timeout(self._timeout, connect=self._connect)
                )
        except _REQUEST_ERRORS as error:
            self._fail(error, None, None)
        request_id = raw.headers.get("request-id")
        try:
            message = json.loads(raw.http_response.content)
        except (ValueError, RecursionError) as error:
            raise MalformedResponseError(
                f"{self.name} answered with something else than JSON "
                f"({raw.headers.get('content-type', 'no content type')}): {error}.",
                request_id=request_id,
                retryable=True,
            ) from error
        return self._response(message, request, request_id)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """The answer as it comes, ended by ``Completed``.

        Raises:
            InputError: A message of the user says nothing.
            ModelError: There is no whole answer; ``IncompleteResponseError`` if the stream ended too early.
        """
        check_model_requests(self.name)
        body = self._body(request)
        assembly = MessageAssembly()
        request_id: str | None = None
        limit = httpx2.Timeout(self._silence, connect=self._connect)
        ends = asyncio.get_running_loop().time() + self._timeout
        try:
            # Not one timeout around it all: it would also cancel what the reader does between two events.
            async with asyncio.timeout_at(ends):
                manager = self._client().messages.with_streaming_response.create(**body, stream=True, timeout=limit)
                raw = await manager.__aenter__()
        except _REQUEST_ERRORS as error:
            self._fail(error, None, None)
        try:
            request_id = raw.headers.get("request-id")
            kind = raw.headers.get("content-type", "no content type")
            if not kind.startswith("text/event-stream"):
                raise MalformedResponseError(
                    f"{self.name} answered with {kind} in place of a stream.", request_id=request_id, retryable=True
                )
            events = AsyncStream.raw_events(raw.http_response)
            while not assembly.complete:
                async with asyncio.timeout_at(ends):
                    event = await anext(events, None)
                if event is None:
                    break
                for new in self._take(assembly, event.event, event.data, request_id):
                    yield new
            message = assembly.finished() if assembly.complete else None
        except _BROKEN as error:
            self._fail(error, assembly, request_id)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise MalformedResponseError(
                f"the stream of {self.name} is out of form: {type(error).__name__}: {error}.",
                usage=assembly.usage,
                request_id=request_id,
            ) from error
        finally:
            await manager.__aexit__(None, None, None)
        if message is None:
            raise self._cut(assembly, "ended", request_id)
        yield Completed(response=self._response(message, request, request_id))

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        with self._lock:
            client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.close()

    def _body(self, request: ChatRequest) -> dict[str, Any]:
        return body_of(request, model=self._model, cache_ttl=self._cache_ttl, strict=transform_schema)

    def _client(self) -> AsyncAnthropic:
        loop = asyncio.get_running_loop()
        with self._lock:
            if loop not in self._clients:
                # Nobody can close the connections of a closed loop any more; they go with the last reference to them.
                self._clients = {one: client for one, client in self._clients.items() if not one.is_closed()}
                first, self._unused = self._unused, None
                self._clients[loop] = first or self._new_client()
            return self._clients[loop]

    def _new_client(self) -> AsyncAnthropic:
        try:
            return AsyncAnthropic(
                api_key=self._key,
                base_url=self._base_url,
                max_retries=0,
                timeout=httpx2.Timeout(self._timeout, connect=self._connect),
                open_telemetry=False,
                http_client=DefaultAsyncHttpxClient(verify=_certificates()),
            )
        except (AnthropicError, ValueError, OSError) as error:
            raise CredentialsError(
                f"no client for {self.name} can be made: {error}.", remedy="Set ANTHROPIC_API_KEY, or give api_key=."
            ) from error

    def _response(self, message: object, request: ChatRequest, request_id: str | None) -> ChatResponse:
        return response_of(
            message,
            name=self.name,
            sources=sent_sources(request),
            request_id=request_id,
            max_tokens=request.max_tokens,
        )

    def _take(self, assembly: MessageAssembly, kind: str | None, data: str, request_id: str | None) -> list[ChatEvent]:
        if not data:
            return []
        event = json.loads(data)
        if kind == "error" or event["type"] == "error":
            told = event["error"]
            raise status_error(
                f"{self.name} ended its stream: {told['type']}: {told['message']}.",
                status=STATUS_OF_EVENT.get(told["type"], 400),
                said=str(told["message"]),
                headers={},
                request_id=request_id,
                usage=assembly.usage,
            )
        return list(assembly.take(event))

    def _cut(self, assembly: MessageAssembly, how: str, request_id: str | None) -> ModelError:
        return IncompleteResponseError(
            f"the stream of {self.name} {how} before its answer was complete.",
            reason="cut",
            partial_text=assembly.text,
            usage=assembly.usage,
            request_id=request_id,
            retryable=True,
        )

    def _fail(self, error: Exception, assembly: MessageAssembly | None, request_id: str | None) -> NoReturn:
        if isinstance(error, APIStatusError):
            said = error.api_message or error.message
            raise status_error(
                f"{self.name} answered {error.status_code}: {said}.",
                status=error.status_code,
                said=said,
                headers=error.response.headers,
                request_id=error.request_id,
            ) from error
        if isinstance(error, APIResponseValidationError):
            raise MalformedResponseError(f"{self.name} answered out of form: {error}.") from error
        if assembly is not None and assembly.message:
            raise self._cut(assembly, f"broke off ({type(error).__name__})", request_id) from error
        if isinstance(error, TimeoutError | APITimeoutError | httpx2.TimeoutException):
            raise ModelUnavailableError(
                f"{self.name} did not answer in time.", retryable=True, remedy="Try again, or allow more time."
            ) from error
        if isinstance(error, APIConnectionError | httpx2.HTTPError | httpx2.StreamError | OSError):
            cause = error.__cause__ or error
            raise ModelUnavailableError(
                f"{self.name} cannot be reached: {type(cause).__name__}: {cause}.",
                retryable=True,
                remedy="Check the network, or use the offline model 'extractive'.",
            ) from error
        raise RequestRefusedError(
            f"{self.name} cannot be asked: {error}.", remedy="Check the key and the profile."
        ) from error
