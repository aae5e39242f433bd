"""The versions of working documents: kept as JSON Patch, with a snapshot now and then, and checked when read back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import func, insert, select

from tercet.errors import CorruptMemoryError
from tercet.memory.patches import canonical, diff, replay, text_hash
from tercet.memory.schema import working_changes
from tercet.memory.working.records import Change, from_microseconds

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tercet.memory.patches import JsonObject, Operation
    from tercet.memory.working.schemas import Encoded
    from tercet.records import Trust

SNAPSHOT_EVERY = 32
"""Versions between two that are kept whole: fewer patches than that are applied to read any version back."""


class StoredVersion(NamedTuple):
    """One version of a document, past or present."""

    text: str
    hash: str
    schema_version: int
    actor: str
    at: int


class Written(NamedTuple):
    """What a write notes beside the value."""

    actor: str
    at: int
    trust: Trust
    request_id: int | None = None


def version_of(connection: Connection, document_id: int, version: int) -> StoredVersion | None:
    """One version, put together from the snapshot before it and the patches since; None when there is none.

    Raises:
        CorruptMemoryError: What comes out is not what the version's hash says.
    """
    columns = working_changes.c
    past = (columns.document_id == document_id, columns.version <= version)
    start = select(func.max(columns.version)).where(*past, columns.snapshot.is_not(None)).scalar_subquery()
    query = select(working_changes).where(*past, columns.version >= start).order_by(columns.version)
    rows = connection.execute(query).mappings().all()
    if not rows or rows[-1]["version"] != version:
        return None
    value: JsonObject = json.loads(rows[0]["snapshot"])
    for row in rows[1:]:
        value = replay(value, json.loads(row["patch"]))
    text, last = canonical(value), rows[-1]
    if text_hash(text) != last["hash"]:
        raise CorruptMemoryError(
            f"Version {version} of working document {document_id} is not what its hash says.",
            remedy="Restore a backup: `tercet restore`.",
        )
    return StoredVersion(text, last["hash"], last["schema_version"], last["actor"], last["at"])


def changes_of(connection: Connection, document_id: int) -> list[Change]:
    """All changes to a document, oldest first."""
    query = select(working_changes).where(working_changes.c.document_id == document_id)
    rows = connection.execute(query.order_by(working_changes.c.version)).mappings().all()
    return [
        Change(
            version=row["version"],
            actor=row["actor"],
            at=from_microseconds(row["at"]),
            patch=_patch(row["patch"], row["snapshot"], first=position == 0),
            hash=row["hash"],
            schema_version=row["schema_version"],
            trust=row["trust"],
            request_id=row["request_id"],
        )
        for position, row in enumerate(rows)
    ]


def _patch(patch: str | None, snapshot: str, *, first: bool) -> tuple[Operation, ...]:
    if patch is not None:
        return tuple(json.loads(patch))
    return ({"op": "add" if first else "replace", "path": "", "value": json.loads(snapshot)},)


def add_change(
    connection: Connection,
    place: tuple[int, int],
    encoded: Encoded,
    written: Written,
    *,
    before: JsonObject | None,
) -> None:
    """Note a version (of a document, with a number): as a patch, or as a whole where that is no longer.

    The first and one in 32 are kept as a whole in any case.
    """
    document_id, version = place
    patch = None if before is None else _shorter_patch(before, encoded)
    whole = patch is None or version % SNAPSHOT_EVERY == 0
    row = {
        "document_id": document_id,
        "version": version,
        "schema_version": encoded.schema_version,
        "actor": written.actor,
        "at": written.at,
        "trust": written.trust,
        "request_id": written.request_id,
        "hash": text_hash(encoded.text),
        "patch": patch,
        "snapshot": encoded.text if whole else None,
    }
    connection.execute(insert(working_changes).values(row))


def _shorter_patch(before: JsonObject, encoded: Encoded) -> str | None:
    """The patch to the new text, once it is known to lead there; None when the text itself is no longer."""
    operations = diff(before, encoded.json)
    patch = canonical(operations)
    if len(patch) >= len(encoded.text) or canonical(replay(before, operations)) != encoded.text:
        return None
    return patch
