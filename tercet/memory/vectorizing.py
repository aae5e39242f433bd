"""Dense vectors: filling in the missing ones, and rebuilding the whole index from the database."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Row, delete, func, select, update

from tercet.memory.database import chunks, corpora, documents, embeddings, meta, versions
from tercet.memory.points import batches
from tercet.memory.vectors import Point
from tercet.memory.writing import load_vectors
from tercet.models.lexical import TermCounts, bucket_length
from tercet.records import Progress, embedded_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tercet.memory.database import Database
    from tercet.memory.vectors import SparseVector, VectorIndex
    from tercet.models.embedding import Embedder

WINDOW = 1024
"""Chunks embedded between two commits: long enough to sort texts by length, short enough to lose little at a kill."""


class Vectorizer:
    """The dense half of the index."""

    def __init__(
        self,
        database: Database,
        *,
        index: Callable[[], VectorIndex],
        rebuild_index: Callable[[], VectorIndex],
        embedder: Callable[[], Embedder | None],
        fingerprint: Callable[[], str | None],
        weigh: Callable[[TermCounts, float], SparseVector],
    ) -> None:
        self._database = database
        self._index = index
        self._rebuild_index = rebuild_index
        self._embedder = embedder
        self._fingerprint = fingerprint
        self._weigh = weigh

    def embed_missing(self, *, progress: Callable[[Progress], None] | None = None) -> int:
        """Embed what has no vector, window by window: vectors saved, then indexed, then marked."""
        missing = (
            select(chunks.c.id, chunks.c.embed_key, chunks.c.title, chunks.c.heading_path, chunks.c.lead, chunks.c.text)
            .join(versions, versions.c.id == chunks.c.version_id)
            .where(chunks.c.embedded.is_(False), versions.c.state == "live")
        )
        with self._database.read() as connection:
            total = connection.execute(select(func.count()).select_from(missing.subquery())).scalar_one()
        if not total:
            return 0
        embedder = self._embedder()
        if embedder is None:
            return 0
        done = embedded = 0
        while True:
            with self._database.read() as connection:
                rows = connection.execute(missing.order_by(chunks.c.id).limit(WINDOW)).all()
                known = load_vectors(connection, embedder.fingerprint, [row.embed_key for row in rows])
            if not rows:
                return embedded
            texts = {row.embed_key: _text(row) for row in rows if row.embed_key not in known}
            if texts:
                vectors = embedder.embed_documents(list(texts.values()))
                new = dict(zip(texts, vectors, strict=True))
                self._save(embedder.fingerprint, new)
                known.update(new)
                embedded += len(texts)
            ids = [row.id for row in rows]
            self._index().set_dense(ids, np.stack([known[row.embed_key] for row in rows]))
            self._mark(ids)
            done += len(rows)
            if progress:
                progress(Progress(phase="embed", done=done, total=max(total, done)))

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
        self._database.set_meta("reindexing", "1")
        index = self._rebuild_index()
        fingerprint = self._fingerprint()
        query = (
            select(chunks.c.id, chunks.c.terms, chunks.c.embed_key, chunks.c.embedded, documents.c.id.label("document"))
            .add_columns(documents.c.corpus_id, corpora.c.length_bucket)
            .join(versions, versions.c.id == chunks.c.version_id)
            .join(documents, documents.c.id == versions.c.document_id)
            .join(corpora, corpora.c.id == documents.c.corpus_id)
            .where(versions.c.state == "live")
            .order_by(chunks.c.id)
            .limit(WINDOW)
        )
        with self._database.read() as connection:
            total = connection.execute(select(func.count()).select_from(chunks)).scalar_one()
        last, done = -1, 0
        while True:
            with self._database.read() as connection:
                rows = connection.execute(query.where(chunks.c.id > last)).all()
                keys = [row.embed_key for row in rows]
                known = load_vectors(connection, fingerprint, keys) if fingerprint else {}
            if not rows:
                break
            index.upsert(
                [
                    Point(
                        id=row.id,
                        payload={"corpus": row.corpus_id, "document": row.document},
                        dense=known.get(row.embed_key),
                        sparse=self._weigh(TermCounts.from_bytes(row.terms), bucket_length(row.length_bucket or 0)),
                    )
                    for row in rows
                ]
            )
            self._agree(rows, known)
            last, done = rows[-1].id, done + len(rows)
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
        if self._database.get_meta("reindexing") is not None:
            self.reindex()


def _text(row: Row[*tuple[Any, ...]]) -> str:
    return embedded_text(row.title, json.loads(row.heading_path), row.lead, row.text)
