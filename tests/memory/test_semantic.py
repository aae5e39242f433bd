from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import QdrantClient
from sqlalchemy import update

from tercet.errors import EmbedderMismatchError, InputError, MemoryLockedError
from tercet.memory.database import versions
from tercet.memory.health import check, status
from tercet.memory.memory import Memory
from tercet.memory.semantic import _LIVE_CHUNKS, _LOAD, _SOME_CHUNKS
from tercet.memory.stored import FurtherParts, NewVersion, Part
from tercet.records import DocumentFilter
from tercet.settings import ChunkingConfig
from tercet.testing import HashEmbedder
from tests.memory.library import found_texts, new_version


@pytest.fixture(params=["embedded", "by-url"])
def memory(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Memory]:
    """A memory in a folder, and one on PostgreSQL and the server adapter: both keep every promise below."""
    if request.param == "embedded":
        with Memory.open(tmp_path / "memory", embedder=HashEmbedder()) as opened:
            yield opened
        return
    database = request.getfixturevalue("postgres_url")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Payload indexes have no effect in the local Qdrant")
        with Memory.open(database=database, qdrant=QdrantClient(":memory:"), embedder=HashEmbedder()) as opened:
            yield opened


@pytest.fixture
def folder_memory(tmp_path: Path) -> Iterator[Memory]:
    with Memory.open(tmp_path / "memory", embedder=HashEmbedder()) as opened:
        yield opened


@pytest.fixture
def docs(memory: Memory) -> int:
    return memory.ledger.corpus("docs")


def test_a_stored_document_is_found_by_words_at_once_and_by_meaning_once_embedded(memory: Memory, docs: int) -> None:
    memory.semantic.put([new_version(memory, docs, "keys", ["rotate the signing key", "queues and brokers"])])
    everything = memory.semantic.select(DocumentFilter())
    query = memory.embedder.embed_query("rotate the signing key")

    assert found_texts(memory, "rotate key") == ["rotate the signing key"]
    assert memory.semantic.dense_candidates(query, everything, limit=5) == []
    assert memory.semantic.coverage(everything) == (0, 2)

    assert memory.semantic.embed_missing() == 2
    best = memory.semantic.dense_candidates(query, everything, limit=5)[0]
    assert memory.semantic.load([best.row])[best.row].chunk.text == "rotate the signing key"
    assert best.score == pytest.approx(1.0, abs=1e-3)
    assert memory.semantic.coverage(everything) == (2, 2)


def test_a_new_version_replaces_the_old_one_entirely(memory: Memory, docs: int) -> None:
    memory.semantic.put([new_version(memory, docs, "keys", ["alpha beta", "gamma delta"])])
    memory.semantic.put([new_version(memory, docs, "keys", ["alpha omega"])])
    memory.semantic.finish(docs)

    assert found_texts(memory, "alpha") == ["alpha omega"]
    assert found_texts(memory, "gamma") == []
    assert memory.semantic.index.count() == 1
    assert check(memory) == []


def test_equal_text_is_embedded_once_and_a_moved_document_not_at_all(memory: Memory, docs: int) -> None:
    memory.semantic.put([new_version(memory, docs, "a", ["same text"]), new_version(memory, docs, "b", ["same text"])])
    assert memory.semantic.embed_missing() == 1

    memory.semantic.put([new_version(memory, docs, "c", ["same text"])])
    memory.semantic.delete([document.id for document in memory.semantic.documents(DocumentFilter(paths=("a",)))])
    memory.semantic.finish(docs)
    assert memory.semantic.embed_missing() == 0
    assert memory.semantic.coverage(memory.semantic.select(DocumentFilter())) == (2, 2)


def test_a_removed_document_leaves_no_row_and_no_point(memory: Memory, docs: int) -> None:
    memory.semantic.put([new_version(memory, docs, "a", ["one two"], metadata={"team": "x"})])
    memory.semantic.embed_missing()

    assert memory.semantic.forget(DocumentFilter(paths=("a",))) == 1
    with memory.database.read() as connection:
        for table in ("documents", "versions", "attributes", "chunks", "frequencies", "embeddings", "stale_points"):
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() == 0, table
    assert memory.semantic.index.count() == 0


