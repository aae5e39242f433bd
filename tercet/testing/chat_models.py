"""Chat models that say what a test tells them to say."""

from __future__ import annotations

import inspect
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tercet.errors import ModelError
from tercet.models.chat import stream_of
from tercet.models.chat_records import ChatEvent, ChatResponse, TextPart
from tercet.records import Usage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
    from types import TracebackType

    from tercet.models.chat_records import AnswerPart, ChatRequest, StopReason

SPENT = Usage(input_tokens=10, output_tokens=5)
"""What an answer costs unless a test says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenStream:
    """A scripted answer that fails on the way: some events, then an error. Asked as a whole, only the error."""

    events: tuple[ChatEvent, ...]
    error: ModelError


ScriptItem = ChatResponse | ModelError | BrokenStream


def answer(
    *parts: str | AnswerPart,
    usage: Usage = SPENT,
    stop_reason: StopReason | None = None,
    id: str = "answer",  # noqa: A002 - as the field is called
) -> ChatResponse:
    """A scripted answer.

    Args:
        parts: Texts, or parts such as ``ToolCallPart``.
        usage: What it costs.
        stop_reason: Why it ends; otherwise ``tool_use`` if it calls tools.
        id: Of the answer.

    Example:
        >>> answer("Rotate it every 90 days.").stop_reason
        'end_turn'
    """
    said = tuple(TextPart(text=part) if isinstance(part, str) else part for part in parts)
    calls = any(part.kind == "tool_call" for part in said)
    return ChatResponse(
        id=id,
        model="scripted",
        parts=said,
        stop_reason=stop_reason or ("tool_use" if calls else "end_turn"),
        usage=usage,
    )


class ScriptedModel:
    """Gives the items of a script one after the other, whatever it is asked, and records what that was.

    Args:
        script: Answers to give and errors to raise.
        name: Of the model.

    Attributes:
        requests: What it was asked, in order.

    Example:
        >>> import asyncio
        >>> from tercet.models.chat_records import ChatMessage, ChatRequest
        >>> with ScriptedModel([answer("Every 90 days.")]) as model:
        ...     asked = ChatMessage(role="user", parts=(TextPart(text="How often?"),))
        ...     asyncio.run(model.respond(ChatRequest(messages=(asked,)))).text
        'Every 90 days.'
    """

    __test__ = False

    def __init__(self, script: Sequence[ScriptItem], *, name: str = "scripted") -> None:
        self.name = name
        self.requests: list[ChatRequest] = []
        self._length = len(script)
        self._rest = deque(script)

    async def respond(self, request: ChatRequest) -> ChatResponse:
        """The next item of the script: the answer, or its error raised.

        Raises:
            ModelError: If the script says so.
            AssertionError: The script is used up.
        """
        item = self._next(request)
        if isinstance(item, ModelError):
            raise item
        if isinstance(item, BrokenStream):
            raise item.error
        return item

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """The next item of the script as events; raises as ``respond`` does."""
        item = self._next(request)
        if isinstance(item, ModelError):
            raise item
        for event in stream_of(item) if isinstance(item, ChatResponse) else item.events:
            yield event
        if isinstance(item, BrokenStream):
            raise item.error

    async def aclose(self) -> None:
        """Nothing is open."""

    def check_used_up(self) -> None:
        """Fail if part of the script was never asked for.

        Raises:
            AssertionError: It was not.
        """
        if self._rest:
            raise AssertionError(
                f"{self.name} was asked {len(self.requests)} times, and its script has {self._length} items: "
                f"{len(self._rest)} were not used, first {self._rest[0]!r}"
            )

    def __enter__(self) -> ScriptedModel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.check_used_up()

    def _next(self, request: ChatRequest) -> ScriptItem:
        self.requests.append(request)
        if not self._rest:
            raise AssertionError(
                f"{self.name} was asked {len(self.requests)} times, and its script has {self._length} items; "
                f"the last message was {request.messages[-1]!r}"
            )
        return self._rest.popleft()


class FunctionModel:
    """Answers what a function says.

    Args:
        function: Takes the request and gives the answer, or raises a ``ModelError``; plain or ``async``.
        name: Of the model.

    Attributes:
        requests: What it was asked, in order.

    Example:
        >>> import asyncio
        >>> from tercet.models.chat_records import ChatMessage, ChatRequest
        >>> model = FunctionModel(lambda request: answer(request.messages[-1].text.upper()))
        >>> asked = ChatMessage(role="user", parts=(TextPart(text="hi"),))
        >>> asyncio.run(model.respond(ChatRequest(messages=(asked,)))).text
        'HI'
    """

    def __init__(
        self, function: Callable[[ChatRequest], ChatResponse | Awaitable[ChatResponse]], *, name: str = "function"
    ) -> None:
        self.name = name
        self.requests: list[ChatRequest] = []
        self._function = function

    async def respond(self, request: ChatRequest) -> ChatResponse:
        """What the function gives."""
        self.requests.append(request)
        given = self._function(request)
        return await given if inspect.isawaitable(given) else given

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """What the function gives, as events."""
        for event in stream_of(await self.respond(request)):
            yield event

    async def aclose(self) -> None:
        """Nothing is open."""
