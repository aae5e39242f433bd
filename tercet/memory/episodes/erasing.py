"""Removing episodes for good: which rows have to go with those that were named, and how a batch of them is removed."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sqlalchemy import bindparam, delete, or_, select, update

from tercet.errors import InputError
from tercet.memory.episodes.indexing import enqueue
from tercet.memory.episodes.projection import LINKS, reached, refold
from tercet.memory.episodes.records import State
from tercet.memory.points import batches
from tercet.memory.schema import (
    episode_bands,
    episode_entities,
    episode_events,
    episode_frequencies,
    episode_names,
    episode_reviews,
    episode_scopes,
    episode_sources,
    episodes,
    scopes,
)
from tercet.models.lexical import TermCounts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from sqlalchemy import Connection

    from tercet.memory.database import Database


class Doomed(NamedTuple):
    """Rows that have to go, ascending."""

    named: list[int]
    repetitions: list[int]
    """Records that were merged with a named one: they hold the same text, and would come back in its place."""
    derived: list[int]
    """Records made from any of the others, and from those, and so on."""

    @property
    def rows(self) -> list[int]:
        """All of them; what was derived has a higher row than its sources."""
        return sorted({*self.named, *self.repetitions, *self.derived})


class Removal(NamedTuple):
    """What the removal of a batch left to do."""

    touched: list[int]
    """Rows, gone or changed, whose points have to be written again."""
    derived: list[int]
    """Rows that were derived from the batch since the rows were chosen; they have to go too."""


def choose(connection: Connection, places: Sequence[int], ids: Collection[str] | None) -> Doomed:
    """The rows of some scopes, all of them or those with the given ids, with what has to go with them.

    Raises:
        InputError: An id is not recorded in these scopes.
    """
    named = _all_rows(connection, places) if ids is None else _rows_named(connection, places, ids)
    repetitions = _repetitions(connection, named)
    derived = derived_from(connection, named | repetitions)
    return Doomed(sorted(named), sorted(repetitions), sorted(derived))


def _all_rows(connection: Connection, places: Sequence[int]) -> set[int]:
    found: set[int] = set()
    for some in batches(places):
        found.update(connection.execute(select(episodes.c.id).where(episodes.c.scope_id.in_(some))).scalars())
    return found


def _rows_named(connection: Connection, places: Sequence[int], ids: Collection[str]) -> set[int]:
    allowed, found = set(places), dict[str, int]()
    query = select(episodes.c.episode_id, episodes.c.id, episodes.c.scope_id)
    for some in batches(sorted(set(ids))):
        rows = connection.execute(query.where(episodes.c.episode_id.in_(some)))
        found.update({key: row for key, row, place in rows if place in allowed})
    if missing := sorted(set(ids) - found.keys()):
        raise InputError(
            f"Nothing is recorded as {missing[0]!r} in this scope; nothing was forgotten.",
            remedy="Ids are those of RecordResult.id and Episode.id; a record belongs to exactly one scope.",
        )
    return set(found.values())


def _repetitions(connection: Connection, rows: Collection[int]) -> set[int]:
    found, frontier = set(rows), set(rows)
    while frontier:
        new: set[int] = set()
        merged = select(episodes.c.id, episodes.c.state_by).where(episodes.c.state == int(State.MERGED))
        for some in batches(sorted(frontier)):
            for pair in connection.execute(merged.where(or_(episodes.c.id.in_(some), episodes.c.state_by.in_(some)))):
                new.update(row for row in pair if row is not None)
        frontier = new - found
        found |= new
    return found - set(rows)


def derived_from(connection: Connection, rows: Collection[int]) -> set[int]:
    """Rows that were derived from some, directly or not, without those themselves."""
    found, frontier = set(rows), set(rows)
    while frontier:
        new: set[int] = set()
        for some in batches(sorted(frontier)):
            query = select(episode_sources.c.row).where(episode_sources.c.source.in_(some))
            new.update(connection.execute(query).scalars())
        frontier = new - found
        found |= new
    return found - set(rows)


def remove(database: Database, connection: Connection, rows: Sequence[int], doomed: Collection[int]) -> Removal:
    """Remove a batch of rows with all that hangs on them, and fold again what they had an effect on.

    Args:
        database: For statements that differ between databases.
        connection: A write transaction.
        rows: The batch.
        doomed: All rows that are to go; they need not be folded again.
    """
    _lock(connection, rows)
    late = derived_from(connection, rows) - set(doomed)
    survivors = reached(connection, rows) - set(rows) - set(doomed) - late
    _uncount(connection, rows)
    _remove_events(connection, rows)
    connection.execute(delete(episode_bands).where(episode_bands.c.row.in_(rows)))
    connection.execute(delete(episode_entities).where(episode_entities.c.row.in_(rows)))
    lineage = or_(episode_sources.c.row.in_(rows), episode_sources.c.source.in_(rows))
    connection.execute(delete(episode_sources).where(lineage))
    pairs = or_(episode_reviews.c.first.in_(rows), episode_reviews.c.second.in_(rows))
    connection.execute(delete(episode_reviews).where(pairs))
    connection.execute(delete(episodes).where(episodes.c.id.in_(rows)))
    database.set_meta("garbage", "1", connection)
    enqueue(database, connection, rows)
    changed = refold(database, connection, survivors) if survivors else []
    return Removal(sorted({*rows, *changed}), sorted(late))


def _lock(connection: Connection, rows: Sequence[int]) -> None:
    """Writers of one scope take turns (PostgreSQL)."""
    of = select(episodes.c.scope_id).where(episodes.c.id.in_(rows))
    query = select(scopes.c.id).where(scopes.c.id.in_(of)).order_by(scopes.c.id)
    connection.execute(query.with_for_update(key_share=True)).all()


def _uncount(connection: Connection, rows: Sequence[int]) -> None:
    """Take texts out of the statistics of their scopes."""
    terms: dict[int, list[TermCounts]] = defaultdict(list)
    query = select(episodes.c.scope_id, episodes.c.terms).where(episodes.c.id.in_(rows))
    for place, packed in connection.execute(query):
        terms[place].append(TermCounts.from_bytes(packed))
    for place, counts in sorted(terms.items()):
        mine = episode_scopes.c.scope_id == place
        connection.execute(update(episode_scopes).where(mine).values(episodes=episode_scopes.c.episodes - len(counts)))
        connection.execute(delete(episode_scopes).where(mine, episode_scopes.c.episodes <= 0))
        ids, numbers = np.unique(np.concatenate([one.ids for one in counts]), return_counts=True)
        if not len(ids):
            continue
        columns = episode_frequencies.c
        less = (
            update(episode_frequencies)
            .where(columns.scope_id == place, columns.term == bindparam("key"))
            .values(count=columns.count - bindparam("less"))
        )
        pairs = zip(ids.tolist(), numbers.tolist(), strict=True)
        connection.execute(less, [{"key": key, "less": number} for key, number in pairs])
        connection.execute(delete(episode_frequencies).where(columns.scope_id == place, columns.count <= 0))


def _remove_events(connection: Connection, rows: Sequence[int]) -> None:
    """Remove what happened to rows and what they did to others: the reasons given may tell what they said.

    That a record repeats a row that goes, and that this was undone, still says that it stands for itself; the reason of
    the undoing is blanked.
    """
    columns = episode_events.c
    about = select(columns.id).where(columns.kind.in_(LINKS), columns.other.in_(rows))
    gone = set(connection.execute(about).scalars())
    repeating = set(
        connection.execute(select(columns.id).where(columns.kind == "repeated", columns.other.in_(rows))).scalars()
    )
    gone |= _undoings(connection, gone)
    for some in batches(sorted(gone)):
        connection.execute(delete(episode_events).where(columns.id.in_(some)))
    for some in batches(sorted(_undoings(connection, repeating))):
        connection.execute(update(episode_events).where(columns.id.in_(some)).values(reason=""))
    connection.execute(delete(episode_events).where(columns.row.in_(rows)))


def _undoings(connection: Connection, events: Iterable[int]) -> set[int]:
    """Events that undid some, and that undid those."""
    found: set[int] = set()
    frontier = set(events)
    while frontier:
        new: set[int] = set()
        for some in batches(sorted(frontier)):
            query = select(episode_events.c.id).where(
                episode_events.c.kind == "undone", episode_events.c.other.in_(some)
            )
            new.update(connection.execute(query).scalars())
        frontier = new - found
        found |= new
    return found


def remove_unused_names(database: Database, connection: Connection) -> int:
    """Remove entities that no record names any longer; returns how many."""
    if database.dialect == "postgresql":
        # Writers hold a weaker lock from before they look a name up until they commit the row that refers to it.
        connection.exec_driver_sql("LOCK TABLE episode_names IN SHARE ROW EXCLUSIVE MODE")
    used = select(episode_entities.c.row).where(episode_entities.c.name_id == episode_names.c.id).exists()
    unused: list[Any] = list(connection.execute(select(episode_names.c.id).where(~used)).scalars())
    for some in batches(unused):
        connection.execute(delete(episode_names).where(episode_names.c.id.in_(some)))
    return len(unused)
