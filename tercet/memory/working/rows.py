"""The rows of working memory: each function is one or two statements inside a transaction of the caller."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, delete, func, or_, select, update

from tercet.memory.patches import canonical, text_hash
from tercet.memory.points import batches
from tercet.memory.schema import scopes, working_changes, working_documents, working_requests, working_retired
from tercet.memory.scopes import FIELDS, scope_of, seen_by
from tercet.memory.working.history import add_change
from tercet.records import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, RowMapping, Select

    from tercet.memory.database import Database
    from tercet.memory.patches import JsonObject
    from tercet.memory.working.history import Written
    from tercet.memory.working.schemas import Encoded
    from tercet.records import AnyScope, Trust

_SELECT = select(working_documents, *(scopes.c[name].label(f"scope_{name}") for name in FIELDS)).join(
    scopes, scopes.c.id == working_documents.c.scope_id
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDocument:
    """A row of ``working_documents`` with its scope."""

    id: int
    scope: Scope
    key: str
    schema: str
    schema_version: int
    version: int
    text: str
    hash: str
    json: JsonObject
    """What ``text`` says; not to be changed."""
    owners: Mapping[str, str]
    trusts: Mapping[str, Trust]
    constraints: tuple[str, ...]
    created_by: str
    created_at: int
    updated_by: str
    updated_at: int
    expires_at: int | None

    def owner_of(self, field: str) -> str:
        """Who owns a top-level field."""
        return self.owners.get(field, self.created_by)

    def expired(self, now: int) -> bool:
        """Whether nobody sees it any longer."""
        return self.expires_at is not None and self.expires_at <= now

    def next(self, encoded: Encoded, written: Written, trusts: Mapping[str, Trust]) -> StoredDocument:
        """The same document one version later."""
        return replace(
            self,
            schema_version=encoded.schema_version,
            version=self.version + 1,
            text=encoded.text,
            hash=text_hash(encoded.text),
            json=encoded.json,
            trusts=trusts,
            updated_by=written.actor,
            updated_at=written.at,
        )


def _stored(row: RowMapping) -> StoredDocument:
    place: Any = tuple(row[f"scope_{name}"] for name in FIELDS)
    return StoredDocument(
        id=row["id"],
        scope=scope_of(place),
        key=row["key"],
        schema=row["schema_name"],
        schema_version=row["schema_version"],
        version=row["version"],
        text=row["value"],
        hash=row["hash"],
        json=json.loads(row["value"]),
        owners=json.loads(row["owners"]),
        trusts=json.loads(row["trusts"]),
        constraints=tuple(json.loads(row["constraints"])),
        created_by=row["created_by"],
        created_at=row["created_at"],
        updated_by=row["updated_by"],
        updated_at=row["updated_at"],
        expires_at=row["expires_at"],
    )


# -- reading ---------------------------------------------------------------------------------------------------------


def alive(now: int) -> ColumnElement[bool]:
    """The condition that a document has not expired."""
    return or_(working_documents.c.expires_at.is_(None), working_documents.c.expires_at > now)


def nearest(connection: Connection, key: str, reader: Scope, now: int) -> StoredDocument | None:
    """The document under a key that is closest to a reader: its own, else that of the most specific ancestor."""
    query = _SELECT.where(seen_by(reader), working_documents.c.key == key, alive(now))
    found = [_stored(row) for row in connection.execute(query).mappings()]
    return max(found, key=lambda stored: _closeness(stored.scope), default=None)


def _closeness(scope: Scope) -> tuple[int, tuple[bool, ...]]:
    given = tuple(getattr(scope, name) is not None for name in reversed(FIELDS))  # a session before an agent …
    return sum(given), given


def exact(connection: Connection, key: str, scope: Scope, *, lock: bool = False) -> StoredDocument | None:
    """The document of one scope, expired or not; with ``lock``, nobody else changes it until the transaction ends."""
    place = [scopes.c[name] == (getattr(scope, name) or "") for name in FIELDS]
    query = _SELECT.where(*place, working_documents.c.key == key)
    if lock:
        query = query.with_for_update(of=working_documents)  # SQLite has one writer and needs no such words
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _stored(row)


def matching(
    connection: Connection,
    reader: Scope | AnyScope,
    now: int,
    *,
    key: str | None,
    schema: str | None,
    newest_first: bool,
) -> Iterator[StoredDocument]:
    """All documents that a reader sees, by time of their last write or by key."""
    query: Select[Any] = _SELECT.where(seen_by(reader), alive(now))
    if key is not None:
        query = query.where(working_documents.c.key == key)
    if schema is not None:
        query = query.where(working_documents.c.schema_name == schema)
    columns = working_documents.c
    order = (columns.updated_at.desc(), columns.key, columns.id) if newest_first else (columns.key, columns.id)
    for row in connection.execute(query.order_by(*order).execution_options(yield_per=100)).mappings():
        yield _stored(row)


def count(connection: Connection, scope: int, now: int) -> int:
    """Documents of one scope that have not expired."""
    query = select(func.count()).where(working_documents.c.scope_id == scope, alive(now))
    return int(connection.execute(query).scalar_one())


# -- writing ---------------------------------------------------------------------------------------------------------


def add(
    database: Database,
    connection: Connection,
    place: tuple[int, str],
    encoded: Encoded,
    written: Written,
    **columns: object,
) -> bool:
    """Insert a document under a scope and key; False when there is one already."""
    retired = working_retired.c
    last = (retired.scope_id == place[0], retired.key == place[1])
    version = 1 + (connection.execute(select(retired.version).where(*last)).scalar_one_or_none() or 0)
    row = {
        "scope_id": place[0],
        "key": place[1],
        "schema_name": encoded.schema,
        "schema_version": encoded.schema_version,
        "version": version,
        "value": encoded.text,
        "hash": text_hash(encoded.text),
        "trusts": canonical(dict.fromkeys(encoded.json, written.trust)),
        "created_by": written.actor,
        "created_at": written.at,
        "updated_by": written.actor,
        "updated_at": written.at,
        **columns,
    }
    statement = database.upsert(working_documents, [row], conflict=["scope_id", "key"])
    key = connection.execute(statement.returning(working_documents.c.id)).scalar_one_or_none()
    if key is None:
        return False
    connection.execute(delete(working_retired).where(*last))
    add_change(connection, (key, version), encoded, written, before=None)
    return True


def advance(
    connection: Connection, before: StoredDocument, encoded: Encoded, written: Written, trusts: Mapping[str, Trust]
) -> StoredDocument | None:
    """Make the next version of a document; None when it is no longer at the version it was read at."""
    after = before.next(encoded, written, trusts)
    columns = working_documents.c
    changed = connection.execute(
        update(working_documents)
        .where(columns.id == before.id, columns.version == before.version)
        .values(
            schema_version=after.schema_version,
            version=after.version,
            value=after.text,
            hash=after.hash,
            trusts=canonical(dict(trusts)),
            updated_by=after.updated_by,
            updated_at=after.updated_at,
        )
    )
    if changed.rowcount == 0:
        return None
    add_change(connection, (before.id, after.version), encoded, written, before=before.json)
    return after


def remove(database: Database, connection: Connection, ids: Sequence[int], *, retire: bool) -> None:
    """Erase documents with all that hangs on them; with ``retire``, their last version numbers are kept."""
    for some in batches(ids):
        _remove(database, connection, some, retire=retire)


def _remove(database: Database, connection: Connection, ids: Sequence[int], *, retire: bool) -> None:
    columns = working_documents.c
    mine = columns.id.in_(ids)
    if retire:
        last = connection.execute(select(columns.scope_id, columns.key, columns.version).where(mine)).mappings().all()
        if last:
            rows = [dict(row) for row in last]
            connection.execute(database.upsert(working_retired, rows, conflict=["scope_id", "key"], update=["version"]))
    connection.execute(delete(working_requests).where(working_requests.c.document_id.in_(ids)))
    connection.execute(delete(working_changes).where(working_changes.c.document_id.in_(ids)))
    connection.execute(delete(working_documents).where(mine))


def expired_ids(connection: Connection, now: int) -> list[int]:
    """Ids of the documents whose time is over, locked, ascending."""
    columns = working_documents.c
    query = select(columns.id).where(columns.expires_at <= now).order_by(columns.id).with_for_update()
    return list(connection.execute(query).scalars())


def forget(database: Database, connection: Connection, scope: Scope | AnyScope) -> int:
    """Erase the documents of a scope and the version numbers of those deleted before; returns how many documents."""
    if isinstance(scope, Scope):
        condition = and_(*(scopes.c[name] == (getattr(scope, name) or "") for name in FIELDS))
    else:
        condition = seen_by(scope)
    places = select(scopes.c.id).where(condition)
    columns = working_documents.c
    mine = select(columns.id).where(columns.scope_id.in_(places)).order_by(columns.id).with_for_update()
    ids = list(connection.execute(mine).scalars())
    remove(database, connection, ids, retire=False)
    connection.execute(delete(working_retired).where(working_retired.c.scope_id.in_(places)))
    return len(ids)