def test_filters_hold_in_both_legs_and_return_as_many_as_exist(memory: Memory, docs: int) -> None:
    other = memory.ledger.corpus("policies", version="2")
    acme = memory.ledger.corpus("docs", tenant="acme")
    put = [
        new_version(
            memory,
            docs,
            f"guide/{number}.md",
            [f"common words {number}"],
            metadata={"number": number, "tags": ["odd" if number % 2 else "even", "all"], "draft": number == 3},
            effective_from=date(2026, 1, 1) if number > 5 else None,
            effective_to=date(2026, 6, 1) if number == 6 else None,
        )
        for number in range(10)
    ]
    put.append(new_version(memory, other, "rule", ["common words of policy"]))
    put.append(new_version(memory, acme, "secret", ["common words of acme"]))
    memory.semantic.put(put)
    memory.semantic.embed_missing()
    query = memory.embedder.embed_query("common words")

    def numbers(**where: object) -> set[str]:
        lexical = set(found_texts(memory, "common", limit=50, **where))
        selection = memory.semantic.select(DocumentFilter(**where))
        dense = memory.semantic.dense_candidates(query, selection, limit=50)
        loaded = memory.semantic.load([candidate.row for candidate in dense])
        assert {stored.chunk.text for stored in loaded.values()} == lexical
        return {text.rsplit(" ", 1)[1] for text in lexical}

    assert numbers() == {*"0123456789", "policy"}
    assert numbers(corpus=("docs",)) == set("0123456789")
    assert numbers(version="2") == {"policy"}
    assert numbers(tenant="acme", corpus=("docs",)) == {*"0123456789", "acme"}
    assert numbers(tenant="other", corpus=("docs",)) == set("0123456789")
    assert numbers(equals={"tags": "odd"}) == set("13579")
    assert numbers(equals={"tags": ["odd", "even"]}, ranges={"number": (2, 4)}) == set("234")
    assert numbers(ranges={"number": (None, 1)}) == set("01")
    assert numbers(equals={"draft": True}) == {"3"}
    assert numbers(equals={"number": 3}) == {"3"}
    assert numbers(paths=("guide/[45].md",)) == set("45")
    assert numbers(paths=("**/7.md", "rule")) == {"7", "policy"}
    assert numbers(as_of=date(2025, 12, 31)) == {*"012345", "policy"}
    assert numbers(as_of=date(2026, 5, 31), corpus=("docs",)) == set("0123456789")
    assert numbers(as_of=date(2026, 6, 1), corpus=("docs",)) == set("012345789")
    assert numbers(equals={"tags": "nothing"}) == set()
    assert numbers(corpus=("no such",)) == set()


@pytest.mark.parametrize(("settled", "seen_before"), [(True, True), (True, False), (False, False)])
@pytest.mark.parametrize("filters", [{}, {"ranges": {"number": (1, None)}}, {"paths": ("guide/[1-9].md",)}])
def test_a_corpus_made_between_selecting_and_searching_stays_with_its_tenant(
    memory: Memory, docs: int, filters: dict[str, Any], settled: bool, seen_before: bool
) -> None:
    put = [
        new_version(memory, docs, f"guide/{number}.md", [f"common words {number}"], metadata={"number": number})
        for number in range(5)
    ]
    memory.semantic.put(put)
    memory.semantic.embed_missing()
    if not settled:
        memory.semantic.put([new_version(memory, docs, "late", ["other words"])])
    selection = memory.semantic.select(DocumentFilter(tenant="acme", **filters))
    assert selection.settled == settled

    theirs = memory.ledger.corpus("docs", tenant="other")
    secrets = [
        new_version(memory, theirs, f"guide/9{number}.md", ["common words"], metadata={"number": 5})
        for number in range(80)
    ]
    memory.semantic.put(secrets)
    memory.semantic.embed_missing()
    query = memory.embedder.embed_query("common words")
    if seen_before:
        everything = memory.semantic.select(DocumentFilter(tenant="other"))
        assert len(memory.semantic.dense_candidates(query, everything, limit=85)) == 85
    words = memory.semantic.lexical_candidates({"common": 1}, selection, limit=4).candidates
    near = memory.semantic.dense_candidates(query, selection, limit=4)

    for found in (words, near):
        loaded = memory.semantic.load([candidate.row for candidate in found])
        assert {stored.tenant for stored in loaded.values()} == {""}
        assert len(loaded) == 4


