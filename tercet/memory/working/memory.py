"""``WorkingMemory``: typed documents under a scope and key, shared by agents without losing or retelling anything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from tercet.errors import (
    DocumentExistsError,
    InputError,
    OwnershipError,
    SizeLimitError,
)
from tercet.memory.patches import canonical
from tercet.memory.scopes import scope_id
from tercet.memory.working import rows
from tercet.memory.working.asking import ChangeRequests
from tercet.memory.working.history import Written
from tercet.memory.working.rules import check_fields, check_names, check_scope, check_size
from tercet.memory.working.schemas import Schemas
from tercet.memory.working.writing import Writer, conflict, document

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from pydantic import BaseModel

    from tercet.memory.database import Database
    from tercet.memory.patches import JsonObject, Operation
    from tercet.memory.working.records import WorkingDocument
    from tercet.memory.working.rows import StoredDocument
    from tercet.memory.working.schemas import Encoded
    from tercet.records import AnyScope, Scope, Trust

    T = TypeVar("T", bound=BaseModel)

OPTIMISTIC_ATTEMPTS = 2
"""How often ``update`` computes beside other writers before it makes them wait."""


class WorkingMemory(ChangeRequests):
    """The state of active tasks: pydantic models under a scope and key, in SQL.

    Every write names its actor and the version it read, and is refused when somebody wrote in between. Every version
    can be read back. Each top-level field has one owner; what was fixed at creation stays as it is. May be used from
    several threads, and from several processes at once, also beside one that holds the folder's vectors.

    Args:
        database: Where the documents are kept.
        clock: The time, with its zone.
        max_characters: Of a document's JSON, and of what one patch may add.
        max_documents: Of one scope, expired ones not counted.

    Example:
        >>> from pydantic import BaseModel
        >>> from tercet import Memory, Scope
        >>> class Plan(BaseModel):
        ...     budget: int
        ...     steps: list[str] = []
        >>> task = Scope(tenant="acme", session="s1")
        >>> with Memory.open("my-memory", embedder="none") as memory:
        ...     plan = memory.working.create(
        ...         Plan(budget=100), key="plan", scope=task, actor="planner", constraints=["budget"]
        ...     )
        ...     new = Plan(budget=100, steps=["look"])
        ...     memory.working.replace(new, key="plan", scope=task, read_version=plan.version, actor="planner").version
        2
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        max_characters: int = 262_144,
        max_documents: int = 1_000,
    ) -> None:
        schemas = Schemas()
        writer = Writer(database, schemas, clock=clock, max_characters=max_characters)
        super().__init__(database, schemas, writer, max_characters=max_characters)
        self._max_documents = max_documents

    def register_upgrade(
        self, model: type[BaseModel], from_version: int, upgrade: Callable[[JsonObject], JsonObject]
    ) -> None:
        """Say how documents of an older schema version are read: ``upgrade`` makes the next version's JSON of its own.

        A model's schema version is its class variable ``schema_version`` (1 when it has none), its name the class
        variable ``schema_name`` (the name of the class when it has none). Upgrades are kept in this object only.
        """
        self._schemas.register_upgrade(model, from_version, upgrade)

    # -- writing -----------------------------------------------------------------------------------------------------

    def create(
        self,
        value: T,
        *,
        key: str,
        scope: Scope,
        actor: str,
        owners: Mapping[str, str] | None = None,
        constraints: Collection[str] = (),
        expires_in: timedelta | None = None,
        trust: Trust = "internal",
    ) -> WorkingDocument[T]:
        """Keep a new document.

        Args:
            value: A pydantic model.
            key: Its name in the scope.
            scope: Whose it is.
            actor: Who makes it. Owns every field that ``owners`` does not name, and alone may delete it.
            owners: Owner by top-level field.
            constraints: Top-level fields that never change from now on.
            expires_in: When it is gone; None: never.
            trust: Of the least trusted source of the value.

        Raises:
            DocumentExistsError: The scope has a document under this key.
            SchemaError: The value would not be read back as it is.
            SizeLimitError: The document is too large, or the scope holds too many.
        """
        check_names(key=key, actor=actor)
        check_scope(scope)
        encoded = self._schemas.encode(value)
        check_fields(encoded, owners or {}, constraints)
        check_size(encoded, self._max_characters)
        now = self._writer.now()
        if expires_in is not None and expires_in <= timedelta():
            raise InputError(f"expires_in must be longer than nothing, got {expires_in}.")
        columns = {
            "owners": canonical(dict(owners or {})),
            "constraints": canonical(sorted(set(constraints))),
            "expires_at": None if expires_in is None else now + expires_in // timedelta(microseconds=1),
        }
        with self._writer.transaction() as connection:
            place = scope_id(self._database, connection, scope)
            old = rows.exact(connection, key, scope, lock=True)
            if old is not None and old.expired(now):
                rows.remove(self._database, connection, [old.id], retire=True)
                old = None
            if rows.count(connection, place, now) >= self._max_documents:
                raise SizeLimitError(
                    f"{scope} holds {self._max_documents:,} working documents, which is the limit.",
                    remedy="Delete some, or let them expire.",
                )
            written = Written(actor, now, trust)
            if old is not None or not rows.add(self._database, connection, (place, key), encoded, written, **columns):
                raise DocumentExistsError(
                    f"There is a working document {key!r} in {scope} already.", remedy="Read it, or use another key."
                )
            made = rows.exact(connection, key, scope)
            assert made is not None
        return document(made, self._value(type(value), made))

    def replace(
        self, value: T, *, key: str, scope: Scope, read_version: int, actor: str, trust: Trust = "internal"
    ) -> WorkingDocument[T]:
        """Write a new value in place of the version that was read.

        Args:
            value: The whole new value, of the document's schema.
            key: The document's name.
            scope: The document's own scope; a reader of a narrower one says so by naming it.
            read_version: The version that the new value was made from.
            actor: Who writes; must own every top-level field that changes.
            trust: Of the least trusted source of what changes.

        Raises:
            ConflictError: Somebody wrote since ``read_version``.
            OwnershipError: A field that changes belongs to another.
            ConstraintError: A field that changes was fixed at creation.
            DocumentNotFoundError: The scope has no such document.
        """
        encoded = self._schemas.encode(value)
        before = self._writer.read(key, scope, read_version)
        base = self._writer.base(type(value), before)[1]
        made = self._writer.commit_or_conflict(before, base, encoded, actor=actor, trust=trust)
        return document(made, self._value(type(value), made))

    def patch(
        self,
        model: type[T],
        operations: Sequence[Operation],
        *,
        key: str,
        scope: Scope,
        read_version: int,
        actor: str,
        trust: Trust = "internal",
    ) -> WorkingDocument[T]:
        """Write by JSON Patch (RFC 6902): all operations apply and the result fits the model, or nothing changes.

        Arguments and errors are those of ``replace``.

        Raises:
            PatchError: An operation does not apply.
            SchemaError: The result does not fit the model.

        Example:
            >>> memory.working.patch(
            ...     Plan,
            ...     [{"op": "add", "path": "/steps/-", "value": "book"}],
            ...     key="plan",
            ...     scope=task,
            ...     read_version=2,
            ...     actor="planner",
            ... )  # doctest: +SKIP
        """
        before = self._writer.read(key, scope, read_version)
        base, after = self._patched(model, before, operations)
        made = self._writer.commit_or_conflict(before, base, self._schemas.encode(after), actor=actor, trust=trust)
        return document(made, self._value(model, made))

    def update(
        self,
        model: type[T],
        function: Callable[[T], T],
        *,
        key: str,
        scope: Scope,
        actor: str,
        trust: Trust = "internal",
    ) -> WorkingDocument[T]:
        """Write what a function makes of the newest value, however many write at once; there is never a conflict.

        The function may be called up to three times: twice beside other writers, then once while they wait. It should
        be quick and do nothing but compute; what takes long (a model's answer) belongs before it.

        Args:
            model: What to read the document as.
            function: Gets the value, may change it, and returns the new one.
            key: The document's name.
            scope: The document's own scope.
            actor: Who writes.
            trust: Of the least trusted source of what changes.

        Example:
            >>> memory.working.update(Plan, add_step, key="plan", scope=task, actor="planner")  # doctest: +SKIP
        """
        for _ in range(OPTIMISTIC_ATTEMPTS):
            with self._database.read() as connection:
                before = self._writer.stored(connection, key, scope)
            base, after = self._computed(model, function, before)
            with self._writer.transaction() as connection:
                made = self._writer.commit(connection, before, base, after, actor=actor, trust=trust)
            if made is not None:
                return document(made, self._value(model, made))
        with self._writer.transaction() as connection:
            before = self._writer.stored(connection, key, scope, lock=True)
            base, after = self._computed(model, function, before)
            made = self._writer.commit(connection, before, base, after, actor=actor, trust=trust)
            assert made is not None, "nobody else could write"
        return document(made, self._value(model, made))

    # -- ending ------------------------------------------------------------------------------------------------------

    def delete(self, *, key: str, scope: Scope, read_version: int, actor: str) -> None:
        """Erase a document, its versions and its requests. A new one under the key goes on counting versions.

        Raises:
            ConflictError: Somebody wrote since ``read_version``.
            OwnershipError: ``actor`` did not create it.
        """
        check_names(actor=actor)
        with self._writer.transaction() as connection:
            stored = self._writer.stored(connection, key, scope, lock=True)
            if stored.version != read_version:
                raise conflict(connection, stored, read_version)
            if stored.created_by != actor:
                raise OwnershipError(
                    f"{key!r} was created by {stored.created_by!r}; {actor!r} may not delete it.",
                    field="",
                    owner=stored.created_by,
                    actor=actor,
                    remedy=f"Ask {stored.created_by!r}.",
                )
            rows.remove(self._database, connection, [stored.id], retire=True)

    def expire(self) -> int:
        """Erase documents whose time is over, which nobody sees any longer; returns how many."""
        with self._writer.transaction() as connection:
            ids = rows.expired_ids(connection, self._writer.now())
            rows.remove(self._database, connection, ids, retire=True)
        return len(ids)

    def forget(self, scope: Scope | AnyScope) -> int:
        """Erase everything of a scope, names and version numbers too; returns how many documents.

        Args:
            scope: Exactly this scope, or with ``Scope.any(…)`` every scope that has these fields.
        """
        with self._writer.transaction() as connection:
            return rows.forget(self._database, connection, scope)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _computed(
        self, model: type[T], function: Callable[[T], T], before: StoredDocument
    ) -> tuple[JsonObject, Encoded]:
        value, base = self._writer.base(model, before)
        after = self._writer.call(function, value)
        if not isinstance(after, model):
            raise InputError(
                f"The function given to update() returned {type(after).__name__}, not {model.__name__}.",
                remedy="Return the new value.",
            )
        return base, self._schemas.encode(after)
