"""The SQL database: the truth about everything a memory keeps. SQLite in the memory folder, or PostgreSQL by URL."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import event, inspect, select
from sqlalchemy.exc import SQLAlchemyError

from tercet.errors import (
    ConfigurationError,
    CorruptMemoryError,
    ForkedProcessError,
    FormatVersionError,
    InputError,
    MemoryNotFoundError,
    StoreError,
)
from tercet.memory.connections import BUSY_SECONDS, DATABASE_FILE, connect, meaning, translate
from tercet.memory.schema import (
    FORMAT_VERSION,
    attributes,
    batches,
    chunks,
    claimed_texts,
    corpora,
    documents,
    embeddings,
    files,
    frequencies,
    jobs,
    meta,
    outcomes,
    roots,
    schema,
    stale_points,
    text_parts,
    versions,
    workers,
)

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import ColumnElement, Connection, Engine, Insert, Table
    from sqlalchemy.dialects.postgresql import Insert as PostgreSQLInsert
    from sqlalchemy.dialects.sqlite import Insert as SQLiteInsert

    from tercet.settings import Durability

__all__ = [
    "DATABASE_FILE",
    "FORMAT_VERSION",
    "MIGRATIONS",
    "Database",
    "attributes",
    "batches",
    "chunks",
    "claimed_texts",
    "corpora",
    "documents",
    "embeddings",
    "excluded",
    "files",
    "frequencies",
    "jobs",
    "meta",
    "outcomes",
    "roots",
    "schema",
    "stale_points",
    "text_parts",
    "versions",
    "workers",
]


def _to_format_2(connection: Connection) -> None:
    """Tables were added, and points got the marks of their metadata: the next claim rebuilds the index."""
    schema.create_all(connection)
    connection.execute(meta.delete().where(meta.c.key == "reindexing"))
    connection.execute(meta.insert().values(key="reindexing", value='"1"'))


MIGRATIONS: list[tuple[int, Callable[[Connection], None]]] = [(1, _to_format_2)]
"""Pairs (format version before, step to the next one). All steps that a memory needs run in one transaction."""

READER_SECONDS = 2.0
"""How long ``checkpoint`` waits for readers to end."""

SCHEMA_LOCK = 0x7465726365740001
"""Key of the PostgreSQL advisory lock under which the tables are made or migrated."""


def excluded(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The value that ``Database.upsert`` tried to insert, for use in its ``update`` expressions.

    Example:
        >>> str(frequencies.c.count + excluded(frequencies.c.count))
        'frequencies.count + excluded.count'
    """
    table: Table = column.table
    return table.alias("excluded").c[column.key]  # type: ignore[index]  # columns of tables have keys


