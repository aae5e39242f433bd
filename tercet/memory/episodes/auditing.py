"""What may be wrong with what is remembered. Nothing is changed.

How often a record was retrieved is not counted (a read would become a write), so records that nobody ever finds are
named only where that is certain: they hold no term to be found by, and have no vector.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import select

from tercet.memory.episodes.duplicates import REVIEW_ABOVE, differences, same_key, similarity
from tercet.memory.episodes.folding import Event, active_events
from tercet.memory.episodes.projection import EVENTS
from tercet.memory.episodes.records import Doubt, State
from tercet.memory.points import batches
from tercet.memory.schema import episode_bands, episode_events, episodes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy import Connection, Row

    AnyRow = Row[*tuple[Any, ...]]

AuditKind = Literal["duplicate", "contradiction", "stale", "orphan", "loop", "unreachable"]
_CROWD = 64
"""Records that share a band beyond this number are compared with their next neighbours only, so that time is linear."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFinding:
    """Something that someone should look at."""

    kind: AuditKind
    """``duplicate``: live records that may say the same. ``contradiction``: live facts that differ only in something
    like a number or a name, or two facts about one subject at one time. ``stale``: past its expiry, or pinned though
    something replaced it. ``orphan``: derived from what was superseded or retracted. ``loop``: records that supersede
    each other in a circle. ``unreachable``: no search can find it."""
    episodes: tuple[str, ...]
    detail: str


def audit(connection: Connection, scopes: Sequence[int], now: int) -> list[AuditFinding]:
    """All findings in some scopes, by kind and ids."""
    columns = (
        episodes.c.id,
        episodes.c.episode_id,
        episodes.c.scope_id,
        episodes.c.text,
        episodes.c.kind,
        episodes.c.subject,
        episodes.c.occurred_at,
        episodes.c.expires_at,
        episodes.c.state,
        episodes.c.doubt,
        episodes.c.pinned,
        episodes.c.length,
        episodes.c.embedded,
    )
    rows = [
        row
        for some in batches(scopes)
        for row in connection.execute(select(*columns).where(episodes.c.scope_id.in_(some)))
    ]
    by_row = {row.id: row for row in rows}
    findings = [*_single(rows, now), *_pairs(connection, scopes, by_row), *_ties(rows), *_loops(connection, by_row)]
    return sorted(findings, key=lambda one: (one.kind, one.episodes))


def _single(rows: Iterable[AnyRow], now: int) -> Iterator[AuditFinding]:
    for row in rows:
        only = (row.episode_id,)
        if row.state == State.LIVE and row.expires_at is not None and row.expires_at <= now:
            yield AuditFinding(kind="stale", episodes=only, detail="its time has come, and expire() did not run since")
        if row.pinned and row.state in {State.SUPERSEDED, State.RETRACTED, State.EXPIRED}:
            yield AuditFinding(kind="stale", episodes=only, detail=f"pinned, though {State(row.state).name.lower()}")
        if row.doubt and row.state == State.LIVE:
            reason = "retracted" if row.doubt == Doubt.SOURCE_RETRACTED else "superseded"
            yield AuditFinding(kind="orphan", episodes=only, detail=f"derived from what was {reason}")
        if row.state == State.LIVE and not row.length and not row.embedded:
            yield AuditFinding(kind="unreachable", episodes=only, detail="no words to be found by, and no vector")


def _pairs(
    connection: Connection,
    scopes: Sequence[int],
    by_row: dict[int, AnyRow],
) -> Iterator[AuditFinding]:
    crowds: dict[tuple[int, int], list[int]] = defaultdict(list)
    query = select(episode_bands.c.scope_id, episode_bands.c.band, episode_bands.c.row).order_by(episode_bands.c.row)
    for some in batches(scopes):
        for scope, band, row in connection.execute(query.where(episode_bands.c.scope_id.in_(some))):
            if row in by_row and by_row[row].state == State.LIVE:
                crowds[scope, band].append(row)
    compared: set[tuple[int, int]] = set()
    for crowd in crowds.values():
        near = combinations(crowd, 2) if len(crowd) <= _CROWD else pairwise(crowd)
        compared.update(near)
    for one, other in sorted(compared):
        first, second = sorted((by_row[one], by_row[other]), key=lambda row: row.episode_id)
        score = similarity(first.text, second.text)
        if score < REVIEW_ABOVE and same_key(first.text) != same_key(second.text):
            continue
        both = (first.episode_id, second.episode_id)
        if apart := differences(first.text, second.text):
            yield AuditFinding(kind="contradiction", episodes=both, detail=f"differ in {', '.join(apart)}")
        else:
            yield AuditFinding(kind="duplicate", episodes=both, detail=f"similarity {score:.2f}")


def _ties(rows: Iterable[AnyRow]) -> Iterator[AuditFinding]:
    """Facts about one subject at one time that say different things: the id decided which is current."""
    moments: dict[tuple[int, str, int], list[AnyRow]] = defaultdict(list)
    for row in rows:
        if row.subject and row.occurred_at is not None and row.state in {State.LIVE, State.SUPERSEDED}:
            moments[row.scope_id, row.subject, row.occurred_at].append(row)
    for (_, subject, _), held in moments.items():
        if len({same_key(row.text) for row in held}) > 1 and any(row.state == State.LIVE for row in held):
            ids = tuple(sorted(row.episode_id for row in held))
            yield AuditFinding(kind="contradiction", episodes=ids, detail=f"all about {subject!r} at the same time")


def _loops(connection: Connection, by_row: dict[int, AnyRow]) -> Iterator[AuditFinding]:
    """Circles of explicit supersessions, which two databases writing at once can make."""
    events = [
        Event(*row)
        for some in batches(sorted(by_row))
        for row in connection.execute(EVENTS.where(episode_events.c.row.in_(some)))
    ]
    leads = {one.row: one.other for one in active_events(events) if one.kind == "superseded"}
    done: set[int] = set()
    for start in leads:
        path: list[int] = []
        row: int | None = start
        while row is not None and row in leads and row not in done:
            done.add(row)
            path.append(row)
            row = leads[row]
        if row in path:
            ids = tuple(sorted(by_row[one].episode_id for one in path[path.index(row) :]))
            yield AuditFinding(kind="loop", episodes=ids, detail="each supersedes the next")
