"""Scopes of the journal's rows: who sees a row, and what is left of the scope of an erased one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, or_, select, true

from tercet.memory.schema import scopes
from tercet.memory.scopes import FIELDS, scope_of, seen_by
from tercet.records import AnyScope, Scope

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Select, Table


def with_scope(table: Table) -> Select[Any]:
    """The rows of a table, each with the fields of its scope, which are NULL when it is erased."""
    fields = (scopes.c[name].label(f"scope_{name}") for name in FIELDS)
    return select(table, *fields).select_from(table.outerjoin(scopes, scopes.c.id == table.c.scope_id))


def visible(table: Table, reader: Scope | AnyScope) -> ColumnElement[bool]:
    """The condition that a reader sees a row: as any record, and an erased one who sees all of its tenant."""
    known = and_(table.c.scope_id.is_not(None), seen_by(reader))
    if isinstance(reader, Scope) or reader.user or reader.agent or reader.session:
        return known
    return or_(known, and_(table.c.scope_id.is_(None), table.c.tenant == reader.tenant if reader.tenant else true()))


def scope_in(row: Any) -> Scope:  # noqa: ANN401  # a row of with_scope, whose columns have no static names
    """The scope of a row of ``with_scope``; of an erased one its tenant."""
    if row.scope_id is None:
        return Scope(tenant=row.tenant or None)
    return scope_of((row.scope_tenant, row.scope_user, row.scope_agent, row.scope_session))
