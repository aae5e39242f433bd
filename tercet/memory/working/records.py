"""What working memory hands out: documents, their changes, and changes that others asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from tercet.records import Reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tercet.memory.patches import Operation
    from tercet.records import Scope, Trust

T_co = TypeVar("T_co", covariant=True)

RequestState = Literal["open", "accepted", "rejected"]

_LEAST_FIRST: tuple[Trust, ...] = ("external", "internal", "user", "system")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingDocument(Generic[T_co]):
    """One version of a document, read. It is the reader's own: changing ``value`` changes nothing that is kept."""

    value: T_co
    key: str
    scope: Scope
    """Of the document, which may be an ancestor of the scope it was read with."""
    version: int
    """Counts from 1. A write names the one it read."""
    hash: str
    """SHA-256 of ``text``."""
    text: str
    """The canonical JSON that is kept."""
    schema: str
    schema_version: int
    """As kept; ``value`` may be an upgrade of it."""
    owners: Mapping[str, str]
    """Owner by top-level field of ``text``."""
    trusts: Mapping[str, Trust]
    """By top-level field: the least trusted source that was ever written to it."""
    constraints: tuple[str, ...]
    """Top-level fields that never change."""
    created_by: str
    created_at: datetime
    updated_by: str
    """Who wrote this version."""
    updated_at: datetime
    """When this version was written."""
    expires_at: datetime | None = None

    @property
    def reference(self) -> Reference:
        """What to hand to another agent, in place of a retelling."""
        return Reference(scope=self.scope, key=self.key, version=self.version, hash=self.hash)

    @property
    def trust(self) -> Trust:
        """How far the document may be believed as a whole: as far as its least trusted field."""
        return least_trust(self.trusts.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What one write did."""

    version: int
    """The version that it made."""
    actor: str
    at: datetime
    patch: tuple[Operation, ...]
    """JSON Patch from the version before; of the first version, from nothing."""
    hash: str
    """Of the version that it made."""
    schema_version: int
    trust: Trust
    request_id: int | None = None
    """The change request that the owner accepted with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRequest:
    """A change that somebody asked the owner of a field for."""

    id: int
    key: str
    scope: Scope
    read_version: int
    """The version that the change was made for."""
    actor: str
    owner: str
    """Who may accept or reject it."""
    fields: tuple[str, ...]
    """The top-level fields it would change; all are the owner's."""
    operations: tuple[Operation, ...]
    reason: str
    trust: Trust
    state: RequestState
    made_at: datetime
    answered_at: datetime | None = None
    answer: str = ""


def least_trust(levels: Iterable[Trust]) -> Trust:
    """The least trusted of some levels; ``system`` when there are none.

    Example:
        >>> least_trust(["user", "external", "system"])
        'external'
    """
    return min(levels, key=_LEAST_FIRST.index, default="system")


def to_microseconds(moment: datetime) -> int:
    """Microseconds since the epoch, exactly; the moment must know its time zone."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def from_microseconds(value: int) -> datetime:
    """The moment, in UTC."""
    return _EPOCH + timedelta(microseconds=value)
