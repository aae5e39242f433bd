"""Changes that somebody who is not the owner asks for, and the owner's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from tercet.errors import DocumentNotFoundError, InputError, OwnershipError
from tercet.memory.patches import apply, canonical, changed_fields
from tercet.memory.working import requests
from tercet.memory.working.history import Written
from tercet.memory.working.reading import WorkingReader
from tercet.memory.working.rules import check_change, check_names, check_scope, check_size, one_owner
from tercet.memory.working.schemas import validated
from tercet.memory.working.writing import conflict, document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import BaseModel
    from sqlalchemy import Connection

    from tercet.memory.database import Database
    from tercet.memory.patches import JsonObject, Operation
    from tercet.memory.working.records import ChangeRequest, RequestState, WorkingDocument
    from tercet.memory.working.rows import StoredDocument
    from tercet.memory.working.schemas import Schemas
    from tercet.memory.working.writing import Writer
    from tercet.records import AnyScope, Scope, Trust

    T = TypeVar("T", bound=BaseModel)


class ChangeRequests(WorkingReader):
    """The part of ``WorkingMemory`` through which those who may not write ask those who may."""

    def __init__(self, database: Database, schemas: Schemas, writer: Writer, *, max_characters: int) -> None:
        super().__init__(database, schemas, now=writer.now)
        self._writer = writer
        self._max_characters = max_characters

    def request_change(
        self,
        model: type[T],
        operations: Sequence[Operation],
        *,
        key: str,
        scope: Scope,
        read_version: int,
        actor: str,
        reason: str = "",
        trust: Trust = "internal",
    ) -> ChangeRequest:
        """Ask the owner of a field for a change. The document stays as it is until the owner accepts.

        Args:
            model: What the changed document must fit.
            operations: A JSON Patch on fields of one owner.
            key: The document's name.
            scope: The document's own scope.
            read_version: The version that the change was made for.
            actor: Who asks.
            reason: Why, for the owner.
            trust: Of the least trusted source of the change.

        Raises:
            ConflictError: Somebody wrote since ``read_version``.
            ConstraintError: A field was fixed at creation; not even its owner could change it.
            PatchError: An operation does not apply.
        """
        check_names(actor=actor)
        before = self._writer.read(key, scope, read_version)
        base, after = self._patched(model, before, operations)
        encoded = self._schemas.encode(after)
        check_size(encoded, self._max_characters)
        fields = changed_fields(base, encoded.json)
        owner = one_owner(before, fields)
        check_change(before, base, encoded, owner)
        written = Written(actor, self._writer.now(), trust)
        with self._writer.transaction() as connection:
            current = self._writer.stored(connection, key, scope, lock=True)
            if (current.id, current.version) != (before.id, before.version):
                raise conflict(connection, current, read_version)
            made = requests.add_request(
                connection, before, written, owner=owner, fields=fields, operations=operations, reason=reason
            )
            return self._request(connection, made, scope)

    def requests(
        self,
        scope: Scope | AnyScope,
        *,
        key: str | None = None,
        owner: str | None = None,
        state: RequestState | None = "open",
    ) -> list[ChangeRequest]:
        """Change requests for documents that a reader sees, oldest first; None for ``state`` means every state."""
        with self._database.read() as connection:
            return requests.all_requests(connection, scope, self._writer.now(), key=key, owner=owner, state=state)

    def accept(
        self, model: type[T], request_id: int, *, scope: Scope, read_version: int, actor: str, answer: str = ""
    ) -> WorkingDocument[T]:
        """Make the change that was asked for, as the owner; the change and the answer are kept together or not at all.

        Raises:
            ConflictError: Somebody wrote since ``read_version``, the version that the owner read.
            OwnershipError: ``actor`` is not the owner.
            PatchError: The change no longer applies; the request stays open.
            InputError: The request was answered before.
        """
        with self._database.read() as connection:
            request = self._open_request(connection, request_id, scope, actor)
        before = self._writer.read(request.key, request.scope, read_version)
        base, after = self._patched(model, before, request.operations)
        encoded = self._schemas.encode(after)
        with self._writer.transaction() as connection:
            made = self._writer.commit(
                connection, before, base, encoded, actor=actor, trust=request.trust, request_id=request_id
            )
            if made is None:
                current = self._writer.stored(connection, request.key, request.scope)
                raise conflict(connection, current, read_version)
            self._answer(connection, request_id, "accepted", answer)
        return document(made, self._value(model, made))

    def reject(self, request_id: int, *, scope: Scope, actor: str, answer: str = "") -> ChangeRequest:
        """Refuse a change as the owner, with the reason as ``answer``.

        Raises:
            OwnershipError: ``actor`` is not the owner.
            InputError: The request was answered before.
        """
        with self._writer.transaction() as connection:
            self._open_request(connection, request_id, scope, actor)
            self._answer(connection, request_id, "rejected", answer)
            return self._request(connection, request_id, scope)

    def _request(self, connection: Connection, request_id: int, scope: Scope) -> ChangeRequest:
        found = requests.find_request(connection, request_id, scope, self._writer.now())
        if found is None:
            raise DocumentNotFoundError(f"There is no change request {request_id} that {scope} sees.")
        return found

    def _open_request(self, connection: Connection, request_id: int, scope: Scope, actor: str) -> ChangeRequest:
        check_names(actor=actor)
        check_scope(scope)
        request = self._request(connection, request_id, scope)
        if request.owner != actor:
            raise OwnershipError(
                f"Change request {request_id} is for {request.owner!r} to answer, not for {actor!r}.",
                field=request.fields[0],
                owner=request.owner,
                actor=actor,
            )
        if request.state != "open":
            raise _answered(request_id)
        return request

    def _answer(self, connection: Connection, request_id: int, state: RequestState, answer: str) -> None:
        if not requests.answer_request(connection, request_id, state, self._writer.now(), answer):
            raise _answered(request_id)

    def _patched(self, model: type[T], before: StoredDocument, operations: Sequence[Operation]) -> tuple[JsonObject, T]:
        base = self._writer.base(model, before)[1]
        text = canonical(apply(base, operations, max_characters=self._max_characters))
        return base, validated(model, text)


def _answered(request_id: int) -> InputError:
    return InputError(f"Change request {request_id} was answered before.", remedy="Ask again with a new one.")
