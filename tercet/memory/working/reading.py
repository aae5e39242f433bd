"""Reading working memory: exactly, by key, reference or what a reader sees; never by likeness."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, overload

from tercet.errors import DocumentNotFoundError, HashMismatchError
from tercet.memory.patches import diff
from tercet.memory.working import rows
from tercet.memory.working.history import changes_of, version_of
from tercet.memory.working.rules import check_names, check_scope
from tercet.memory.working.schemas import schema_name
from tercet.memory.working.writing import document, not_found, past_document

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel
    from sqlalchemy import Connection

    from tercet.memory.database import Database
    from tercet.memory.patches import JsonObject, Operation
    from tercet.memory.working.records import Change, WorkingDocument
    from tercet.memory.working.rows import StoredDocument
    from tercet.memory.working.schemas import Schemas
    from tercet.records import AnyScope, Reference, Scope

    T = TypeVar("T", bound=BaseModel)


class WorkingReader:
    """The reading half of ``WorkingMemory``."""

    def __init__(self, database: Database, schemas: Schemas, *, now: Callable[[], int]) -> None:
        self._database = database
        self._schemas = schemas
        self._now = now

    @overload
    def read(self, model: type[T], *, key: str, scope: Scope, version: int | None = None) -> WorkingDocument[T]: ...
    @overload
    def read(
        self, model: None, *, key: str, scope: Scope, version: int | None = None
    ) -> WorkingDocument[JsonObject]: ...
    def read(
        self, model: type[T] | None, *, key: str, scope: Scope, version: int | None = None
    ) -> WorkingDocument[T] | WorkingDocument[JsonObject]:
        """Read a document, or one of its past versions.

        Args:
            model: What to read it as; None: as JSON, whatever it is.
            key: Its name.
            scope: The reader's. It sees documents of its own scope and of its ancestors; the closest one is read.
            version: None: the newest.

        Raises:
            DocumentNotFoundError: Nothing under this key that the scope sees, or no such version of it.
            SchemaError: It is kept with another schema, or another version of it and there is no upgrade.
        """
        check_names(key=key)
        check_scope(scope)
        with self._database.read() as connection:
            return self._document(connection, model, self._nearest(connection, key, scope), version)

    @overload
    def resolve(self, model: type[T], reference: Reference, *, scope: Scope) -> WorkingDocument[T]: ...
    @overload
    def resolve(self, model: None, reference: Reference, *, scope: Scope) -> WorkingDocument[JsonObject]: ...
    def resolve(
        self, model: type[T] | None, reference: Reference, *, scope: Scope
    ) -> WorkingDocument[T] | WorkingDocument[JsonObject]:
        """Read exactly the version that another agent handed over.

        Args:
            model: What to read it as; None: as JSON.
            reference: What the sender's ``document.reference`` was.
            scope: The reader's; a reference opens nothing that this scope does not see.

        Raises:
            DocumentNotFoundError: It is not there, or not for this scope.
            HashMismatchError: It is not what the sender saw.
        """
        check_scope(scope)
        with self._database.read() as connection:
            stored = rows.exact(connection, reference.key, reference.scope)
            if stored is None or stored.expired(self._now()) or not scope.sees(stored.scope):
                raise not_found(reference.key, scope)
            found = self._document(connection, model, stored, reference.version)
        if found.hash != reference.hash:
            raise HashMismatchError(
                f"{reference} is not what its sender saw: its hash is {found.hash[:12]}…, not {reference.hash[:12]}….",
                remedy="Ask the sender for a new reference; this one was altered, or is of another memory.",
            )
        return found

    def documents(
        self,
        scope: Scope | AnyScope,
        *,
        key: str | None = None,
        schema: type[BaseModel] | str | None = None,
        owner: str | None = None,
        newest_first: bool = True,
        limit: int | None = None,
    ) -> list[WorkingDocument[JsonObject]]:
        """All documents that a reader sees, as JSON.

        Args:
            scope: The reader's; ``Scope.any(…)`` for a wider look.
            key: Only those under this key.
            schema: Only those of this model, or of a schema of this name.
            owner: Only those in which this actor owns a field.
            newest_first: By time of the last write; else by key.
            limit: How many at most.
        """
        name = schema if schema is None or isinstance(schema, str) else schema_name(schema)
        found: list[WorkingDocument[JsonObject]] = []
        with self._database.read() as connection:
            now = self._now()
            for stored in rows.matching(connection, scope, now, key=key, schema=name, newest_first=newest_first):
                if limit is not None and len(found) >= limit:
                    break
                one = document(stored, stored.json)
                if owner is None or owner in one.owners.values():
                    found.append(one)
        return found

    def history(self, *, key: str, scope: Scope) -> list[Change]:
        """Every change to the document that ``read`` would return, oldest first."""
        check_names(key=key)
        check_scope(scope)
        with self._database.read() as connection:
            return changes_of(connection, self._nearest(connection, key, scope).id)

    def diff(self, *, key: str, scope: Scope, from_version: int, to_version: int) -> list[Operation]:
        """The JSON Patch that leads from one version to another, in either direction.

        Raises:
            DocumentNotFoundError: Nothing under this key that the scope sees, or no such version of it.
        """
        check_names(key=key)
        check_scope(scope)
        with self._database.read() as connection:
            stored = self._nearest(connection, key, scope)
            versions = [self._document(connection, None, stored, one).value for one in (from_version, to_version)]
        return diff(*versions)

    def _nearest(self, connection: Connection, key: str, scope: Scope) -> StoredDocument:
        stored = rows.nearest(connection, key, scope, self._now())
        if stored is None:
            raise not_found(key, scope)
        return stored

    def _document(
        self, connection: Connection, model: type[T] | None, stored: StoredDocument, version: int | None
    ) -> WorkingDocument[Any]:
        newest: WorkingDocument[Any] = document(stored, None)
        if version is not None and version != stored.version:
            past = version_of(connection, stored.id, version)
            if past is None:
                raise DocumentNotFoundError(
                    f"{stored.key!r} ({stored.scope}) has no version {version}; the newest is {stored.version}."
                )
            newest = replace(newest, **past_document(stored, version, past))
        if model is None:
            return replace(newest, value=json.loads(newest.text))
        value = self._schemas.decode(model, newest.schema, newest.schema_version, newest.text, stored.constraints)
        return replace(newest, value=value)

    def _value(self, model: type[T], stored: StoredDocument) -> T:
        return self._schemas.decode(model, stored.schema, stored.schema_version, stored.text, stored.constraints)
