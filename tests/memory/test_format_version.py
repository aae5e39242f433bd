"""A memory says in which format it is: an older one is migrated whole or not at all, a newer one is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import inspect, select

from tercet import DocumentFilter, Memory, SemanticRetriever
from tercet.errors import CorruptMemoryError, FormatVersionError
from tercet.memory import database as module
from tercet.memory.backup import restore
from tercet.memory.database import FORMAT_VERSION, Database, corpora, meta
from tercet.testing import HashEmbedder

FIXTURES = Path(__file__).parents[1] / "fixtures"


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path) -> str:
    """A memory of the present format with one corpus in it."""
    where = str(tmp_path / "memory") if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    with Database.open(where) as database, database.write() as connection:
        connection.execute(corpora.insert().values(name="docs"))
    return where


def names(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.execute(select(corpora.c.name).order_by(corpora.c.id)).scalars())


def add_column(connection) -> None:
    connection.exec_driver_sql("ALTER TABLE corpora ADD COLUMN colour VARCHAR DEFAULT 'red'")


def rename_corpus(connection) -> None:
    connection.execute(corpora.update().values(name=corpora.c.name + "-2"))


def test_a_new_memory_has_the_present_format(place):
    with Database.open(place) as database:
        assert database.get_meta("format_version") == FORMAT_VERSION


def test_a_newer_format_is_refused_with_the_way_out(place):
    with Database.open(place) as database:
        database.set_meta("format_version", FORMAT_VERSION + 1)
    for read_only in (False, True):
        with pytest.raises(FormatVersionError, match="newer Tercet") as refusal:
            Database.open(place, read_only=read_only)
        assert "Upgrade tercet" in refusal.value.remedy
        assert "backup" in refusal.value.remedy


def test_an_older_format_is_migrated_step_by_step_and_once(place, monkeypatch):
    monkeypatch.setattr(module, "FORMAT_VERSION", FORMAT_VERSION + 2)
    monkeypatch.setattr(module, "MIGRATIONS", [(FORMAT_VERSION, add_column), (FORMAT_VERSION + 1, rename_corpus)])
    for _ in range(2):
        with Database.open(place) as database:
            assert database.get_meta("format_version") == FORMAT_VERSION + 2
            assert names(database) == ["docs-2"]
            with database.read() as connection:
                assert connection.exec_driver_sql("SELECT colour FROM corpora").scalar_one() == "red"


def test_a_migration_that_fails_leaves_the_memory_as_it_was(place, monkeypatch):
    def fail(_connection) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(module, "FORMAT_VERSION", FORMAT_VERSION + 3)
        steps = [(FORMAT_VERSION, add_column), (FORMAT_VERSION + 1, rename_corpus), (FORMAT_VERSION + 2, fail)]
        patched.setattr(module, "MIGRATIONS", steps)
        with pytest.raises(ZeroDivisionError):
            Database.open(place)
    with Database.open(place) as database:
        assert database.get_meta("format_version") == FORMAT_VERSION
        assert names(database) == ["docs"]
        with database.write() as connection:
            add_column(connection)  # the first attempt's column is gone


def test_a_format_too_old_for_any_step_is_refused(place, monkeypatch):
    monkeypatch.setattr(module, "FORMAT_VERSION", FORMAT_VERSION + 1)
    with pytest.raises(FormatVersionError, match="no longer migrates"):
        Database.open(place)


def test_an_older_format_is_not_migrated_by_a_reader(place, monkeypatch):
    monkeypatch.setattr(module, "FORMAT_VERSION", FORMAT_VERSION + 1)
    monkeypatch.setattr(module, "MIGRATIONS", [(FORMAT_VERSION, rename_corpus)])
    with pytest.raises(FormatVersionError, match="must be migrated"):
        Database.open(place, read_only=True)


@pytest.mark.parametrize("value", [None, '"one"', "-1"])
def test_a_memory_that_does_not_say_its_format_is_damaged(place, value):
    with Database.open(place) as database, database.write() as connection:
        version = meta.c.key == "format_version"
        connection.execute(
            meta.delete().where(version) if value is None else meta.update().where(version).values(value=value)
        )
    with pytest.raises(CorruptMemoryError, match="format"):
        Database.open(place)


@pytest.fixture(params=range(1, FORMAT_VERSION + 1))
def past(request: pytest.FixtureRequest, tmp_path) -> Path:
    """A memory restored from the committed backup of each format there ever was."""
    restore(FIXTURES / f"memory-v{request.param}" / "memory.backup", tmp_path / "past")
    return tmp_path / "past"


def test_a_memory_of_every_past_format_is_opened_and_searched(past):
    with Memory.open(past, create=False, embedder=HashEmbedder(16)) as memory:
        found = SemanticRetriever(memory.semantic).search("how often do I rotate keys")
        assert (found[0].citation.uri, found[0].text) == ("keys.md", "Rotate keys every thirty days.")
        assert found[0].metadata == {"team": "support", "year": 2024}
        assert found.degraded == ()
        assert {hit.citation.uri for hit in found} == {"keys.md", "returns.md"}
        acme = SemanticRetriever(memory.semantic).search("Acme", where=DocumentFilter(tenant="acme"), limit=1)
        assert [hit.citation.uri for hit in acme] == ["a.md"]


def shape(database: Database) -> dict[str, object]:
    """Columns, keys and indexes of all tables."""
    with database.read() as connection:
        found = inspect(connection)
        return {
            table: (
                {column["name"]: (str(column["type"]), column["nullable"]) for column in found.get_columns(table)},
                found.get_pk_constraint(table)["constrained_columns"],
                sorted(str(index["name"]) for index in found.get_indexes(table)),
                sorted(str(unique["column_names"]) for unique in found.get_unique_constraints(table)),
            )
            for table in found.get_table_names()
        }


def test_every_past_format_is_migrated_to_the_tables_of_a_new_memory(past, tmp_path):
    """Fails when the tables change without a new FORMAT_VERSION, its migration and its fixture."""
    with Database.open(past) as old, Database.open(tmp_path / "new") as new:
        assert shape(old) == shape(new)
