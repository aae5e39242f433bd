"""SQL that is compiled once: a journal writes with every step of an agent, and compiling costs more than writing."""

from __future__ import annotations

import sqlite3
from collections import namedtuple
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import bindparam, select

from tercet.memory.connections import meaning
from tercet.memory.journal.checks import FIELDS, parts
from tercet.memory.schema import scopes
from tercet.memory.scopes import scope_id

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy import ClauseElement, Connection, CursorResult

    from tercet.memory.database import Database
    from tercet.records import Scope


class Statement:
    """One statement, run through the driver with the values of its parameters.

    Columns come back as the driver has them: texts, integers and bytes.
    """

    def __init__(self, database: Database, clause: ClauseElement, *, columns: Sequence[str] | None = None) -> None:
        self._database = database
        self._row: Any = None
        dialect: Any = type(database.engine.dialect)
        positional = dialect(paramstyle="qmark" if database.dialect == "sqlite" else "format")
        compiled: Any = clause.compile(dialect=positional, column_keys=columns)
        self._sql = str(compiled)
        self._names: list[str] = list(compiled.positiontup)
        self._fixed: dict[str, Any] = {name: value for name, value in compiled.params.items() if value is not None}

    def run(self, connection: Connection, **values: object) -> CursorResult[Any]:
        """Run it once, for as many rows as there are."""
        return connection.exec_driver_sql(self._sql, self._given(values))

    def first(self, connection: Connection, **values: object) -> Any:  # noqa: ANN401  # columns have no static names
        """Run it once; its first row, whose columns are attributes, or None."""
        if self._database.dialect == "postgresql":
            return connection.exec_driver_sql(self._sql, self._given(values)).first()
        cursor = self._execute(connection, self._given(values))
        rows = cursor.fetchall()  # to the end: a statement that is not at its end holds the transaction open
        if not rows:
            return None
        if self._row is None:
            names = [name for name, *_ in cursor.description]
            self._row = namedtuple("Row", names)  # type: ignore[misc]  # which names is known with the first row
        return self._row._make(rows[0])

    def change(self, connection: Connection, **values: object) -> int:
        """Run it once for its effect; returns how many rows it changed."""
        return int(self._execute(connection, self._given(values)).rowcount)

    def change_rows(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run it for each row, whose values stand in the order of the table's columns and hold no NUL."""
        if rows:
            self._execute(connection, list(rows))

    def _given(self, values: dict[str, object]) -> tuple[object, ...]:
        given = {**self._fixed, **values}
        return tuple([given[name] for name in self._names])

    def _execute(self, connection: Connection, values: Any) -> Any:  # noqa: ANN401  # a cursor of the one or the other
        if self._database.dialect == "postgresql":
            return connection.exec_driver_sql(self._sql, values)
        # Not through SQLAlchemy, which costs more than what SQLite does for it.
        driver = cast("sqlite3.Connection", connection.connection.driver_connection)
        try:
            return (
                driver.executemany(self._sql, values) if isinstance(values, list) else driver.execute(self._sql, values)
            )
        except (sqlite3.Error, UnicodeEncodeError, OverflowError) as error:
            raise meaning(error, self._database.name) or error from error


class Part:
    """What the parts of the journal share: the database, the clock, and ids of scopes.

    Args:
        database: Where the journal is kept.
        clock: The time, with its zone.
    """

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        where = [scopes.c[name] == bindparam(f"scope_{name}") for name in FIELDS]
        query = select(scopes.c.id).where(*where).with_for_update(read=True, key_share=True)
        self._scope = Statement(database, query)

    def _place(self, connection: Connection, scope: Scope) -> int:
        """The id of a scope, as ``scope_id`` gives it."""
        values = {f"scope_{name}": value for name, value in zip(FIELDS, parts(scope), strict=True)}
        found = self._scope.first(connection, **values)
        return scope_id(self._database, connection, scope) if found is None else int(found.id)
