from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tercet import Agent, Document, Memory, Scope, ingest
from tercet.errors import ConfigurationError, InputError
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

    assert "Rotate a key with the rotate command." in [quote.text for quote in answer.quotes]
    assert answer.found
    texts = {"keys": KEYS, "queues": QUEUES}
    for quote in answer.quotes:
        assert texts[quote.citation.uri][quote.citation.start : quote.citation.end] == quote.text
    assert answer.text.count("\n") == len(answer.citations) - 1


def test_what_happened_is_quoted_too_and_has_no_document(memory: Memory) -> None:
    ada = Scope(user="ada")
    memory.episodic.record("The broker lost message 4711 again.", scope=ada, actor="ada")
    answer = Agent("support", memory=memory).run_sync("Which message did the broker lose?", scope=ada)

    (quote,) = [one for one in answer.quotes if one.provenance.store == "episodic"]
    assert quote.citation is None
    assert quote.source.startswith("episodic ")
    assert "The broker lost message 4711 again. [" in answer.text
    others = Agent("support", memory=memory).run_sync("Which message did the broker lose?", scope=Scope(user="bob"))
    assert "4711" not in others.context.text


def test_a_question_of_which_little_is_in_the_documents_gets_no_quote(memory: Memory) -> None:
    answer = Agent("support", memory=memory).run_sync("Which volcano on Iceland has a key?", scope=Scope())
    assert not answer.found
    assert answer.context.items


def test_a_question_about_nothing_in_the_documents_gets_no_quote(memory: Memory) -> None:
    answer = Agent("support", memory=memory).run_sync("zebra xylophone", scope=Scope())

    assert not answer.found
    assert answer.text == ""


def test_only_the_scopes_tenant_sees_its_documents(memory: Memory) -> None:
    agent = Agent("support", memory=memory)

    def sources(scope: Scope) -> set[str]:
        answer = agent.run_sync("rotate key by hand", scope=scope)
        return {item.citation.uri for item in answer.context.items if item.citation}

    assert "acme" in sources(Scope(tenant="acme"))
    assert "acme" not in sources(Scope(tenant="other"))
    assert "acme" not in sources(Scope())


def test_run_works_inside_an_event_loop_and_so_does_run_sync(memory: Memory) -> None:
    agent = Agent("support", memory=memory, quotes=1)

    async def both() -> tuple[str, str]:
        awaited = await agent.run("queue order", scope=Scope())
        return awaited.text, agent.run_sync("queue order", scope=Scope()).text

    first, second = asyncio.run(both())
    assert first == second == "A queue keeps messages in order. [1]"


def test_bad_input_is_refused(memory: Memory) -> None:
    with pytest.raises(InputError, match="empty"):
        Agent("support", memory=memory).run_sync("  ", scope=Scope())
    with pytest.raises(ConfigurationError, match="'support' may give 0 quotes"):
        Agent("support", memory=memory, quotes=0)
