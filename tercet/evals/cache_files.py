"""SQLite files in the user's cache folder: what evals keep between runs so that nothing is paid for twice.

They are kept apart from every memory, hold nothing that cannot be made again, and are readable by their owner only.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tercet.errors import StoreError

BUSY_S = 60.0
"""How long one process waits for another that is writing."""


def user_cache_folder() -> Path:
    """Where this system keeps what a user's programs can make again.

    Example:
        >>> user_cache_folder().name
        'tercet'
    """
    if sys.platform == "win32":
        root = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        root = Path.home() / "Library" / "Caches"
    else:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "tercet"


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheForm:
    """One kind of cache: how its file is known, and how its errors are worded."""

    name: str
    """Such as ``embedding cache``."""
    application_id: int
    """Marks a SQLite file as a cache of this kind, so that no other database is ever written to."""
    version: int
    table: str
    """The SQL that makes it."""
    error: type[StoreError]
    option: str
    """Of the command line, that names another file."""
    loss: str
    """What removing the file costs."""

    def open(self, path: Path) -> sqlite3.Connection:
        """Open the file; made with its folder when it is not there. Call it within ``named_errors``.

        Raises:
            StoreError: It is something else, or was written by another version.
        """
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)  # what is kept tells something of the texts it was made from
        connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            if _marks(connection) == (0, 0) and not _tables(connection):
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(self.table)
                connection.execute(f"PRAGMA application_id={self.application_id}")
                connection.execute(f"PRAGMA user_version={self.version}")
                connection.execute("COMMIT")
            if _marks(connection) != (self.application_id, self.version):
                raise self.error(
                    f"{path} is no {self.name} of this version of Tercet; nothing was written to it.",
                    remedy=f"Name another file: {self.option} FILE.",
                )
            connection.execute("PRAGMA synchronous=NORMAL")  # what power loss takes can be made again
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def named_errors(self, path: Path) -> Iterator[None]:
        """Turn what SQLite and the system raise into the error of this kind of cache."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise self.error(
                f"the {self.name} {path} cannot be used: {error}.",
                remedy=f"Free the disk or end the other process, or name another file: {self.option} FILE.",
            ) from error
        except sqlite3.DatabaseError as error:
            raise self.damaged(path, str(error)) from error
        except OSError as error:
            raise self.error(
                f"the {self.name} {path} cannot be made: {error.strerror or error}.",
                remedy=f"Name another file: {self.option} FILE.",
            ) from error

    def damaged(self, path: Path, reason: str) -> StoreError:
        """The error for a file that holds what nobody wrote."""
        return self.error(
            f"the {self.name} {path} is damaged: {reason}.",
            remedy=f"Remove the file ({self.loss}), or name another: {self.option} FILE.",
        )


def _marks(connection: sqlite3.Connection) -> tuple[int, int]:
    names = ("application_id", "user_version")
    application, version = (int(connection.execute(f"PRAGMA {name}").fetchone()[0]) for name in names)
    return application, version


def _tables(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
