"""What people and agents say about records: replaced, never true, kept, the same as another, and any of that undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tercet.memory.episodes.drafts import microseconds
from tercet.memory.episodes.reading import history, open_reviews
from tercet.memory.scopes import seen_by, visible_scopes

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tercet.memory.database import Database
    from tercet.memory.episodes.changes import EpisodeChanges
    from tercet.memory.episodes.records import HistoryEntry, Review
    from tercet.records import AnyScope, Scope


class EpisodeDecisions:
    """The part of ``EpisodicMemory`` that decides what is believed.

    A change names the record's own scope, or ``Scope.any(…)`` that covers it: what a reader sees of its ancestors is
    not its to change. What the scope does not have counts as not recorded, so that no error tells what others have.
    """

    def __init__(self, database: Database, changes: EpisodeChanges, *, claim: Callable[[], None]) -> None:
        self._database = database
        self._changes = changes
        self._claim = claim

    def supersede(self, old: str, *, by: str, scope: Scope | AnyScope, actor: str = "", reason: str = "") -> int:
        """Say that a record was replaced by another of the same scope; returns the event, which ``undo`` takes.

        Raises:
            InputError: They are one record, of two scopes, or the other way round already, or the scope has no such
                record.
        """
        self._claim()
        return self._changes.supersede(old, by, scope=scope, actor=actor, reason=reason)

    def retract(
        self,
        episode_id: str,
        *,
        scope: Scope | AnyScope,
        effective: datetime | None = None,
        actor: str = "",
        reason: str = "",
    ) -> int:
        """Say that a record was never true; returns the event, which ``undo`` takes.

        What says the same and happened up to ``effective`` (default: now) is retracted with it; said again later, it
        counts. What was derived from it is flagged.
        """
        self._claim()
        until = None if effective is None else microseconds(effective)
        return self._changes.retract(episode_id, until, scope=scope, actor=actor, reason=reason)

    def pin(self, episode_id: str, *, scope: Scope | AnyScope, actor: str = "", reason: str = "") -> int:
        """Keep a record from expiring by retention; returns the event."""
        self._claim()
        return self._changes.pin(episode_id, "pinned", scope=scope, actor=actor, reason=reason)

    def unpin(self, episode_id: str, *, scope: Scope | AnyScope, actor: str = "", reason: str = "") -> int:
        """Let a record expire again; returns the event."""
        self._claim()
        return self._changes.pin(episode_id, "unpinned", scope=scope, actor=actor, reason=reason)

    def undo(self, event: int, *, scope: Scope | AnyScope, actor: str = "", reason: str = "") -> int:
        """Reverse one event, as if it had not been; returns the event of the undoing, which can be undone too.

        Raises:
            InputError: The scope has no such event, or it is undone already.
        """
        self._claim()
        return self._changes.undo(event, scope=scope, actor=actor, reason=reason)

    def history(self, episode_id: str, *, scope: Scope | AnyScope) -> list[HistoryEntry]:
        """What happened to a record that the scope sees, oldest first, beginning with its recording.

        Raises:
            InputError: The scope sees no such record.
        """
        with self._database.read() as connection:
            return history(connection, episode_id, seen_by(scope))

    def reviews(self, scope: Scope | AnyScope) -> list[Review]:
        """Pairs of live records that may say the same and wait for a decision, most similar first."""
        with self._database.read() as connection:
            return open_reviews(connection, visible_scopes(connection, scope))

    def accept_merge(self, review: int, *, scope: Scope | AnyScope, actor: str = "") -> int:
        """Say that the two records of a review say the same; returns the event, which ``undo`` takes.

        The one that happened last stands for both.

        Raises:
            InputError: The scope has no such review.
        """
        self._claim()
        return self._changes.accept_merge(review, scope=scope, actor=actor)

    def reject_merge(self, review: int, *, scope: Scope | AnyScope) -> None:
        """Say that the two records of a review do not say the same; it is not listed again.

        Raises:
            InputError: The scope has no such review.
        """
        self._claim()
        self._changes.reject_merge(review, scope=scope)
