"""The vector index of episodes, kept equal to the database: rows first, then points, then the queue is emptied."""

from __future__ import annotations

import secrets
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import delete, exists, func, select, tuple_, update

from tercet.memory.episodes.records import KINDS
from tercet.memory.points import batches
from tercet.memory.rows import load_vectors
from tercet.memory.schema import embeddings, episode_entities, episode_queue, episodes, meta
from tercet.memory.vectors import Point, SparseVector
from tercet.models.lexical import TermCounts, bm25_weights
from tercet.records import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray
    from sqlalchemy import Connection, Row

    from tercet.memory.database import Database
    from tercet.memory.vectors import VectorIndex
    from tercet.models.embedding import Embedder
    from tercet.settings import LexicalConfig

WINDOW = 1024
"""Texts embedded between two commits."""
AVERAGE_LENGTH = 12.0
"""Terms of a typical turn, for BM25. A constant, so that a weight depends on nothing but its own text: scopes are many
and small, and the same records must weigh the same whatever came before or beside them."""
REINDEX_MARK = "reindexing_episodes"


class EpisodeIndexer:
    """Writes points for rows."""

    def __init__(
        self,
        database: Database,
        *,
        index: Callable[[], VectorIndex],
        rebuild_index: Callable[[], VectorIndex],
        embedder: Callable[[], Embedder | None],
        fingerprint: Callable[[], str | None],
        lexical: LexicalConfig,
    ) -> None:
        self._database = database
        self._index = index
        self._rebuild_index = rebuild_index
        self._embedder = embedder
        self._fingerprint = fingerprint
        self._lexical = lexical

    def embed(self, texts: dict[bytes, str]) -> dict[bytes, NDArray[np.float32]]:
        """The vectors of texts by key, from the cache where they are known; without an embedder none."""
        embedder = self._embedder()
        if embedder is None:
            return {}
        with self._database.read() as connection:
            known = load_vectors(connection, embedder.fingerprint, list(texts))
        missing = {key: text for key, text in texts.items() if key not in known}
        if missing:
            vectors = embedder.embed_documents(list(missing.values()))
            known.update(zip(missing, vectors, strict=True))
        return known

    def save(self, connection: Connection, vectors: dict[bytes, NDArray[np.float32]]) -> None:
        """Keep vectors in the cache."""
        fingerprint = self._fingerprint()
        rows = [
            {"fingerprint": fingerprint, "embed_key": key, "vector": np.asarray(vector, dtype="<f4").tobytes()}
            for key, vector in vectors.items()
        ]
        if rows and fingerprint:
            connection.execute(self._database.upsert(embeddings, conflict=("fingerprint", "embed_key")), rows)

    def sync(self, rows: Iterable[int]) -> None:
        """Write the points of queued rows, and take the rows off the queue if they did not change meanwhile."""
        for some in batches(sorted(set(rows))):
            left = list(some)
            while left:
                left = self._sync(left)

    def _sync(self, rows: Sequence[int]) -> list[int]:
        """One attempt; returns the rows that someone changed while their points were written."""
        with self._database.read() as connection:
            queue = select(episode_queue.c.row, episode_queue.c.revision).where(episode_queue.c.row.in_(rows))
            revisions = [tuple(row) for row in connection.execute(queue)]
            queued = [row for row, _ in revisions]
            points, embedded = self._points(connection, queued)
        if not queued:
            return []
        present = {point.id for point in points}
        self._index().upsert(points)
        self._index().delete([row for row in queued if row not in present])
        with self._database.write() as connection:
            taken = delete(episode_queue).where(tuple_(episode_queue.c.row, episode_queue.c.revision).in_(revisions))
            done = set(connection.execute(taken.returning(episode_queue.c.row)).scalars())
            self._mark(connection, embedded)
            left = sorted(set(queued) - done)
            enqueue(self._database, connection, left)  # theirs may have come before ours: write once more
        return left

    def _points(self, connection: Connection, rows: Sequence[int]) -> tuple[list[Point], dict[int, bool]]:
        """The points of rows as the database has them, and whether each has its vector."""
        columns = select(
            episodes.c.id,
            episodes.c.scope_id,
            episodes.c.kind,
            episodes.c.state,
            episodes.c.occurred_at,
            episodes.c.terms,
            episodes.c.embed_key,
        )
        found: list[Row[Any]] = []
        entities: dict[int, list[int]] = defaultdict(list)
        for some in batches(rows):
            found.extend(connection.execute(columns.where(episodes.c.id.in_(some))))
            named = select(episode_entities.c.row, episode_entities.c.name_id)
            for row, name in connection.execute(named.where(episode_entities.c.row.in_(some))):
                entities[row].append(name)
        fingerprint = self._fingerprint()
        known = load_vectors(connection, fingerprint, [row.embed_key for row in found]) if fingerprint else {}
        points = []
        for row in found:
            payload: dict[str, int | Sequence[int]] = {
                "scope": row.scope_id,
                "kind": KINDS.index(row.kind),
                "state": row.state,
            }
            if row.occurred_at is not None:
                payload["time"] = row.occurred_at // 1_000_000
            if row.id in entities:
                payload["entity"] = sorted(entities[row.id])
            sparse = self.weigh(TermCounts.from_bytes(row.terms))
            points.append(Point(id=row.id, payload=payload, dense=known.get(row.embed_key), sparse=sparse))
        return points, {row.id: row.embed_key in known for row in found}

    def weigh(self, terms: TermCounts) -> SparseVector:
        """The BM25 weights of a text as the index keeps them."""
        weights = bm25_weights(terms, average_length=AVERAGE_LENGTH, k1=self._lexical.k1, b=self._lexical.b)
        return SparseVector(terms.ids, weights)

    def _mark(self, connection: Connection, embedded: dict[int, bool]) -> None:
        for value in (True, False):
            rows = [row for row, has in embedded.items() if has is value]
            for some in batches(rows):
                wrong = episodes.c.id.in_(some), episodes.c.embedded.is_(not value)
                connection.execute(update(episodes).where(*wrong).values(embedded=value))

    def embed_missing(self, *, progress: Callable[[Progress], None] | None = None) -> int:
        """Embed what has no vector, window by window; returns the texts embedded."""
        missing = select(episodes.c.id, episodes.c.embed_key, episodes.c.text).where(episodes.c.embedded.is_(False))
        with self._database.read() as connection:
            total = connection.execute(select(func.count()).select_from(missing.subquery())).scalar_one()
        if not total or self._embedder() is None:
            return 0
        last, done, embedded = -1, 0, 0
        while True:
            with self._database.read() as connection:
                rows = connection.execute(
                    missing.where(episodes.c.id > last).order_by(episodes.c.id).limit(WINDOW)
                ).all()
                fingerprint = self._fingerprint()
                known = load_vectors(connection, fingerprint or "", [row.embed_key for row in rows])
            if not rows:
                return embedded
            vectors = self.embed({row.embed_key: row.text for row in rows})
            new = {key: vector for key, vector in vectors.items() if key not in known}
            ids = [row.id for row in rows]
            with self._database.write() as connection:
                self.save(connection, new)
                enqueue(self._database, connection, ids)
            self.sync(ids)
            last, done, embedded = ids[-1], done + len(ids), embedded + len(new)
            if progress:
                progress(Progress(phase="embed", done=done, total=max(total, done)))

    def reindex(self, *, progress: Callable[[Progress], None] | None = None) -> int:
        """Drop the index and write every point again; a kill in the middle makes the next opening do it again."""
        with self._database.read() as connection:
            total = connection.execute(select(func.count()).select_from(episodes)).scalar_one()
        self._database.set_meta(REINDEX_MARK, "1")
        index = self._rebuild_index()
        last, done = -1, 0
        while True:
            with self._database.read() as connection:
                page = select(episodes.c.id).where(episodes.c.id > last).order_by(episodes.c.id).limit(WINDOW)
                ids = list(connection.execute(page).scalars())
                points, embedded = self._points(connection, ids)
            if not ids:
                break
            index.upsert(points)
            with self._database.write() as connection:
                self._mark(connection, embedded)
            last, done = ids[-1], done + len(ids)
            if progress:
                progress(Progress(phase="reindex", done=done, total=max(total, done)))
        index.flush()
        with self._database.write() as connection:
            connection.execute(delete(meta).where(meta.c.key == REINDEX_MARK))
        return done

    def recover(self) -> None:
        """Finish what a dead writer left: points that were not written, or a rebuild."""
        with self._database.read() as connection:
            marks = select(meta.c.key).where(meta.c.key.in_((REINDEX_MARK, "reindexing")))
            rebuild = connection.execute(marks).first() is not None
            rebuild = rebuild and connection.execute(select(exists().where(episodes.c.id >= 0))).scalar_one()
            queued = list(connection.execute(select(episode_queue.c.row)).scalars())
        if rebuild:
            self.reindex()
        self.sync(queued)


def enqueue(database: Database, connection: Connection, rows: Iterable[int]) -> None:
    """Note that the points of rows have to be written again."""
    # Never the same number twice: who wrote an older state must not take a newer one off the queue.
    queued = [{"row": row, "revision": secrets.randbits(62)} for row in sorted(set(rows))]
    if queued:
        connection.execute(database.upsert(episode_queue, conflict=("row",), update=("revision",)), queued)
