"""Which processes work on a shared database, and what becomes of the claims of those that died.

A process that writes to a database server holds an advisory lock for as long as its connection lives. So its death is
known at once and by the server's own word, with no clock to compare and no lease to renew: the lock is gone. Whoever
looks for work next removes the row of the dead and gives back what it had claimed. A process that was only cut off
finds out when it tries to finish something: each such transaction looks first whether its claim still stands.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select, text
from sqlalchemy.exc import SQLAlchemyError

from tercet.errors import StoreError
from tercet.memory.batches import give_back
from tercet.memory.database import claimed_texts, workers

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tercet.memory.database import Database

LOCK_CLASS = 1952805731
"""First half of the key of every worker's advisory lock; the second is its id."""

_DEAD = text(
    "NOT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2"
    " AND classid = 1952805731 AND objid = workers.id"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
)


class Workers:
    """This process among those that share a database on a server.

    Args:
        database: The database; PostgreSQL.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._held = ExitStack()
        self._connection: Connection | None = None
        self._id = 0
        self._name = ""

    @property
    def id(self) -> int:
        """Of this process; a new one when its connection was lost, for then its claims are."""
        with self._lock:
            self._ensure()
            return self._id

    @property
    def name(self) -> str:
        """Host, process and a random part: the writer of what this process stores."""
        with self._lock:
            self._ensure()
            return self._name

    def _ensure(self) -> None:
        if self._connection is not None:
            try:
                self._connection.exec_driver_sql("SELECT 1")
            except (StoreError, SQLAlchemyError):
                self._let_go()
            else:
                return
        self._connection = self._held.enter_context(self._database.session())
        self._name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        with self._database.write() as connection:
            key = connection.execute(insert(workers).values(name=self._name).returning(workers.c.id)).scalar_one()
            # Before the commit: nobody may see the row without its lock.
            self._connection.exec_driver_sql(f"SELECT pg_advisory_lock({LOCK_CLASS}, {key})")
        self._id = key

    def bury(self) -> None:
        """Remove the rows of dead processes, and give back what they had claimed."""
        with self._database.write() as connection:
            query = select(workers.c.id, workers.c.name).where(_DEAD).order_by(workers.c.id)
            for key, name in connection.execute(query.with_for_update(skip_locked=True)).all():
                give_back(connection, self._database, key, died=name)
                self._forget(connection, key)

    def _forget(self, connection: Connection, key: int) -> None:
        connection.execute(delete(claimed_texts).where(claimed_texts.c.worker_id == key))
        connection.execute(delete(workers).where(workers.c.id == key))

    def close(self) -> None:
        """Give back all claims and leave; a second call does nothing."""
        with self._lock:
            if self._connection is None:
                return
            try:
                with self._database.write() as connection:
                    give_back(connection, self._database, self._id)
                    self._forget(connection, self._id)
            except (StoreError, SQLAlchemyError):
                pass  # the server is out of reach: others will see that this process is gone
            finally:
                self._let_go()

    def _let_go(self) -> None:
        self._held.close()
        self._connection = None
