"""Opening a memory's database: what it makes, what it refuses, and what its errors say."""

from __future__ import annotations

import os
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from tercet.errors import (
    ConfigurationError,
    CorruptMemoryError,
    DiskFullError,
    ForkedProcessError,
    InputError,
    MemoryLockedError,
    MemoryNotFoundError,
    StoreError,
)
from tercet.memory import connections
from tercet.memory.database import DATABASE_FILE, FORMAT_VERSION, Database, corpora, stale_points


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def pragma(database: Database, name: str) -> object:
    with database.engine.connect() as connection:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()


# -- SQLite: what opening makes --------------------------------------------------------------------------------------


def test_a_new_folder_and_its_files_are_for_their_owner_only(tmp_path):
    with Database.open(tmp_path / "a" / "memory") as database:
        database.set_meta("key", "value")
        assert mode(tmp_path / "a" / "memory") == 0o700
        files = list((tmp_path / "a" / "memory").iterdir())
        assert DATABASE_FILE in {file.name for file in files}
        assert {mode(file) for file in files} == {0o600}


def test_closing_leaves_one_file(tmp_path):
    with Database.open(tmp_path / "memory") as database:
        database.set_meta("key", "value")
    assert [file.name for file in (tmp_path / "memory").iterdir()] == [DATABASE_FILE]


@pytest.mark.parametrize(("durability", "synchronous"), [("process", 1), ("power", 2)])
def test_durability_sets_how_a_commit_is_flushed(tmp_path, durability, synchronous):
    with Database.open(tmp_path / "memory", durability=durability) as database:
        assert pragma(database, "synchronous") == synchronous
        assert pragma(database, "journal_mode") == "wal"
        assert pragma(database, "foreign_keys") == 1
        assert pragma(database, "secure_delete") == 1


def test_erased_text_is_nowhere_in_the_folder_after_a_checkpoint(tmp_path):
    secret = "a-very-private-sentence " * 400  # longer than a page: overflow pages too
    with Database.open(tmp_path / "memory") as database:
        with database.write() as connection:
            connection.execute(corpora.insert().values(name=secret))
        database.checkpoint()
        assert b"very-private" in (tmp_path / "memory" / DATABASE_FILE).read_bytes()
        with database.write() as connection:
            connection.execute(corpora.delete())
        database.checkpoint()
        for file in (tmp_path / "memory").iterdir():
            assert b"very-private" not in file.read_bytes()


