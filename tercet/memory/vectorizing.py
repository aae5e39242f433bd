"""Dense vectors: filling in the missing ones, and rebuilding the whole index from the database."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sqlalchemy import Row, delete, exists, func, select, update

from tercet.memory.database import chunks, claimed_texts, corpora, documents, embeddings, meta, versions
from tercet.memory.points import batches
from tercet.memory.rows import load_vectors
from tercet.memory.selection import attribute_marks
from tercet.memory.vectors import Point
from tercet.models.lexical import TermCounts, bucket_length
from tercet.records import Progress, embedded_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from sqlalchemy import Select

    from tercet.memory.database import Database
    from tercet.memory.vectors import SparseVector, VectorIndex
    from tercet.memory.workers import Workers
    from tercet.models.embedding import Embedder

WINDOW = 1024
"""Chunks embedded between two commits: long enough to sort texts by length, short enough to lose little at a kill."""
SHARED_WINDOW = 256
"""The same where several processes take turns, so that none waits long for the last of another."""
PAUSE_S = 0.2
"""Between two looks whether others are done."""
LOOK_EVERY_S = 5.0
"""How often what others have done is counted in while there is still work."""

_MISSING = (
    select(chunks.c.id, chunks.c.embed_key, chunks.c.title, chunks.c.heading_path, chunks.c.lead, chunks.c.text)
    .join(versions, versions.c.id == chunks.c.version_id)
    .where(chunks.c.embedded.is_(False), versions.c.state == "live")
)


class _Step(NamedTuple):
    texts: int
    """Embedded; those already known are not counted."""
    chunks: int
    """That have their vector now."""


class Vectorizer:
    """The dense half of the index.

    Where several processes share the database, each claims texts before it embeds them, by the key of the text and not
    by chunk: so a text that stands in many documents is embedded once, whoever comes upon it.
    """

    def __init__(
        self,
        database: Database,
        *,
        index: Callable[[], VectorIndex],
        rebuild_index: Callable[[], VectorIndex],
        embedder: Callable[[], Embedder | None],
        fingerprint: Callable[[], str | None],
        weigh: Callable[[TermCounts, float], SparseVector],
        workers: Workers | None,
    ) -> None:
        self._database = database
        self._index = index
        self._rebuild_index = rebuild_index
        self._embedder = embedder
        self._fingerprint = fingerprint
        self._weigh = weigh
        self._workers = workers

    def missing(self) -> int:
        """Live chunks that still lack a dense vector."""
        with self._database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(_MISSING.subquery())).scalar_one())

    def embed_missing(self, *, progress: Callable[[Progress], None] | None = None) -> int:
        """Embed what has no vector, window by window; returns when no vector is missing, whoever made them."""
        left = total = self.missing()
        if not left or self._embedder() is None:
            return 0
        embedded, looked = 0, time.monotonic()
        while True:
            step = self._step()
            if step is not None:
                embedded, left = embedded + step.texts, left - step.chunks
            if step is None or (self._workers is not None and time.monotonic() - looked > LOOK_EVERY_S):
                left, looked = self.missing(), time.monotonic()
            if progress:
                total = max(total, left)
                progress(Progress(phase="embed", done=total - left, total=total))
            if step is None and (self._workers is None or not left):
                return embedded
            if step is None:
                time.sleep(PAUSE_S)  # others are at the rest; should they die, it will be free again

    def embed_some(self) -> int | None:
        """Embed one window: how many texts; None: nothing is missing, or others are at all of it."""
        step = self._step()
        return None if step is None else step.texts

    def _step(self) -> _Step | None:
        embedder = self._embedder()
        if embedder is None:
            return None
        if self._workers is None:
            return self._embed(embedder, _MISSING.order_by(chunks.c.id).limit(WINDOW))
        worker = self._workers.id
        keys = self._claim(self._workers, worker)
        if not keys:
            return None
        try:
            return self._embed(embedder, _MISSING.where(chunks.c.embed_key.in_(keys))) or _Step(0, 0)
        finally:
            with self._database.write() as connection:
                for some in batches(keys):
                    mine = (claimed_texts.c.worker_id == worker, claimed_texts.c.embed_key.in_(some))
                    connection.execute(delete(claimed_texts).where(*mine))

    def _embed(self, embedder: Embedder, query: Select[Any]) -> _Step | None:
        """Vectors are saved, then indexed, then marked."""
        with self._database.read() as connection:
            rows = connection.execute(query).all()
            known = load_vectors(connection, embedder.fingerprint, [row.embed_key for row in rows])
        if not rows:
            return None
        texts = {row.embed_key: _text(row) for row in rows if row.embed_key not in known}
        if texts:
            vectors = embedder.embed_documents(list(texts.values()))
            new = dict(zip(texts, vectors, strict=True))
            self._save(embedder.fingerprint, new)
            known.update(new)
        ids = [row.id for row in rows]
        self._index().set_dense(ids, np.stack([known[row.embed_key] for row in rows]))
        self._mark(ids)
        return _Step(len(texts), len(rows))

    def _claim(self, others: Workers, worker: int) -> list[bytes]:
        """Texts to embed that no other process is at; they are this one's until it marks them."""
        others.bury()
        free = (
            select(chunks.c.embed_key)
            .join(versions, versions.c.id == chunks.c.version_id)
            .where(chunks.c.embedded.is_(False), versions.c.state == "live")
            .where(~exists().where(claimed_texts.c.embed_key == chunks.c.embed_key))
            .limit(SHARED_WINDOW)
            .with_for_update(of=chunks, skip_locked=True)
        )
        claim = self._database.upsert(claimed_texts, conflict=("embed_key",)).returning(claimed_texts.c.embed_key)
        with self._database.write() as connection:
            keys = sorted(set(connection.execute(free).scalars()))
            rows = [{"embed_key": key, "worker_id": worker} for key in keys]
            return list(connection.execute(claim, rows).scalars()) if rows else []

    def _save(self, fingerprint: str, vectors: dict[bytes, NDArray[np.float32]]) -> None:
        rows = [
            {"fingerprint": fingerprint, "embed_key": key, "vector": np.asarray(vector, dtype="<f4").tobytes()}
            for key, vector in vectors.items()
        ]
        with self._database.write() as connection:
            connection.execute(self._database.upsert(embeddings, conflict=("fingerprint", "embed_key")), rows)

    def _mark(self, ids: Sequence[int]) -> None:
        with self._database.write() as connection:
            for some in batches(ids):
                connection.execute(update(chunks).where(chunks.c.id.in_(some)).values(embedded=True))

    def reindex(self, *, progress: Callable[[Progress], None] | None = None) -> int:
        """Drop the index and write every live chunk again; a kill in the middle makes the next opening do it again."""
        with self._database.exclusive("reindex", wait=True):
            return self._reindex(progress)

    def _reindex(self, progress: Callable[[Progress], None] | None = None) -> int:
        self._database.set_meta("reindexing", "1")
        index = self._rebuild_index()
        fingerprint = self._fingerprint()
        query = (
            select(chunks.c.id, chunks.c.terms, chunks.c.embed_key, chunks.c.embedded, documents.c.id.label("document"))
            .add_columns(documents.c.corpus_id, corpora.c.length_bucket, chunks.c.version_id, versions.c.state)
            .join(versions, versions.c.id == chunks.c.version_id)
            .join(documents, documents.c.id == versions.c.document_id)
            .join(corpora, corpora.c.id == documents.c.corpus_id)
            .order_by(chunks.c.id)
            .limit(WINDOW)
        )
        with self._database.read() as connection:
            total = connection.execute(select(func.count()).select_from(chunks)).scalar_one()
        last, done = -1, 0
        while True:
            with self._database.read() as connection:
                page = connection.execute(query.where(chunks.c.id > last)).all()
                # Not in the query: SQLite would go through all live versions, and sort their chunks, for every page.
                rows = [row for row in page if row.state == "live"]
                keys = [row.embed_key for row in rows]
                known = load_vectors(connection, fingerprint, keys) if fingerprint else {}
                marks = attribute_marks(connection, {row.version_id for row in rows})
            if not page:
                break
            index.upsert(
                [
                    Point(
                        id=row.id,
                        payload={
                            "corpus": row.corpus_id,
                            "document": row.document,
                            "attribute": marks.get(row.version_id, ()),
                        },
                        dense=known.get(row.embed_key),
                        sparse=self._weigh(TermCounts.from_bytes(row.terms), bucket_length(row.length_bucket or 0)),
                    )
                    for row in rows
                ]
            )
            self._agree(rows, known)
            last, done = page[-1].id, done + len(rows)
            if progress:
                progress(Progress(phase="reindex", done=done, total=max(total, done)))
        index.flush()
        with self._database.write() as connection:
            connection.execute(delete(meta).where(meta.c.key == "reindexing"))
        return done

    def _agree(self, rows: Sequence[Row[*tuple[Any, ...]]], known: dict[bytes, NDArray[np.float32]]) -> None:
        """Correct the mark of chunks whose vector turned out to be there, or not."""
        wrong = [row.id for row in rows if bool(row.embedded) != (row.embed_key in known)]
        if wrong:
            with self._database.write() as connection:
                for some in batches(wrong):
                    flip = update(chunks).where(chunks.c.id.in_(some)).values(embedded=~chunks.c.embedded)
                    connection.execute(flip)

    def recover(self) -> None:
        """Finish a rebuild that was killed."""
        if self._database.get_meta("reindexing") is None:
            return
        with self._database.exclusive("reindex") as free:  # else somebody is at it
            if free and self._database.get_meta("reindexing") is not None:
                self._reindex()


def _text(row: Row[*tuple[Any, ...]]) -> str:
    return embedded_text(row.title, json.loads(row.heading_path), row.lead, row.text)
