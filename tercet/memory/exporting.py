"""Writing the records of some scopes to a file that anybody can read; see ``exchange`` for its form."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from sqlalchemy import func, select

from tercet.memory.episodes.records import State
from tercet.memory.exchange import FORMAT, VERSION, LineWriter
from tercet.memory.schema import (
    embeddings,
    episode_entities,
    episode_events,
    episode_reviews,
    episode_sources,
    episodes,
    scopes,
    working_changes,
    working_documents,
    working_requests,
    working_retired,
)
from tercet.memory.scopes import FIELDS, owned_by
from tercet.records import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, FromClause, Row, Select

    from tercet.memory.database import Database
    from tercet.records import AnyScope, Scope

    Report = Callable[[Progress], None]

WINDOW = 1_000
"""Episodes read at a time."""
_OWNER = tuple(scopes.c[name].label(f"scope_{name}") for name in FIELDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What one export wrote."""

    working_documents: int
    episodes: int
    vectors: int
    lines: int
    sha256: str
    """Of all bytes before the last line, which holds it."""
    sources_left_out: int
    """Links to records of other scopes, which are not in the file: a scope's facts may come from its sessions."""


class Exporter:
    """Writes one export, from one state of the database."""

    def __init__(
        self, connection: Connection, stream: IO[bytes], *, scope: Scope | AnyScope, fingerprint: str | None
    ) -> None:
        self._connection = connection
        self._writer = LineWriter(stream)
        self._whose = owned_by(scope)
        self._fingerprint = fingerprint
        self._left_out = 0

    def run(self, progress: Report | None) -> ExportReport:
        """Write everything."""
        counts = self._counts()
        header = {"format": FORMAT, "version": VERSION, "counts": counts, "embedder": self._fingerprint}
        self._writer.write("header", header)
        self._write_working()
        done = 0
        for rows in self._windows():
            self._write_episodes(rows)
            done += len(rows)
            if progress is not None:
                progress(Progress(phase="export", done=done, total=counts["episode"]))
        self._write_reviews()
        self._write_vectors()
        return ExportReport(
            working_documents=counts["working_document"],
            episodes=counts["episode"],
            vectors=counts["vector"],
            sha256=self._writer.end(),
            lines=self._writer.lines,
            sources_left_out=self._left_out,
        )

    def _counts(self) -> dict[str, int]:
        of_document = working_documents.c.id
        first = episodes.c.id == episode_reviews.c.first
        embedded = (embeddings.c.embed_key == episodes.c.embed_key) & (embeddings.c.fingerprint == self._fingerprint)
        count = func.count()
        keys = func.count(embeddings.c.embed_key.distinct())
        return {
            "working_document": self._count(count, working_documents, working_documents.c.scope_id),
            "working_change": self._count(
                count,
                working_changes.join(working_documents, of_document == working_changes.c.document_id),
                working_documents.c.scope_id,
            ),
            "working_request": self._count(
                count,
                working_requests.join(working_documents, of_document == working_requests.c.document_id),
                working_documents.c.scope_id,
            ),
            "working_retired": self._count(count, working_retired, working_retired.c.scope_id),
            "episode": self._count(count, episodes, episodes.c.scope_id),
            "review": self._count(count, episode_reviews.join(episodes, first), episodes.c.scope_id),
            "vector": self._count(keys, episodes.join(embeddings, embedded), episodes.c.scope_id),
        }

    def _count(self, what: ColumnElement[int], table: FromClause, scope: ColumnElement[int]) -> int:
        query = select(what).select_from(table.join(scopes, scopes.c.id == scope)).where(self._whose)
        return int(self._connection.execute(query).scalar_one())

    # -- working memory ----------------------------------------------------------------------------------------------

    def _write_working(self) -> None:
        query = select(working_documents, *_OWNER).join(scopes, scopes.c.id == working_documents.c.scope_id)
        order = (*(scopes.c[name] for name in FIELDS), working_documents.c.key)
        for row in self._stream(query.where(self._whose).order_by(*order)):
            parsed = {name: json.loads(getattr(row, name)) for name in ("value", "owners", "trusts", "constraints")}
            plain = ("key", "schema_name", "schema_version", "version", "hash", "created_by", "created_at")
            kept = {name: getattr(row, name) for name in (*plain, "updated_by", "updated_at", "expires_at")}
            self._writer.write("working_document", {**_owner(row), **kept, **parsed})
            self._write_changes(row.id)
        retired = select(working_retired, *_OWNER).join(scopes, scopes.c.id == working_retired.c.scope_id)
        order = (*(scopes.c[name] for name in FIELDS), working_retired.c.key)
        for row in self._stream(retired.where(self._whose).order_by(*order)):
            self._writer.write("working_retired", {**_owner(row), "key": row.key, "version": row.version})

    def _write_changes(self, document: int) -> None:
        asked = select(working_requests).where(working_requests.c.document_id == document)
        requests = self._connection.execute(asked.order_by(working_requests.c.id)).all()
        places = {row.id: place for place, row in enumerate(requests)}
        for row in requests:
            plain = ("read_version", "actor", "owner", "reason", "trust", "state", "made_at", "answered_at", "answer")
            kept = {name: getattr(row, name) for name in plain}
            parsed = {name: json.loads(getattr(row, name)) for name in ("fields", "operations")}
            self._writer.write("working_request", {**kept, **parsed})
        changes = select(working_changes).where(working_changes.c.document_id == document)
        for row in self._stream(changes.order_by(working_changes.c.version)):
            kept = {name: getattr(row, name) for name in ("version", "schema_version", "actor", "at", "trust", "hash")}
            whole = {name: _parsed(getattr(row, name)) for name in ("patch", "snapshot")}
            self._writer.write("working_change", {**kept, **whole, "request": places.get(row.request_id)})

    # -- episodic memory ---------------------------------------------------------------------------------------------

    def _windows(self) -> Iterator[Sequence[Row[Any]]]:
        """Episodes in the order in which they were recorded, so that sources come before what is derived from them."""
        by = episodes.alias("by")
        query = (
            select(episodes, *_OWNER, by.c.episode_id.label("by_id"))
            .join(scopes, scopes.c.id == episodes.c.scope_id)
            .outerjoin(by, by.c.id == episodes.c.state_by)
            .where(self._whose)
            .order_by(episodes.c.id)
            .limit(WINDOW)
        )
        last = -1
        while rows := self._connection.execute(query.where(episodes.c.id > last)).all():
            yield rows
            last = rows[-1].id

    def _write_episodes(self, rows: Sequence[Row[Any]]) -> None:
        keys = [row.id for row in rows]
        named, sources, events = self._entities(keys), self._sources(keys), self._events(keys)
        plain = ("kind", "actor", "text", "subject", "outcome", "conversation", "ordinal", "occurred_at", "recorded_at")
        for row in rows:
            fields = {name: getattr(row, name) for name in (*plain, "expires_at", "importance", "trust")}
            self._writer.write(
                "episode",
                {
                    **_owner(row),
                    **fields,
                    "id": row.episode_id,
                    "entities": named[row.id],
                    "metadata": json.loads(row.metadata),
                    "dates": json.loads(row.dates),
                    "derived_from": sources[row.id],
                    "events": events[row.id],
                    "state": State(row.state).name.lower(),
                    "state_by": row.by_id,
                },
            )

    def _entities(self, rows: Sequence[int]) -> Mapping[int, list[str]]:
        query = select(episode_entities.c.row, episode_entities.c.spelling).where(episode_entities.c.row.in_(rows))
        return _lists(self._connection.execute(query.order_by(episode_entities.c.spelling)))

    def _sources(self, rows: Sequence[int]) -> Mapping[int, list[str]]:
        links = select(episode_sources.c.row, episodes.c.episode_id).join(
            episodes, episodes.c.id == episode_sources.c.source
        )
        inside = links.join(scopes, scopes.c.id == episodes.c.scope_id).where(self._whose)
        of_these = episode_sources.c.row.in_(rows)
        found = _lists(self._connection.execute(inside.where(of_these).order_by(episodes.c.episode_id)))
        total = select(func.count()).select_from(episode_sources).where(of_these)
        self._left_out += int(self._connection.execute(total).scalar_one()) - sum(map(len, found.values()))
        return found

    def _events(self, rows: Sequence[int]) -> Mapping[int, list[dict[str, Any]]]:
        others = episodes.alias("others")
        query = (
            select(episode_events, others.c.episode_id.label("other_id"))
            .outerjoin(others, (others.c.id == episode_events.c.other) & (episode_events.c.kind != "undone"))
            .where(episode_events.c.row.in_(rows))
            .order_by(episode_events.c.row, episode_events.c.id)
        )
        found: dict[int, list[dict[str, Any]]] = defaultdict(list)
        places: dict[int, int] = {}
        for event in self._connection.execute(query):
            places[event.id] = len(found[event.row])
            kept = {name: getattr(event, name) for name in ("kind", "at", "effective", "actor", "reason")}
            undoes = places.get(event.other) if event.kind == "undone" else None
            found[event.row].append({**kept, "other": event.other_id, "undoes": undoes})
        return found

    def _write_reviews(self) -> None:
        first, second = episodes.alias("first_episode"), episodes.alias("second_episode")
        query = (
            select(first.c.episode_id, second.c.episode_id, episode_reviews.c.similarity, episode_reviews.c.rejected)
            .join(first, first.c.id == episode_reviews.c.first)
            .join(second, second.c.id == episode_reviews.c.second)
            .join(scopes, scopes.c.id == first.c.scope_id)
            .where(self._whose)
            .order_by(first.c.episode_id, second.c.episode_id)
        )
        for one, other, similarity, rejected in self._stream(query):
            pair = {"first": one, "second": other, "similarity": similarity, "rejected": bool(rejected)}
            self._writer.write("review", pair)

    def _write_vectors(self) -> None:
        if self._fingerprint is None:
            return
        query = (
            select(embeddings.c.embed_key, embeddings.c.vector)
            .join(episodes, episodes.c.embed_key == embeddings.c.embed_key)
            .join(scopes, scopes.c.id == episodes.c.scope_id)
            .where(self._whose, embeddings.c.fingerprint == self._fingerprint)
            .distinct()
            .order_by(embeddings.c.embed_key)
        )
        for key, vector in self._stream(query):
            self._writer.write("vector", {"key": key.hex(), "vector": base64.b64encode(vector).decode()})

    def _stream(self, query: Select[Any]) -> Iterator[Any]:
        for some in self._connection.execute(query.execution_options(yield_per=WINDOW)).partitions():
            yield from some


def export(
    database: Database,
    stream: IO[bytes],
    *,
    scope: Scope | AnyScope,
    fingerprint: str | None = None,
    progress: Report | None = None,
) -> ExportReport:
    """Write the records of a scope; see ``Memory.export``. With a fingerprint also the vectors of that model."""
    with database.read() as connection:
        return Exporter(connection, stream, scope=scope, fingerprint=fingerprint).run(progress)


def _owner(row: Any) -> dict[str, str | None]:  # noqa: ANN401  # rows have no type that names their columns
    return {name: getattr(row, f"scope_{name}") or None for name in FIELDS}


def _parsed(text: str | None) -> Any:  # noqa: ANN401  # JSON
    return None if text is None else json.loads(text)


def _lists(pairs: Iterable[Any]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    for row, value in pairs:
        found[row].append(value)
    return found
