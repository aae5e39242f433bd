"""Models for tests fail a test whose script does not fit."""

from __future__ import annotations

import pytest

import tercet.testing
from tercet.errors import ModelUnavailableError
from tercet.models.chat_records import TextDelta, ToolCallPart
from tercet.testing import BrokenStream, FunctionModel, ScriptedModel, answer
from tests.models.asking import HELLO, respond, stream


@pytest.mark.parametrize("name", tercet.testing.__all__)
def test_every_public_name_resolves(name: str) -> None:
    assert getattr(tercet.testing, name).__doc__


def test_an_exhausted_script_says_what_was_asked_beyond_it() -> None:
    model = ScriptedModel([answer("only")], name="support")
    respond(model)

    for ask in (respond, stream):
        with pytest.raises(AssertionError, match=r"support was asked \d times.* 1 items.*Hello"):
            ask(model)
    assert len(model.requests) == 3


def test_a_script_that_is_not_used_up_fails_at_the_end_unless_the_test_failed_before() -> None:
    unused = ScriptedModel([answer("first"), answer("second"), answer("third")])
    with pytest.raises(AssertionError, match=r"asked 1 times.* 3 items: 2 were not used, first .*second"), unused:
        respond(unused)
    with pytest.raises(ZeroDivisionError), ScriptedModel([answer("first")]):
        raise ZeroDivisionError
    with ScriptedModel([answer("first")]) as model:
        respond(model)


def test_a_broken_stream_tells_its_events_and_then_fails() -> None:
    broken = BrokenStream(events=(TextDelta(part=0, text="Ha"),), error=ModelUnavailableError("Gone."))
    model, told = ScriptedModel([broken, broken]), []

    with pytest.raises(ModelUnavailableError):
        stream(model, told=told)
    with pytest.raises(ModelUnavailableError):
        respond(model)
    assert told == [TextDelta(part=0, text="Ha")]


def test_an_answer_that_calls_tools_ends_for_that() -> None:
    assert answer("a").stop_reason == "end_turn"
    assert answer(ToolCallPart(id="1", name="read", arguments={})).stop_reason == "tool_use"
    assert answer("a", stop_reason="stop_sequence").stop_reason == "stop_sequence"


def test_a_function_may_be_asynchronous() -> None:
    async def later(request):
        return answer(request.messages[-1].text.upper())

    model = FunctionModel(later)

    assert (respond(model).text, model.requests) == ("HELLO", [HELLO])
