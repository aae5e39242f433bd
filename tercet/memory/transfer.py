"""Copying all tables from one database to another, in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sqlalchemy import func, select, text

from tercet.memory.schema import schema
from tercet.records import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

_BATCH = 1_000


def count_rows(connection: Connection) -> dict[str, int]:
    """Rows by table."""
    return {
        table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
        for table in schema.sorted_tables
    }


def copy_tables(
    source: Connection,
    target: Connection,
    *,
    phase: Literal["backup", "restore"],
    progress: Callable[[Progress], None] | None = None,
) -> None:
    """Copy every row of every table, ids included, into tables that exist and are empty."""
    total = sum(count_rows(source).values())
    done = 0
    for table in schema.sorted_tables:
        rows = source.execution_options(yield_per=_BATCH).execute(select(table)).mappings()
        for batch in rows.partitions():
            target.execute(table.insert(), [dict(row) for row in batch])
            done += len(batch)
            if progress is not None:
                progress(Progress(phase=phase, done=done, total=total, item=table.name))
    if target.dialect.name == "postgresql":
        _advance_sequences(target)


def _advance_sequences(connection: Connection) -> None:
    """Rows that came with their ids leave PostgreSQL's counters behind; the next id must be a new one."""
    for table in schema.sorted_tables:
        column = table.autoincrement_column
        if column is None:
            continue
        highest = connection.execute(select(func.max(column))).scalar_one()
        if highest is not None:
            connection.execute(
                text("SELECT setval(pg_get_serial_sequence(:table, :column), :highest)"),
                {"table": table.name, "column": column.name, "highest": highest},
            )