class Database:
    """The tables of one memory, with transactions that mean the same on SQLite and PostgreSQL.

    May be used from several threads. Errors of the driver arrive as ``StoreError`` (``MemoryLockedError``,
    ``DiskFullError``, ``CorruptMemoryError`` where that is the reason); text that holds NUL or lone surrogates, and
    integers beyond 64 bits, as ``InputError``.

    Example:
        >>> with Database.open("folder") as database:  # doctest: +SKIP
        ...     with database.write() as connection:
        ...         connection.execute(corpora.insert(), [{"name": "docs"}])
    """

    def __init__(self, engine: Engine, *, name: str, path: Path | None, read_only: bool) -> None:
        self.engine = engine
        self.name = name
        """For messages: the file, or the URL without its password."""
        self.path = path
        """The SQLite file; None on PostgreSQL."""
        self.read_only = read_only
        self.dialect: Literal["sqlite", "postgresql"] = "sqlite" if path is not None else "postgresql"
        self._writing = threading.Lock()
        self._writers: set[int] = set()
        self._pid = os.getpid()
        event.listen(engine, "handle_error", lambda context: translate(context, name))
        event.listen(engine, "before_cursor_execute", _refuse_nul)

    @classmethod
    def open(
        cls,
        url_or_path: str | Path,
        *,
        durability: Durability = "process",
        create: bool = True,
        read_only: bool = False,
    ) -> Database:
        """Open the database of a memory, and make or migrate its tables if need be.

        Args:
            url_or_path: The memory folder (the file in it is ``memory.db``), or ``postgresql://user@host/name``.
            durability: Whether an acknowledged write survives kill -9 (``process``) or power loss too (``power``).
            create: Make the folder, the file and the tables when they are missing.
            read_only: Never write; works beside a process that does.

        Raises:
            MemoryNotFoundError: Nothing is there, and ``create`` is False or ``read_only`` True.
            ConfigurationError: The place holds something else, the URL is not understood, or the driver is missing.
            FormatVersionError: It was written by a newer Tercet, or needs a migration and ``read_only`` is True.
            CorruptMemoryError: The file is not a database, or is damaged.
            StoreError: The server cannot be reached, or refused.
        """
        create = create and not read_only
        engine, name, path = connect(url_or_path, durability=durability, create=create, read_only=read_only)
        database = cls(engine, name=name, path=path, read_only=read_only)
        try:
            database._prepare(create=create)
        except BaseException:
            database.close()
            raise
        return database

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all idle connections; a second call does nothing."""
        self.engine.dispose(close=os.getpid() == self._pid)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database, that of its first statement, whatever others write.

        It does not see an uncommitted ``write`` of the same thread.
        """
        self._refuse_fork()
        with self.engine.connect() as connection:
            if self.dialect == "sqlite":
                # Not through SQLAlchemy, whose 40 µs are felt in a search. A deferred BEGIN cannot fail.
                connection.connection.driver_connection.execute("BEGIN")  # type: ignore[union-attr]  # it is open
            else:
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that commits when the block ends and rolls back when it raises.

        SQLite has one writer: others wait, in this process without limit, for other processes up to 30 s. On
        PostgreSQL transactions run side by side (READ COMMITTED): change a counter by an SQL expression, and touch
        shared rows in a fixed order. Transactions of a thread do not nest; hand the connection on instead.

        Raises:
            MemoryLockedError: Another process kept the database busy too long, or two transactions blocked each other.
        """
        self._refuse_fork()
        if self.read_only:
            raise StoreError(f"{self.name} was opened for reading only.", remedy="Open it without read_only.")
        thread = threading.get_ident()
        if thread in self._writers:
            raise RuntimeError("write transactions do not nest; pass the connection on")
        with self._exclusively():
            self._writers.add(thread)
            try:
                with self.engine.connect() as connection:
                    if self.dialect == "sqlite":
                        self._begin_immediate(connection)
                    yield connection
                    connection.commit()
            finally:
                self._writers.discard(thread)

    def _begin_immediate(self, connection: Connection) -> None:
        connection.begin()  # for SQLAlchemy, which sends nothing; the rest not through it, for the reason given above
        try:
            connection.connection.driver_connection.execute("BEGIN IMMEDIATE")  # type: ignore[union-attr]  # it is open
        except sqlite3.Error as error:
            raise meaning(error, self.name) or error from error

    @contextmanager
    def exclusive(self, name: str, *, wait: bool = False) -> Iterator[bool]:
        """Do something that only one process may do at a time; yields whether this one may.

        The database gives the name free when this process ends, however it ends. A folder has one process anyway.

        Args:
            name: Of what is done.
            wait: Wait until the name is free, however long that takes.
        """
        if self.dialect == "sqlite":
            yield True
            return
        key = int.from_bytes(blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big", signed=True)
        with self.session() as connection:
            if wait:
                connection.exec_driver_sql("SET lock_timeout = 0")
                connection.exec_driver_sql(f"SELECT pg_advisory_lock({key})")
            elif not connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({key})").scalar_one():
                yield False
                return
            try:
                yield True
            finally:  # closing the connection frees it as well, but some time later
                with suppress(StoreError, SQLAlchemyError):
                    connection.exec_driver_sql(f"SELECT pg_advisory_unlock({key})")

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """PostgreSQL: a connection of one's own, without transactions, for locks that last as long as it does.

        The server notices within a minute when this host is gone, and lifts the locks.
        """
        self._refuse_fork()
        connection = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            for setting in ("tcp_keepalives_idle = 30", "tcp_keepalives_interval = 10", "tcp_keepalives_count = 3"):
                connection.exec_driver_sql(f"SET {setting}")
            yield connection
        finally:
            connection.invalidate()  # a pooled connection would keep its locks and settings
            connection.close()

    def get_meta(self, key: str, connection: Connection | None = None) -> Any:  # noqa: ANN401  # JSON
        """The JSON value kept under ``key``, or None."""
        if connection is None:
            with self.read() as own:
                return self.get_meta(key, own)
        value = connection.execute(select(meta.c.value).where(meta.c.key == key)).scalar_one_or_none()
        return None if value is None else json.loads(value)

    def set_meta(self, key: str, value: object, connection: Connection | None = None) -> None:
        """Keep a JSON value under ``key``; without ``connection`` in a transaction of its own."""
        if connection is None:
            with self.write() as own:
                return self.set_meta(key, value, own)
        row = {"key": key, "value": json.dumps(value, ensure_ascii=False, sort_keys=True)}
        connection.execute(self.upsert(meta, [row], conflict=["key"], update=["value"]))
        return None

    def upsert(
        self,
        table: Table,
        rows: Iterable[Mapping[str, Any]] | None = None,
        *,
        conflict: Sequence[str],
        update: Sequence[str] | Mapping[str, Any] = (),
    ) -> Insert:
        """``INSERT … ON CONFLICT (conflict) DO UPDATE``, for both databases.

        Args:
            table: Where to insert.
            rows: The rows, for a handful; at most 32,766 values. None: give the rows to ``connection.execute``
                instead, which is the fast way for many.
            conflict: Columns of the unique key.
            update: Columns that take the new value, or expressions by column (the new value is ``excluded(column)``).
                Empty: existing rows stay as they are.

        Example:
            >>> add = database.upsert(
            ...     frequencies,
            ...     conflict=["corpus_id", "term"],
            ...     update={"count": frequencies.c.count + excluded(frequencies.c.count)},
            ... )  # doctest: +SKIP
            >>> connection.execute(add, rows)  # doctest: +SKIP
        """
        insert = self._insert(table)
        if rows is not None:
            insert = insert.values([dict(row) for row in rows])
        if not update:
            return insert.on_conflict_do_nothing(index_elements=list(conflict))
        changes = dict(update) if isinstance(update, Mapping) else {name: excluded(table.c[name]) for name in update}
        return insert.on_conflict_do_update(index_elements=list(conflict), set_=changes)

    def _insert(self, table: Table) -> SQLiteInsert | PostgreSQLInsert:
        if self.dialect == "sqlite":
            from sqlalchemy.dialects.sqlite import insert as sqlite_insert

            return sqlite_insert(table)
        # Loading this dialect costs 40 ms, which a folder should not pay.
        from sqlalchemy.dialects.postgresql import insert as postgresql_insert

        return postgresql_insert(table)

    def checkpoint(self) -> bool:
        """SQLite: move the write-ahead log into the file and empty it, so that erased text is nowhere in the folder.

        PostgreSQL: nothing to do.

        Returns:
            False: a reader at work kept the log from being emptied; nothing is lost, and a later call can empty it.
        """
        if self.dialect != "sqlite":
            return True
        with self._exclusively(), self.engine.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(READER_SECONDS * 1000)}")
            try:
                busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar_one()
            finally:
                connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
        return not busy

    def vacuum(self) -> None:
        """SQLite: write the whole file anew, without what is left of removed rows in it.

        Raises:
            DiskFullError: There is no room for a second copy.
            MemoryLockedError: Another process kept the database busy too long.
        """
        with self._exclusively(), self.engine.connect() as connection:
            connection.exec_driver_sql("VACUUM")

    def _prepare(self, *, create: bool) -> None:
        """Make missing tables, migrate old ones, refuse newer ones."""
        with self.read() as connection:
            found = _format_version(connection, self.name, create=create)
        if found == FORMAT_VERSION:
            return
        if found is not None and self.read_only:
            raise FormatVersionError(
                f"{self.name} has format {found} and must be migrated to format {FORMAT_VERSION} before reading.",
                remedy="Open it once for writing, for example with `tercet doctor`.",
            )
        with self.write() as connection:
            if self.dialect == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({SCHEMA_LOCK})")
            found = _format_version(connection, self.name, create=create)  # another process may have been first
            if found is None:
                schema.create_all(connection)
                self.set_meta("format_version", FORMAT_VERSION, connection)
            elif found < FORMAT_VERSION:
                _migrate(connection, found, self.name)
                self.set_meta("format_version", FORMAT_VERSION, connection)

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        if self.dialect == "sqlite":
            with self._writing:
                yield
        else:
            yield

    def _refuse_fork(self) -> None:
        if os.getpid() != self._pid:
            raise ForkedProcessError(
                f"{self.name} was opened by process {self._pid} and is used in its fork {os.getpid()}.",
                remedy="Open the memory in the child process, or start children with the spawn method.",
            )


def _format_version(connection: Connection, name: str, *, create: bool) -> int | None:
    """The format version kept in a database, or None when it is empty and may be made into a memory."""
    tables = set(inspect(connection).get_table_names())
    if "meta" not in tables:
        if tables & set(schema.tables):
            raise ConfigurationError(
                f"{name} holds tables of something else ({', '.join(sorted(tables)[:5])}) and no memory.",
                remedy="Name another folder or database.",
            )
        if not create:
            raise MemoryNotFoundError(
                f"There is no memory in {name}.", remedy="Run `tercet ingest` first, or name another place."
            )
        return None
    value = connection.execute(select(meta.c.value).where(meta.c.key == "format_version")).scalar_one_or_none()
    if value is None or not value.isdigit():
        raise CorruptMemoryError(
            f"{name} does not say in which format it is.", remedy="Restore a backup, or name another place."
        )
    version = int(value)
    if version > FORMAT_VERSION:
        raise FormatVersionError(
            f"{name} was written by a newer Tercet: its format is {version}, this one reads up to {FORMAT_VERSION}.",
            remedy="Upgrade tercet (`pip install -U tercet`), or restore a backup made by this version.",
        )
    return version


def _migrate(connection: Connection, found: int, name: str) -> None:
    steps = dict(MIGRATIONS)
    for version in range(found, FORMAT_VERSION):
        if version not in steps:
            raise FormatVersionError(
                f"{name} has format {found}, which this Tercet no longer migrates.",
                remedy="Open it with an older Tercet first, or ingest the sources again into a new memory.",
            )
        steps[version](connection)


def _refuse_nul(
    _connection: Connection,
    _cursor: object,
    _statement: str,
    parameters: Sequence[Any],
    _context: object,
    _executemany: bool,
) -> None:
    """PostgreSQL cannot keep NUL in text; SQLite could, but such a memory could never move."""
    several = isinstance(parameters, list) and bool(parameters) and isinstance(parameters[0], dict | tuple | list)
    for row in parameters if several else (parameters,):  # batched INSERT … RETURNING passes one flat row
        for value in row.values() if isinstance(row, dict) else row:
            if isinstance(value, str) and "\0" in value:
                raise InputError(
                    f"A text to be stored holds a NUL character: {value[:60]!r}.",
                    remedy="Remove it; databases cannot keep it in text.",
                )
