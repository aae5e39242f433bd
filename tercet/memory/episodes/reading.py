"""Rows of episodic memory read back as records."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import date
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select

from tercet.errors import InputError
from tercet.memory.episodes.drafts import moment_of
from tercet.memory.episodes.folding import Event, active_events
from tercet.memory.episodes.indexing import AVERAGE_LENGTH
from tercet.memory.episodes.records import DateMention, Doubt, Episode, HistoryEntry, Review, State, StoredEpisode
from tercet.memory.points import batches
from tercet.memory.rows import load_vectors
from tercet.memory.schema import (
    episode_events,
    episode_reviews,
    episodes,
    scopes,
)
from tercet.memory.scopes import FIELDS, scope_of
from tercet.models.lexical import TermCounts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from sqlalchemy import ColumnElement, Connection, Row

_BY = episodes.alias("by")
_LOAD = (
    select(episodes, _BY.c.episode_id.label("by_id"), *(scopes.c[name].label(f"scope_{name}") for name in FIELDS))
    .join(scopes, scopes.c.id == episodes.c.scope_id)
    .outerjoin(_BY, _BY.c.id == episodes.c.state_by)
    .where(episodes.c.id.in_(bindparam("rows", expanding=True)))
)
# As text, because every search asks, and building a statement costs more than running it.
_ENTITIES = 'SELECT "row", spelling FROM episode_entities WHERE "row" IN ({}) ORDER BY spelling'
_SOURCES = (
    'SELECT episode_sources."row", episode_id FROM episode_sources JOIN episodes ON episodes.id = source'
    ' WHERE episode_sources."row" IN ({}) ORDER BY episode_id'
)
_CONTENTS = "SELECT id, terms, embed_key FROM episodes WHERE id IN ({})"


def load(connection: Connection, rows: Sequence[int]) -> dict[int, StoredEpisode]:
    """Records by row; rows that are gone are left out."""
    found: dict[int, StoredEpisode] = {}
    for some in batches(list(rows)):
        entities, sources = _lists(connection, some)
        for row in connection.execute(_LOAD, {"rows": list(some)}):
            found[row.id] = StoredEpisode(
                row=row.id,
                episode=_episode(row, entities[row.id], sources[row.id]),
                terms=TermCounts.from_bytes(row.terms),
                average_length=AVERAGE_LENGTH,
            )
    return found


def _lists(connection: Connection, rows: Sequence[int]) -> tuple[Mapping[int, list[str]], Mapping[int, list[str]]]:
    entities: dict[int, list[str]] = defaultdict(list)
    sources: dict[int, list[str]] = defaultdict(list)
    numbers = ",".join(map(str, map(int, rows)))
    for row, spelling in connection.exec_driver_sql(_ENTITIES.format(numbers)):
        entities[row].append(spelling)
    for row, source in connection.exec_driver_sql(_SOURCES.format(numbers)):
        sources[row].append(source)
    return entities, sources


def _episode(row: Row[Any], entities: Sequence[str], sources: Sequence[str]) -> Episode:
    recorded_at = moment_of(row.recorded_at)
    assert recorded_at is not None
    return Episode(
        id=row.episode_id,
        scope=scope_of((row.scope_tenant, row.scope_user, row.scope_agent, row.scope_session)),
        kind=row.kind,
        actor=row.actor,
        text=row.text,
        occurred_at=moment_of(row.occurred_at),
        recorded_at=recorded_at,
        subject=row.subject,
        outcome=row.outcome,
        importance=row.importance,
        entities=tuple(entities),
        conversation=row.conversation,
        ordinal=row.ordinal,
        derived_from=tuple(sources),
        trust=row.trust,
        expires_at=moment_of(row.expires_at),
        metadata=json.loads(row.metadata),
        dates=tuple(
            DateMention(start=start, end=end, first=date.fromisoformat(first), last=date.fromisoformat(last))
            for start, end, first, last in json.loads(row.dates)
        ),
        state=State(row.state),
        state_by=row.by_id or "",
        doubt=Doubt(row.doubt),
        pinned=bool(row.pinned),
    )


def rows_of(connection: Connection, ids: Sequence[str], whose: ColumnElement[bool]) -> dict[str, int]:
    """The rows of records.

    Args:
        connection: A transaction.
        ids: Of the records.
        whose: A condition on ``scopes``. What it does not allow counts as not recorded: nobody is to learn from an
            error what others have.

    Raises:
        InputError: One of them is not recorded.
    """
    query = select(episodes.c.episode_id, episodes.c.id).join(scopes, scopes.c.id == episodes.c.scope_id).where(whose)
    found = {
        key: row
        for some in batches(sorted(set(ids)))
        for key, row in connection.execute(query.where(episodes.c.episode_id.in_(some)))
    }
    if missing := sorted(set(ids) - found.keys()):
        raise InputError(
            f"Nothing is recorded as {missing[0]!r}.", remedy="Ids are those of RecordResult.id and Episode.id."
        )
    return found


def neighbours(connection: Connection, row: int, *, before: int, after: int) -> list[int]:
    """Rows of the turns around one in its conversation, in order, itself included."""
    here = connection.execute(
        select(episodes.c.scope_id, episodes.c.conversation, episodes.c.ordinal).where(episodes.c.id == row)
    ).one()
    if not here.conversation:
        return [row]
    same = select(episodes.c.id).where(
        episodes.c.scope_id == here.scope_id, episodes.c.conversation == here.conversation
    )
    earlier = same.where(episodes.c.ordinal < here.ordinal).order_by(episodes.c.ordinal.desc()).limit(before)
    later = same.where(episodes.c.ordinal > here.ordinal).order_by(episodes.c.ordinal).limit(after)
    return [
        *reversed(list(connection.execute(earlier).scalars())),
        row,
        *connection.execute(later).scalars(),
    ]


def contents(
    connection: Connection, rows: Sequence[int], fingerprint: str | None
) -> dict[int, tuple[TermCounts, NDArray[np.float32] | None]]:
    """The analysed terms and the dense vector of records, by row; rows that are gone are left out.

    Vectors by key, in two steps: a join would begin at all vectors of the fingerprint.
    """
    found: list[Sequence[Any]] = []
    for some in batches(list(rows)):
        found.extend(connection.exec_driver_sql(_CONTENTS.format(",".join(map(str, map(int, some))))).all())
    known = load_vectors(connection, fingerprint, [bytes(key) for _, _, key in found]) if fingerprint else {}
    return {row: (TermCounts.from_bytes(terms), known.get(bytes(key))) for row, terms, key in found}


def history(connection: Connection, key: str, whose: ColumnElement[bool]) -> list[HistoryEntry]:
    """What happened to a record, oldest first, beginning with its recording (whose id is 0)."""
    row = rows_of(connection, [key], whose)[key]
    columns = select(episodes.c.recorded_at, episodes.c.actor).where(episodes.c.id == row)
    recorded_at, actor = connection.execute(columns).one()
    recorded = moment_of(recorded_at)
    assert recorded is not None
    entries = [HistoryEntry(id=0, episode=key, kind="recorded", at=recorded, actor=actor)]
    others = episodes.alias("others")
    query = (
        select(episode_events, others.c.episode_id.label("other_id"))
        .outerjoin(others, (others.c.id == episode_events.c.other) & (episode_events.c.kind != "undone"))
        .where(episode_events.c.row == row)
        .order_by(episode_events.c.id)
    )
    rows = connection.execute(query).all()
    active = {one.id for one in active_events(Event(e.id, e.row, e.kind, e.other, e.effective) for e in rows)}
    for event in rows:
        at = moment_of(event.at)
        assert at is not None
        entries.append(
            HistoryEntry(
                id=event.id,
                episode=key,
                kind=event.kind,
                at=at,
                other=event.other_id or "",
                undoes=event.other if event.kind == "undone" else None,
                active=event.id in active,
                actor=event.actor,
                reason=event.reason,
            )
        )
    return entries


def open_reviews(connection: Connection, scopes: Sequence[int]) -> list[Review]:
    """Pairs in some scopes that nobody decided and of which both records are live, most similar first."""
    first, second = episodes.alias("first_episode"), episodes.alias("second_episode")
    query = (
        select(episode_reviews.c.id, episode_reviews.c.first, episode_reviews.c.second, episode_reviews.c.similarity)
        .join(first, first.c.id == episode_reviews.c.first)
        .join(second, second.c.id == episode_reviews.c.second)
        .where(
            episode_reviews.c.rejected.is_(False),
            first.c.state == int(State.LIVE),
            second.c.state == int(State.LIVE),
        )
    )
    rows = [row for some in batches(scopes) for row in connection.execute(query.where(first.c.scope_id.in_(some)))]
    found = load(connection, sorted({key for row in rows for key in (row.first, row.second)}))
    pairs = [
        Review(
            id=row.id,
            first=found[row.first].episode,
            second=found[row.second].episode,
            similarity=row.similarity,
        )
        for row in rows
    ]
    return sorted(pairs, key=lambda pair: (-pair.similarity, pair.first.id, pair.second.id))
