"""The SQL layer means the same on SQLite and on PostgreSQL (part of S1.54)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, inspect, select, update

from tercet.errors import InputError, StoreError
from tercet.memory.database import FORMAT_VERSION, Database, corpora, documents, excluded, frequencies, meta, roots

Opener = Callable[..., Database]


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path) -> str:
    """Where a memory may be made: a folder, or the URL of an empty database."""
    return str(tmp_path / "memory") if request.param == "sqlite" else request.getfixturevalue("postgres_url")


@pytest.fixture
def database(place: str) -> Iterator[Database]:
    with Database.open(place) as opened:
        yield opened


def add_corpus(database: Database, name: str = "docs") -> int:
    with database.write() as connection:
        return connection.execute(corpora.insert().values(name=name).returning(corpora.c.id)).scalar_one()


def names(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.execute(select(corpora.c.name).order_by(corpora.c.name)).scalars())


def test_a_write_is_there_after_reopening(place):
    with Database.open(place) as database:
        add_corpus(database)
    with Database.open(place, create=False) as database:
        assert names(database) == ["docs"]


def test_a_write_that_raises_changes_nothing(database):
    add_corpus(database)

    def fail() -> None:
        with database.write() as connection:
            connection.execute(corpora.insert().values(name="lost"))
            connection.execute(corpora.delete().where(corpora.c.name == "docs"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert names(database) == ["docs"]


def test_a_read_sees_one_state_while_another_thread_writes(database):
    add_corpus(database)
    with database.read() as connection:
        before = connection.execute(select(func.count()).select_from(corpora)).scalar_one()
        writer = threading.Thread(target=add_corpus, args=(database, "more"))
        writer.start()
        writer.join()
        assert connection.execute(select(func.count()).select_from(corpora)).scalar_one() == before == 1
    assert names(database) == ["docs", "more"]


def test_a_read_cannot_change_anything(database):
    add_corpus(database)
    try:
        with database.read() as connection:
            connection.execute(corpora.delete())
    except StoreError:
        pass  # PostgreSQL refuses; SQLite rolls back
    assert names(database) == ["docs"]


def test_threads_that_add_to_one_counter_lose_nothing(database):
    corpus = add_corpus(database)
    statement = database.upsert(
        frequencies,
        conflict=["corpus_id", "term"],
        update={"count": frequencies.c.count + excluded(frequencies.c.count)},
    )

    def add(_: int) -> None:
        with database.write() as connection:
            connection.execute(statement, [{"corpus_id": corpus, "term": term, "count": 1} for term in (7, 8)])
            connection.execute(update(corpora).values(chunks=corpora.c.chunks + 1))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(add, range(200)))
    with database.read() as connection:
        assert connection.execute(select(frequencies.c.count)).scalars().all() == [200, 200]
        assert connection.execute(select(corpora.c.chunks)).scalar_one() == 200


def test_upsert_replaces_named_columns_and_keeps_the_others(database):
    corpus = add_corpus(database)
    with database.write() as connection:
        for path in ("/old", "/new"):
            row = {"corpus_id": corpus, "name": "guide", "path": path}
            connection.execute(database.upsert(roots, [row], conflict=["corpus_id", "name"], update=["path"]))
        row = {"corpus_id": corpus, "name": "guide", "path": "/ignored"}
        connection.execute(database.upsert(roots, [row], conflict=["corpus_id", "name"]))
    with database.read() as connection:
        assert connection.execute(select(roots.c.name, roots.c.path)).all() == [("guide", "/new")]


def test_text_sorts_by_code_point(database):
    for name in ("b", "B", "a", "é", "_", "Z", "\U0001f600"):
        add_corpus(database, name)
    assert names(database) == sorted(names(database))


def test_a_number_in_64_bits_survives_and_a_larger_one_is_refused(database):
    corpus = add_corpus(database)
    row = {"corpus_id": corpus, "term": 2**63 - 1, "count": 1}
    with database.write() as connection:
        connection.execute(frequencies.insert(), [row])
    with database.read() as connection:
        assert connection.execute(select(frequencies.c.term)).scalar_one() == 2**63 - 1
    with pytest.raises(InputError), database.write() as connection:
        connection.execute(frequencies.insert(), [{**row, "term": 2**63}])


@pytest.mark.parametrize("text", ["a\0b", "\ud800"], ids=["nul", "lone surrogate"])
def test_text_that_a_database_cannot_keep_is_refused_and_nothing_is_written(database, text):
    rows = [{"name": "fine"}, {"name": text}]
    with pytest.raises(InputError), database.write() as connection:
        connection.execute(corpora.insert(), rows)
    assert names(database) == []


def test_a_row_that_points_nowhere_is_refused(database):
    with pytest.raises(StoreError, match=r"(?i)foreign key"), database.write() as connection:
        connection.execute(documents.insert().values(corpus_id=404, uri="a"))


def test_an_id_is_never_given_twice(database):
    corpus = add_corpus(database)
    with database.write() as connection:
        insert = documents.insert().values(corpus_id=corpus, uri="a").returning(documents.c.id)
        first = connection.execute(insert).scalar_one()
        connection.execute(documents.delete())
        assert connection.execute(insert).scalar_one() > first


def test_meta_keeps_json(database):
    value = {"k": [1, 2.5, None, True, "ünï\0"]}
    database.set_meta("settings", {})
    database.set_meta("settings", value)
    assert database.get_meta("settings") == value
    assert database.get_meta("absent") is None
    with database.write() as connection:
        database.set_meta("settings", 1, connection)
        assert database.get_meta("settings", connection) == 1


def test_a_database_opened_for_reading_reads_beside_a_writer_and_refuses_writes(place, database):
    add_corpus(database)
    with Database.open(place, read_only=True) as reader:
        assert names(reader) == ["docs"]
        with database.write() as connection:
            connection.execute(corpora.insert().values(name="more"))
            assert names(reader) == ["docs"]
        assert names(reader) == ["docs", "more"]
        with pytest.raises(StoreError, match="reading only"), reader.write():
            pass
        with pytest.raises(StoreError), reader.engine.begin() as connection:
            connection.execute(meta.delete())


def test_write_transactions_of_a_thread_do_not_nest(database):
    with database.write(), pytest.raises(RuntimeError, match="nest"), database.write():
        pass
    add_corpus(database)  # the failed attempt left no lock behind


def test_several_openers_at_once_make_one_memory(place):
    def open_and_add(number: int) -> None:
        with Database.open(place) as database:
            add_corpus(database, f"corpus {number}")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(open_and_add, range(6)))
    with Database.open(place) as database:
        assert len(names(database)) == 6
        assert database.get_meta("format_version") == FORMAT_VERSION


def test_chunks_without_a_vector_have_an_index_of_their_own(database):
    with database.read() as connection:
        assert "chunks_without_vector" in {index["name"] for index in inspect(connection).get_indexes("chunks")}


def test_closing_twice_does_nothing(place):
    database = Database.open(place)
    database.close()
    database.close()
