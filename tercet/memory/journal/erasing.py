"""Removing from the journal what runs said, so that what is left proves only that they were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import case, func, select, update

from tercet.errors import InputError
from tercet.memory.journal.checks import unknown_run
from tercet.memory.points import batches
from tercet.memory.schema import approvals, effects, run_events, run_texts, runs

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from sqlalchemy import Column, ColumnElement, Connection, Table


class Chosen(NamedTuple):
    """Rows that are to be erased and are not yet, ascending."""

    runs: list[int]
    effects: list[int]
    approvals: list[int]


def of_runs(connection: Connection, ids: Collection[str]) -> Chosen:
    """Runs by id, with their effects and approvals.

    Raises:
        InputError: There is no such run.
    """
    known: dict[str, int] = {}
    for some in batches(sorted(set(ids))):
        query = select(runs.c.run_id, runs.c.id).where(runs.c.run_id.in_(some))
        known.update(dict(connection.execute(query).all()))
    if missing := sorted(set(ids) - known.keys()):
        raise unknown_run(missing[0])
    return _with_what_they_did(connection, _left(connection, runs, runs.c.id, list(known.values())), known)


def of_scopes(
    connection: Connection, places: Sequence[int], *, ids: Collection[str] | None = None, before: int | None = None
) -> Chosen:
    """All that belongs to some scopes, or some of their runs with what they did.

    Args:
        connection: A transaction.
        places: Ids of scopes.
        ids: Only these runs.
        before: Only runs that did not change since this time, in microseconds.

    Raises:
        InputError: A run with one of the ids is not in these scopes, or was erased before.
    """
    unchanged = () if before is None else (runs.c.changed_at < before,)
    names: dict[str, int] = {}
    query = select(runs.c.run_id, runs.c.id).where(runs.c.erased_at.is_(None), *unchanged)
    for some in batches(places):
        names.update(dict(connection.execute(query.where(runs.c.scope_id.in_(some))).all()))
    if ids is not None:
        if missing := sorted(set(ids) - names.keys()):
            raise InputError(
                f"The journal has no run {missing[0]!r} in this scope; nothing was forgotten.",
                remedy="A run belongs to exactly one scope; what was erased belongs to none.",
            )
        names = {name: names[name] for name in ids}
    chosen = _with_what_they_did(connection, names.values(), names)
    if ids is not None or before is not None:
        return chosen
    more = [_left(connection, table, table.c.scope_id, places) for table in (effects, approvals)]
    return Chosen(chosen.runs, sorted({*chosen.effects, *more[0]}), sorted({*chosen.approvals, *more[1]}))


def _with_what_they_did(connection: Connection, rows: Iterable[int], names: Iterable[str]) -> Chosen:
    did = [sorted(_left(connection, table, table.c.run, sorted(names))) for table in (effects, approvals)]
    return Chosen(sorted(rows), *did)


def _left(
    connection: Connection, table: Table, column: Column[Any], keys: Sequence[Any], *where: ColumnElement[bool]
) -> set[int]:
    """Rows of a table, by the value of a column, that are not erased yet."""
    query = select(table.c.id).where(table.c.erased_at.is_(None), *where)
    return {row for some in batches(keys) for row in connection.execute(query.where(column.in_(some))).scalars()}


def count(connection: Connection, chosen: Chosen) -> dict[str, int]:
    """How much an erasure of these would remove."""
    events, texts = (
        sum(
            connection.execute(select(func.count()).select_from(table).where(table.c.run.in_(some))).scalar_one()
            for some in batches(chosen.runs)
        )
        for table in (run_events, run_texts)
    )
    return {
        "runs": len(chosen.runs),
        "run_events": events,
        "run_texts": texts,
        "effects": len(chosen.effects),
        "approvals": len(chosen.approvals),
    }


def erase(connection: Connection, chosen: Chosen, at: int) -> None:
    """Erase rows, each with all that hangs on it; those that are erased already stay as they are."""
    for some in batches(chosen.runs):
        # The run's own row first: whoever is adding to it has either committed, or finds it erased.
        gone: dict[str, Any] = {"erased_at": at, "scope_id": None, "header_salt": None}
        connection.execute(update(runs).where(runs.c.id.in_(some), runs.c.erased_at.is_(None)).values(gone))
        connection.execute(update(run_events).where(run_events.c.run.in_(some)).values(body=None, salt=None))
        connection.execute(update(run_texts).where(run_texts.c.run.in_(some)).values(text=None, salt=None))
    # Arguments are often few and short enough to be guessed from their hash, which has no salt.
    said: dict[str, Any] = {"erased_at": at, "scope_id": None, "arguments_hash": "", "reason": ""}
    for some in batches(chosen.effects):
        mine = (effects.c.id.in_(some), effects.c.erased_at.is_(None))
        connection.execute(update(effects).where(*mine).values(said | {"result": None}))
    columns = approvals.c
    said |= {"arguments": None, "edited_arguments": None, "evidence": None, "answer": ""}
    no_longer = case((columns.expires_at < at, columns.expires_at), else_=at)
    for some in batches(chosen.approvals):
        mine = (columns.id.in_(some), columns.erased_at.is_(None))
        connection.execute(update(approvals).where(*mine).values(said | {"expires_at": no_longer}))