def test_a_filter_without_values_is_refused(memory: Memory) -> None:
    memory.ledger.corpus("docs")
    with pytest.raises(InputError, match="'team' names no value"):
        memory.semantic.select(DocumentFilter(equals={"team": []}))


def test_ties_are_broken_by_chunk_id_however_the_documents_arrived(tmp_path: Path) -> None:
    orders = []
    for name, uris in (("forward", range(300)), ("backward", reversed(range(300)))):
        with Memory.open(tmp_path / name, embedder=HashEmbedder()) as memory:
            corpus = memory.ledger.corpus("docs")
            versions = [new_version(memory, corpus, str(uri), ["same words here"]) for uri in uris]
            for start in range(0, 300, 60):
                memory.semantic.put(versions[start : start + 60])
            memory.semantic.finish(corpus)
            memory.semantic.embed_missing()
            selection = memory.semantic.select(DocumentFilter())
            lexical = memory.semantic.lexical_candidates({"same": 1, "word": 1}, selection, limit=7).candidates
            dense = memory.semantic.dense_candidates(memory.embedder.embed_query("same"), selection, limit=7)
            orders.append([[candidate.chunk_id for candidate in leg] for leg in (lexical, dense)])
    assert orders[0] == orders[1]
    assert [len(leg) for leg in orders[0]] == [7, 7]
    assert orders[0][0] == sorted(orders[0][0])


def test_scores_depend_on_live_content_alone(tmp_path: Path) -> None:
    """An index with a history of updates and deletions ranks as one that was built afresh."""
    texts = {f"d{i}": [" ".join(f"w{(i * j) % 17}" for j in range(1, 3 + i % 9))] for i in range(60)}
    rankings = []
    for name in ("clean", "history"):
        with Memory.open(tmp_path / name, embedder=HashEmbedder()) as memory:
            corpus = memory.ledger.corpus("docs")
            if name == "history":
                before = [new_version(memory, corpus, uri, ["w1 w2 w3 other long text " * 9]) for uri in texts]
                memory.semantic.put(before)
                memory.semantic.put([new_version(memory, corpus, "gone", ["w1 w5"])])
            versions = [
                new_version(memory, corpus, uri, text) for uri, text in sorted(texts.items(), reverse=name == "history")
            ]
            memory.semantic.put(versions[:7])
            memory.semantic.put(versions[7:])
            doomed = [document.id for document in memory.semantic.documents(DocumentFilter(paths=("gone",)))]
            memory.semantic.delete(doomed)
            memory.semantic.finish(corpus)
            selection = memory.semantic.select(DocumentFilter())
            for word in ("w1", "w5", "w16"):
                found = memory.semantic.lexical_candidates({word: 1}, selection, limit=60).candidates
                rankings.append((name, word, [(c.chunk_id, c.score) for c in found]))
            assert check(memory) == []
    clean, history = rankings[:3], rankings[3:]
    assert [ranking[1:] for ranking in clean] == [ranking[1:] for ranking in history]


def test_reindex_rebuilds_the_same_index_without_embedding(memory: Memory, docs: int) -> None:
    memory.semantic.put([new_version(memory, docs, str(n), [f"text {n}", f"more {n % 3}"]) for n in range(40)])
    memory.semantic.embed_missing()
    memory.semantic.finish(docs)
    before = {point.id: point for point in memory.semantic.index.get(memory.semantic.index.ids(), vectors=True)}
    embedded = memory.embedder.embedded

    assert memory.semantic.reindex() == 80
    after = {point.id: point for point in memory.semantic.index.get(memory.semantic.index.ids(), vectors=True)}
    assert memory.embedder.embedded == embedded
    assert before.keys() == after.keys()
    for key, point in after.items():
        np.testing.assert_array_equal(before[key].dense, point.dense)
        np.testing.assert_array_equal(before[key].sparse.values, point.sparse.values)


