"""The one way by which a new version comes about: checked, compared with what was read, and set."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from tercet.errors import ConflictError, DocumentNotFoundError, InputError
from tercet.memory.patches import changed_fields, diff
from tercet.memory.working import rows
from tercet.memory.working.history import Written, version_of
from tercet.memory.working.records import WorkingDocument, from_microseconds, to_microseconds
from tercet.memory.working.rules import check_change, check_names, check_scope, check_size, next_trusts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from pydantic import BaseModel
    from sqlalchemy import Connection

    from tercet.memory.database import Database
    from tercet.memory.patches import JsonObject
    from tercet.memory.working.history import StoredVersion
    from tercet.memory.working.rows import StoredDocument
    from tercet.memory.working.schemas import Encoded, Schemas
    from tercet.records import Scope, Trust

    T = TypeVar("T", bound=BaseModel)

V = TypeVar("V")


class Writer:
    """Loads documents for writing and commits their next versions."""

    def __init__(
        self, database: Database, schemas: Schemas, *, clock: Callable[[], datetime], max_characters: int
    ) -> None:
        self.database = database
        self._schemas = schemas
        self._clock = clock
        self._max_characters = max_characters
        self._thread = threading.local()

    def now(self) -> int:
        """Microseconds since the epoch, by the injected clock."""
        return to_microseconds(self._clock())

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A write; refused inside a function given to ``update``, where it would only sometimes be possible."""
        if getattr(self._thread, "updating", False):
            raise InputError(
                "Working memory was written to inside a function given to update().",
                remedy="Let the function compute the new value and nothing else.",
            )
        with self.database.write() as connection:
            yield connection

    def call(self, function: Callable[[V], V], value: V) -> V:
        """The new value that a function given to ``update`` makes of the old one."""
        self._thread.updating = True
        try:
            return function(value)
        finally:
            self._thread.updating = False

    def stored(self, connection: Connection, key: str, scope: Scope, *, lock: bool = False) -> StoredDocument:
        """The document of exactly this scope."""
        check_names(key=key)
        check_scope(scope)
        found = rows.exact(connection, key, scope, lock=lock)
        if found is None or found.expired(self.now()):
            raise not_found(key, scope)
        return found

    def read(self, key: str, scope: Scope, read_version: int) -> StoredDocument:
        """The document of exactly this scope, if it is still at the version that the writer read."""
        with self.database.read() as connection:
            found = self.stored(connection, key, scope)
            if found.version != read_version:
                raise conflict(connection, found, read_version)
        return found

    def base(self, model: type[T], before: StoredDocument) -> tuple[T, JsonObject]:
        """What is kept, as the writer's schema sees it, and the JSON of that."""
        value = self._schemas.decode(model, before.schema, before.schema_version, before.text, before.constraints)
        return value, self._schemas.encode(value).json

    def commit(
        self,
        connection: Connection,
        before: StoredDocument,
        base: JsonObject,
        after: Encoded,
        *,
        actor: str,
        trust: Trust,
        request_id: int | None = None,
    ) -> StoredDocument | None:
        """Make the next version, or None when another was faster. A change of nothing makes no version."""
        check_names(actor=actor)
        check_size(after, self._max_characters)
        check_change(before, base, after, actor)
        if not changed_fields(before.json, after.json) and after.schema_version == before.schema_version:
            current = rows.exact(connection, before.key, before.scope)
            return before if current is not None and current.version == before.version else None
        written = Written(actor, self.now(), trust, request_id)
        return rows.advance(connection, before, after, written, next_trusts(before, base, after, trust))

    def commit_or_conflict(
        self,
        before: StoredDocument,
        base: JsonObject,
        after: Encoded,
        *,
        actor: str,
        trust: Trust,
    ) -> StoredDocument:
        """Commit in a transaction of its own.

        Raises:
            ConflictError: Another was faster.
        """
        with self.transaction() as connection:
            made = self.commit(connection, before, base, after, actor=actor, trust=trust)
            if made is None:
                raise conflict(connection, self.stored(connection, before.key, before.scope), before.version)
        return made


def not_found(key: str, scope: object) -> DocumentNotFoundError:
    """The same for what is not there, what has expired, and what the scope does not see."""
    return DocumentNotFoundError(
        f"There is no working document {key!r} that {scope} sees.",
        remedy="Create it, or check the key and the scope; it may have expired.",
    )


def conflict(connection: Connection, current: StoredDocument, read_version: int) -> ConflictError:
    """What a writer who read another version is told."""
    past = version_of(connection, current.id, read_version) if read_version < current.version else None
    read: JsonObject | None = None if past is None else json.loads(past.text)
    return ConflictError(
        f"{current.key!r} ({current.scope}) is at version {current.version}, last written by {current.updated_by!r}; "
        f"this write was made from version {read_version}.",
        key=current.key,
        read_version=read_version,
        current_version=current.version,
        read=read,
        current=current.json,
        patch=[] if read is None else diff(read, current.json),
        remedy="Read it again and write from what is there now, or let update() do so.",
    )


def document(stored: StoredDocument, value: V) -> WorkingDocument[V]:
    """The newest version, as handed out."""
    return WorkingDocument(
        value=value,
        key=stored.key,
        scope=stored.scope,
        version=stored.version,
        hash=stored.hash,
        text=stored.text,
        schema=stored.schema,
        schema_version=stored.schema_version,
        owners={field: stored.owner_of(field) for field in stored.json},
        trusts=dict(stored.trusts),
        constraints=stored.constraints,
        created_by=stored.created_by,
        created_at=from_microseconds(stored.created_at),
        updated_by=stored.updated_by,
        updated_at=from_microseconds(stored.updated_at),
        expires_at=None if stored.expires_at is None else from_microseconds(stored.expires_at),
    )


def past_document(stored: StoredDocument, version: int, past: StoredVersion) -> dict[str, Any]:
    """What differs in an older version."""
    fields: JsonObject = json.loads(past.text)
    floor = document(stored, None).trust
    return {
        "version": version,
        "hash": past.hash,
        "text": past.text,
        "schema_version": past.schema_version,
        "owners": {field: stored.owner_of(field) for field in fields},
        "trusts": {field: stored.trusts.get(field, floor) for field in fields},
        "updated_by": past.actor,
        "updated_at": from_microseconds(past.at),
    }
