"""Changes that others asked the owner of a field for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from tercet.memory.patches import canonical
from tercet.memory.schema import scopes, working_documents, working_requests
from tercet.memory.scopes import FIELDS, scope_of, seen_by
from tercet.memory.working.records import ChangeRequest, from_microseconds
from tercet.memory.working.rows import alive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, RowMapping

    from tercet.memory.patches import Operation
    from tercet.memory.working.history import Written
    from tercet.memory.working.records import RequestState
    from tercet.memory.working.rows import StoredDocument
    from tercet.records import AnyScope, Scope

_SELECT = (
    select(working_requests, working_documents.c.key, *(scopes.c[name].label(f"scope_{name}") for name in FIELDS))
    .join(working_documents, working_documents.c.id == working_requests.c.document_id)
    .join(scopes, scopes.c.id == working_documents.c.scope_id)
)


def _request(row: RowMapping) -> ChangeRequest:
    place: Any = tuple(row[f"scope_{name}"] for name in FIELDS)
    return ChangeRequest(
        id=row["id"],
        key=row["key"],
        scope=scope_of(place),
        read_version=row["read_version"],
        actor=row["actor"],
        owner=row["owner"],
        fields=tuple(json.loads(row["fields"])),
        operations=tuple(json.loads(row["operations"])),
        reason=row["reason"],
        trust=row["trust"],
        state=row["state"],
        made_at=from_microseconds(row["made_at"]),
        answered_at=None if row["answered_at"] is None else from_microseconds(row["answered_at"]),
        answer=row["answer"],
    )


def add_request(
    connection: Connection,
    stored: StoredDocument,
    written: Written,
    *,
    owner: str,
    fields: Sequence[str],
    operations: Sequence[Operation],
    reason: str,
) -> int:
    """Note a request for the version that was read; returns its id."""
    row = {
        "document_id": stored.id,
        "read_version": stored.version,
        "actor": written.actor,
        "owner": owner,
        "fields": canonical(list(fields)),
        "operations": canonical(list(operations)),
        "reason": reason,
        "trust": written.trust,
        "state": "open",
        "made_at": written.at,
        "answer": "",
    }
    return int(connection.execute(working_requests.insert().values(row).returning(working_requests.c.id)).scalar_one())


def find_request(connection: Connection, request_id: int, reader: Scope | AnyScope, now: int) -> ChangeRequest | None:
    """A request for a document that the reader sees."""
    query = _SELECT.where(working_requests.c.id == request_id, seen_by(reader), alive(now))
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _request(row)


def all_requests(
    connection: Connection,
    reader: Scope | AnyScope,
    now: int,
    *,
    key: str | None,
    owner: str | None,
    state: RequestState | None,
) -> list[ChangeRequest]:
    """Requests for documents that the reader sees, oldest first."""
    query = _SELECT.where(seen_by(reader), alive(now))
    for column, value in (
        (working_documents.c.key, key),
        (working_requests.c.owner, owner),
        (working_requests.c.state, state),
    ):
        if value is not None:
            query = query.where(column == value)
    return [_request(row) for row in connection.execute(query.order_by(working_requests.c.id)).mappings()]


def answer_request(connection: Connection, request_id: int, state: RequestState, at: int, answer: str) -> bool:
    """Close a request; False when it was closed already."""
    columns = working_requests.c
    statement = (
        update(working_requests)
        .where(columns.id == request_id, columns.state == "open")
        .values(state=state, answered_at=at, answer=answer)
    )
    return connection.execute(statement).rowcount == 1
