"""Engines for SQLite and PostgreSQL: connection settings, and what driver errors mean."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import QueuePool

from tercet.errors import (
    ConfigurationError,
    CorruptMemoryError,
    DiskFullError,
    InputError,
    MemoryLockedError,
    MemoryNotFoundError,
    StoreError,
    TercetError,
)

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.engine import URL, ExceptionContext
    from sqlalchemy.engine.interfaces import DBAPIConnection

    from tercet.settings import Durability

DATABASE_FILE = "memory.db"
"""Name of the SQLite file in a memory folder."""

BUSY_SECONDS = 30.0
"""How long a transaction waits for another process before it gives up."""

_OWN_FILES = ("lock", "vectors", DATABASE_FILE)
"""What a folder that is becoming a memory may already hold (prefixes of names)."""


def connect(
    url_or_path: str | Path, *, durability: Durability, create: bool, read_only: bool
) -> tuple[Engine, str, Path | None]:
    """An engine for a memory folder or a PostgreSQL URL, its name for messages, and the SQLite file if it is one.

    Raises:
        MemoryNotFoundError: The folder holds no memory and ``create`` is False.
        ConfigurationError: The folder holds other things, the URL is not understood, or the driver is missing.
    """
    if isinstance(url_or_path, str) and "://" in url_or_path:
        return _postgresql(url_or_path, durability=durability, read_only=read_only)
    path = _database_file(Path(url_or_path).expanduser().absolute(), create=create)
    return open_file(path, durability=durability, read_only=read_only), str(path), path


def open_file(path: Path, *, durability: Durability = "process", read_only: bool = False) -> Engine:
    """An engine for an existing SQLite file.

    Write-ahead logging lets readers of any process work beside the writer; deleted content is overwritten.
    """
    uri = f"{path.as_uri()}?mode={'ro' if read_only else 'rw'}"

    def make() -> sqlite3.Connection:
        # Without an isolation level the driver opens no transactions of its own; Database says BEGIN itself.
        connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, check_same_thread=False, isolation_level=None)
        try:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA cache_size = -16384")
            if not read_only:
                connection.execute("PRAGMA secure_delete = ON")
                _set_wal(connection)
                connection.execute(f"PRAGMA synchronous = {'FULL' if durability == 'power' else 'NORMAL'}")
        except BaseException:
            connection.close()
            raise
        return connection

    return create_engine("sqlite://", creator=make, poolclass=QueuePool, pool_size=8, max_overflow=-1)


def _set_wal(connection: sqlite3.Connection) -> None:
    """Switch to write-ahead logging; SQLite does not wait by itself when two processes do so at once."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _database_file(folder: Path, *, create: bool) -> Path:
    """The database file of a folder, made with its folder when missing; only its owner may read either."""
    path = folder / DATABASE_FILE
    if path.is_file():
        return path
    if folder.exists() and not folder.is_dir():
        raise ConfigurationError(
            f"{folder} is a file, not the folder of a memory.",
            remedy="Name a folder; a backup file is put into one with `tercet restore`.",
        )
    if not create:
        raise MemoryNotFoundError(
            f"There is no memory in {folder}.", remedy="Run `tercet ingest` first, or name another folder."
        )
    if folder.is_dir():
        others = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith(_OWN_FILES))
        if others:
            raise ConfigurationError(
                f"{folder} is not a memory and holds other things ({', '.join(others[:3])}).",
                remedy="Name a new or an empty folder.",
            )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError as error:
        raise StoreError(
            f"The memory {folder} cannot be created: {error.strerror}.", remedy="Name a folder you may write to."
        ) from error
    return path


def _postgresql(text: str, *, durability: Durability, read_only: bool) -> tuple[Engine, str, None]:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        url = None
    if url is None or url.get_backend_name() not in ("postgresql", "postgres"):
        scheme = text.partition("://")[0]
        raise ConfigurationError(
            f"The database URL with scheme {scheme!r} is not understood.",
            remedy="Give postgresql://user:password@host:5432/name, or the path of a folder.",
        )
    url = url.set(drivername="postgresql+psycopg")
    try:
        engine = create_engine(
            url,
            pool_size=8,
            max_overflow=24,
            pool_pre_ping=True,
            connect_args={"connect_timeout": 10, "application_name": "tercet"},
            execution_options={"postgresql_readonly": read_only},
        )
    except ImportError as error:
        raise ConfigurationError(
            f"PostgreSQL needs the driver psycopg, which cannot be loaded ({error}).",
            remedy="Run: pip install 'tercet[postgres]'",
        ) from error

    @event.listens_for(engine, "connect")
    def _settings(connection: DBAPIConnection, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute(f"SET lock_timeout = {int(BUSY_SECONDS * 1000)}")
        if durability == "power":
            cursor.execute("SET synchronous_commit = on")
        cursor.close()
        connection.commit()

    return engine, _without_password(url), None


def _without_password(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=True)


def translate(context: ExceptionContext, name: str) -> BaseException | None:
    """What a driver error means to the caller; None leaves it as it is."""
    error = context.original_exception
    if isinstance(error, TercetError):
        return None
    return meaning(error, name)


def meaning(error: BaseException, name: str) -> TercetError | None:
    """The error of ours that a driver error stands for; None when it is not about the database."""
    if isinstance(error, (UnicodeEncodeError, OverflowError)):
        return InputError(f"A value cannot be stored: {error}.", remedy="Remove lone surrogates and huge integers.")
    if isinstance(error, sqlite3.Error):
        return _sqlite_meaning(error, name)
    if type(error).__module__.partition(".")[0] == "psycopg":
        return _postgresql_meaning(error, name)
    return None


def _sqlite_meaning(error: sqlite3.Error, name: str) -> TercetError:
    match getattr(error, "sqlite_errorcode", -1) & 0xFF:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return MemoryLockedError(
                f"{name} is kept busy by another process ({error}).",
                remedy="Wait for the other command to end, then try again.",
            )
        case sqlite3.SQLITE_FULL:
            return DiskFullError(
                f"{name} cannot grow: the disk is full; nothing was written.", remedy="Free some space and try again."
            )
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return CorruptMemoryError(f"{name} is damaged ({error}).", remedy="Restore a backup: `tercet restore`.")
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return StoreError(
                f"{name} cannot be opened or written ({error}).",
                remedy="Check who owns the folder and its permissions.",
            )
    return StoreError(f"{name}: {error}")


def _postgresql_meaning(error: BaseException, name: str) -> TercetError:
    reason = str(error).strip().partition("\n")[0]
    match getattr(error, "sqlstate", None) or "":
        case "40P01" | "40001" | "55P03":
            return MemoryLockedError(f"{name} is kept busy by another transaction ({reason}).", remedy="Try again.")
        case "53100":
            return DiskFullError(
                f"{name} cannot grow: the server's disk is full.", remedy="Free some space there and try again."
            )
        case "XX001" | "XX002":
            return CorruptMemoryError(f"{name} is damaged ({reason}).", remedy="Restore a backup: `tercet restore`.")
        case state if state.startswith("22") or type(error).__name__ == "DataError":
            return InputError(f"A value cannot be stored: {reason}.", remedy="Remove NUL characters and huge numbers.")
        case "" if type(error).__name__ in ("OperationalError", "ConnectionTimeout"):
            return StoreError(
                f"{name} cannot be reached ({reason}).",
                remedy="Check that the server runs, and the host, port, user and password of the URL.",
            )
    return StoreError(f"{name}: {reason}")