def test_a_rebuild_that_was_killed_is_finished_at_the_next_claim(folder_memory: Memory, tmp_path: Path) -> None:
    memory = folder_memory
    memory.semantic.put([new_version(memory, memory.ledger.corpus("docs"), "a", ["one"])])
    memory.semantic.embed_missing()
    memory.semantic.index.clear()
    memory.database.set_meta("reindexing", "1")
    memory.close()

    with Memory.open(tmp_path / "memory", embedder=HashEmbedder()) as again:
        assert check(again) == []
        assert again.semantic.index.count() == 1


def test_what_stayed_pending_is_cleared_away_and_the_old_version_lives_on(memory: Memory, docs: int) -> None:
    memory.semantic.put([new_version(memory, docs, "a", ["old text"])])
    writer = memory.semantic._writer

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    make_live, writer._make_live = writer._make_live, die
    with pytest.raises(KeyboardInterrupt):
        memory.semantic.put([new_version(memory, docs, "a", ["new text"]), new_version(memory, docs, "b", ["b text"])])
    writer._make_live = make_live

    assert found_texts(memory, "text") == ["old text"]
    assert status(memory).unfinished == 2
    with memory.database.write() as connection:  # on a shared database, only once the writer's lease has run out
        connection.execute(update(versions).values(lease_until=0))
    memory.semantic.recover()
    assert status(memory).unfinished == 0
    assert found_texts(memory, "text") == ["old text"]
    assert [document.uri for document in memory.semantic.documents()] == ["a"]
    assert memory.semantic.index.count() == 1
    assert check(memory) == []


