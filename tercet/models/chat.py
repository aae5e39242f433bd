"""Models that answer a conversation: what each of them must do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from tercet.errors import ConfigurationError
from tercet.models.chat_records import Completed, ReasoningDelta, TextDelta, TextPart, ToolCallDelta, ToolCallPart

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from tercet.models.chat_records import ChatEvent, ChatRequest, ChatResponse

_ANTHROPIC = "anthropic:"


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


def resolve_model(spec: str) -> ChatModel:
    """The model of that name. Which one answers is chosen, never guessed from the keys that lie about.

    Args:
        spec: ``"claude-…"`` or ``"anthropic:MODEL"`` (hosted: what it is asked is sent to the service), or
            ``"extractive"`` (offline: it answers by quoting the sources).

    Raises:
        ConfigurationError: There is no such model.
        CredentialsError: There is no key for it.

    Example:
        >>> resolve_model("extractive").name
        'extractive'
    """
    if spec == "extractive":
        from tercet.models.extractive_chat import ExtractiveModel

        return ExtractiveModel()
    name = spec.removeprefix(_ANTHROPIC)
    if name and (spec.startswith((_ANTHROPIC, "claude-"))):
        from tercet.models.anthropic_chat import AnthropicModel

        return AnthropicModel(name)
    raise ConfigurationError(
        f"there is no chat model {spec!r}.", remedy="Use 'extractive', 'claude-…' or 'anthropic:MODEL'."
    )


def stream_of(response: ChatResponse) -> Iterator[ChatEvent]:
    """The events of an answer that is already there: a delta for each part, then the whole."""
    for number, part in enumerate(response.parts):
        if isinstance(part, TextPart):
            yield TextDelta(part=number, text=part.text)
        elif isinstance(part, ToolCallPart):
            arguments = json.dumps(part.arguments, ensure_ascii=False)
            yield ToolCallDelta(part=number, id=part.id, name=part.name, arguments=arguments)
        elif part.text:
            yield ReasoningDelta(part=number, text=part.text)
    yield Completed(response=response)