def test_an_acknowledged_write_survives_kill_9(tmp_path):
    program = """
import os, signal, sys
from tercet.memory.database import Database, stale_points
database = Database.open(sys.argv[1])
for number in range(50):
    with database.write() as connection:
        connection.execute(stale_points.insert().values(id=number))
    print(number, flush=True)
with database.write() as connection:
    connection.execute(stale_points.insert().values(id=1000))
    os.kill(os.getpid(), signal.SIGKILL)
"""
    command = [sys.executable, "-c", program, str(tmp_path / "memory")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.split()[-1] == "49"
    with Database.open(tmp_path / "memory", create=False) as database, database.read() as connection:
        assert connection.execute(select(stale_points.c.id)).scalars().all() == list(range(50))


def test_many_threads_read_and_write_through_one_database(tmp_path):
    errors = []
    with Database.open(tmp_path / "memory") as database:

        def work(start: int) -> None:
            try:
                for number in range(start, start + 20):
                    with database.write() as connection:
                        connection.execute(stale_points.insert().values(id=number))
                    with database.read() as connection:
                        assert number in connection.execute(select(stale_points.c.id)).scalars().all()
            except Exception as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(100 * number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        with database.read() as connection:
            assert len(connection.execute(select(stale_points.c.id)).all()) == 320


def test_a_killed_first_opening_is_finished_by_the_next(tmp_path):
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / DATABASE_FILE).touch()  # made, but no table yet
    with pytest.raises(MemoryNotFoundError):
        Database.open(tmp_path / "memory", create=False)
    with Database.open(tmp_path / "memory") as database:
        assert database.get_meta("format_version") == FORMAT_VERSION


# -- SQLite: what opening refuses ------------------------------------------------------------------------------------


def test_a_missing_memory_is_not_made_unless_asked(tmp_path):
    for options in ({"create": False}, {"read_only": True}):
        with pytest.raises(MemoryNotFoundError, match="nowhere") as refusal:
            Database.open(tmp_path / "nowhere", **options)
        assert "tercet ingest" in refusal.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_other_things_is_not_made_a_memory(tmp_path):
    (tmp_path / "thesis.docx").write_text("mine")
    with pytest.raises(ConfigurationError, match=r"thesis\.docx"):
        Database.open(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.docx"]


def test_a_file_is_not_a_memory(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigurationError, match="is a file"):
        Database.open(tmp_path / "file")


def test_tables_of_something_else_are_left_alone(tmp_path):
    with closing(sqlite3.connect(tmp_path / DATABASE_FILE)) as connection:
        connection.execute("CREATE TABLE chunks (id INTEGER)")
    with pytest.raises(ConfigurationError, match="something else"):
        Database.open(tmp_path)


@pytest.mark.parametrize("content", [b"not a database " * 1000, b"SQLite format 3\0" + b"\xff" * 8000])
def test_a_file_that_is_no_database_is_damaged(tmp_path, content):
    (tmp_path / DATABASE_FILE).write_bytes(content)
    with pytest.raises(CorruptMemoryError, match=r"memory\.db") as refusal:
        Database.open(tmp_path)
    assert "tercet restore" in refusal.value.remedy


def test_a_truncated_database_is_damaged(tmp_path):
    with Database.open(tmp_path / "memory") as database, database.write() as connection:
        connection.execute(corpora.insert(), [{"name": f"{number}" * 500} for number in range(100)])
    file = tmp_path / "memory" / DATABASE_FILE
    os.truncate(file, file.stat().st_size // 2)
    with (
        pytest.raises(CorruptMemoryError),
        Database.open(tmp_path / "memory") as database,
        database.read() as connection,
    ):
        connection.execute(select(corpora)).all()


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be created"):
        Database.open(tmp_path / "file" / "memory")


# -- SQLite: what errors say -----------------------------------------------------------------------------------------


def test_a_database_that_another_process_writes_to_is_reported_as_locked(tmp_path, monkeypatch):
    with Database.open(tmp_path / "memory") as database:
        database.set_meta("key", 1)
        monkeypatch.setattr(connections, "BUSY_SECONDS", 0.05)
        with (
            Database.open(tmp_path / "memory") as other,
            database.write(),
            pytest.raises(MemoryLockedError, match="busy") as refusal,
        ):
            other.set_meta("key", 2)
        assert isinstance(refusal.value.__cause__, Exception)
        assert database.get_meta("key") == 1


def test_a_full_disk_is_reported_and_nothing_is_written(tmp_path):
    with Database.open(tmp_path / "memory") as database:
        with database.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 1")  # SQLite answers as it does for a full disk
        rows = [{"name": f"{number}" * 2000} for number in range(100)]
        with pytest.raises(DiskFullError, match="disk is full"), database.write() as connection:
            connection.execute(corpora.insert(), rows)
        with database.read() as connection:
            assert connection.execute(select(corpora)).all() == []


def test_a_forked_child_is_refused(tmp_path):
    program = """
import os, sys, warnings
warnings.simplefilter("ignore")
from tercet.errors import ForkedProcessError
from tercet.memory.database import Database
database = Database.open(sys.argv[1])
if os.fork() == 0:
    try:
        database.get_meta("key")
    except ForkedProcessError as error:
        os._exit(42)
    os._exit(0)
assert os.waitstatus_to_exitcode(os.wait()[1]) == 42
database.set_meta("key", 1)
database.close()
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program, str(tmp_path / "memory")], check=True)
    assert ForkedProcessError.__mro__[1] is StoreError


def test_a_huge_integer_and_a_nul_are_the_callers_mistake(tmp_path):
    with Database.open(tmp_path / "memory") as database:
        for statement in (stale_points.insert().values(id=2**70), corpora.insert().values(name="\0")):
            with pytest.raises(InputError), database.write() as connection:
                connection.execute(statement)


# -- PostgreSQL ------------------------------------------------------------------------------------------------------


def test_a_server_that_is_not_there_is_named_without_its_password():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(StoreError, match=f"127.0.0.1:{port}") as refusal:
        Database.open(f"postgresql://ada:s3cret@127.0.0.1:{port}/tercet")
    assert "s3cret" not in str(refusal.value)
    assert "Check that the server runs" in refusal.value.remedy


def test_a_database_that_does_not_exist_is_named(postgres_url):
    with pytest.raises(StoreError, match="no_such_database"):
        Database.open(postgres_url.rpartition("/")[0] + "/no_such_database")


@pytest.mark.parametrize(
    "url", ["mysql://localhost/x", "sqlite:///x.db", "postgresql://host:port/x", "http://localhost:6333"]
)
def test_other_urls_are_refused(url):
    with pytest.raises(ConfigurationError, match="not understood"):
        Database.open(url)


def test_a_missing_driver_is_named_with_the_command_that_installs_it():
    """Part of S1.53: what needs an optional dependency says so, and the rest does without."""
    program = """
import sys
sys.modules["psycopg"] = None
from tercet.errors import ConfigurationError
from tercet.memory.database import Database
try:
    Database.open("postgresql://localhost/x")
except ConfigurationError as error:
    print(error.remedy)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'tercet[postgres]'" in done.stdout


def test_two_transactions_that_block_each_other_are_reported_as_locked(postgres_url):
    with Database.open(postgres_url) as database:
        with database.write() as connection:
            connection.execute(corpora.insert(), [{"name": "a"}, {"name": "b"}])
        meeting = threading.Barrier(2, timeout=30)
        outcomes = []

        def change(first: str, second: str) -> None:
            try:
                with database.write() as connection:
                    connection.execute(corpora.update().where(corpora.c.name == first).values(chunks=1))
                    meeting.wait()
                    connection.execute(corpora.update().where(corpora.c.name == second).values(chunks=1))
                outcomes.append("done")
            except MemoryLockedError:
                outcomes.append("locked")

        threads = [threading.Thread(target=change, args=pair) for pair in (("a", "b"), ("b", "a"))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["done", "locked"]


def test_processes_that_open_an_empty_server_at_once_make_one_memory(postgres_url):
    program = "import sys; from tercet.memory.database import Database; Database.open(sys.argv[1]).close()"
    processes = [subprocess.Popen([sys.executable, "-c", program, postgres_url]) for _ in range(4)]
    assert [process.wait() for process in processes] == [0, 0, 0, 0]
    with Database.open(postgres_url, create=False) as database:
        assert database.get_meta("format_version") == FORMAT_VERSION
