"""Storing records and what happens to them: one transaction each, then their points.

A write is durable once its transaction is committed, and acknowledged once its points are written too. After a kill
between the two, ``EpisodeIndexer.recover`` writes the points.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import func, insert, select

from tercet.errors import InputError
from tercet.memory.episodes.drafts import MERGEABLE, TRUST_ORDER, episode_id, row_of
from tercet.memory.episodes.duplicates import REVIEW_ABOVE, bands, differences, similarity
from tercet.memory.episodes.indexing import enqueue
from tercet.memory.episodes.inserting import count_terms, insert_bands, insert_entities, insert_rows
from tercet.memory.episodes.projection import refold
from tercet.memory.episodes.records import State
from tercet.memory.episodes.reports import Merge, Stored, WriteReport
from tercet.memory.points import batches
from tercet.memory.rows import embed_key
from tercet.memory.schema import (
    episode_bands,
    episode_events,
    episode_reviews,
    episode_sources,
    episodes,
    scopes,
)
from tercet.memory.scopes import on_line_of, scope_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Connection

    from tercet.memory.database import Database
    from tercet.memory.episodes.drafts import Draft
    from tercet.memory.episodes.indexing import EpisodeIndexer
    from tercet.models.lexical import Analyzer
    from tercet.records import Scope, Trust


COMPARED = 32
"""Texts that a new one is compared with, those that share most bands first: facts of one pattern may be thousands."""


class EpisodeWriter:
    """The write side of episodic memory."""

    def __init__(
        self, database: Database, *, indexer: EpisodeIndexer, analyzer: Callable[[], Analyzer], now: Callable[[], int]
    ) -> None:
        self._database = database
        self._indexer = indexer
        self._analyzer = analyzer
        self._now = now

    def insert(self, scope: Scope, drafts: Sequence[Draft], *, sources: Sequence[str] = (), embed: bool) -> WriteReport:
        """Store drafts of one scope in one transaction; what is there already is left as it is."""
        keyed = {episode_id(scope, draft): draft for draft in drafts}
        terms = {key: self._analyzer().count(draft.text) for key, draft in keyed.items()}
        vectors = self._indexer.embed({embed_key(draft.text): draft.text for draft in drafts}) if embed else {}
        with self._database.write() as connection:
            self._indexer.save(connection, vectors)
            scope_row = self._lock_scope(connection, scope)
            known = self._known(connection, list(keyed))
            new = {key: draft for key, draft in keyed.items() if key not in known}
            self._refuse_taken_places(connection, scope_row, new)
            source_rows = self._sources(connection, scope, sources)
            if source_rows:
                floor = [trust for _, trust in source_rows]
                new = {key: _lower_trust(draft, floor) for key, draft in new.items()}
            now = self._now()
            rows = [row_of(draft, key, scope_row, now, terms[key]) for key, draft in new.items()]
            ids = insert_rows(connection, rows)
            placed = dict(zip(new, ids, strict=True))
            insert_entities(self._database, connection, {placed[key]: draft for key, draft in new.items()})
            if source_rows and ids:
                lineage = [{"row": row, "source": source} for row in ids for source, _ in source_rows]
                connection.execute(insert(episode_sources), lineage)
            count_terms(self._database, connection, scope_row, [terms[key] for key in new])
            pins = [placed[key] for key, draft in new.items() if draft.pinned]
            for row in pins:
                self.add_event(connection, row, "pinned", at=now)
            enqueue(self._database, connection, ids)
            settled = self._settle(connection, scope_row, {placed[key]: draft for key, draft in new.items()}, now)
            touched = {*ids, *settled.changed}
            if source_rows or pins:
                touched.update(refold(self._database, connection, ids))
        self._indexer.sync(touched)
        placed.update(known)
        return settled._replace(
            stored=tuple(Stored(key, placed[key], key in new) for key in (episode_id(scope, one) for one in drafts))
        )

    def _lock_scope(self, connection: Connection, scope: Scope) -> int:
        """The row of a scope; writers of one scope take turns, so that each sees what the one before it wrote."""
        row = scope_id(self._database, connection, scope)
        if self._database.dialect == "postgresql":
            connection.execute(select(scopes.c.id).where(scopes.c.id == row).with_for_update(key_share=True))
        return row

    def _known(self, connection: Connection, keys: Sequence[str]) -> dict[str, int]:
        query = select(episodes.c.episode_id, episodes.c.id)
        return {
            key: row
            for some in batches(keys)
            for key, row in connection.execute(query.where(episodes.c.episode_id.in_(some)))
        }

    def _refuse_taken_places(self, connection: Connection, scope_row: int, new: Mapping[str, Draft]) -> None:
        """A position of a conversation holds one turn: that of another text is a mistake, not a second turn."""
        places = [(draft.conversation, draft.ordinal) for draft in new.values() if draft.conversation]
        if not places:
            return
        for conversation in {name for name, _ in places}:
            wanted = sorted(ordinal for name, ordinal in places if name == conversation)
            taken = select(func.min(episodes.c.ordinal)).where(
                episodes.c.scope_id == scope_row,
                episodes.c.conversation == conversation,
                episodes.c.ordinal.between(wanted[0], wanted[-1]),
            )
            found = [
                connection.execute(taken.where(episodes.c.ordinal.in_(some))).scalar_one() for some in batches(wanted)
            ]
            first = next((ordinal for ordinal in found if ordinal is not None), None)
            if first is not None:
                raise InputError(
                    f"Conversation {conversation!r} has another turn at position {first}; nothing was recorded.",
                    remedy="Give first=, the position of the first of these turns, or name another conversation.",
                )

    def _sources(self, connection: Connection, scope: Scope, ids: Sequence[str]) -> list[tuple[int, Trust]]:
        """What a record is derived from: seen by its scope, or below it, as a user's facts come from her sessions."""
        found: dict[str, tuple[int, Trust]] = {}
        query = (
            select(episodes.c.episode_id, episodes.c.id, episodes.c.trust)
            .join(scopes, scopes.c.id == episodes.c.scope_id)
            .where(on_line_of(scope))
        )
        for some in batches(sorted(set(ids))):
            for key, row, trust in connection.execute(query.where(episodes.c.episode_id.in_(some))):
                found[key] = (row, trust)
        if missing := sorted(set(ids) - found.keys()):
            raise InputError(
                f"Nothing is recorded as {missing[0]!r}, which derived_from or recalled_from names.",
                remedy="Record the sources first; ids are those of RecordResult.id and Episode.id.",
            )
        return sorted(found.values())

    # -- what facts do to each other ---------------------------------------------------------------------------------

    def _settle(self, connection: Connection, scope_row: int, drafts: Mapping[int, Draft], now: int) -> WriteReport:
        """Note repetitions and pairs to review, and fold what the new facts reach."""
        mergeable = {row: draft for row, draft in drafts.items() if draft.kind in MERGEABLE}
        if not mergeable:
            return WriteReport()
        repeated = {row: self._note_repetition(connection, row, now) for row in mergeable}
        reviews = {row: self._note_reviews(connection, scope_row, row, draft) for row, draft in mergeable.items()}
        changed = refold(self._database, connection, mergeable)
        merges, supersedes, states = {}, {}, {}
        names = episodes.alias("names")
        for row, event in repeated.items():
            own = select(episodes.c.state, names.c.episode_id).outerjoin(names, names.c.id == episodes.c.state_by)
            state, by = connection.execute(own.where(episodes.c.id == row)).one()
            states[row] = State(state)
            if event is not None:
                merges[row] = Merge(event, by if state == State.MERGED else "")
        for row in mergeable:
            replaced = select(episodes.c.episode_id).where(
                episodes.c.state_by == row, episodes.c.state == int(State.SUPERSEDED), episodes.c.id.in_(changed)
            )
            supersedes[row] = tuple(sorted(connection.execute(replaced).scalars()))
        return WriteReport(changed=tuple(changed), merges=merges, states=states, reviews=reviews, supersedes=supersedes)

    def _note_repetition(self, connection: Connection, row: int, now: int) -> int | None:
        """An event when others say the same, so that standing for one another can be undone."""
        own = episodes.alias("own")
        other = (
            select(func.min(episodes.c.id))
            .join(own, (own.c.scope_id == episodes.c.scope_id) & (own.c.same_key == episodes.c.same_key))
            .where(own.c.id == row, own.c.subject == episodes.c.subject, episodes.c.id != row)
        )
        found = connection.execute(other).scalar_one()
        return None if found is None else self.add_event(connection, row, "repeated", other=found, at=now)

    def _note_reviews(self, connection: Connection, scope_row: int, row: int, draft: Draft) -> tuple[int, ...]:
        """Put up for review what may say the same; keep the bands of the text for those to come."""
        marks = bands(draft.text)
        shared = (
            select(episode_bands.c.row)
            .where(episode_bands.c.scope_id == scope_row, episode_bands.c.band.in_(marks))
            .group_by(episode_bands.c.row)
            .order_by(func.count().desc(), episode_bands.c.row)
            .limit(COMPARED)
        )
        near = select(episodes.c.id, episodes.c.episode_id, episodes.c.text, episodes.c.subject)
        near = near.where(episodes.c.id.in_(select(shared.subquery().c.row)))
        own = connection.execute(select(episodes.c.episode_id, episodes.c.same_key).where(episodes.c.id == row)).one()
        near = near.where(episodes.c.same_key != own.same_key).order_by(episodes.c.id)
        found = []
        for other in connection.execute(near).all():
            if draft.subject and draft.subject == other.subject:
                continue  # the later one supersedes the other
            score = similarity(draft.text, other.text)
            if score >= REVIEW_ABOVE and not differences(draft.text, other.text):
                first, second = (row, other.id) if own.episode_id < other.episode_id else (other.id, row)
                found.append({"first": first, "second": second, "similarity": score, "rejected": False})
        insert_bands(connection, scope_row, {row: draft})
        if not found:
            return ()
        statement = insert(episode_reviews).returning(episode_reviews.c.id, sort_by_parameter_order=True)
        return tuple(connection.execute(statement, found).scalars())

    def add_event(
        self,
        connection: Connection,
        row: int,
        kind: str,
        *,
        at: int,
        other: int | None = None,
        effective: int | None = None,
        actor: str = "",
        reason: str = "",
    ) -> int:
        """Store that something happened to a record."""
        values = {"row": row, "kind": kind, "other": other, "at": at, "actor": actor, "reason": reason}
        statement = insert(episode_events).values(**values, effective=at if effective is None else effective)
        return int(connection.execute(statement.returning(episode_events.c.id)).scalar_one())


def _lower_trust(draft: Draft, sources: Sequence[Trust]) -> Draft:
    least = max([draft.trust, *sources], key=TRUST_ORDER.index)
    return replace(draft, trust=least)
