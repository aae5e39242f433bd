"""Several processes write to one memory on servers: versions replace each other whole, and statistics add up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import select, update

from tercet.errors import StoreError
from tercet.memory.database import chunks, claimed_texts, corpora, frequencies, versions
from tercet.memory.health import check
from tercet.memory.memory import Memory
from tercet.memory.stored import FurtherParts, Part
from tercet.models.lexical import bucket_length
from tercet.testing import HashEmbedder
from tests.memory.library import found_texts, new_version
from tests.qdrant_server import qdrant_server


@pytest.fixture
def place(postgres_url: str) -> Iterator[dict[str, str]]:
    with qdrant_server() as (url, _):
        yield {"database": postgres_url, "qdrant": url}


def opened(place: dict[str, str]) -> Memory:
    return Memory.open(**place, embedder=HashEmbedder(dimension=16))


def assert_consistent(memory: Memory) -> None:
    """Counters, frequencies and weights are those of the live chunks."""
    assert check(memory) == []
    with memory.database.read() as connection:
        kept = dict(connection.execute(select(frequencies.c.term, frequencies.c.count)).all())
        row = connection.execute(select(corpora)).one()
        live = (
            select(chunks.c.id).join(versions, versions.c.id == chunks.c.version_id).where(versions.c.state == "live")
        )
        ids = list(connection.execute(live).scalars())
    stored = memory.semantic.load(ids)
    counted: dict[int, int] = {}
    for chunk in stored.values():
        for term in chunk.terms.ids.tolist():
            counted[term] = counted.get(term, 0) + 1
    assert kept == counted
    for point in memory.semantic.index.get(ids, vectors=True):
        wanted = memory.semantic._writer.weigh(stored[point.id].terms, bucket_length(row.length_bucket))
        assert point.sparse is not None
        found = dict(zip(point.sparse.indices.tolist(), point.sparse.values.tolist(), strict=True))
        assert found == pytest.approx(dict(zip(wanted.indices.tolist(), wanted.values.tolist(), strict=True)))


def test_writers_of_the_same_documents_follow_one_another(place):
    memories = [opened(place) for _ in range(4)]
    corpus = memories[0].ledger.corpus("docs")
    barrier = threading.Barrier(4)

    def write(number: int) -> None:
        barrier.wait()
        for turn in range(5):
            texts = [f"writer{number} turn{turn} " + "word " * (number + 1)] * 2
            uris = [f"{name}.md" for name in ("abc" if number % 2 else "cba")]
            memories[number].semantic.put([new_version(memories[number], corpus, uri, texts) for uri in uris])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    memories[0].semantic.finish(corpus)
    assert [document.chunks for document in memories[0].semantic.documents()] == [2, 2, 2]
    assert_consistent(memories[0])
    for memory in memories:
        memory.close()


def test_points_written_while_another_process_finishes_the_corpus_get_its_weights(place):
    """The corpus is given another average length between the rows of a batch and its going live."""
    with opened(place) as ada, opened(place) as bob:
        corpus = ada.ledger.corpus("docs")
        ada.semantic.put([new_version(ada, corpus, "short", ["two words"])])
        lock, calls = ada.semantic._writer._lock, []

        def finish_first(*arguments) -> None:
            if not calls:
                calls.append(True)
                bob.semantic.put([new_version(bob, corpus, "long", ["many words " * 60])])
                bob.semantic.finish(corpus)
            lock(*arguments)

        ada.semantic._writer._lock = finish_first
        ada.semantic.put([new_version(ada, corpus, "late", ["three more words"])])
        assert calls
        assert_consistent(ada)


def test_a_writer_whose_versions_were_cleared_away_is_told_and_leaves_nothing(place):
    with opened(place) as ada, opened(place) as bob:
        corpus = ada.ledger.corpus("docs")
        ada.semantic.put([new_version(ada, corpus, "a", ["old text"])])
        lock = ada.semantic._writer._lock

        def taken_for_dead(*arguments) -> None:
            with bob.database.write() as connection:
                connection.execute(update(versions).where(versions.c.state == "pending").values(writer="nobody"))
            bob.semantic.recover()
            lock(*arguments)

        ada.semantic._writer._lock = taken_for_dead
        with pytest.raises(StoreError, match="taken for dead"):
            ada.semantic.put([new_version(ada, corpus, "a", ["new text"]), new_version(ada, corpus, "b", ["b text"])])
        ada.semantic._writer._lock = lock
        assert found_texts(ada, "text") == ["old text"]
        ada.semantic.recover()
        assert_consistent(ada)


def test_a_writer_whose_large_version_was_cleared_away_is_told_at_its_next_part(place):
    with opened(place) as ada, opened(place) as bob:
        corpus = ada.ledger.corpus("docs")
        ada.semantic.put([new_version(ada, corpus, "a", ["old text"])])
        version = new_version(ada, corpus, "a", ["first text", "second text"])
        middle = version.chunks[1].chunk.start

        def taken_for_dead() -> Iterator[Part]:
            with bob.database.write() as connection:
                connection.execute(update(versions).where(versions.c.state == "pending").values(writer="nobody"))
            bob.semantic.recover()
            yield Part(version.text[middle:], version.chunks[1:])

        first = replace(version, text=version.text[:middle], chunks=version.chunks[:1])
        with pytest.raises(StoreError, match="taken for dead"):
            ada.semantic.put([replace(first, further=FurtherParts(taken_for_dead()))])
        assert found_texts(ada, "text") == ["old text"]
        ada.semantic.recover()
        assert_consistent(ada)


def test_a_living_writers_pending_versions_are_not_cleared_away_by_others(place):
    with opened(place) as ada, opened(place) as bob:
        corpus = ada.ledger.corpus("docs")
        lock = ada.semantic._writer._lock

        def while_bob_looks(*arguments) -> None:
            bob.semantic.recover()
            lock(*arguments)

        ada.semantic._writer._lock = while_bob_looks
        ada.semantic.put([new_version(ada, corpus, "a", ["some text"])])
        assert found_texts(bob, "text") == ["some text"]


def test_several_processes_embed_every_text_once(place, monkeypatch):
    monkeypatch.setattr("tercet.memory.vectorizing.SHARED_WINDOW", 7)
    memories = [opened(place) for _ in range(4)]
    corpus = memories[0].ledger.corpus("docs")
    texts = [[f"text {number % 40}", f"text {number}"] for number in range(120)]
    memories[0].semantic.put([new_version(memories[0], corpus, f"{n}.md", two) for n, two in enumerate(texts)])

    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda memory: memory.semantic.embed_missing(), memories))
    assert sum(counts) == sum(memory.embedder.embedded for memory in memories) == 120
    assert memories[0].semantic.missing_vectors() == 0
    index = memories[0].semantic.index
    assert all(
        np.linalg.norm(point.dense) == pytest.approx(1, abs=1e-3) for point in index.get(index.ids(), vectors=True)
    )
    with memories[0].database.read() as connection:
        assert connection.execute(select(claimed_texts)).all() == []
    for memory in memories:
        memory.close()


def test_texts_that_a_dead_process_had_claimed_are_embedded_by_another(place):
    ada, bob = opened(place), opened(place)
    corpus = ada.ledger.corpus("docs")
    ada.semantic.put([new_version(ada, corpus, "a", ["one", "two", "three"])])
    vectorizer = ada.semantic._vectorizer
    assert len(vectorizer._claim(ada.workers, ada.workers.id)) == 3
    assert bob.semantic.embed_some() is None
    ada.workers._let_go()
    assert bob.semantic.embed_missing() == 3
    ada.close()
    bob.close()


def test_an_embedder_that_fails_leaves_its_texts_to_others(place):
    with opened(place) as ada, opened(place) as bob:
        corpus = ada.ledger.corpus("docs")
        ada.semantic.put([new_version(ada, corpus, "a", ["one", "two"])])

        def fail(texts) -> None:
            raise ZeroDivisionError

        ada.embedder.embed_documents = fail
        with pytest.raises(ZeroDivisionError):
            ada.semantic.embed_missing()
        assert bob.semantic.embed_missing() == 2
