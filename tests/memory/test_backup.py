"""A backup is one file with one state of a memory; it is restored whole or not at all."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections import namedtuple
from contextlib import closing

import pytest
from sqlalchemy import func, select

from tercet.errors import (
    BackupError,
    DiskFullError,
    FormatVersionError,
    InputError,
    MemoryLockedError,
    MemoryNotFoundError,
    StoreError,
)
from tercet.memory import backup as backup_module
from tercet.memory import manifest as manifest_module
from tercet.memory.backup import backup, restore, verify
from tercet.memory.database import (
    DATABASE_FILE,
    Database,
    corpora,
    documents,
    embeddings,
    frequencies,
    schema,
    versions,
)
from tercet.memory.lock import FolderLock


def fill(database: Database, count: int = 300) -> None:
    """Documents with text, metadata and vectors of every kind of value that the tables hold."""
    with database.write() as connection:
        corpus = connection.execute(
            corpora.insert().values(name="docs", tenant="ünï").returning(corpora.c.id)
        ).scalar_one()
        connection.execute(
            documents.insert(), [{"corpus_id": corpus, "uri": f"guide/{number}.md"} for number in range(count)]
        )
        ids = connection.execute(select(documents.c.id).order_by(documents.c.id)).scalars().all()
        fixed = {
            "state": "live",
            "writer": "w",
            "content_hash": "h",
            "config_hash": "c",
            "title": "\U0001d517itle",
            "trust": "user",
        }
        connection.execute(
            versions.insert(),
            [
                {
                    **fixed,
                    "document_id": document,
                    "lease_until": 0.1 + document,
                    "metadata": '{"a": "\\u0000"}',
                    "findings": "[]",
                    "effective_from": None if document % 2 else -document,
                    "text": "line\n" * 200,
                }
                for document in ids
            ],
        )
        connection.execute(
            frequencies.insert(), [{"corpus_id": corpus, "term": 2**32 - 1 - n, "count": n} for n in range(count)]
        )
        connection.execute(
            embeddings.insert(),
            [{"fingerprint": "f", "embed_key": n.to_bytes(16, "big"), "vector": os.urandom(64)} for n in range(count)],
        )


def contents(place) -> dict[str, list[tuple]]:
    """All rows of a memory but ``meta``, sorted."""
    with Database.open(place, create=False) as database, database.read() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in schema.sorted_tables
            if table.name != "meta"
        }


@pytest.fixture
def folder(tmp_path):
    with Database.open(tmp_path / "memory") as database:
        fill(database)
        database.set_meta("embedder", {"spec": "hash"})
    return tmp_path / "memory"


@pytest.fixture
def saved(folder, tmp_path):
    backup(folder, tmp_path / "saved.backup")
    return tmp_path / "saved.backup"


def remains(place) -> list[str]:
    return sorted(entry.name for entry in place.iterdir())


# -- round trips -----------------------------------------------------------------------------------------------------


def test_a_restored_folder_equals_the_one_backed_up(folder, saved, tmp_path):
    manifest = restore(saved, tmp_path / "restored")
    assert contents(tmp_path / "restored") == contents(folder)
    assert manifest.rows["documents"] == 300
    assert stat.S_IMODE((tmp_path / "restored").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "restored" / DATABASE_FILE).stat().st_mode) == 0o600


def test_a_backup_is_one_private_file_that_reading_leaves_alone(saved):
    before = saved.read_bytes()
    verify(saved)
    assert saved.read_bytes() == before
    assert remains(saved.parent) == ["memory", "saved.backup"]
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600


def test_a_restored_memory_keeps_its_settings_and_asks_for_its_vectors(saved, tmp_path):
    restore(saved, tmp_path / "restored")
    with Database.open(tmp_path / "restored") as database:
        assert database.get_meta("embedder") == {"spec": "hash"}
        assert database.get_meta("reindexing") == "1"
        assert database.get_meta("backup") is None


def test_server_to_file_to_server_and_folder_keeps_everything(postgres_url, request, tmp_path):
    with Database.open(postgres_url) as database:
        fill(database)
        database.set_meta("embedder", {"spec": "hash"})
        backup(database, tmp_path / "saved.backup")
    before = contents(postgres_url)
    restore(tmp_path / "saved.backup", tmp_path / "restored")
    assert contents(tmp_path / "restored") == before
    with Database.open(postgres_url) as database, database.write() as connection:
        for table in reversed(schema.sorted_tables):
            if table.name != "meta":
                connection.execute(table.delete())
    restore(tmp_path / "saved.backup", postgres_url)
    assert contents(postgres_url) == before
    with Database.open(postgres_url) as database:
        assert database.get_meta("embedder") == {"spec": "hash"}
        assert database.get_meta("reindexing") == "1"


def test_folder_to_server_keeps_everything_and_new_ids_are_new(folder, saved, postgres_url):
    restore(saved, postgres_url)
    assert contents(postgres_url) == contents(folder)
    with Database.open(postgres_url) as database, database.write() as connection:
        highest = connection.execute(select(func.max(documents.c.id))).scalar_one()
        insert = documents.insert().values(corpus_id=1, uri="new").returning(documents.c.id)
        assert connection.execute(insert).scalar_one() == highest + 1


def test_the_same_state_has_the_same_checksums(folder, tmp_path):
    first = backup(folder, tmp_path / "one")
    restore(tmp_path / "one", tmp_path / "restored")
    second = backup(tmp_path / "restored", tmp_path / "two")
    for table in set(first.checksums) - {"meta"}:
        assert first.checksums[table] == second.checksums[table]


def test_a_backup_holds_one_state_while_another_thread_writes(folder, tmp_path):
    stop = threading.Event()
    with Database.open(folder) as database:

        def write() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                with database.write() as connection:  # a document and its term always come together
                    connection.execute(documents.insert().values(corpus_id=1, uri=f"new/{number}"))
                    connection.execute(frequencies.insert().values(corpus_id=1, term=number, count=1))

        writer = threading.Thread(target=write)
        writer.start()
        try:
            manifests = [backup(database, tmp_path / f"{number}", progress=lambda _: None) for number in range(5)]
        finally:
            stop.set()
            writer.join()
    for number, manifest in enumerate(manifests):
        assert verify(tmp_path / f"{number}") == manifest
        assert manifest.rows["documents"] == manifest.rows["frequencies"]


def test_progress_ends_at_its_total(folder, tmp_path):
    seen = []
    backup(folder, tmp_path / "saved", progress=seen.append)
    assert {step.phase for step in seen} == {"backup"}
    assert seen[-1].done == seen[-1].total
    seen.clear()
    restore(tmp_path / "saved", tmp_path / "restored", progress=seen.append)
    assert {step.phase for step in seen} == {"restore"}
    assert seen[-1].done == seen[-1].total


# -- refusals --------------------------------------------------------------------------------------------------------


def test_an_existing_file_is_kept_unless_overwriting_is_asked_for(folder, saved):
    saved.write_text("mine")
    with pytest.raises(BackupError, match="exists"):
        backup(folder, saved)
    assert saved.read_text() == "mine"
    backup(folder, saved, overwrite=True)
    verify(saved)


def test_places_that_cannot_be_written_or_read_are_refused(folder, tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        backup(folder, tmp_path / "nowhere" / "file")
    with pytest.raises(InputError):
        backup(folder, tmp_path, overwrite=True)
    with pytest.raises(MemoryNotFoundError):
        backup(tmp_path / "nowhere", tmp_path / "file")
    with pytest.raises(BackupError, match="no backup"):
        restore(tmp_path / "nowhere", tmp_path / "restored")
    assert remains(tmp_path) == ["memory"]


def test_a_target_that_is_not_empty_is_left_alone(folder, saved, tmp_path, postgres_url):
    before = contents(folder)
    with pytest.raises(BackupError, match="not empty"):
        restore(saved, folder)
    assert contents(folder) == before
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    with pytest.raises(BackupError, match=r"mine\.txt"):
        restore(saved, tmp_path / "notes")
    with pytest.raises(BackupError, match="file"):
        restore(saved, tmp_path / "notes" / "mine.txt")
    assert (tmp_path / "notes" / "mine.txt").read_text() == "mine"
    restore(saved, postgres_url)
    with pytest.raises(BackupError, match="not empty"):
        restore(saved, postgres_url)
    assert contents(postgres_url) == before


def test_a_folder_that_a_process_holds_is_not_restored_into(saved, tmp_path):
    (tmp_path / "restored").mkdir()
    with FolderLock(tmp_path / "restored"), pytest.raises(MemoryLockedError):
        restore(saved, tmp_path / "restored")
    assert DATABASE_FILE not in remains(tmp_path / "restored")


def flip(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 0x40]) + data[place + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:1000],
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1],
        lambda data: flip(data, 3),
        lambda data: flip(data, data.index(b"line\n" * 100) + 50),  # text inside a row: valid SQLite, other content
        lambda data: flip(data, data.rindex(b"guide/7.md")),
        lambda data: b"not a database at all" * 500,
    ],
    ids=["empty", "header only", "half", "one byte short", "magic", "text of a row", "uri", "other file"],
)
def test_a_damaged_backup_is_refused_and_nothing_is_written(saved, tmp_path, damage):
    saved.write_bytes(damage(saved.read_bytes()))
    with pytest.raises(BackupError):
        restore(saved, tmp_path / "restored")
    assert remains(tmp_path) == ["memory", "saved.backup"]


def test_a_copied_database_file_is_not_taken_for_a_backup(folder, tmp_path):
    with pytest.raises(BackupError, match="not a complete backup"):
        restore(folder / DATABASE_FILE, tmp_path / "restored")


def test_a_backup_of_a_newer_tercet_is_refused(folder, saved, tmp_path, monkeypatch):
    monkeypatch.setattr(manifest_module, "FORMAT_VERSION", 0)
    with pytest.raises(FormatVersionError, match="Upgrade"):
        restore(saved, tmp_path / "restored")


def test_a_full_disk_is_noticed_before_anything_is_written(folder, saved, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(backup_module.shutil, "disk_usage", lambda _: usage(10, 10, 0))
    with pytest.raises(DiskFullError, match="0 MB free"):
        backup(folder, tmp_path / "other")
    with pytest.raises(DiskFullError, match="0 MB free"):
        restore(saved, tmp_path / "restored")
    assert remains(tmp_path) == ["memory", "saved.backup"]


def test_a_damaged_memory_is_not_backed_up(folder, tmp_path):
    file = folder / DATABASE_FILE
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray(file.read_bytes())
    data[3 * 4096 : -4096] = b"\xff" * (len(data) - 4 * 4096)
    file.write_bytes(data)
    with pytest.raises(StoreError):
        backup(folder, tmp_path / "saved")
    assert remains(tmp_path) == ["memory"]


# -- kill -9 ---------------------------------------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from tercet.memory import backup as module
action, source, target, point = sys.argv[1:]
module._PAGES = 20
steps = 0
def die_at(_):
    global steps
    steps += 1
    if str(steps) == point:
        os.kill(os.getpid(), signal.SIGKILL)
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
if point == "stamp":
    module.stamp = module.unstamp = die
if point == "rename":
    module.Path.replace = die
if point == "named":
    module._sync_folder = die
getattr(module, action)(source, target, progress=die_at)
"""


