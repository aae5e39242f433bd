"""Models that answer a conversation: what each of them must do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tercet.models.chat_records import ChatEvent, ChatRequest, ChatResponse


@runtime_checkable
class ChatModel(Protocol):
    """Answers a request as a whole or as a stream of events.

    It keeps nothing between two requests, may be asked by many tasks at once and from one event loop after the other,
    and either answers in full or raises: a ``ModelError`` that says what was spent, or ``InputError`` for a request
    that makes no sense. A cancelled request leaves nothing behind.
    """

    @property
    def name(self) -> str:
        """Names the model, such as ``"anthropic:claude-sonnet-5-5"``."""
        ...

    async def respond(self, request: ChatRequest) -> ChatResponse:
        """The whole answer.

        Raises:
            ModelError: There is none; the subclass says why.
        """
        ...

    def stream(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """The answer as it comes: deltas, then ``Completed`` with the same response that ``respond`` would give.

        Whoever stops reading early closes it: ``async with contextlib.aclosing(model.stream(request)) as events``.

        Raises:
            ModelError: While reading; what was streamed before is no answer.
        """
        ...

    async def aclose(self) -> None:
        """Close what it has open in the running event loop. It may be asked again, and then opens anew."""
        ...
