"""Finding episodes: which ones a search may see, and the candidates of each leg."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from tercet.memory.episodes.drafts import microseconds
from tercet.memory.episodes.projection import states_at
from tercet.memory.episodes.records import (
    KINDS,
    EpisodeCandidate,
    EpisodeCandidates,
    EpisodePlace,
    EpisodeSelection,
    State,
)
from tercet.memory.lexical_query import known_terms, lexical_query
from tercet.memory.points import batches
from tercet.memory.schema import episode_entities, episode_names, episodes, scopes
from tercet.memory.scopes import visible_scopes
from tercet.memory.vectors import AnyOf, Between, Condition, VectorFilter
from tercet.models.lexical import term_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray
    from sqlalchemy import ColumnElement, Connection, Row, Select

    from tercet.memory.database import Database
    from tercet.memory.episodes.records import EpisodeKind
    from tercet.memory.vectors import Neighbor, VectorIndex
    from tercet.records import AnyScope, Scope

SLACK = 32
"""Candidates asked for beyond the limit, for those that are tied, expired or just superseded."""
EXACT_BELOW = 20_000
"""Episodes in the scopes up to which dense search compares full vectors."""

_ROWS = (
    "SELECT id, episode_id, actor, occurred_at, importance, outcome, scope_id, conversation, ordinal, embedded, state,"
    " expires_at FROM episodes WHERE id IN ({})"
)
"""As text: every search asks, and building a statement costs more than running it."""

_AROUND = (
    "SELECT here.id, near.id FROM episodes here JOIN episodes near"
    " ON near.scope_id = here.scope_id AND near.conversation = here.conversation"
    " AND near.ordinal BETWEEN here.ordinal - {reach} AND here.ordinal + {reach}"
    " WHERE here.id IN ({rows}) AND here.conversation <> '' ORDER BY here.id, near.ordinal"
)
_ACTORS = (
    "WITH RECURSIVE names(scope, actor, place) AS ("
    "SELECT id, (SELECT min(actor) FROM episodes WHERE scope_id = scopes.id), 1 FROM scopes WHERE id IN ({scopes})"
    " UNION ALL SELECT scope, (SELECT min(actor) FROM episodes WHERE scope_id = names.scope AND actor > names.actor),"
    " place + 1 FROM names WHERE names.actor IS NOT NULL AND place < {most}"
    ") SELECT DISTINCT actor FROM names WHERE actor IS NOT NULL"
)
"""Distinct actors, one step in the index for each, however many records they have."""
_TOTAL = "SELECT coalesce(sum(episodes), 0) FROM episode_scopes WHERE scope_id IN ({})"
_FREQUENCIES = (
    "SELECT term, sum(count) FROM episode_frequencies WHERE scope_id IN ({scopes}) AND term IN ({terms}) GROUP BY term"
)
_ANY_WITHOUT_VECTOR = "SELECT EXISTS (SELECT 1 FROM episodes WHERE embedded IS {false})"
MOST_ACTORS = 256
"""Of one scope; more are users of a service rather than partners in a conversation."""

FEW_SCOPES = 16
"""As many as one ``Scope`` sees at most."""

LIVE = frozenset({int(State.LIVE)})
KEPT = frozenset({int(State.LIVE), int(State.SUPERSEDED)})


class EpisodeFinder:
    """The read side that retrieval uses; it ranks by one signal at a time."""

    def __init__(self, database: Database, *, index: Callable[[], VectorIndex], now: Callable[[], int]) -> None:
        self._database = database
        self._index = index
        self._now = now

    def select(
        self,
        scope: Scope | AnyScope,
        *,
        kinds: Sequence[EpisodeKind] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        undated: bool = False,
        entities: Sequence[str] = (),
        as_of: datetime | None = None,
        include_superseded: bool = False,
    ) -> EpisodeSelection:
        """See ``EpisodicMemory.select``."""
        low = None if since is None else microseconds(since)
        high = None if until is None else microseconds(until)
        with self._database.read() as connection:
            visible = visible_scopes(connection, scope)
            must, must_not = _in_scopes(connection, visible)
            names = self._entity_ids(connection, entities)
            total = self._total(connection, visible)
            rows = None if as_of is None else states_at(connection, visible, microseconds(as_of))
        states = KEPT if include_superseded else LIVE
        if kinds:
            must.append(AnyOf("kind", [KINDS.index(kind) for kind in kinds]))
        must += [AnyOf("entity", [name]) for name in names or ()]
        first, last = (None if value is None else value // 1_000_000 for value in (low, high))
        if (first is not None or last is not None) and not undated:
            must.append(Between("time", first, last))
        elif undated:  # what has no time meets no bound, so it stays when what lies outside is left out
            must_not += [] if first is None else [Between("time", None, first - 1)]
            must_not += [] if last is None else [Between("time", last + 1, None)]
        return EpisodeSelection(
            scopes=tuple(visible),
            where=VectorFilter(must=tuple(must), must_not=tuple(must_not)),
            states=states,
            now=self._now() if as_of is None else microseconds(as_of),
            since=low,
            until=high,
            undated=undated,
            rows=rows,
            total=total,
            empty=not total or names is None or rows == {},
        )

    def _entity_ids(self, connection: Connection, entities: Sequence[str]) -> list[int] | None:
        """Ids of entities; None when one of them was never named, so that nothing can match."""
        wanted = sorted({name.strip().casefold() for name in entities})
        found: list[int] = []
        for some in batches(wanted):
            query = select(episode_names.c.id).where(episode_names.c.name.in_(some))
            found.extend(connection.execute(query).scalars())
        return sorted(found) if len(found) == len(wanted) else None

    def _total(self, connection: Connection, scopes: Sequence[int]) -> int:
        return sum(
            int(connection.exec_driver_sql(_TOTAL.format(_numbers(some))).scalar_one())
            for some in batches(scopes, 1_000)
        )

    def lexical(self, terms: Mapping[str, float], selection: EpisodeSelection, limit: int) -> EpisodeCandidates:
        """See ``EpisodicMemory.lexical_candidates``."""
        if selection.empty or not terms:
            return EpisodeCandidates(candidates=[], idf={})
        frequency = self._frequencies([term_id(term) for term in terms], selection.scopes)
        weights = known_terms(terms, frequency, selection.total)
        if not weights:
            return EpisodeCandidates(candidates=[], idf={})
        query = lexical_query(terms, weights)

        def nearest(count: int, where: VectorFilter) -> list[Neighbor]:
            return self._index().nearest_sparse(query, limit=count, where=where)

        return EpisodeCandidates(candidates=self._certain(nearest, limit, selection), idf=weights)

    def dense(self, vector: NDArray[np.float32], selection: EpisodeSelection, limit: int) -> list[EpisodeCandidate]:
        """See ``EpisodicMemory.dense_candidates``."""
        if selection.empty:
            return []
        exact = selection.total <= EXACT_BELOW

        def nearest(count: int, where: VectorFilter) -> list[Neighbor]:
            return self._index().nearest_dense(vector, limit=count, where=where, exact=exact)

        return self._certain(nearest, limit, selection)

    def _frequencies(self, terms: Sequence[int], scopes: Sequence[int]) -> dict[int, int]:
        found: dict[int, int] = {}
        wanted = _numbers(sorted(set(terms)))
        with self._database.read() as connection:
            for some in batches(scopes, 1_000):
                query = _FREQUENCIES.format(scopes=_numbers(some), terms=wanted)
                for term, count in connection.exec_driver_sql(query):
                    found[int(term)] = found.get(int(term), 0) + int(count)
        return found

    def _certain(
        self, nearest: Callable[[int, VectorFilter], list[Neighbor]], limit: int, selection: EpisodeSelection
    ) -> list[EpisodeCandidate]:
        """Ask for ever more neighbours until ``limit`` allowed ones are certain, ties at the end included.

        The index looks at states only where too many of the best have one that does not count: most records are live,
        and each condition costs as much as half the scan.
        """
        count, where = limit + SLACK, selection.where
        while True:
            found = nearest(count, where)
            places = self._allowed([row for row, _ in found], selection)
            ordered = sorted((-score, places[row].id, row) for row, score in found if row in places)
            if len(found) < count or (len(ordered) > limit and -ordered[limit - 1][0] > found[-1].score):
                return [
                    EpisodeCandidate(row, key, -score, places[row].has_vector) for score, key, row in ordered[:limit]
                ]
            if selection.rows is None and where is selection.where:
                where = replace(where, must=(*where.must, AnyOf("state", sorted(selection.states))))
            else:
                count *= 4

    def _allowed(self, rows: Sequence[int], selection: EpisodeSelection) -> Mapping[int, EpisodePlace]:
        """The places of rows, and of others seen before, as far as the database says that they may be found."""
        allowed = selection.places
        unread = [row for row in rows if row not in allowed]
        if not unread:
            return allowed
        visible = frozenset(selection.scopes)
        with self._database.read() as connection:
            for some in batches(unread, 1_000):
                query = _ROWS.format(_numbers(some))
                for (
                    row,
                    key,
                    actor,
                    at,
                    importance,
                    outcome,
                    scope,
                    talk,
                    ordinal,
                    embedded,
                    state,
                    expires_at,
                ) in connection.exec_driver_sql(query).all():
                    then = state if selection.rows is None else selection.rows.get(row, 0)
                    if then in selection.states and scope in visible and _timely(selection, at, expires_at):
                        allowed[row] = EpisodePlace(
                            row, key, actor, at, importance, outcome, scope, talk, ordinal, bool(embedded)
                        )
        return allowed

    def actors(self, selection: EpisodeSelection) -> list[str]:
        """See ``EpisodicMemory.actors``."""
        query = _ACTORS.format(scopes=_numbers(selection.scopes[:MOST_ACTORS]), most=MOST_ACTORS)
        with self._database.read() as connection:
            return sorted(connection.exec_driver_sql(query).scalars())

    def around(self, rows: Sequence[int], selection: EpisodeSelection, reach: int) -> dict[int, list[int]]:
        """See ``EpisodicMemory.around``."""
        pairs: list[tuple[int, int]] = []
        with self._database.read() as connection:
            for some in batches(rows, 1_000):
                query = _AROUND.format(reach=int(reach), rows=_numbers(some))
                pairs.extend((here, near) for here, near in connection.exec_driver_sql(query).all())
        allowed = self._allowed(sorted({near for _, near in pairs}), selection)
        found: dict[int, list[int]] = {row: [] for row in rows}
        for here, near in pairs:
            if near in allowed and near != here:
                found[here].append(near)
        return found

    def rows(
        self,
        connection: Connection,
        selection: EpisodeSelection,
        kinds: Sequence[EpisodeKind] = (),
        entities: Sequence[str] = (),
    ) -> list[int]:
        """All rows of a selection in the order in which they happened, those of unknown event time last."""
        conditions: list[ColumnElement[bool]] = []
        if kinds:
            conditions.append(episodes.c.kind.in_(kinds))
        for name in self._entity_ids(connection, entities) or ():
            named = select(episode_entities.c.row).where(episode_entities.c.name_id == name)
            conditions.append(episodes.c.id.in_(named))
        columns = in_order(episodes.c.id, episodes.c.state, episodes.c.occurred_at, episodes.c.expires_at)
        found: list[Row[Any]] = []
        for some in batches(selection.scopes, 1_000):
            found.extend(connection.execute(columns.where(episodes.c.scope_id.in_(some), *conditions)))
        if len(selection.scopes) > 1_000:
            found.sort(key=lambda row: (row.occurred_at is None, row.occurred_at or 0))
        then = selection.rows
        return [
            row.id
            for row in found
            if (row.state if then is None else then.get(row.id, 0)) in selection.states
            and _timely(selection, row.occurred_at, row.expires_at)
        ]

    def coverage(self, selection: EpisodeSelection) -> tuple[int, int]:
        """See ``EpisodicMemory.coverage``."""
        if selection.empty:
            return 0, 0
        missing = select(func.count()).select_from(episodes).where(episodes.c.embedded.is_(False))
        false = "0" if self._database.dialect == "sqlite" else "false"
        with self._database.read() as connection:
            if not connection.exec_driver_sql(_ANY_WITHOUT_VECTOR.format(false=false)).scalar_one():
                return selection.total, selection.total
            without = sum(
                int(connection.execute(missing.where(episodes.c.scope_id.in_(some))).scalar_one())
                for some in batches(selection.scopes, 1_000)
            )
        return selection.total - without, selection.total


def in_order(*columns: ColumnElement[Any]) -> Select[Any]:
    """Columns of episodes by event time, those of unknown time last."""
    return select(*columns).order_by(
        episodes.c.occurred_at.is_(None),
        episodes.c.occurred_at,
        episodes.c.conversation,
        episodes.c.ordinal,
        episodes.c.episode_id,
    )


def _in_scopes(connection: Connection, visible: Sequence[int]) -> tuple[list[Condition], list[Condition]]:
    """What keeps other scopes out of the index's answers, as conditions to meet and not to meet: the shorter list.

    A scope that is made meanwhile is in neither: the scope of what was found is looked at again when it is read.
    """
    if len(visible) > FEW_SCOPES:
        hidden = set(connection.execute(select(scopes.c.id)).scalars()).difference(visible)
        if not hidden:
            return [], []
        if len(hidden) < len(visible):
            return [], [AnyOf("scope", sorted(hidden))]
    return [AnyOf("scope", visible)], []


def _numbers(values: Iterable[int]) -> str:
    return ",".join(map(str, map(int, values)))


def _timely(selection: EpisodeSelection, occurred_at: int | None, expires_at: int | None) -> bool:
    if expires_at is not None and expires_at <= selection.now:
        return False
    if selection.since is None and selection.until is None:
        return True
    if occurred_at is None:
        return selection.undated
    return (selection.since is None or occurred_at >= selection.since) and (
        selection.until is None or occurred_at <= selection.until
    )