def run_killed(*arguments: object) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, *map(str, arguments)], check=False)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.parametrize("point", ["1", "5", "stamp", "rename", "named"])
def test_a_killed_backup_leaves_no_file_or_a_whole_one(folder, tmp_path, point):
    run_killed("backup", folder, tmp_path / "saved", point)
    assert (tmp_path / "saved").exists() == (point == "named")
    if point == "named":
        verify(tmp_path / "saved")
    else:
        backup(folder, tmp_path / "saved")
        restore(tmp_path / "saved", tmp_path / "restored")
        assert contents(tmp_path / "restored") == contents(folder)


@pytest.mark.parametrize("point", ["1", "stamp", "rename", "named"])
def test_a_killed_restore_leaves_no_memory_or_a_whole_one_and_can_be_repeated(folder, saved, tmp_path, point):
    target = tmp_path / "restored"
    run_killed("restore", saved, target, point)
    assert (target / DATABASE_FILE).exists() == (point == "named")
    if point != "named":
        restore(saved, target)
    assert contents(target) == contents(folder)
    assert not [name for name in remains(target) if "partial" in name]


@pytest.mark.parametrize("point", ["1", "4"])
def test_a_killed_restore_into_a_server_leaves_it_empty(folder, saved, postgres_url, point):
    run_killed("restore", saved, postgres_url, point)
    assert not any(contents(postgres_url).values())
    restore(saved, postgres_url)
    assert contents(postgres_url) == contents(folder)
