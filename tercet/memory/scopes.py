"""Scopes in SQL: which ones a reader sees is decided here and nowhere else."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from sqlalchemy import and_, bindparam, delete, or_, select, true

from tercet.memory.points import batches
from tercet.memory.schema import (
    approvals,
    effects,
    episode_scopes,
    episodes,
    runs,
    scopes,
    working_documents,
    working_retired,
)
from tercet.records import AnyScope, Scope

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Table

    from tercet.memory.database import Database

FIELDS = tuple(part.name for part in fields(Scope))
_REMEMBERED = (episodes, episode_scopes, working_documents, working_retired)
_JOURNAL = (runs, effects, approvals)
_VISIBLE = (
    select(scopes.c.id)
    .where(*(or_(scopes.c[name] == "", scopes.c[name] == bindparam(name)) for name in FIELDS))
    .order_by(scopes.c.id)
)
"""``seen_by`` for any one ``Scope``; built once, because every search asks, and that costs more than running it."""


def scope_id(database: Database, connection: Connection, scope: Scope) -> int:
    """The id of a scope, which is noted if it is new; until the commit nobody can forget it."""
    row = {name: getattr(scope, name) or "" for name in FIELDS}
    query = select(scopes.c.id).where(*(scopes.c[name] == value for name, value in row.items()))
    query = query.with_for_update(read=True, key_share=True)
    while (found := connection.execute(query).scalar_one_or_none()) is None:
        connection.execute(database.upsert(scopes, [row], conflict=FIELDS))
    return int(found)


def seen_by(reader: Scope | AnyScope) -> ColumnElement[bool]:
    """The condition on ``scopes`` that a record's scope meets when ``reader`` sees it. See ``Scope.sees``."""
    conditions: list[ColumnElement[bool]] = []
    for name in FIELDS:
        own = getattr(reader, name)
        if isinstance(reader, Scope):
            conditions.append(scopes.c[name].in_(["", own] if own else [""]))
        elif own:
            conditions.append(scopes.c[name] == own)
    return and_(true(), *conditions)


def owned_by(owner: Scope | AnyScope) -> ColumnElement[bool]:
    """The condition on ``scopes`` that holds for what is changed in the name of ``owner``: its own, no ancestor's."""
    if not isinstance(owner, Scope):
        return seen_by(owner)
    return and_(*(scopes.c[name] == (getattr(owner, name) or "") for name in FIELDS))


def on_line_of(scope: Scope) -> ColumnElement[bool]:
    """The condition on ``scopes`` that one is an ancestor of ``scope``, itself, or a descendant."""
    below = AnyScope(**{name: getattr(scope, name) for name in FIELDS})
    return or_(seen_by(scope), seen_by(below))


def visible_scopes(connection: Connection, reader: Scope | AnyScope) -> list[int]:
    """Ids of all scopes whose records ``reader`` sees, ascending; at most 16 unless the reader is ``Scope.any``."""
    if isinstance(reader, Scope):
        return list(connection.execute(_VISIBLE, {name: getattr(reader, name) or "" for name in FIELDS}).scalars())
    return list(connection.execute(select(scopes.c.id).where(seen_by(reader)).order_by(scopes.c.id)).scalars())


def own_scopes(connection: Connection, owner: Scope | AnyScope) -> list[int]:
    """Ids of the scopes that are changed in the name of ``owner``: itself without its ancestors, or all it covers."""
    return list(connection.execute(select(scopes.c.id).where(owned_by(owner)).order_by(scopes.c.id)).scalars())


def remembered(connection: Connection, reader: AnyScope) -> bool:
    """Whether anything was ever remembered in a scope that a reader sees; that an agent ran in it is not that."""
    # A scope outlives what was deleted in it. Without the second condition a first run would make it look remembered.
    ever = or_(*_used_by(*_REMEMBERED), ~or_(*_used_by(*_JOURNAL)))
    return connection.execute(select(scopes.c.id).where(seen_by(reader), ever).limit(1)).first() is not None


def _used_by(*tables: Table) -> list[ColumnElement[bool]]:
    return [select(table.c.scope_id).where(table.c.scope_id == scopes.c.id).exists() for table in tables]


def remove_unused_scopes(connection: Connection) -> int:
    """Forget scopes that no record belongs to any longer: they name people; returns how many."""
    used = _used_by(*_REMEMBERED, *_JOURNAL)
    unused = select(scopes.c.id).where(~or_(*used))
    # A writer who has looked a scope up keeps it locked; one that comes later makes it anew.
    found = list(connection.execute(unused.with_for_update(skip_locked=True)).scalars())
    removed = 0
    for some in batches(found):
        removed += connection.execute(delete(scopes).where(scopes.c.id.in_(some), ~or_(*used))).rowcount
    return removed


def scope_of(row: tuple[str, str, str, str]) -> Scope:
    """The scope of a row (tenant, user, agent, session)."""
    return Scope(**{name: value or None for name, value in zip(FIELDS, row, strict=True)})
