"""Which records may go: what is too old, too unimportant or too many. Pinned records stay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import select

from tercet.errors import ConfigurationError
from tercet.memory.episodes.projection import TIME
from tercet.memory.episodes.records import EpisodeKind, State
from tercet.memory.schema import episodes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import timedelta

    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long records are kept. What is not given does not limit.

    Example:
        >>> from datetime import timedelta
        >>> Retention(max_age=timedelta(days=365), per_scope=10_000).min_importance
        0.0
    """

    max_age: timedelta | None = None
    """Since the event time, or the recorded time where that is unknown."""
    min_importance: float = 0.0
    per_scope: int | None = None
    """Live records of a scope; the most important stay, then those that happened last. Pinned ones count too."""
    kinds: tuple[EpisodeKind, ...] = ()
    """Only these kinds expire and count; empty: all."""

    def __post_init__(self) -> None:
        if self.per_scope is not None and self.per_scope < 0:
            raise ConfigurationError(f"per_scope must not be negative, got {self.per_scope}.")
        if not 0 <= self.min_importance <= 1:
            raise ConfigurationError(f"min_importance must lie between 0 and 1, got {self.min_importance}.")
        if self.max_age is not None and self.max_age.total_seconds() <= 0:
            raise ConfigurationError(f"max_age must be above 0, got {self.max_age}.")


class _Record(NamedTuple):
    row: int
    id: str
    scope: int
    time: int
    importance: float
    pinned: bool
    expires_at: int | None
    kind: str


def due(connection: Connection, scopes: Sequence[int], retention: Retention, now: int) -> list[tuple[int, str, str]]:
    """Live records that should expire now: row, id and reason, in the order of their ids."""
    query = select(
        episodes.c.id,
        episodes.c.episode_id,
        episodes.c.scope_id,
        TIME,
        episodes.c.importance,
        episodes.c.pinned,
        episodes.c.expires_at,
        episodes.c.kind,
    ).where(episodes.c.state == int(State.LIVE), episodes.c.scope_id.in_(scopes))
    records = [_Record(*row) for row in connection.execute(query)]
    found = dict(_past(records, retention, now))
    if retention.per_scope is not None:
        left = [one for one in records if one.row not in found and _concerns(retention, one)]
        found.update((one.row, "more than the scope may hold") for one in _too_many(left, retention.per_scope))
    ids = {one.row: one.id for one in records}
    return sorted(((row, ids[row], reason) for row, reason in found.items()), key=lambda one: one[1])


def _concerns(retention: Retention, record: _Record) -> bool:
    return not retention.kinds or record.kind in retention.kinds


def _past(records: Iterable[_Record], retention: Retention, now: int) -> Iterable[tuple[int, str]]:
    for one in records:
        if one.expires_at is not None and one.expires_at <= now:  # said by whoever recorded it, so pinned or not
            yield one.row, "its time has come"
        elif one.pinned or not _concerns(retention, one):
            continue
        elif retention.max_age is not None and now - one.time > retention.max_age.total_seconds() * 1e6:
            yield one.row, "older than the scope keeps"
        elif one.importance < retention.min_importance:
            yield one.row, "less important than the scope keeps"


def _too_many(records: Iterable[_Record], most: int) -> Iterable[_Record]:
    by_scope: dict[int, list[_Record]] = {}
    for one in records:
        by_scope.setdefault(one.scope, []).append(one)
    for held in by_scope.values():
        held.sort(key=lambda one: (not one.pinned, -one.importance, -one.time, one.id))
        yield from (one for one in held[most:] if not one.pinned)
