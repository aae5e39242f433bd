"""A model whose every request is reserved in the ledger before it is sent, and journalled with what came of it."""

from __future__ import annotations

import json
import time
from contextlib import aclosing
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from tercet.agents.conversation import known, read_message, write_message, write_response
from tercet.agents.events import ModelAnswered, ModelFailed, ModelRequested
from tercet.errors import ModelError
from tercet.models.chat_records import ChatRequest, Completed, ToolDefinition
from tercet.records import Usage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Hashable

    from tercet.agents.conversation import Conversation
    from tercet.agents.ledger import Ledger, ModelBooking
    from tercet.agents.prices import Prices
    from tercet.agents.run_log import RunLog
    from tercet.models.chat import ChatModel
    from tercet.models.chat_records import ChatEvent, ChatMessage, ChatResponse
    from tercet.models.tokens import TextCounter


_SHORT = 500
"""Characters."""


class RecordedRequests:
    """Another model, each of whose attempts is reserved, journalled and settled by what it really cost.

    A request is on record before it is sent, and what it cost before anybody looks at the answer.

    Args:
        model: Who is asked.
        log: Of the run.
        conversation: Of the run.
        ledger: Of the run.
        counter: Estimates what a request costs before it is sent.
        prices: Of the model; None: unknown.
    """

    def __init__(
        self,
        model: ChatModel,
        *,
        log: RunLog,
        conversation: Conversation,
        ledger: Ledger,
        counter: TextCounter,
        prices: Prices | None,
    ) -> None:
        self.name = model.name
        self._model = model
        self._log = log
        self._conversation = conversation
        self._ledger = ledger
        self._counter = counter
        self._count = _memoized(cast("Hashable", counter))
        self._prices = prices
        self._counted: dict[str, int] = {}
        self._written = WrittenRequests()

    async def respond(self, request: ChatRequest) -> ChatResponse:
        """The answer to one attempt.

        Raises:
            LimitError: A limit does not allow the request; it was not sent.
            ModelError: There is no answer.
        """
        attempt = await self._begin(request)
        try:
            response = await self._model.respond(request)
        except BaseException as error:
            self._failed(attempt, error)
            raise
        self._answered(attempt, response)
        return response

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """The events of one attempt; raises as ``respond`` does."""
        attempt = await self._begin(request)
        try:
            async with aclosing(self._model.stream(request)) as events:
                async for event in events:
                    if isinstance(event, Completed):
                        self._answered(attempt, event.response)
                    yield event
        except BaseException as error:
            if not attempt.settled:
                self._failed(attempt, error)
            raise

    async def aclose(self) -> None:
        """Close the other model."""
        await self._model.aclose()

    async def _begin(self, request: ChatRequest) -> _Attempt:
        """Reserve an attempt and put the request on record."""
        conversation = self._conversation
        texts = self._written.texts(request)
        conversation.read.update(zip(texts[2:], request.messages, strict=True))
        number = conversation.attempt + 1 if conversation.requested == conversation.step else 1
        booking = self._ledger.book_model_call(
            self.name, input_tokens=self._estimate(texts), max_tokens=request.max_tokens
        )
        attempt = _Attempt(number=number, booking=booking, began=time.monotonic())
        event = ModelRequested(
            step=conversation.step,
            attempt=number,
            model=self.name,
            parameters=request_parameters(request),
            texts=texts,
        )
        self._log.add(event, span=self._span(attempt), parent=f"step-{conversation.step}")
        conversation.apply(event)
        await self._log.flush()
        return attempt

    def _answered(self, attempt: _Attempt, response: ChatResponse) -> None:
        usage = response.total_usage
        attempt.settled = True
        attempt.booking.settle(usage)
        text = write_response(response)
        self._conversation.answered = (text, response)
        event = ModelAnswered(
            step=self._conversation.step,
            attempt=attempt.number,
            model=response.model,
            usage=usage,
            cost=self._prices.cost(usage) if self._prices else None,
            seconds=time.monotonic() - attempt.began,
            texts=(text,),
        )
        self._log.add(event, span=self._span(attempt), parent=f"step-{event.step}")
        self._conversation.apply(event)

    def _failed(self, attempt: _Attempt, error: BaseException) -> None:
        usage = error.total_usage if isinstance(error, ModelError) else None
        attempt.settled = True
        attempt.booking.settle(usage, failed=True)
        event = ModelFailed(
            step=self._conversation.step,
            attempt=attempt.number,
            model=self.name,
            error=type(error).__name__,
            reason=str(error),
            usage=usage or Usage(),
            cost=self._prices.cost(usage) if self._prices and usage else None,
            seconds=time.monotonic() - attempt.began,
            retryable=isinstance(error, ModelError) and error.retryable,
        )
        self._log.add(event, span=self._span(attempt), parent=f"step-{event.step}")

    def _span(self, attempt: _Attempt) -> str:
        return f"step-{self._conversation.step}/model-{attempt.number}"

    def _estimate(self, texts: tuple[str, ...]) -> int:
        """Tokens of a request, as far as can be said before it is sent. Texts come again with every step."""
        for place, text in enumerate(texts):
            if text not in self._counted:
                self._counted[text] = self._estimated(text, standing=place < 2)
        return sum(self._counted[text] for text in texts)

    def _estimated(self, text: str, *, standing: bool) -> int:
        if len(text) <= _SHORT:  # counting these would take longer than all else in a step; tokens are rarely shorter
            return len(text.encode()) // 2 + 1
        # Instructions and tools are those of the agent: the same in all of its runs.
        return self._count(text) if standing else self._counter.count(text)


