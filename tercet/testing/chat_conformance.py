"""What every ``ChatModel`` must do, as tests to inherit. Needs pytest."""
# ruff: noqa: D102 - the name of a test says what it shows

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import aclosing

import pytest
from pydantic import TypeAdapter

from tercet.errors import ModelError, ModelUnavailableError, RateLimitedError
from tercet.models.chat import ChatModel
from tercet.models.chat_records import (
    ChatEvent,
    ChatMessage,
    ChatRequest,
    ChatResponse,
    Completed,
    ReasoningDelta,
    ReasoningPart,
    SourcePart,
    SourceQuote,
    TextDelta,
    TextPart,
    ToolCallDelta,
    ToolCallPart,
    ToolDefinition,
    ToolResultPart,
)
from tercet.records import Usage
from tercet.testing.chat_models import answer

OpenModel = Callable[[Sequence[ChatResponse | ModelError]], ChatModel]

SOURCE = SourcePart(id="c1", source="keys.md", title="Keys", pieces=("Keys rotate. ", "Every 90 days."))
QUESTION = ChatMessage(role="user", parts=(SOURCE, TextPart(text="How often do keys rotate?")))
READ = ToolDefinition(
    name="read",
    description="Reads a file.",
    parameters={"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
)
ASKED = ChatRequest(instructions="Answer from the sources.", messages=(QUESTION,), tools=(READ,))

CITED = answer(
    "It is said that ",
    TextPart(
        text="every 90 days.",
        citations=(SourceQuote(source_id="c1", start_piece=1, end_piece=2, text="Every 90 days."),),
    ),
)
CALLING = answer(
    ReasoningPart(text="The file will say.", signature="c2ln"),
    "I look it up.",
    ToolCallPart(id="call_1", name="read", arguments={"path": "café.md", "deep": [1, {"a": None}]}),
    ToolCallPart(id="call_2", name="read", arguments={}),
)


class ChatModelConformance:
    """Inherit it in a class named ``Test…`` and give the fixture ``open_model``.

    Example::

        class TestMyModel(ChatModelConformance):
            @pytest.fixture
            def open_model(self, my_service):
                def opened(script):
                    my_service.will_answer(script)
                    return MyModel(my_service.url)

                return opened
    """

    @pytest.fixture
    def open_model(self) -> OpenModel:
        """Opens a model that will give these answers, or fail in these ways, one for each request."""
        raise NotImplementedError

    def test_it_is_a_chat_model_with_a_name(self, open_model: OpenModel) -> None:
        model = open_model([])

        assert isinstance(model, ChatModel)
        assert model.name

    @pytest.mark.parametrize("said", [answer("Every 90 days."), CITED, CALLING, answer()])
    def test_an_answer_comes_with_all_its_parts_its_end_and_its_cost(
        self, open_model: OpenModel, said: ChatResponse
    ) -> None:
        got = _respond(open_model([said]), ASKED)

        assert (got.parts, got.stop_reason, got.usage) == (said.parts, said.stop_reason, said.usage)
        assert got.failed_usage == Usage()

    @pytest.mark.parametrize("said", [answer("Every 90 days."), CITED, CALLING, answer()])
    def test_a_stream_ends_with_the_answer_that_its_deltas_add_up_to(
        self, open_model: OpenModel, said: ChatResponse
    ) -> None:
        events = _stream(open_model([said]), ASKED)

        last = events[-1]
        assert isinstance(last, Completed)
        assert not any(isinstance(event, Completed) for event in events[:-1])
        got = last.response
        assert (got.parts, got.stop_reason, got.usage) == (said.parts, said.stop_reason, said.usage)
        for number, part in enumerate(got.parts):
            if isinstance(part, ToolCallPart):
                told = [one for one in events if isinstance(one, ToolCallDelta) and one.part == number]
                assert {(one.id, one.name) for one in told} <= {(part.id, part.name)}
                assert json.loads("".join(one.arguments for one in told) or "{}") == part.arguments
            else:
                kind = TextDelta if isinstance(part, TextPart) else ReasoningDelta
                assert "".join(one.text for one in events if isinstance(one, kind) and one.part == number) == part.text

    def test_an_answer_goes_back_with_the_results_of_its_tools(self, open_model: OpenModel) -> None:
        model = open_model([CALLING, CITED])

        async def talk() -> tuple[ChatResponse, ChatResponse]:
            async with aclosing(model):
                first = await model.respond(ASKED)
                results = ChatMessage(
                    role="user",
                    parts=tuple(
                        ToolResultPart(call_id=call.id, content=(TextPart(text="no such file"),), failed=True)
                        for call in first.tool_calls
                    ),
                )
                messages = (*ASKED.messages, first.message, results)
                return first, await model.respond(
                    ChatRequest(instructions=ASKED.instructions, messages=messages, tools=(READ,))
                )

        first, second = asyncio.run(talk())

        assert [call.id for call in first.tool_calls] == ["call_1", "call_2"]
        assert second.citations == CITED.citations

    def test_a_failure_is_raised_and_says_whether_to_ask_again(self, open_model: OpenModel) -> None:
        for asked in (_respond, _stream):
            with pytest.raises(RateLimitedError) as limited:
                asked(open_model([RateLimitedError("Slow down.", retryable=True, retry_after=2.0)]), ASKED)
            assert (limited.value.retryable, limited.value.retry_after) == (True, 2.0)
            with pytest.raises(ModelUnavailableError):
                asked(open_model([ModelUnavailableError("Overloaded.", retryable=True)]), ASKED)

    def test_many_may_ask_at_once(self, open_model: OpenModel) -> None:
        model = open_model([answer(f"answer {number}") for number in range(20)])

        async def crowd() -> list[ChatResponse]:
            async with aclosing(model):
                return await asyncio.gather(*(model.respond(ASKED) for _ in range(20)))

        assert {got.text for got in asyncio.run(crowd())} == {f"answer {number}" for number in range(20)}

    def test_it_may_be_asked_from_one_event_loop_after_the_other(self, open_model: OpenModel) -> None:
        model = open_model([answer("first"), answer("second")])

        assert [_respond(model, ASKED).text, _respond(model, ASKED).text] == ["first", "second"]

    def test_it_may_be_closed_twice_and_asked_again(self, open_model: OpenModel) -> None:
        model = open_model([answer("first"), answer("second")])

        async def talk() -> list[str]:
            texts = []
            for _ in range(2):
                texts.append((await model.respond(ASKED)).text)
                await model.aclose()
                await model.aclose()
            return texts

        assert asyncio.run(talk()) == ["first", "second"]

    def test_a_stream_may_be_left_early(self, open_model: OpenModel) -> None:
        model = open_model([CALLING, answer("second")])

        async def talk() -> str:
            async with aclosing(model):
                async with aclosing(model.stream(ASKED)) as events:
                    async for _ in events:
                        break
                return (await model.respond(ASKED)).text

        assert asyncio.run(talk()) == "second"

    def test_asking_leaves_the_request_as_it_was(self, open_model: OpenModel) -> None:
        adapter = TypeAdapter(ChatRequest)
        before = adapter.dump_json(ASKED)

        _respond(open_model([CALLING]), ASKED)

        assert adapter.dump_json(ASKED) == before


def _respond(model: ChatModel, request: ChatRequest) -> ChatResponse:
    async def ask() -> ChatResponse:
        async with aclosing(model):
            return await model.respond(request)

    return asyncio.run(ask())


def _stream(model: ChatModel, request: ChatRequest) -> list[ChatEvent]:
    async def ask() -> list[ChatEvent]:
        async with aclosing(model), aclosing(model.stream(request)) as events:
            return [event async for event in events]

    return asyncio.run(ask())
