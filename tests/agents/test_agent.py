"""An agent that answers from memory, offline and by quoting (part of S1.55), and the shape users see."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tercet import Agent, Answer, Document, Impossible, Memory, Scope, ingest
from tercet.errors import ConfigurationError, InputError
from tercet.models.extractive_chat import ExtractiveModel
from tercet.testing import HashEmbedder

KEYS = "Keys expire after ninety days. Rotate a key with the rotate command. Old keys stop working at once."
QUEUES = "A queue keeps messages in order. Brokers deliver each message at least once."
ACME = "Acme rotates every key by hand."


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Memory]:
    place: Path = tmp_path_factory.mktemp("agent") / "memory"
    with Memory.open(place, embedder=HashEmbedder()) as opened:
        ingest(documents=[Document(uri="keys", text=KEYS), Document(uri="queues", text=QUEUES)], into=opened)
        ingest(documents=[Document(uri="acme", text=ACME)], into=opened, tenant="acme")
        yield opened


def test_an_answer_quotes_word_for_word_and_cites_the_exact_span(memory: Memory) -> None:
    answer = Agent("support", memory=memory).run_sync("How do I rotate a key?", scope=Scope())

    assert isinstance(answer, Answer)
    assert "Rotate a key with the rotate command." in [quote.text for quote in answer.quotes]
    texts = {"keys": KEYS, "queues": QUEUES}
    for quote in answer.quotes:
        assert quote.citation is not None
        assert texts[quote.citation.uri][quote.citation.start : quote.citation.end] == quote.text
        assert f"{quote.text} [{quote.source_id}]" in answer.text
    assert answer.text.count("\n") == len(answer.citations) - 1
    assert answer.steps == 1
    assert answer.usage.total_tokens == 0
    assert 0 < answer.confidence <= 1


def test_what_happened_is_quoted_too_and_has_no_document(memory: Memory) -> None:
    ada = Scope(user="ada")
    memory.episodic.record("The broker lost message 4711 again.", scope=ada, actor="ada")
    answer = Agent("support", memory=memory).run_sync("Which message did the broker lose?", scope=ada)

    assert isinstance(answer, Answer)
    (quote,) = [one for one in answer.quotes if one.provenance and one.provenance.store == "episodic"]
    assert quote.citation is None
    assert quote.source.startswith("episodic:")
    assert "The broker lost message 4711 again. [" in answer.text
    others = Agent("support", memory=memory).run_sync("Which message did the broker lose?", scope=Scope(user="bob"))
    assert others.context is not None
    assert "4711" not in others.context.text


@pytest.mark.parametrize("question", ["Which volcano on Iceland has a key?", "zebra xylophone"])
def test_a_question_of_which_little_is_known_is_impossible_and_not_guessed(memory: Memory, question: str) -> None:
    """S2.11."""
    end = Agent("support", memory=memory).run_sync(question, scope=Scope())

    assert isinstance(end, Impossible)
    assert "Nothing relevant was found" in end.text


def test_only_the_scopes_tenant_sees_its_documents(memory: Memory) -> None:
    agent = Agent("support", memory=memory)

    def sources(scope: Scope) -> set[str]:
        end = agent.run_sync("rotate key by hand", scope=scope)
        assert end.context is not None
        return {item.citation.uri for item in end.context.items if item.citation}

    assert "acme" in sources(Scope(tenant="acme"))
    assert "acme" not in sources(Scope(tenant="other"))
    assert "acme" not in sources(Scope())


def test_run_works_inside_an_event_loop_and_so_does_run_sync(memory: Memory) -> None:
    agent = Agent("support", memory=memory, model=ExtractiveModel(quotes=1))

    async def both() -> tuple[str, str]:
        awaited = await agent.run("queue order", scope=Scope())
        return awaited.text, agent.run_sync("queue order", scope=Scope()).text

    first, second = asyncio.run(both())
    assert first == second
    assert first.startswith("A queue keeps messages in order. [")


def test_the_model_comes_from_the_environment_and_never_from_a_key(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "not-a-key")
    assert Agent("support", memory=memory).model.name == "extractive"
    monkeypatch.setenv("TERCET_MODEL", "claude-sonnet-5-5")
    assert Agent("support", memory=memory).model.name == "anthropic:claude-sonnet-5-5"
    assert Agent("support", memory=memory, model="extractive").model.name == "extractive"


def test_bad_input_is_refused(memory: Memory) -> None:
    with pytest.raises(InputError, match="empty"):
        Agent("support", memory=memory).run_sync("  ", scope=Scope())
    with pytest.raises(InputError, match="no task for agent 'support'"):
        Agent("support", memory=memory).run_sync(5, scope=Scope())
    with pytest.raises(ConfigurationError, match="there is no chat model"):
        Agent("support", memory=memory, model="gpt-nothing")
