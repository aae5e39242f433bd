"""A chat model that is asked again when it fails for now. Nothing else in Tercet repeats a request to a model."""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import aclosing
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING

from tercet.errors import ConfigurationError, ModelError
from tercet.models.chat_records import Completed, Restarted
from tercet.records import Usage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from tercet.models.chat import ChatModel
    from tercet.models.chat_records import ChatEvent, ChatRequest, ChatResponse

_FIRST_WAIT_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt at a request, whatever came of it."""

    request: ChatRequest
    number: int
    """From 1."""
    response: ChatResponse | None = None
    """None: it failed."""
    error: ModelError | None = None
    """None: it succeeded."""
    seconds: float
    wait: float | None = None
    """Seconds until the next attempt; None: there is none."""

    @property
    def usage(self) -> Usage:
        """What this attempt alone cost."""
        outcome = self.response or self.error
        return outcome.usage if outcome else Usage()


class RetryingModel:
    """Another model, asked again where its error says that this may help.

    It waits as long as the service wants, but never longer than ``max_wait``; where the service says nothing, twice as
    long each time, less up to a quarter by chance, so that many waiting callers do not come back at once. Any other
    error passes at once.

    The response says what the attempts before it cost (``failed_usage``), and so does the error if none succeeds.

    Args:
        model: Who is asked.
        attempts: At most, the first included.
        max_wait: Seconds between two attempts, at most.
        on_attempt: Told of every attempt when it has ended, before any waiting.
        sleep: Waits.
        clock: Tells seconds.
        random: Where chance comes from.

    Raises:
        ConfigurationError: Fewer than one attempt, or a wait that is not finite.

    Example:
        >>> from tercet.errors import ModelUnavailableError
        >>> from tercet.models.chat_records import ChatMessage, ChatRequest, TextPart
        >>> from tercet.testing import ScriptedModel, answer
        >>> script = [ModelUnavailableError("Overloaded.", retryable=True, retry_after=0), answer("Every 90 days.")]
        >>> model = RetryingModel(ScriptedModel(script), attempts=2)
        >>> asked = ChatMessage(role="user", parts=(TextPart(text="How often?"),))
        >>> asyncio.run(model.respond(ChatRequest(messages=(asked,)))).text
        'Every 90 days.'
    """

    def __init__(
        self,
        model: ChatModel,
        *,
        attempts: int = 3,
        max_wait: float = 30.0,
        on_attempt: Callable[[Attempt], None] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        random: Random | None = None,
    ) -> None:
        if attempts < 1 or not 0 <= max_wait < math.inf:
            raise ConfigurationError(
                f"{attempts} attempts with waits of {max_wait} seconds cannot be made.",
                remedy="Allow at least 1, and a finite wait.",
            )
        self.name = model.name
        self._model = model
        self._attempts, self._max_wait = attempts, max_wait
        self._on_attempt = on_attempt
        self._sleep, self._clock = sleep, clock
        self._random = random or Random()  # noqa: S311 - spreads waits, keeps no secret

    async def respond(self, request: ChatRequest) -> ChatResponse:
        """The answer of the first attempt that succeeds.

        Raises:
            ModelError: Of the last attempt.
        """
        failed = Usage()
        for number in range(1, self._attempts + 1):
            started = self._clock()
            try:
                response = await self._model.respond(request)
            except ModelError as error:
                wait = self._failed(request, number, error, started, failed)
                failed = failed + error.total_usage
                await self._sleep(wait)
            else:
                return self._succeeded(request, number, response, started, failed)
        raise AssertionError("the last attempt raises or returns")

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """The events of all attempts. ``Restarted`` stands where one failed after some of its events had come."""
        failed = Usage()
        for number in range(1, self._attempts + 1):
            started, told = self._clock(), False
            try:
                async with aclosing(self._model.stream(request)) as events:
                    async for event in events:
                        if isinstance(event, Completed):
                            yield Completed(response=self._succeeded(request, number, event.response, started, failed))
                            return
                        told = True
                        yield event
            except ModelError as error:
                wait = self._failed(request, number, error, started, failed)
                failed = failed + error.total_usage
                if told:
                    yield Restarted(reason=error.message)
                await self._sleep(wait)

    async def aclose(self) -> None:
        """Close the other model."""
        await self._model.aclose()

    def _succeeded(
        self, request: ChatRequest, number: int, response: ChatResponse, started: float, failed: Usage
    ) -> ChatResponse:
        self._report(Attempt(request=request, number=number, response=response, seconds=self._clock() - started))
        return replace(response, failed_usage=response.failed_usage + failed)

    def _failed(self, request: ChatRequest, number: int, error: ModelError, started: float, failed: Usage) -> float:
        """Seconds until the next attempt.

        Raises:
            ModelError: There is none.
        """
        seconds = self._clock() - started
        wait = self._wait(number, error) if error.retryable and number < self._attempts else None
        self._report(Attempt(request=request, number=number, error=error, seconds=seconds, wait=wait))
        if wait is None:
            error.failed_usage = error.failed_usage + failed
            raise error
        return wait

    def _wait(self, number: int, error: ModelError) -> float:
        if error.retry_after is not None:
            return min(error.retry_after, self._max_wait)
        return min(_FIRST_WAIT_S * 2.0 ** min(number - 1, 60), self._max_wait) * (1 - self._random.random() / 4)

    def _report(self, attempt: Attempt) -> None:
        if self._on_attempt is not None:
            self._on_attempt(attempt)
