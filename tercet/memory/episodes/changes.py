"""What happens to records after they came: superseded, retracted, merged, pinned, expired, and all that undone."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import insert, or_, select, update

from tercet.errors import InputError
from tercet.memory.episodes.folding import Event, active_events
from tercet.memory.episodes.projection import EVENTS, refold
from tercet.memory.episodes.reading import rows_of
from tercet.memory.episodes.records import State
from tercet.memory.points import batches
from tercet.memory.schema import episode_events, episode_reviews, episodes, scopes
from tercet.memory.scopes import owned_by, scope_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy import ColumnElement, Connection

    from tercet.memory.database import Database
    from tercet.memory.episodes.indexing import EpisodeIndexer
    from tercet.records import AnyScope, Scope


class Change(NamedTuple):
    """An event to be stored."""

    row: int
    kind: str
    other: int | None = None
    effective: int | None = None


class EpisodeChanges:
    """Stores events and folds what they reach."""

    def __init__(self, database: Database, *, indexer: EpisodeIndexer, now: Callable[[], int]) -> None:
        self._database = database
        self._indexer = indexer
        self._now = now

    def supersede(self, old: str, by: str, *, scope: Scope | AnyScope, actor: str, reason: str) -> int:
        """See ``EpisodicMemory.supersede``."""
        with self._database.write() as connection:
            rows = rows_of(connection, [old, by], owned_by(scope))
            self._lock(connection, rows.values())
            if old == by:
                raise InputError(f"{old} cannot supersede itself.", remedy="Name the record that replaces it.")
            _refuse_other_scope(connection, list(rows.values()))
            if self._leads_to(connection, rows[by], rows[old]):
                raise InputError(
                    f"{by} is itself superseded by {old}.", remedy="Undo that first: history() names the event."
                )
            change = Change(rows[old], "superseded", rows[by])
            event, touched = self._add(connection, change, actor=actor, reason=reason)
        self._indexer.sync(touched)
        return event

    def retract(self, key: str, effective: int | None, *, scope: Scope | AnyScope, actor: str, reason: str) -> int:
        """See ``EpisodicMemory.retract``."""
        with self._database.write() as connection:
            row = rows_of(connection, [key], owned_by(scope))[key]
            self._lock(connection, [row])
            change = Change(row, "retracted", effective=effective)
            event, touched = self._add(connection, change, actor=actor, reason=reason)
        self._indexer.sync(touched)
        return event

    def pin(self, key: str, kind: str, *, scope: Scope | AnyScope, actor: str, reason: str) -> int:
        """Pin or unpin a record."""
        with self._database.write() as connection:
            row = rows_of(connection, [key], owned_by(scope))[key]
            self._lock(connection, [row])
            event, touched = self._add(connection, Change(row, kind), actor=actor, reason=reason)
        self._indexer.sync(touched)
        return event

    def undo(self, event: int, *, scope: Scope | AnyScope, actor: str, reason: str) -> int:
        """See ``EpisodicMemory.undo``."""
        with self._database.write() as connection:
            query = (
                select(episode_events.c.row)
                .join(episodes, episodes.c.id == episode_events.c.row)
                .join(scopes, scopes.c.id == episodes.c.scope_id)
                .where(episode_events.c.id == event, owned_by(scope))
            )
            found = connection.execute(query).first()
            if found is None:
                raise InputError(f"There is no event {event}.", remedy="history() lists the events of a record.")
            self._lock(connection, [found.row])
            events = connection.execute(EVENTS.where(episode_events.c.row == found.row))
            active = {one.id for one in active_events(Event(*row) for row in events)}
            if event not in active:
                raise InputError(f"Event {event} is undone already.", remedy="Undo the undoing to bring it back.")
            undoing, touched = self._add(
                connection, Change(found.row, "undone", event), actor=actor, reason=reason, repeat=True
            )
        self._indexer.sync(touched)
        return undoing

    def expire(self, rows: Sequence[int], *, actor: str, reason: str) -> None:
        """Mark live records as expired."""
        for some in batches(sorted(rows)):
            now = self._now()
            with self._database.write() as connection:
                self._lock(connection, some)
                values = [
                    {"row": row, "kind": "expired", "other": None, "at": now, "effective": now, "actor": actor}
                    | {"reason": reason}
                    for row in some
                ]
                connection.execute(insert(episode_events), values)
                touched = refold(self._database, connection, some)
            self._indexer.sync(touched)

    def settle(self, scope: Scope) -> int:
        """Fold a whole scope again; returns how many records were not what their history says."""
        with self._database.write() as connection:
            row = scope_id(self._database, connection, scope)
            decides = or_(episodes.c.same_key.is_not(None), episodes.c.state != int(State.LIVE))
            query = select(episodes.c.id).where(episodes.c.scope_id == row, decides)
            rows = list(connection.execute(query).scalars())
            self._lock(connection, rows[:1])
            touched = refold(self._database, connection, rows)
        self._indexer.sync(touched)
        return len(touched)

    def accept_merge(self, review: int, *, scope: Scope | AnyScope, actor: str) -> int:
        """See ``EpisodicMemory.accept_merge``."""
        with self._database.write() as connection:
            pair = _review(connection, review, owned_by(scope))
            self._lock(connection, pair)
            event, touched = self._add(connection, Change(pair[0], "merged", pair[1]), actor=actor, reason="")
        self._indexer.sync(touched)
        return event

    def reject_merge(self, review: int, *, scope: Scope | AnyScope) -> None:
        """See ``EpisodicMemory.reject_merge``."""
        with self._database.write() as connection:
            _review(connection, review, owned_by(scope))
            connection.execute(update(episode_reviews).where(episode_reviews.c.id == review).values(rejected=True))

    def _add(
        self, connection: Connection, change: Change, *, actor: str, reason: str, repeat: bool = False
    ) -> tuple[int, list[int]]:
        """Store an event, unless the same is in force already; returns its id and the rows that changed."""
        if not repeat:
            query = EVENTS.where(episode_events.c.row == change.row)
            for one in reversed(active_events(Event(*row) for row in connection.execute(query))):
                same = (one.kind, one.other) == (change.kind, change.other)
                if same and (change.effective is None or one.effective >= change.effective):
                    return one.id, []
                if one.kind in {"pinned", "unpinned"} and change.kind in {"pinned", "unpinned"}:
                    break  # only the last of these says how it is
        now = self._now()
        values = {"row": change.row, "kind": change.kind, "other": change.other, "at": now, "actor": actor}
        effective = now if change.effective is None else change.effective
        statement = insert(episode_events).values(**values, effective=effective, reason=reason)
        event = int(connection.execute(statement.returning(episode_events.c.id)).scalar_one())
        return event, refold(self._database, connection, [change.row])

    def _lock(self, connection: Connection, rows: Iterable[int]) -> None:
        """Writers of one scope take turns."""
        if self._database.dialect == "postgresql":
            of = select(episodes.c.scope_id).where(episodes.c.id.in_(list(rows)))
            locked = (
                select(scopes.c.id).where(scopes.c.id.in_(of)).order_by(scopes.c.id).with_for_update(key_share=True)
            )
            connection.execute(locked).all()

    def _leads_to(self, connection: Connection, start: int, goal: int) -> bool:
        """Whether explicit supersessions in force lead from one row to another."""
        seen, frontier = {start}, {start}
        while frontier:
            query = EVENTS.where(episode_events.c.row.in_(sorted(frontier)))
            active = active_events(Event(*row) for row in connection.execute(query))
            frontier = {one.other for one in active if one.kind == "superseded" and one.other is not None} - seen
            if goal in frontier:
                return True
            seen |= frontier
        return False


def _refuse_other_scope(connection: Connection, rows: Sequence[int]) -> None:
    found = connection.execute(select(episodes.c.scope_id).where(episodes.c.id.in_(rows)).distinct()).all()
    if len(found) > 1:
        raise InputError(
            "Records of two scopes cannot replace each other.", remedy="Record the new text in the scope of the old."
        )


def _review(connection: Connection, review: int, whose: ColumnElement[bool]) -> tuple[int, int]:
    query = (
        select(episode_reviews.c.first, episode_reviews.c.second)
        .join(episodes, episodes.c.id == episode_reviews.c.first)  # both records of a review are of one scope
        .join(scopes, scopes.c.id == episodes.c.scope_id)
        .where(episode_reviews.c.id == review, whose)
    )
    found = connection.execute(query).first()
    if found is None:
        raise InputError(f"There is no review {review}.", remedy="reviews() lists them.")
    return found[0], found[1]