def test_reindex_leaves_out_what_never_became_live(memory: Memory, docs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    memory.semantic.put([new_version(memory, docs, "a", ["old text"])])

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(memory.semantic._writer, "_make_live", die)
        with pytest.raises(KeyboardInterrupt):
            memory.semantic.put([new_version(memory, docs, "b", ["b text"])])
    memory.semantic.put([new_version(memory, docs, "c", ["newer text"])])
    points = memory.semantic.index.count()

    assert memory.semantic.reindex() == 2
    assert memory.semantic.index.count() == 2 < points
    assert sorted(found_texts(memory, "text")) == ["newer text", "old text"]


def test_a_section_is_the_stored_text_around_a_chunk(memory: Memory, docs: int) -> None:
    memory.semantic.put([new_version(memory, docs, "a", ["first part", "second part"])])
    row = memory.semantic.index.ids()[0]
    assert memory.semantic.section(row) == (0, "first part\nsecond part")
    assert memory.semantic.section(10**6) == (0, "")


def test_check_finds_and_repairs_an_index_that_lost_or_gained_points(memory: Memory, docs: int) -> None:
    memory.semantic.put([new_version(memory, docs, "a", ["one", "two"])])
    memory.semantic.embed_missing()
    index = memory.semantic.index
    point = index.get(index.ids()[:1], vectors=True)[0]
    index.delete([point.id])
    index.upsert([type(point)(id=999_999, payload=point.payload, dense=point.dense, sparse=point.sparse)])

    assert [problem.what for problem in check(memory)] == [
        "1 chunks are missing from the vector index",
        "1 points of the vector index belong to no chunk",
    ]
    assert check(memory, repair=True) == []


def test_settings_are_remembered_and_another_embedder_is_refused_until_it_is_changed(tmp_path: Path) -> None:
    place = tmp_path / "memory"
    with Memory.open(place, embedder=HashEmbedder(), chunking=ChunkingConfig(max_tokens=99)) as memory:
        memory.semantic.put([new_version(memory, memory.ledger.corpus("docs"), "a", ["one"])])
        memory.semantic.embed_missing()
    other = HashEmbedder(dimension=32)
    with pytest.raises(EmbedderMismatchError, match="tercet embed"):
        Memory.open(place, embedder=other)
    with Memory.open(place, embedder=HashEmbedder()) as memory:
        assert memory.chunking.max_tokens == 99
        assert memory.change_embedder(other) == 1
    with Memory.open(place, embedder=other) as memory:
        assert memory.semantic.index.spec.dimension == 32
        assert memory.semantic.dense_candidates(
            other.embed_query("one"), memory.semantic.select(DocumentFilter()), limit=1
        )
        assert check(memory) == []


def test_a_second_opener_is_told_who_holds_the_memory_but_may_look(folder_memory: Memory, tmp_path: Path) -> None:
    corpus = folder_memory.ledger.corpus("docs")
    folder_memory.semantic.put([new_version(folder_memory, corpus, "a", ["one"])])
    with Memory.open(tmp_path / "memory", embedder=HashEmbedder()) as second:
        assert status(second).corpora[0].documents == 1
        with pytest.raises(MemoryLockedError, match="process"):
            second.semantic.index  # noqa: B018 - asking for it opens it


def test_metadata_that_cannot_be_compared_is_refused(memory: Memory, docs: int) -> None:
    with pytest.raises(InputError, match="'score' is nan"):
        memory.semantic.put([new_version(memory, docs, "a", ["one"], metadata={"score": float("nan")})])
    assert list(memory.semantic.documents()) == []


def in_parts(version: NewVersion, sizes: list[int], error: Exception | None = None) -> NewVersion:
    """The same version with its chunks in parts of these many; after the last part the error, if there is one."""
    pieces, first = [], 0
    for size in sizes:
        chunks = version.chunks[first : first + size]
        start = chunks[0].chunk.start if first else 0
        first += size
        end = version.chunks[first].chunk.start if first < len(version.chunks) else len(version.text)
        pieces.append(Part(version.text[start:end], chunks))

    def rest() -> Iterator[Part]:
        yield from pieces[1:]
        if error:
            raise error

    return replace(version, text=pieces[0].text, chunks=pieces[0].chunks, further=FurtherParts(rest()))


TEXTS = [f"words of piece{number} about keys" for number in range(9)]


def test_a_version_in_parts_is_the_same_as_one_in_a_piece(memory: Memory, docs: int) -> None:
    whole = new_version(memory, docs, "whole", TEXTS)
    memory.semantic.put([new_version(memory, docs, "parts", ["before"])])
    version = in_parts(new_version(memory, docs, "parts", TEXTS), [2, 3, 1, 3])
    memory.semantic.put([version])
    memory.semantic.put([whole])
    assert version.chunk_count == 9
    assert [document.chunks for document in memory.semantic.documents()] == [9, 9]
    assert sorted(found_texts(memory, "piece7")) == [TEXTS[7]] * 2
    assert found_texts(memory, "before") == []
    for row in memory.semantic.index.ids():
        assert memory.semantic.section(row) == (0, "\n".join(TEXTS))
    assert memory.semantic.embed_missing() == 9
    memory.semantic.finish(docs)
    assert check(memory) == []
    memory.semantic.delete([document.id for document in memory.semantic.documents()])
    assert memory.semantic.index.count() == 0
    assert check(memory) == []


def test_a_version_whose_parts_break_off_never_becomes_live(memory: Memory, docs: int) -> None:
    memory.semantic.put([new_version(memory, docs, "a", ["old text"])])
    version = in_parts(new_version(memory, docs, "a", TEXTS), [2, 3, 1], error=InputError("it ends here"))
    with pytest.raises(InputError, match="it ends here"):
        memory.semantic.put([version])
    assert found_texts(memory, "piece0") == []
    memory.semantic.recover()
    assert found_texts(memory, "text") == ["old text"]
    assert status(memory).unfinished == 0
    assert memory.semantic.index.count() == 1
    assert check(memory) == []


@pytest.mark.parametrize("query", [_LOAD, _LIVE_CHUNKS, _SOME_CHUNKS], ids=["load", "live", "some"])
def test_chunks_are_read_by_their_rows_and_not_through_all_documents(folder_memory: Memory, query: str) -> None:
    rows = ",".join(map(str, range(200)))
    with folder_memory.database.read() as connection:
        plan = connection.exec_driver_sql("EXPLAIN QUERY PLAN " + query.format(rows)).all()

    assert plan[0].detail.startswith("SEARCH chunks USING INTEGER PRIMARY KEY")
    assert not any("ix_versions_state" in step.detail for step in plan)