@lru_cache(maxsize=8)
def _memoized(counter: Hashable) -> Callable[[str], int]:
    """The counter, with the last texts that it counted."""
    return lru_cache(maxsize=64)(cast("TextCounter", counter).count)


@dataclass(slots=True, kw_only=True)
class _Attempt:
    number: int
    booking: ModelBooking
    began: float
    settled: bool = False


class WrittenRequests:
    """Writes the requests of one run. Each repeats the one before, so that what is the same object is written once."""

    def __init__(self) -> None:
        self._tools: tuple[tuple[ToolDefinition, ...], str] = ((), "[]")
        self._messages: dict[int, tuple[ChatMessage, str]] = {}
        """By identity; the message is held so that its id stays its own."""

    def texts(self, request: ChatRequest) -> tuple[str, ...]:
        """The large parts of a request: instructions, tools, and each message."""
        if request.tools is not self._tools[0]:
            self._tools = (request.tools, json.dumps([_as_json(tool) for tool in request.tools], ensure_ascii=False))
        return (request.instructions, self._tools[1], *(self._message(message) for message in request.messages))

    def _message(self, message: ChatMessage) -> str:
        written = self._messages.get(id(message))
        if written is None:
            written = self._messages[id(message)] = (message, write_message(message))
        return written[1]


def request_texts(request: ChatRequest) -> tuple[str, ...]:
    """The large parts of a single request."""
    return WrittenRequests().texts(request)


def _as_json(tool: ToolDefinition) -> dict[str, Any]:
    return {one.name: getattr(tool, one.name) for one in fields(tool)}


def request_parameters(request: ChatRequest) -> dict[str, Any]:
    """All else in a request."""
    return {
        name.name: getattr(request, name.name)
        for name in fields(request)
        if name.name not in ("messages", "instructions", "tools")
    }


def request_of(event: ModelRequested) -> ChatRequest:
    """The request that an event has on record, equal to the one that was sent.

    Raises:
        InputError: Part of it was erased.
    """
    instructions, tools, *messages = (known(text) for text in event.texts)
    return ChatRequest(
        messages=tuple(read_message(text) for text in messages),
        instructions=instructions,
        tools=tuple(ToolDefinition(**tool) for tool in json.loads(tools)),
        **{**event.parameters, "stop_sequences": tuple(event.parameters["stop_sequences"])},
    )
