"""The derived columns of episodes, kept equal to the fold over everything: only what a change can reach is folded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, case, or_, select, update

from tercet.memory.episodes.folding import Event, Fact, Standing, fold
from tercet.memory.episodes.indexing import enqueue
from tercet.memory.episodes.records import Doubt, State
from tercet.memory.points import batches
from tercet.memory.schema import episode_events, episode_sources, episodes

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import ColumnElement, Connection

    from tercet.memory.database import Database

TIME = case((episodes.c.occurred_at.is_(None), episodes.c.recorded_at), else_=episodes.c.occurred_at)
FACTS = select(
    episodes.c.id,
    episodes.c.episode_id,
    episodes.c.scope_id,
    case((episodes.c.kind == "fact", episodes.c.subject), else_=""),
    episodes.c.same_key,
    TIME.label("time"),
)
EVENTS = select(
    episode_events.c.id,
    episode_events.c.row,
    episode_events.c.kind,
    episode_events.c.other,
    episode_events.c.effective,
)
LINKS = ("superseded", "merged")
"""Kinds of events whose ``other`` is a row."""


def refold(database: Database, connection: Connection, rows: Collection[int]) -> list[int]:
    """Fold again all that a change of some rows can reach; returns the rows that became something else."""
    facts = _reach(connection, set(rows))
    standings = fold(facts, _events(connection, [fact.row for fact in facts]))
    changed = _store(connection, standings)
    _spread_doubt(connection, {*rows, *changed})
    enqueue(database, connection, changed)
    return changed


def reached(connection: Connection, rows: Collection[int]) -> set[int]:
    """The rows that a change of some can have an effect on, those themselves included."""
    return {fact.row for fact in _reach(connection, set(rows))}


def _reach(connection: Connection, start: set[int]) -> list[Fact]:
    """The rows and all that shares a group, a subject or an event with any of them, and so on."""
    found: dict[int, Fact] = {}
    asked: set[tuple[int, str] | tuple[int, bytes]] = set()
    frontier = start
    while frontier:
        new = _facts(connection, episodes.c.id, frontier)
        found.update((fact.row, fact) for fact in new)
        frontier = set()
        for fact in new:
            if fact.subject and (fact.scope, fact.subject) not in asked:
                asked.add((fact.scope, fact.subject))
                same = episodes.c.subject == fact.subject
                frontier.update(connection.execute(_rows(fact.scope, same)).scalars())
            if fact.same_key is not None and (fact.scope, fact.same_key) not in asked:
                asked.add((fact.scope, fact.same_key))
                same = episodes.c.same_key == fact.same_key
                frontier.update(connection.execute(_rows(fact.scope, same)).scalars())
        for some in batches([fact.row for fact in new]):
            links = select(episode_events.c.row, episode_events.c.other).where(
                episode_events.c.kind.in_(LINKS),
                or_(episode_events.c.row.in_(some), episode_events.c.other.in_(some)),
            )
            for row, other in connection.execute(links):
                frontier.update((row, other))
        frontier -= found.keys()
    return list(found.values())


def _rows(scope: int, same: ColumnElement[bool]) -> Any:  # noqa: ANN401  # the generic type of a select has no short name
    return select(episodes.c.id).where(episodes.c.scope_id == scope, same)


def _facts(connection: Connection, column: ColumnElement[Any], values: Collection[int]) -> list[Fact]:
    return [Fact(*row) for some in batches(sorted(values)) for row in connection.execute(FACTS.where(column.in_(some)))]


def _events(connection: Connection, rows: Sequence[int]) -> list[Event]:
    return [
        Event(*row)
        for some in batches(rows)
        for row in connection.execute(EVENTS.where(episode_events.c.row.in_(some)))
    ]


def _store(connection: Connection, standings: dict[int, Standing]) -> list[int]:
    kept = {}
    columns = select(episodes.c.id, episodes.c.state, episodes.c.state_by, episodes.c.pinned)
    for some in batches(sorted(standings)):
        for row, state, by, pinned in connection.execute(columns.where(episodes.c.id.in_(some))):
            kept[row] = Standing(State(state), by, bool(pinned))
    changed = sorted(row for row, standing in standings.items() if kept[row] != standing)
    if changed:
        statement = (
            update(episodes)
            .where(episodes.c.id == bindparam("key"))
            .values(state=bindparam("new"), state_by=bindparam("by"), pinned=bindparam("pin"))
        )
        rows = [
            {"key": row, "new": int(standings[row].state), "by": standings[row].by, "pin": standings[row].pinned}
            for row in changed
        ]
        connection.execute(statement, rows)
    return changed


def _spread_doubt(connection: Connection, rows: Collection[int]) -> None:
    """Flag what was derived from records that no longer stand, and what was derived from that."""
    source = episodes.alias("source")
    query = (
        select(episode_sources.c.row, episodes.c.doubt, source.c.state, source.c.doubt)
        .join(episodes, episodes.c.id == episode_sources.c.row)
        .join(source, source.c.id == episode_sources.c.source)
    )
    frontier = set(rows)
    while frontier:
        children = set(frontier)
        for some in batches(sorted(frontier)):
            derived = select(episode_sources.c.row).where(episode_sources.c.source.in_(some))
            children.update(connection.execute(derived).scalars())
        before: dict[int, int] = {}
        after: dict[int, int] = {}
        for some in batches(sorted(children)):
            for row, doubt, state, inherited in connection.execute(query.where(episode_sources.c.row.in_(some))):
                before[row] = doubt
                after[row] = max(after.get(row, 0), _doubt(state, inherited))
        changed = sorted(row for row in before if before[row] != after[row])
        if not changed:
            return
        statement = update(episodes).where(episodes.c.id == bindparam("key")).values(doubt=bindparam("new"))
        connection.execute(statement, [{"key": row, "new": after[row]} for row in changed])
        frontier = set(changed)


def _doubt(state: int, inherited: int) -> int:
    if state == State.RETRACTED:
        return int(Doubt.SOURCE_RETRACTED)
    return max(inherited, int(Doubt.SOURCE_SUPERSEDED) if state == State.SUPERSEDED else 0)


def states_at(connection: Connection, scopes: Sequence[int], moment: int) -> dict[int, State]:
    """What was believed at a recorded time (microseconds) in some scopes: the state then of each row known then."""
    rows: list[Fact] = []
    events: list[Event] = []
    for some in batches(scopes):
        then = FACTS.where(episodes.c.scope_id.in_(some), episodes.c.recorded_at <= moment)
        rows.extend(Fact(*row) for row in connection.execute(then))
        happened = EVENTS.join(episodes, episodes.c.id == episode_events.c.row).where(
            episodes.c.scope_id.in_(some), episode_events.c.at <= moment
        )
        events.extend(Event(*row) for row in connection.execute(happened))
    return {row: standing.state for row, standing in fold(rows, events).items()}
