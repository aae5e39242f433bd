"""A chat model that counts what it is asked, and refuses before a request once a budget is used up."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from tercet.errors import ConfigurationError, ModelBudgetError, ModelError
from tercet.models.chat_records import Completed
from tercet.records import Usage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tercet.models.chat import ChatModel
    from tercet.models.chat_records import ChatEvent, ChatRequest, ChatResponse


class MeteredModel:
    """Another model with a budget. What a request cost is booked before anybody looks at its answer.

    Requests are counted when they are sent, tokens when the service has said how many there were: the last requests
    may go over ``max_tokens`` by what they cost themselves.

    Args:
        model: Who is asked.
        max_requests: Retries included; None: any number.
        max_tokens: Of input and output; None: any number.

    Attributes:
        requests: Sent so far.
        usage: Spent so far, by failed requests too.

    Raises:
        ConfigurationError: A limit is below 1.
    """

    def __init__(self, model: ChatModel, *, max_requests: int | None, max_tokens: int | None) -> None:
        if any(limit is not None and limit < 1 for limit in (max_requests, max_tokens)):
            raise ConfigurationError(
                f"max_requests={max_requests} and max_tokens={max_tokens} leave nothing to ask with.",
                remedy="Allow at least 1 of each.",
            )
        self.name = model.name
        self.requests = 0
        self.usage = Usage()
        self._model = model
        self._max_requests, self._max_tokens = max_requests, max_tokens

    async def respond(self, request: ChatRequest) -> ChatResponse:
        """The answer of the other model.

        Raises:
            ModelBudgetError: The budget is used up; nothing was sent.
            ModelError: There is no answer.
        """
        self._check()
        self.requests += 1
        try:
            response = await self._model.respond(request)
        except ModelError as error:
            self.usage = self.usage + error.total_usage
            raise
        self.usage = self.usage + response.total_usage
        return response

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """The events of the other model; raises as ``respond`` does."""
        self._check()
        self.requests += 1
        try:
            async with aclosing(self._model.stream(request)) as events:
                async for event in events:
                    if isinstance(event, Completed):
                        self.usage = self.usage + event.response.total_usage
                    yield event
        except ModelError as error:
            self.usage = self.usage + error.total_usage
            raise

    async def aclose(self) -> None:
        """Close the other model."""
        await self._model.aclose()

    def _check(self) -> None:
        spent = self.usage.total_tokens
        for used, limit, name, option in (
            (self.requests, self._max_requests, "requests", "max_requests (--max-requests)"),
            (spent, self._max_tokens, "tokens", "max_tokens (--max-tokens)"),
        ):
            if limit is not None and used >= limit:
                raise ModelBudgetError(
                    f"the budget of {limit:,} {name} to {self.name} is used up: {self.requests:,} requests were sent "
                    f"and {spent:,} tokens spent.",
                    remedy=f"Verdicts that were made are kept: raise {option}, and the same call goes on from there.",
                )
