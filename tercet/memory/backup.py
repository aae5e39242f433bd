"""A memory in one file, and back: a SQLite database with everything but the vector index, which is rebuilt from it."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import tempfile
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tercet.errors import BackupError, ConfigurationError, DiskFullError, InputError, StoreError, TercetError
from tercet.memory.connections import DATABASE_FILE, meaning, open_file
from tercet.memory.database import SCHEMA_LOCK, Database
from tercet.memory.lock import FolderLock
from tercet.memory.manifest import Manifest, stamp, unstamp, verify
from tercet.memory.schema import FORMAT_VERSION, meta, schema
from tercet.memory.transfer import copy_tables, count_rows
from tercet.records import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Report = Callable[[Progress], None]

__all__ = ["Manifest", "backup", "restore", "verify"]

_PAGES = 2_000  # 8 MB a step
_BACKUPS = "backups"
"""Key of ``meta`` that names the backups that were made."""
_NOTED = 100
_REINDEX_MARK = ("reindexing", '"1"')
"""Row of ``meta`` that makes the next opener rebuild the vectors before it searches."""


def backup(
    memory: Database | str | Path, target: str | Path, *, overwrite: bool = False, progress: Report | None = None
) -> Manifest:
    """Write all of a memory to one file: one state of it, whatever others write meanwhile.

    The file appears whole or not at all; a run that is killed may leave a hidden ``.partial`` file beside it. It is
    readable by its owner only and not encrypted.

    Args:
        memory: An open database, the folder of a memory, or a PostgreSQL URL.
        target: The file to write.
        overwrite: Replace the file if it exists.
        progress: Told about pages (of SQLite) or rows (of PostgreSQL) done.

    Raises:
        BackupError: The file exists and ``overwrite`` is False.
        InputError: There is no such folder to write into.
        MemoryNotFoundError: There is no memory to back up.
        CorruptMemoryError: The memory is damaged; nothing was written.
        DiskFullError: The file does not fit.

    Example:
        >>> backup("my-memory", "monday.backup")  # doctest: +SKIP
    """
    target = Path(target).expanduser().absolute()
    if target.exists() and not overwrite:
        raise BackupError(f"{target} exists.", remedy="Name another file, or remove this one first.")
    if target.is_dir() or not target.parent.is_dir():
        raise InputError(f"{target} cannot be written as a file.", remedy="Name a file in a folder that exists.")
    if not isinstance(memory, Database):
        with Database.open(memory, create=False, read_only=True) as database:
            manifest = backup(database, target, overwrite=overwrite, progress=progress)
        with suppress(TercetError), Database.open(memory, create=False) as database:  # it may lie on a read-only disk
            _note(database, target, manifest)
        return manifest
    with draft_of(target) as draft:
        if memory.path is None:
            _dump(memory, draft, progress)
        else:
            _copy_pages(memory.path, draft, progress)
        with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")  # one file, also while it is read
            manifest = stamp(connection, created=datetime.now(UTC).isoformat(timespec="seconds"))
    if not memory.read_only:
        _note(memory, target, manifest)
    return manifest


def known_backups(database: Database) -> list[tuple[str, str]]:
    """File and time of the backups that were made of a memory, oldest first; whether they are still there is unknown.

    What is forgotten later is still in them.
    """
    return [(file, created) for file, created in database.get_meta(_BACKUPS) or []]


def _note(database: Database, target: Path, manifest: Manifest) -> None:
    with database.write() as connection:
        others = [one for one in database.get_meta(_BACKUPS, connection) or [] if one[0] != str(target)]
        database.set_meta(_BACKUPS, [*others, [str(target), manifest.created]][-_NOTED:], connection)


def restore(source: str | Path, into: str | Path, *, progress: Report | None = None) -> Manifest:
    """Make a memory from a backup. Nothing is embedded; the first search or write rebuilds the vector index.

    The backup is read and checked as a whole before anything is written, and the memory appears whole or not at all.

    Args:
        source: What ``backup`` wrote.
        into: A folder that is empty or does not exist, or the URL of an empty PostgreSQL database.
        progress: Told about bytes (into a folder) or rows (into PostgreSQL) done.

    Raises:
        BackupError: The file is no backup or is damaged, or the target is not empty.
        FormatVersionError: The backup was made by a newer Tercet.
        DiskFullError: The memory does not fit.

    Example:
        >>> restore("monday.backup", "restored")  # doctest: +SKIP
    """
    source = Path(source).expanduser().absolute()
    manifest = verify(source)
    if isinstance(into, str) and "://" in into:
        _restore_server(source, into, manifest, progress)
    else:
        _restore_folder(source, Path(into).expanduser().absolute(), progress)
    return manifest


def _restore_folder(source: Path, folder: Path, progress: Report | None) -> None:
    made = not folder.exists()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError:
        raise BackupError(f"{folder} is a file.", remedy="Name a new or an empty folder.") from None
    try:
        with FolderLock(folder):
            target = folder / DATABASE_FILE
            # What a killed restore left: nobody else writes it while the folder is locked.
            for left in folder.glob(f".{DATABASE_FILE}.*.partial*"):
                left.unlink()
            others = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("lock"))
            if others:
                raise BackupError(
                    f"{folder} is not empty ({', '.join(others[:3])}).", remedy="Name a new or an empty folder."
                )
            with draft_of(target) as draft:
                _copy_bytes(source, draft, progress)
                with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
                    connection.execute("BEGIN")
                    unstamp(connection)
                    connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", _REINDEX_MARK)
                    connection.execute("COMMIT")
    except BaseException:
        if made:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _restore_server(source: Path, url: str, manifest: Manifest, progress: Report | None) -> None:
    if manifest.format_version < FORMAT_VERSION:
        with tempfile.TemporaryDirectory(prefix="tercet-restore-") as folder:
            _restore_folder(source, Path(folder) / "memory", None)
            Database.open(Path(folder) / "memory").close()  # migrates
            _load(Path(folder) / "memory" / DATABASE_FILE, url, progress)
    else:
        _load(source, url, progress)


def _load(file: Path, url: str, progress: Report | None) -> None:
    """Copy the tables of a SQLite file into a PostgreSQL database, in one transaction."""
    origin = open_file(file, read_only=True)
    try:
        with Database.open(url) as database, origin.connect() as rows, database.write() as connection:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({SCHEMA_LOCK})")
            if any(count for name, count in count_rows(connection).items() if name != meta.name):
                raise BackupError(f"{database.name} is not empty.", remedy="Name an empty database.")
            connection.execute(meta.delete())
            copy_tables(rows, connection, phase="restore", progress=progress)
            connection.execute(meta.delete().where(meta.c.key.in_(["backup", _REINDEX_MARK[0]])))
            connection.execute(meta.insert().values(key=_REINDEX_MARK[0], value=_REINDEX_MARK[1]))
    finally:
        origin.dispose()


def _dump(database: Database, draft: Path, progress: Report | None) -> None:
    engine = open_file(draft)
    try:
        with database.read() as origin, engine.begin() as connection:
            schema.create_all(connection)
            copy_tables(origin, connection, phase="backup", progress=progress)
    finally:
        engine.dispose()


def _copy_pages(source: Path, draft: Path, progress: Report | None) -> None:
    def report(_status: int, remaining: int, total: int) -> None:
        if progress is not None:
            progress(Progress(phase="backup", done=total - remaining, total=total))

    _refuse_full_disk(draft, source.stat().st_size)
    with (
        closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True, isolation_level=None)) as origin,
        closing(sqlite3.connect(draft, isolation_level=None)) as copy,
    ):
        # An open read transaction pins the state to copy; without it each write of another process starts it anew.
        origin.execute("BEGIN")
        origin.execute("SELECT count(*) FROM meta").fetchone()
        origin.backup(copy, pages=_PAGES, progress=report)


def _copy_bytes(source: Path, draft: Path, progress: Report | None) -> None:
    total, done = source.stat().st_size, 0
    _refuse_full_disk(draft, total)
    with source.open("rb") as origin, draft.open("r+b") as copy:
        while piece := origin.read(8 << 20):
            copy.write(piece)
            done += len(piece)
            if progress is not None:
                progress(Progress(phase="restore", done=done, total=total))


def _refuse_full_disk(draft: Path, needed: int) -> None:
    free = shutil.disk_usage(draft.parent).free
    if free < needed:
        raise DiskFullError(
            f"{draft.parent} has {free / 1e6:,.0f} MB free, {needed / 1e6:,.0f} MB are needed; nothing was written.",
            remedy="Free some space, or name a place on another disk.",
        )


@contextmanager
def draft_of(target: Path) -> Iterator[Path]:
    """A file beside ``target`` that takes its name, safely on disk, when the block ends, and goes when it raises."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent)
    except OSError as error:
        raise _from_os(error, target) from error
    os.close(descriptor)
    draft = Path(name)
    try:
        yield draft
        with draft.open("r+b") as file:
            os.fsync(file.fileno())
        draft.replace(target)
        _sync_folder(target.parent)
    except OSError as error:
        raise _from_os(error, target) from error
    except sqlite3.Error as error:
        raise meaning(error, str(target)) or error from error
    finally:
        for left in (draft, *(Path(f"{name}-{kind}") for kind in ("journal", "wal", "shm"))):
            left.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _from_os(error: OSError, target: Path) -> StoreError | ConfigurationError:
    if error.errno == errno.ENOSPC:
        return DiskFullError(f"{target} does not fit on its disk; nothing was written.", remedy="Free some space.")
    return StoreError(f"{target} cannot be written: {error.strerror}.", remedy="Check the permissions of its folder.")
