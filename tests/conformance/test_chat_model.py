"""The chat model contract, on every model that can be told what to answer (part of S1.53 and part of S1.54)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from tercet.errors import ModelError, RateLimitedError
from tercet.models.anthropic_chat import AnthropicModel
from tercet.models.chat_records import ChatRequest, ChatResponse, ReasoningPart, TextPart
from tercet.models.model_requests import allow_model_requests
from tercet.models.retrying import RetryingModel
from tercet.testing import (
    AnthropicServer,
    ChatModelConformance,
    Failure,
    FunctionModel,
    Reply,
    ScriptedModel,
    text_block,
    thinking,
    tool_use,
)
from tercet.testing.chat_conformance import OpenModel


class TestScripted(ChatModelConformance):
    @pytest.fixture
    def open_model(self) -> OpenModel:
        return ScriptedModel


class TestFunction(ChatModelConformance):
    @pytest.fixture
    def open_model(self) -> OpenModel:
        def opened(script: Sequence[ChatResponse | ModelError]) -> FunctionModel:
            rest = iter(script)

            def said(request: ChatRequest) -> ChatResponse:
                item = next(rest)
                if isinstance(item, ModelError):
                    raise item
                return item

            return FunctionModel(said)

        return opened


class TestRetrying(ChatModelConformance):
    @pytest.fixture
    def open_model(self) -> OpenModel:
        return lambda script: RetryingModel(ScriptedModel(script), attempts=1)


class TestAnthropic(ChatModelConformance):
    @pytest.fixture
    def open_model(self) -> Iterator[OpenModel]:
        with AnthropicServer() as server, allow_model_requests(True):

            def opened(script: Sequence[ChatResponse | ModelError]) -> AnthropicModel:
                server.reply(*(_reply(item) for item in script))
                return AnthropicModel("claude-test", api_key="not-a-key", base_url=server.url, timeout=10)

            yield opened
            server.check_used_up()


def _reply(item: ChatResponse | ModelError) -> Reply | Failure:
    if isinstance(item, ModelError):
        wait = {"retry-after": str(item.retry_after)} if item.retry_after is not None else {}
        return Failure(status=429 if isinstance(item, RateLimitedError) else 529, headers=wait)
    blocks = []
    for part in item.parts:
        if isinstance(part, TextPart):
            blocks.append(text_block(part.text, *((0, cited.start_piece, cited.end_piece) for cited in part.citations)))
        elif isinstance(part, ReasoningPart):
            blocks.append(thinking(part.text, signature=part.signature))
        else:
            blocks.append(tool_use(part.name, part.arguments, id=part.id))
    return Reply(content=blocks, stop_reason=item.stop_reason)
