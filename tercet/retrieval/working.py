"""Search in working memory: exactly, by key, place, schema and owner, newest first; never by similarity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tercet.errors import ConfigurationError, InputError
from tercet.memory.patches import canonical, resolve, top_level_field
from tercet.memory.working.memory import WorkingMemory
from tercet.records import Provenance

if TYPE_CHECKING:
    from datetime import datetime

    from pydantic import BaseModel

    from tercet.memory.patches import JsonObject
    from tercet.memory.working.records import WorkingDocument
    from tercet.records import AnyScope, Reference, Scope, Trust


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingHit:
    """A working document, or the place in it that was asked for."""

    reference: Reference
    """Scope, key, version and hash of the document."""
    pointer: str
    """JSON Pointer to the value; ``""`` for the whole document."""
    value: Any
    """JSON, the reader's own."""
    text: str
    """The value as canonical JSON."""
    schema: str
    owner: str
    """Of the field that the pointer leads into; of a whole document, who created it."""
    time: datetime
    """When the document was last written."""
    constraint: bool
    """True when the value was fixed at creation."""
    provenance: Provenance


class WorkingRetriever:
    """Finds working documents, or places in them, by what they are and never by what they resemble.

    Args:
        memory: The store, ``memory.working``.

    Raises:
        ConfigurationError: It is another store.

    Example:
        >>> from tercet import Memory, Scope, WorkingRetriever
        >>> with Memory.open("my-memory") as memory:  # doctest: +SKIP
        ...     task = Scope(tenant="acme", session="s1")
        ...     for hit in WorkingRetriever(memory.working).search(scope=task, key="plan", pointer="/budget"):
        ...         print(hit.value, hit.reference.version, hit.owner)
    """

    def __init__(self, memory: WorkingMemory) -> None:
        if not isinstance(memory, WorkingMemory):
            raise ConfigurationError(
                f"WorkingRetriever searches working memory, not {type(memory).__name__}.",
                remedy="Give it memory.working.",
            )
        self._memory = memory

    def search(
        self,
        *,
        scope: Scope | AnyScope,
        key: str | None = None,
        pointer: str = "",
        schema: type[BaseModel] | str | None = None,
        owner: str | None = None,
        newest: bool = True,
        limit: int = 10,
    ) -> list[WorkingHit]:
        """Find documents for which everything that is given holds.

        Args:
            scope: The reader's: its own documents and its ancestors'. ``Scope.any(…)`` for a wider look.
            key: Only documents under this key.
            pointer: JSON Pointer (RFC 6901): only documents that have this place, and only the value there.
            schema: Only documents of this model, or of a schema of this name.
            owner: Only values in which this actor owns a field.
            newest: Last written first; False: by key.
            limit: How many hits at most.

        Raises:
            InputError: The pointer is malformed, or ``limit`` is below 1.
        """
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise InputError(f"limit must be a whole number of at least 1, got {limit!r}.")
        field = top_level_field(pointer)
        hits: list[WorkingHit] = []
        some = None if pointer else limit  # a pointer leads nowhere in some documents
        for document in self._memory.documents(
            scope, key=key, schema=schema, owner=owner, newest_first=newest, limit=some
        ):
            found, value = resolve(document.value, pointer)
            if not found or (owner is not None and field is not None and document.owners[field] != owner):
                continue
            hits.append(_hit(document, pointer, field, value))
            if len(hits) == limit:
                break
        return hits


def _hit(document: WorkingDocument[JsonObject], pointer: str, field: str | None, value: object) -> WorkingHit:
    trust: Trust = document.trust if field is None else document.trusts[field]
    return WorkingHit(
        reference=document.reference,
        pointer=pointer,
        value=value,
        text=canonical(value),
        schema=document.schema,
        owner=document.created_by if field is None else document.owners[field],
        time=document.updated_at,
        constraint=field in document.constraints,
        provenance=Provenance(store="working", source=f"{document.key}{'#' if pointer else ''}{pointer}", trust=trust),
    )
