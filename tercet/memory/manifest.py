"""What a backup says about itself, and the check that it is still true."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from tercet.errors import BackupError, CorruptMemoryError, FormatVersionError
from tercet.memory.schema import FORMAT_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_KEY = "backup"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Kept as JSON in the ``meta`` table of a backup, under ``backup``."""

    created: str
    """ISO 8601, UTC."""
    tercet: str
    """Version that wrote it."""
    format_version: int
    rows: Mapping[str, int]
    """By table; the manifest itself is not counted."""
    checksums: Mapping[str, str]
    """By table: BLAKE2b-128 over the values of its rows in key order."""


def stamp(connection: sqlite3.Connection, *, created: str) -> Manifest:
    """Count and sum up the rows of a copied database, and keep the result in it.

    Raises:
        CorruptMemoryError: The copy is damaged, and so is what it was made of.
    """
    unstamp(connection)
    if (problem := _problem(connection)) is not None:
        raise CorruptMemoryError(
            f"The memory is damaged and was not backed up ({problem}).", remedy="Restore an earlier backup."
        )
    rows, checksums = _summary(connection)
    manifest = Manifest(
        created=created,
        tercet=version("tercet"),
        format_version=_format_version(connection),
        rows=rows,
        checksums=checksums,
    )
    connection.execute("INSERT INTO meta (key, value) VALUES (?, ?)", (_KEY, json.dumps(asdict(manifest))))
    return manifest


def unstamp(connection: sqlite3.Connection) -> None:
    """Remove the manifest from a restored database, or an earlier one from a copy."""
    connection.execute("DELETE FROM meta WHERE key = ?", (_KEY,))


def verify(source: Path) -> Manifest:
    """Read a backup as a whole and compare it with its manifest.

    Raises:
        BackupError: It does not exist, is no backup, or is damaged.
        FormatVersionError: It was made by a newer Tercet.
    """
    if not source.is_file():
        raise BackupError(f"There is no backup {source}.", remedy="Name a file that `tercet backup` wrote.")
    try:
        with closing(sqlite3.connect(f"{source.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            manifest = _read_manifest(connection, source)
            if (problem := _problem(connection)) is not None:
                raise sqlite3.DatabaseError(problem)
            rows, checksums = _summary(connection)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise BackupError(
            f"{source} is damaged, or no backup of a memory ({error}).",
            remedy="Use another backup; check where this one was copied or downloaded.",
        ) from error
    for table in sorted({*manifest.checksums, *checksums}):
        if manifest.checksums.get(table) != checksums.get(table):
            raise BackupError(
                f"{source} is damaged: table {table} has {rows.get(table, 0)} rows and other content than the "
                f"{manifest.rows.get(table, 0)} rows that were backed up.",
                remedy="Use another backup; check where this one was copied or downloaded.",
            )
    return manifest


def _read_manifest(connection: sqlite3.Connection, source: Path) -> Manifest:
    found = connection.execute("SELECT value FROM meta WHERE key = ?", (_KEY,)).fetchone()
    try:
        manifest = Manifest(**json.loads(found[0]))
    except (TypeError, ValueError):
        raise BackupError(
            f"{source} is a database, but not a complete backup.", remedy="Name a file that `tercet backup` wrote."
        ) from None
    if manifest.format_version > FORMAT_VERSION:
        raise FormatVersionError(
            f"{source} was made by Tercet {manifest.tercet} in format {manifest.format_version}; this one reads up to "
            f"{FORMAT_VERSION}.",
            remedy="Upgrade tercet (`pip install -U tercet`).",
        )
    return manifest


def _format_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT value FROM meta WHERE key = 'format_version'").fetchone()[0])


def _problem(connection: sqlite3.Connection) -> str | None:
    """The first thing wrong with the structure of a SQLite file."""
    problem = str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
    return None if problem == "ok" else problem


def _summary(connection: sqlite3.Connection) -> tuple[dict[str, int], dict[str, str]]:
    """Counts and checksums of all tables but SQLite's own, without the manifest."""
    names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY 1"
    rows: dict[str, int] = {}
    checksums: dict[str, str] = {}
    for (table,) in connection.execute(names).fetchall():
        columns = connection.execute("SELECT name, pk FROM pragma_table_info(?)", (table,)).fetchall()
        keys = [f'"{name}"' for name, place in sorted(columns, key=lambda column: column[1]) if place]
        listed = ", ".join(f'"{name}"' for name, _ in columns)
        query = f'SELECT {listed} FROM "{table}" ORDER BY {", ".join(keys) or "rowid"}'  # noqa: S608  # names of our own
        rows[table], checksums[table] = _sum_up(
            row for row in connection.execute(query) if not (table == "meta" and row[0] == _KEY)
        )
    return rows, checksums


def _sum_up(rows: Iterable[tuple[object, ...]]) -> tuple[int, str]:
    """Count and checksum of rows; every value goes in with its type and its length."""
    digest = hashlib.blake2b(digest_size=16)
    count = 0
    for row in rows:
        count += 1
        for value in row:
            if isinstance(value, str):
                data = value.encode()
                digest.update(b"s%d:" % len(data) + data)
            elif isinstance(value, bytes):
                digest.update(b"b%d:" % len(value) + value)
            else:
                digest.update(f"{value!r};".encode())
    return count, digest.hexdigest()
