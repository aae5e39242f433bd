"""Choosing a chat model, and the offline one."""

from __future__ import annotations

import pytest

from tercet.errors import ConfigurationError, CredentialsError, RequestRefusedError
from tercet.models.anthropic_chat import AnthropicModel
from tercet.models.chat import ChatModel, resolve_model
from tercet.models.chat_records import (
    ChatMessage,
    ChatRequest,
    Completed,
    SourcePart,
    SourceQuote,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from tercet.models.extractive_chat import ExtractiveModel
from tercet.records import Usage
from tests.models.asking import HELLO, READ, respond, stream

KEYS = SourcePart(
    id="c1",
    source="keys.md",
    title="Keys",
    pieces=("Keys live in a vault.", "An API key rotates every 90 days. Log in."),
)


@pytest.mark.parametrize("spec", ["claude-sonnet-5-5", "anthropic:claude-sonnet-5-5"])
def test_a_model_of_anthropic_is_chosen_by_its_name(monkeypatch, spec) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "not-a-key")

    model = resolve_model(spec)

    assert isinstance(model, AnthropicModel)
    assert model.name == "anthropic:claude-sonnet-5-5"


def test_a_key_that_lies_about_chooses_nothing(monkeypatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "not-a-key")

    assert isinstance(resolve_model("extractive"), ExtractiveModel)
    for spec in ("", "anthropic:", "gpt", "sonnet"):
        with pytest.raises(ConfigurationError, match="extractive"):
            resolve_model(spec)


def test_a_hosted_model_without_a_key_is_refused_with_a_remedy(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    with pytest.raises(CredentialsError, match="ANTHROPIC_API_KEY"):
        resolve_model("claude-sonnet-5-5")


def asked(*parts, **options) -> ChatRequest:
    return ChatRequest(messages=(ChatMessage(role="user", parts=parts),), **options)


def test_the_offline_model_quotes_the_sentence_that_answers_and_cites_its_piece() -> None:
    model = ExtractiveModel(quotes=1)

    got = respond(model, asked(KEYS, TextPart(text="How often does an API key rotate?")))

    assert isinstance(model, ChatModel)
    assert got.text == "An API key rotates every 90 days."
    assert got.citations == (SourceQuote(source_id="c1", start_piece=1, end_piece=2, text=KEYS.pieces[1]),)
    assert (got.stop_reason, got.usage) == ("end_turn", Usage())


def test_the_offline_model_says_nothing_where_nothing_fits() -> None:
    model = ExtractiveModel()

    assert respond(model, asked(KEYS, TextPart(text="Who won the football match?"))).parts == ()
    assert respond(model, HELLO).parts == ()
    assert stream(model, HELLO)[0].response.parts == ()


def test_the_offline_model_finds_question_and_sources_behind_tool_results() -> None:
    call = ChatMessage(role="assistant", parts=(ToolCallPart(id="1", name="search", arguments={}),))
    found = ChatMessage(role="user", parts=(ToolResultPart(call_id="1", content=(KEYS,)),))
    question = ChatMessage(role="user", parts=(TextPart(text="How often do an API key and vault keys rotate?"),))
    *deltas, last = stream(ExtractiveModel(quotes=2), ChatRequest(messages=(question, call, found)))

    assert isinstance(last, Completed)
    assert "".join(delta.text for delta in deltas) == last.response.text
    assert "every 90 days" in last.response.text


def test_the_offline_model_refuses_what_it_cannot_do() -> None:
    for options in ({"output_schema": {"type": "object"}}, {"tools": (READ,), "tool_choice": "required"}):
        with pytest.raises(RequestRefusedError, match="only quotes"):
            respond(ExtractiveModel(), asked(TextPart(text="Hi"), **options))
    assert respond(ExtractiveModel(), asked(KEYS, TextPart(text="API key rotates?"), tools=(READ,))).tool_calls == ()
    with pytest.raises(ConfigurationError, match="0 quotes"):
        ExtractiveModel(quotes=0)
