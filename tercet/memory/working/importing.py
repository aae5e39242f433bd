"""Working documents read from an export: new ones are added, known ones recognised or carried on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import delete, insert, select, update

from tercet.memory.exchange import WorkingChangeLine, WorkingDocumentLine, WorkingRequestLine, WorkingRetiredLine
from tercet.memory.patches import canonical, text_hash
from tercet.memory.schema import working_changes, working_documents, working_requests, working_retired

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection

    from tercet.memory.database import Database
    from tercet.records import Scope

    WorkingLine = WorkingDocumentLine | WorkingChangeLine | WorkingRequestLine | WorkingRetiredLine

_FIXED = ("schema_name", "owners", "constraints", "created_by", "created_at", "expires_at")


class _Target(NamedTuple):
    """The document that lines are being read for."""

    id: int
    version: int
    """The newest that the memory had before."""
    requests: list[int]
    """Ids of its requests, in order; those read from the file are added."""
    known: int
    """How many of them the memory had before."""


class WorkingImport:
    """Puts the lines of working memory into the database, in the order of the file."""

    def __init__(
        self,
        database: Database,
        connection: Connection,
        places: Mapping[Scope, int],
        conflict: Callable[[str], None],
    ) -> None:
        self._database = database
        self._connection = connection
        self._places = places
        self._conflict = conflict
        self._target: _Target | None = None
        self._line: WorkingDocumentLine | None = None
        self._position = 0
        self.added = 0
        """Documents that are new, or have versions that are."""
        self.known = 0

    def add(self, line: WorkingLine) -> None:
        """Take one line."""
        if isinstance(line, WorkingDocumentLine):
            self._document(line)
        elif isinstance(line, WorkingRetiredLine):
            self._retired(line)
        elif self._target is not None and isinstance(line, WorkingRequestLine):
            self._request(line, self._target)
        elif self._target is not None and isinstance(line, WorkingChangeLine):
            self._change(line, self._target)

    def _document(self, line: WorkingDocumentLine) -> None:
        self._line, self._target, self._position = line, None, 0
        text = canonical(line.value)
        if text_hash(text) != line.hash:
            return self._differs(line, "its value is not what its hash says")
        columns = working_documents.c
        place = self._places[line.scope]
        here = (columns.scope_id == place, columns.key == line.key)
        found = self._connection.execute(select(working_documents).where(*here).with_for_update()).mappings().first()
        row = {
            "scope_id": place,
            "key": line.key,
            "value": text,
            **{name: getattr(line, name) for name in ("schema_name", "schema_version", "version", "hash")},
            **{name: canonical(getattr(line, name)) for name in ("owners", "trusts", "constraints")},
            **{name: getattr(line, name) for name in ("created_by", "created_at", "updated_by", "updated_at")},
            "expires_at": line.expires_at,
        }
        if found is None:
            if self._deleted(place, line):
                return None
            made = insert(working_documents).values(row).returning(columns.id)
            self._target = _Target(int(self._connection.execute(made).scalar_one()), 0, [], 0)
            self.added += 1
            return None
        if other := [name for name in _FIXED if found[name] != row[name]]:
            return self._differs(line, f"{', '.join(other)} is another")
        if line.version > found["version"]:
            self._connection.execute(update(working_documents).where(columns.id == found["id"]).values(row))
            self.added += 1
        else:
            self.known += 1
        asked = select(working_requests.c.id).where(working_requests.c.document_id == found["id"])
        requests = list(self._connection.execute(asked.order_by(working_requests.c.id)).scalars())
        self._target = _Target(found["id"], found["version"], requests, len(requests))
        return None

    def _deleted(self, place: int, line: WorkingDocumentLine) -> bool:
        """Whether the memory deleted a document of this key that had got as far; an older one goes on counting here."""
        columns = working_retired.c
        here = (columns.scope_id == place, columns.key == line.key)
        last = self._connection.execute(select(columns.version).where(*here)).scalar_one_or_none()
        if last is not None and last >= line.version:
            self._differs(line, f"it was deleted here at version {last}")
            return True
        self._connection.execute(delete(working_retired).where(*here))
        return False

    def _request(self, line: WorkingRequestLine, target: _Target) -> None:
        position, self._position = self._position, self._position + 1
        columns = working_requests.c
        row: dict[str, Any] = line.model_dump(exclude={"type", "fields", "operations"})
        row |= {"fields": canonical(line.fields), "operations": canonical(line.operations)}
        if position >= target.known:
            made = insert(working_requests).values(document_id=target.id, **row).returning(columns.id)
            target.requests.append(int(self._connection.execute(made).scalar_one()))
            return
        own = select(working_requests).where(columns.id == target.requests[position])
        found = self._connection.execute(own).mappings().one()
        asked = set(row) - {"state", "answered_at", "answer"}
        if any(found[name] != row[name] for name in asked):
            self._differs(self._line, f"request {position + 1} is another")
        elif found["state"] == "open":
            self._connection.execute(update(working_requests).where(columns.id == found["id"]).values(row))
        elif line.state != "open" and any(found[name] != row[name] for name in row):
            self._differs(self._line, f"request {position + 1} was answered otherwise")

    def _change(self, line: WorkingChangeLine, target: _Target) -> None:
        if line.request is not None and not 0 <= line.request < len(target.requests):
            return self._differs(self._line, f"version {line.version} names a request that is not there")
        row: dict[str, Any] = line.model_dump(exclude={"type", "request", "patch", "snapshot"})
        row["request_id"] = None if line.request is None else target.requests[line.request]
        row["patch"] = None if line.patch is None else canonical(line.patch)
        row["snapshot"] = None if line.snapshot is None else canonical(line.snapshot)
        if line.version > target.version:
            self._connection.execute(insert(working_changes).values(document_id=target.id, **row))
            return None
        columns = working_changes.c
        own = select(working_changes).where(columns.document_id == target.id, columns.version == line.version)
        found = self._connection.execute(own).mappings().first()
        if found is None or any(found[name] != row[name] for name in row):
            return self._differs(self._line, f"version {line.version} is another")
        return None

    def _retired(self, line: WorkingRetiredLine) -> None:
        self._target = None
        columns, place = working_documents.c, self._places[line.scope]
        oldest = (
            select(working_changes.c.version)
            .join(working_documents, columns.id == working_changes.c.document_id)
            .where(columns.scope_id == place, columns.key == line.key)
            .order_by(working_changes.c.version)
            .limit(1)
        )
        first = self._connection.execute(oldest).scalar_one_or_none()
        if first is not None:
            if first <= line.version:
                self._conflict(f"working document {line.key!r} ({line.scope}): deleted there at version {line.version}")
            return
        row = {"scope_id": place, "key": line.key, "version": line.version}
        kept = working_retired.c
        found = self._connection.execute(
            select(kept.version).where(kept.scope_id == place, kept.key == line.key)
        ).scalar_one_or_none()
        if found is None or found < line.version:
            statement = self._database.upsert(working_retired, [row], conflict=["scope_id", "key"], update=["version"])
            self._connection.execute(statement)

    def _differs(self, line: WorkingDocumentLine | None, how: str) -> None:
        assert line is not None
        self._target = None
        self._conflict(f"working document {line.key!r} ({line.scope}): {how}")
