"""Taking removed text out of the database's files too, and saying so when something is in the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tercet.errors import DiskFullError, MemoryLockedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tercet.memory.database import Database


class Obstacle(NamedTuple):
    """What keeps removed text in a file."""

    reason: str
    remedy: str


READER = Obstacle(
    "another process reads the database and holds its write-ahead log, which still has the removed text",
    "End the other process, or wait for it, then run",
)


def rewrite(database: Database) -> Obstacle | None:
    """SQLite: write the file anew without its free space; takes as much again on the disk while it runs."""
    try:
        database.vacuum()
    except DiskFullError:
        return Obstacle("the disk has no room to write the database anew", "Free some space, then run")
    except MemoryLockedError:
        return Obstacle("another process keeps the database busy", "Wait for the other process, then run")
    return None


def empty_log(database: Database) -> Obstacle | None:
    """SQLite: empty the write-ahead log, unless a reader holds it."""
    return None if database.checkpoint() else READER


def vacuum_tables(database: Database, tables: Iterable[str]) -> None:
    """PostgreSQL: give the space of removed rows free in some tables."""
    with database.session() as connection:
        for name in sorted(tables):
            connection.exec_driver_sql(f'VACUUM "{name}"')
