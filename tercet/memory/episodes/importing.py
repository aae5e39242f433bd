"""Episodes read from an export: new ones are stored as they were, known ones recognised, and all states worked out."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, insert, select, update

from tercet.memory.episodes.drafts import MERGEABLE, Draft, episode_id, moment_of, row_of
from tercet.memory.episodes.indexing import enqueue
from tercet.memory.episodes.inserting import count_terms, insert_bands, insert_entities, insert_rows
from tercet.memory.episodes.projection import refold
from tercet.memory.points import batches
from tercet.memory.schema import episode_entities, episode_events, episode_reviews, episode_sources, episodes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from tercet.memory.database import Database
    from tercet.memory.exchange import EpisodeLine, EventLine, ReviewLine
    from tercet.models.lexical import Analyzer
    from tercet.records import Scope

_FIXED = ("recorded_at", "expires_at", "importance", "trust", "metadata", "dates")


def draft_of(line: EpisodeLine) -> Draft:
    """The record as somebody would record it; raises ``InputError`` where nobody could."""
    return Draft(
        text=line.text,
        kind=line.kind,
        actor=line.actor,
        occurred_at=moment_of(line.occurred_at),
        subject=line.subject,
        outcome=line.outcome,
        conversation=line.conversation,
        ordinal=line.ordinal,
        importance=line.importance,
        trust=line.trust,
        entities=line.entities,
        metadata=line.metadata,
        expires_at=moment_of(line.expires_at),
    )


def id_of(line: EpisodeLine) -> str:
    """The id that the record must have."""
    return episode_id(line.scope, draft_of(line))


class EpisodeImport:
    """Puts the lines of episodes into the database: ``add`` all, then ``add_events`` of all, then the reviews."""

    def __init__(
        self,
        database: Database,
        connection: Connection,
        places: Mapping[Scope, int],
        conflict: Callable[[str], None],
        analyzer: Analyzer,
    ) -> None:
        self._database = database
        self._connection = connection
        self._places = places
        self._conflict = conflict
        self._analyzer = analyzer
        self._fold: set[int] = set()
        self.touched: set[int] = set()
        """Rows whose points have to be written."""
        self.added = 0
        self.known = 0

    # -- what they were when they came -------------------------------------------------------------------------------

    def add(self, lines: Sequence[EpisodeLine]) -> None:
        """Store some records, and compare those that are there already."""
        known = self._rows([line.id for line in lines])
        self._compare([line for line in lines if line.id in known], known)
        new = list({line.id: line for line in lines if line.id not in known}.values())
        if len(new) + len(known) < len(lines):
            self._conflict("the export has an episode twice")
        taken = self._taken_places(new)
        for place, line in ((place, line) for line in new if (place := self._place(line)) in taken):
            self._conflict(f"episode {line.id} ({line.scope}): {place[1]!r} has another turn at position {place[2]}")
        self._insert([line for line in new if self._place(line) not in taken])

    def _insert(self, lines: Sequence[EpisodeLine]) -> None:
        drafts = {line.id: draft_of(line) for line in lines}
        terms = {key: self._analyzer.count(draft.text) for key, draft in drafts.items()}
        rows = []
        for line in lines:
            row = row_of(drafts[line.id], line.id, self._places[line.scope], line.recorded_at, terms[line.id])
            rows.append({**row, "dates": json.dumps(line.dates)})
        ids = insert_rows(self._connection, rows)
        placed = {line.id: row for line, row in zip(lines, ids, strict=True)}
        insert_entities(self._database, self._connection, {placed[key]: draft for key, draft in drafts.items()})
        self._link(lines, placed)
        by_scope: dict[int, list[EpisodeLine]] = defaultdict(list)
        for line in lines:
            by_scope[self._places[line.scope]].append(line)
        for place, own in sorted(by_scope.items()):
            count_terms(self._database, self._connection, place, [terms[line.id] for line in own])
            facts = {placed[line.id]: drafts[line.id] for line in own if line.kind in MERGEABLE}
            insert_bands(self._connection, place, facts)
            self._fold.update(facts)
        enqueue(self._database, self._connection, ids)
        self.touched.update(ids)
        self.added += len(lines)

    def _link(self, lines: Sequence[EpisodeLine], placed: Mapping[str, int]) -> None:
        wanted = {source for line in lines for source in line.derived_from}
        sources = {**self._rows(sorted(wanted - placed.keys())), **placed}
        links = []
        for line in lines:
            for source in line.derived_from:
                if source not in sources or sources[source] >= placed[line.id]:
                    self._conflict(f"episode {line.id} ({line.scope}): its source {source} is not there")
                else:
                    links.append({"row": placed[line.id], "source": sources[source]})
                    self._fold.add(placed[line.id])
        if links:
            self._connection.execute(insert(episode_sources), links)

    def _taken_places(self, lines: Sequence[EpisodeLine]) -> set[tuple[int, str, int]]:
        """Positions of conversations that hold another turn already."""
        wanted: dict[tuple[int, str], list[int]] = defaultdict(list)
        for line in lines:
            if line.conversation:
                wanted[self._places[line.scope], line.conversation].append(line.ordinal)
        taken: set[tuple[int, str, int]] = set()
        columns = episodes.c
        for (place, name), ordinals in wanted.items():
            here = (columns.scope_id == place, columns.conversation == name, columns.ordinal.in_(ordinals))
            found = self._connection.execute(select(columns.ordinal).where(*here)).scalars()
            twice = (ordinal for ordinal in set(ordinals) if ordinals.count(ordinal) > 1)
            taken.update((place, name, ordinal) for ordinal in (*found, *twice))
        return taken

    def _place(self, line: EpisodeLine) -> tuple[int, str, int]:
        return self._places[line.scope], line.conversation, line.ordinal

    def _compare(self, lines: Sequence[EpisodeLine], known: Mapping[str, int]) -> None:
        ids = [known[line.id] for line in lines]
        query = select(episodes).where(episodes.c.id.in_(ids))
        rows = {row["id"]: row for row in self._connection.execute(query).mappings()}
        named, sources = self._lists(ids)
        for line in lines:
            row, key = rows[known[line.id]], known[line.id]
            kept = {**row, "metadata": json.loads(row["metadata"]), "dates": json.loads(row["dates"])}
            other = [name for name in _FIXED if kept[name] != getattr(line, name)]
            if named[key] != set(line.entities):
                other.append("entities")
            if not set(line.derived_from) <= sources[key]:
                other.append("derived_from")
            if other:
                self._conflict(f"episode {line.id} ({line.scope}): {', '.join(other)} differs")
            self.known += 1

    def _lists(self, rows: Sequence[int]) -> tuple[Mapping[int, set[str]], Mapping[int, set[str]]]:
        named: dict[int, set[str]] = defaultdict(set)
        sources: dict[int, set[str]] = defaultdict(set)
        spelt = select(episode_entities.c.row, episode_entities.c.spelling).where(episode_entities.c.row.in_(rows))
        for row, spelling in self._connection.execute(spelt):
            named[row].add(spelling)
        links = (
            select(episode_sources.c.row, episodes.c.episode_id)
            .join(episodes, episodes.c.id == episode_sources.c.source)
            .where(episode_sources.c.row.in_(rows))
        )
        for row, source in self._connection.execute(links):
            sources[row].add(source)
        return named, sources

    # -- what happened to them ---------------------------------------------------------------------------------------

    def add_events(self, lines: Sequence[EpisodeLine]) -> None:
        """Store what happened to some records; what is known of it already must be the beginning, or the whole."""
        lines = [line for line in lines if line.events]
        others = {event.other for line in lines for event in line.events if event.other is not None}
        rows = self._rows(sorted({line.id for line in lines} | others))
        kept = self._kept_events([rows[line.id] for line in lines])
        waiting: list[tuple[EpisodeLine, list[int], list[EventLine]]] = []
        for line in lines:
            own = kept[rows[line.id]]
            said = [self._event(event, rows, [one["id"] for one in own]) for event in line.events[: len(own)]]
            if [{**one, "id": None} for one in own[: len(said)]] != [{**one, "id": None} for one in said]:
                self._conflict(f"episode {line.id} ({line.scope}): something else happened to it here")
            elif len(own) < len(line.events):
                waiting.append((line, [one["id"] for one in own], line.events[len(own) :]))
                self._fold.add(rows[line.id])
        while waiting:  # one event of each record at a time: a later one may undo it, and names its id
            values = [{**self._event(left[0], rows, ids), "row": rows[line.id]} for line, ids, left in waiting]
            for value in values:
                value.pop("id")
            statement = insert(episode_events).returning(episode_events.c.id, sort_by_parameter_order=True)
            made = self._connection.execute(statement, values).scalars().all()
            for (_, ids, left), event in zip(waiting, made, strict=True):
                ids.append(event)
                left.pop(0)
            waiting = [one for one in waiting if one[2]]

    def _event(self, event: EventLine, rows: Mapping[str, int], ids: Sequence[int]) -> dict[str, Any]:
        other = None if event.other is None else rows.get(event.other)
        if event.other is not None and other is None:
            self._conflict(f"an event names episode {event.other}, which is not there")
        if event.undoes is not None:
            if not 0 <= event.undoes < len(ids):
                self._conflict("an event undoes one that is not there")
                return self._event(event.model_copy(update={"undoes": None}), rows, ids)
            other = ids[event.undoes]
        kept = {name: getattr(event, name) for name in ("kind", "at", "effective", "actor", "reason")}
        return {**kept, "other": other, "id": None}

    def _kept_events(self, rows: Sequence[int]) -> Mapping[int, list[dict[str, Any]]]:
        found: dict[int, list[dict[str, Any]]] = defaultdict(list)
        query = select(episode_events).where(episode_events.c.row.in_(rows)).order_by(episode_events.c.id)
        for event in self._connection.execute(query).mappings():
            found[event["row"]].append({name: event[name] for name in event if name != "row"})
        return found

    def settle(self) -> None:
        """Work out what became of every record that anything happened to."""
        for some in batches(sorted(self._fold)):
            self.touched.update(refold(self._database, self._connection, some))

    # -- what may be the same ----------------------------------------------------------------------------------------

    def add_reviews(self, lines: Sequence[ReviewLine]) -> None:
        """Store pairs; one that was rejected anywhere stays rejected."""
        rows = self._rows(sorted({key for line in lines for key in (line.first, line.second)}))
        pairs = []
        for line in lines:
            if line.first not in rows or line.second not in rows:
                self._conflict(f"a review names {line.first} and {line.second}, and one of them is not there")
                continue
            pair = {"first": rows[line.first], "second": rows[line.second]}
            pairs.append({**pair, "similarity": line.similarity, "rejected": line.rejected})
        if not pairs:
            return
        self._connection.execute(self._database.upsert(episode_reviews, conflict=("first", "second")), pairs)
        columns = episode_reviews.c
        rejected = [{"one": pair["first"], "two": pair["second"]} for pair in pairs if pair["rejected"]]
        if rejected:
            this = (columns.first == bindparam("one"), columns.second == bindparam("two"))
            self._connection.execute(update(episode_reviews).where(*this).values(rejected=True), rejected)

    def _rows(self, ids: Iterable[str]) -> dict[str, int]:
        query = select(episodes.c.episode_id, episodes.c.id)
        return {
            key: row
            for some in batches(list(ids))
            for key, row in self._connection.execute(query.where(episodes.c.episode_id.in_(some)))
        }
