"""Writing to semantic memory so that a kill at any point loses nothing acknowledged and leaves nothing half-written.

A batch goes through three steps, each safe to lose:

1. One transaction stores the new versions as *pending*, with all their rows. Searches do not see them.
2. Their points are upserted into the vector index, under the ids of the new chunk rows. A document that is too large
   to be held at once goes on part by part, each with a transaction for its rows and its points after that.
3. One transaction makes the versions live, removes the versions they replace, moves the word statistics, writes the
   ledger, and notes the points that became stale. From here on searches see the new version, and only it.

Stale points are then deleted; a search that still meets one drops it, because its chunk row is gone. After a crash,
``recover`` removes what stayed pending (its write was never acknowledged; the next ingest does it again) and deletes
the stale points that are still noted.

Several processes may write to one database. Step 3 locks the documents, then their corpora, each in the order of their
ids, so that writers of the same rows follow one another and never wait for each other in a circle. What a writer clears
away it locks first and looks at again, for it may have come to life meanwhile.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace
from itertools import islice
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, exists, insert, or_, select, tuple_, update

from tercet.errors import StoreError
from tercet.memory.chunk_rows import ChunkRow, NewChunks, insert_chunks, terms_of
from tercet.memory.database import (
    attributes,
    chunks,
    corpora,
    documents,
    embeddings,
    files,
    meta,
    stale_points,
    text_parts,
    versions,
    workers,
)
from tercet.memory.points import BATCH, batches
from tercet.memory.references import remove_orphans
from tercet.memory.rows import lock_rows, write_files
from tercet.memory.schema import addresses, episodes
from tercet.memory.selection import attribute_marks, attribute_rows, day_number
from tercet.memory.vectors import Point, SparseVector
from tercet.memory.word_counts import WordCounts
from tercet.models.lexical import TermCounts, bm25_weights, bucket_length, length_bucket
from tercet.records import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Table

    from tercet.memory.database import Database
    from tercet.memory.stored import NewVersion
    from tercet.memory.vectors import VectorIndex
    from tercet.memory.workers import Workers
    from tercet.settings import LexicalConfig

LEASE_S = 600.0
"""How long a pending write may take before another process may clear it away (shared databases)."""


class SemanticWriter:
    """The write side of semantic memory: see the module's text for the order of things.

    Args:
        database: Where rows go.
        index: Opens the vector index on first use.
        lexical: BM25 constants for the sparse weights.
        fingerprint: Of the embedder, to find vectors that are already known; None without one.
        workers: The processes that share the database; None: this process holds the memory alone, so that anything
            pending is of a dead writer.
    """

    def __init__(
        self,
        database: Database,
        *,
        index: Callable[[], VectorIndex],
        lexical: LexicalConfig,
        fingerprint: Callable[[], str | None],
        workers: Workers | None,
    ) -> None:
        self._database = database
        self._index = index
        self._lexical = lexical
        self._fingerprint = fingerprint
        self._workers = workers
        self._failed: set[int] = set()
        """Versions that this writer, still alive, could not bring to an end."""

    # -- put ---------------------------------------------------------------------------------------------------------

    def put(self, new: Sequence[NewVersion], *, also: Callable[[Connection], None] | None = None) -> None:
        """Store versions and make them live; when it returns they are, and they survive kill -9.

        Args:
            new: The versions.
            also: Called in the transaction that makes them live; what it raises keeps them from that.
        """
        if not new:
            return
        named = [(version.corpus_id, version.uri) for version in new]
        assert len(set(named)) == len(named), "one batch holds each document once"
        writer = "" if self._workers is None else self._workers.name
        counted = WordCounts()
        with self._database.write() as connection:
            self._ensure_buckets(connection, new)
            buckets = self._buckets(connection, new)
            document_ids = self._document_ids(connection, new)
            version_ids = self._insert_versions(connection, new, document_ids, writer)
            places = list(zip(new, document_ids, version_ids, strict=True))
            rows = insert_chunks(
                connection,
                [NewChunks(version.corpus_id, document, key, version.chunks) for version, document, key in places],
                fingerprint=self._fingerprint(),
            )
        alive = False
        try:
            self._index_rows(rows, buckets, counted)
            for version, document_id, version_id in places:
                self._put_further(version, document_id, version_id, buckets, counted)
            while not alive:
                with self._database.write() as connection:
                    self._lock(connection, document_ids, new)
                    used, buckets = buckets, self._buckets(connection, new)
                    if alive := used == buckets:
                        self._make_live(connection, new, version_ids, counted)
                        if also is not None:
                            also(connection)
                if not alive:  # another process finished the corpus meanwhile, and could not know these points
                    self._weigh_again(version_ids, buckets)
        except BaseException:
            self._failed.update(version_ids)
            raise
        self.drop_stale_points()

    def _buckets(self, connection: Connection, new: Sequence[NewVersion]) -> dict[int, int | None]:
        """The length bucket of each corpus that a batch belongs to."""
        ids = {version.corpus_id for version in new}
        return dict(
            connection.execute(select(corpora.c.id, corpora.c.length_bucket).where(corpora.c.id.in_(ids))).all()
        )

    def _lock(self, connection: Connection, document_ids: Sequence[int], new: Sequence[NewVersion]) -> None:
        """Keep other writers away from these documents, and from the statistics of their corpora, until the commit."""
        lock_rows(connection, documents, document_ids)
        lock_rows(connection, corpora, {version.corpus_id for version in new})

    def _put_further(
        self,
        version: NewVersion,
        document_id: int,
        version_id: int,
        buckets: Mapping[int, int | None],
        counted: WordCounts,
    ) -> None:
        """Add the rest of a large document to its pending version, a transaction for each part."""
        ordinal, start = len(version.chunks), len(version.text)
        for part in version.further or ():
            with self._database.write() as connection:
                ours = update(versions).where(versions.c.id == version_id, versions.c.state == "pending")
                if not connection.execute(ours.values(lease_until=time.time() + LEASE_S)).rowcount:
                    raise _taken_for_dead()
                connection.execute(insert(text_parts), {"version_id": version_id, "start": start, "text": part.text})
                rows = insert_chunks(
                    connection,
                    [NewChunks(version.corpus_id, document_id, version_id, part.chunks, ordinal)],
                    fingerprint=self._fingerprint(),
                )
            self._index_rows(rows, buckets, counted)
            ordinal, start = ordinal + len(part.chunks), start + len(part.text)

    def _index_rows(self, rows: Sequence[ChunkRow], buckets: Mapping[int, int | None], counted: WordCounts) -> None:
        """Write the points of pending chunks, and count their words for the moment when they become live."""
        with self._database.read() as connection:
            marks = attribute_marks(connection, {row.version_id for row in rows})
        self._index().upsert(
            [
                Point(
                    id=row.id,
                    payload={
                        "corpus": row.corpus_id,
                        "document": row.document_id,
                        "attribute": marks.get(row.version_id, ()),
                    },
                    dense=row.vector,
                    sparse=self.weigh(row.terms, bucket_length(buckets[row.corpus_id] or 0)),
                )
                for row in rows
            ]
        )
        for row in rows:
            counted.add(row.corpus_id, (row.terms,))

    def _weigh_again(self, version_ids: Sequence[int], buckets: Mapping[int, int | None]) -> None:
        with self._database.read() as connection:
            rows = terms_of(connection, version_ids)
            while page := list(islice(rows, BATCH)):
                weights = [self.weigh(terms, bucket_length(buckets[corpus_id] or 0)) for _, corpus_id, terms in page]
                self._index().set_sparse([row for row, _, _ in page], weights)

    def _ensure_buckets(self, connection: Connection, new: Sequence[NewVersion]) -> None:
        """A corpus without chunks takes its first bucket from the batch; ``finish`` corrects it."""
        unset: ColumnElement[bool] = corpora.c.length_bucket.is_(None)
        if self._workers is None:  # else an empty corpus may be one whose first points others are writing
            unset = or_(unset, corpora.c.chunks == 0)
        for corpus_id in sorted({version.corpus_id for version in new}):
            lengths = [
                item.terms.length for version in new if version.corpus_id == corpus_id for item in version.chunks
            ]
            if lengths:
                connection.execute(
                    update(corpora)
                    .where(corpora.c.id == corpus_id, unset)
                    .values(length_bucket=length_bucket(sum(lengths) / len(lengths)))
                )

    def _document_ids(self, connection: Connection, new: Sequence[NewVersion]) -> list[int]:
        """The ids of the documents, in order; rows are made for those that are new."""
        place = tuple_(documents.c.corpus_id, documents.c.uri)
        # Until the commit nobody may remove a row that is found; one removed just before is made again.
        query = select(documents.c.corpus_id, documents.c.uri, documents.c.id).with_for_update(
            read=True, key_share=True
        )
        named = [(version.corpus_id, version.uri) for version in new]
        found: dict[tuple[int, str], int] = {}
        while len(found) < len(named):
            connection.execute(
                self._database.upsert(documents, conflict=("corpus_id", "uri")),
                [{"corpus_id": corpus_id, "uri": uri} for corpus_id, uri in sorted(named)],
            )
            for some in batches(named):
                rows = connection.execute(query.where(place.in_(some))).all()
                found.update(((corpus_id, uri), key) for corpus_id, uri, key in rows)
        return [found[one] for one in named]

    def _insert_versions(
        self, connection: Connection, new: Sequence[NewVersion], document_ids: Sequence[int], writer: str
    ) -> Sequence[int]:
        lease_until = time.time() + LEASE_S
        rows = [
            {
                "document_id": document_id,
                "state": "pending",
                "writer": writer,
                "lease_until": lease_until,
                "content_hash": version.content_hash,
                "config_hash": version.config_hash,
                "title": version.title,
                "metadata": json.dumps(dict(version.metadata), ensure_ascii=False, sort_keys=True, default=list),
                "findings": json.dumps([asdict(finding) for finding in version.findings], ensure_ascii=False),
                "trust": version.trust,
                "effective_from": None if version.effective_from is None else day_number(version.effective_from),
                "effective_to": None if version.effective_to is None else day_number(version.effective_to),
                "text": version.text,
            }
            for version, document_id in zip(new, document_ids, strict=True)
        ]
        ids = self._insert_many(connection, versions, rows)
        tags = [row for key, version in zip(ids, new, strict=True) for row in attribute_rows(key, version.metadata)]
        if tags:
            connection.execute(insert(attributes), tags)
        places = [{"version_id": key, "url": version.url} for key, version in zip(ids, new, strict=True) if version.url]
        if places:
            connection.execute(insert(addresses), places)
        return ids

    def _insert_many(self, connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> Sequence[int]:
        if not rows:
            return []
        statement = insert(table).returning(table.c.id, sort_by_parameter_order=True)
        return connection.execute(statement, rows).scalars().all()

    def weigh(self, terms: TermCounts, average: float) -> SparseVector:
        """The BM25 weights of a chunk as the index keeps them."""
        weights = bm25_weights(terms, average_length=average, k1=self._lexical.k1, b=self._lexical.b)
        return SparseVector(terms.ids, weights)

    def _make_live(
        self, connection: Connection, new: Sequence[NewVersion], version_ids: Sequence[int], counted: WordCounts
    ) -> None:
        rows = connection.execute(
            select(versions.c.id, versions.c.document_id, documents.c.live_version)
            .join(documents, documents.c.id == versions.c.document_id)
            .where(versions.c.id.in_(version_ids), versions.c.state == "pending")
        ).all()
        if len(rows) != len(version_ids):
            raise _taken_for_dead()
        old = [row.live_version for row in rows if row.live_version is not None]
        self._retire(connection, old)
        connection.execute(update(versions).where(versions.c.id.in_(version_ids)).values(state="live"))
        connection.execute(
            update(documents).where(documents.c.id == bindparam("document")).values(live_version=bindparam("version")),
            [{"document": row.document_id, "version": row.id} for row in rows],
        )
        counted.write(connection, self._database, sign=1)
        document_of = {row.id: row.document_id for row in rows}
        write_files(
            connection,
            self._database,
            [
                replace(version.file, document_id=document_of[version_id])
                for version_id, version in zip(version_ids, new, strict=True)
                if version.file is not None
            ],
        )

    # -- removal -----------------------------------------------------------------------------------------------------

    def delete(self, document_ids: Sequence[int]) -> None:
        """Remove documents with everything that was made from them."""
        for some in batches(document_ids):
            with self._database.write() as connection:
                lock_rows(connection, documents, some)
                of_these = connection.execute(select(documents.c.corpus_id).where(documents.c.id.in_(some)))
                lock_rows(connection, corpora, set(of_these.scalars()))
                live = select(versions.c.id).where(versions.c.document_id.in_(some), versions.c.state == "live")
                self._retire(connection, list(connection.execute(live).scalars()))
                connection.execute(delete(files).where(files.c.document_id.in_(some)))
                remove_orphans(connection)
                self._remove_empty(connection, documents.c.id.in_(some))
            self.drop_stale_points()

    def _remove_empty(self, connection: Connection, which: ColumnElement[bool]) -> None:
        """Remove documents that have no version at all, but not those that another process is giving one."""
        has_version = exists().where(versions.c.document_id == documents.c.id)
        free = select(documents.c.id).where(which, ~has_version).with_for_update(skip_locked=True)
        for some in batches(list(connection.execute(free).scalars())):
            connection.execute(delete(documents).where(documents.c.id.in_(some), ~has_version))

    def _retire(self, connection: Connection, version_ids: Sequence[int]) -> None:
        """Remove live versions: their rows go, their words are no longer counted, their points are noted as stale."""
        for some in batches(version_ids):
            counted = WordCounts()
            for _, corpus_id, terms in terms_of(connection, some):
                counted.add(corpus_id, (terms,))
            counted.write(connection, self._database, sign=-1)
            connection.execute(update(documents).where(documents.c.live_version.in_(some)).values(live_version=None))
            self._remove_versions(connection, some)

    def _remove_versions(self, connection: Connection, version_ids: Sequence[int]) -> None:
        held = select(chunks.c.id).where(chunks.c.version_id.in_(version_ids))
        connection.execute(insert(stale_points).from_select(["id"], held))
        connection.execute(delete(chunks).where(chunks.c.version_id.in_(version_ids)))
        connection.execute(delete(attributes).where(attributes.c.version_id.in_(version_ids)))
        connection.execute(delete(addresses).where(addresses.c.version_id.in_(version_ids)))
        connection.execute(delete(text_parts).where(text_parts.c.version_id.in_(version_ids)))
        connection.execute(delete(versions).where(versions.c.id.in_(version_ids)))
        self._database.set_meta("garbage", "1", connection)

    def drop_stale_points(self) -> None:
        """Delete the points of chunks that are gone, then forget their ids."""
        while True:
            with self._database.read() as connection:
                stale = list(connection.execute(select(stale_points.c.id).limit(BATCH)).scalars())
            if not stale:
                return
            self._index().delete(stale)
            with self._database.write() as connection:
                # Others may be at the same points: whoever comes first forgets them.
                free = select(stale_points.c.id).where(stale_points.c.id.in_(stale)).with_for_update(skip_locked=True)
                ours = list(connection.execute(free).scalars())
                connection.execute(delete(stale_points).where(stale_points.c.id.in_(ours)))

    # -- after a run, after a crash ------------------------------------------------------------------------------------

    def finish(self, corpus_id: int, progress: Callable[[Progress], None] | None = None) -> None:
        """Bring a corpus into its final state: weights for its real average length, no vector nobody refers to."""
        with self._database.exclusive(f"finish {corpus_id}", wait=True):
            self._finish(corpus_id, progress)
        self.collect_garbage()

    def _finish(self, corpus_id: int, progress: Callable[[Progress], None] | None = None) -> None:
        with self._database.read() as connection:
            row = connection.execute(select(corpora).where(corpora.c.id == corpus_id)).one()
        if row.chunks:
            bucket = length_bucket(row.length_total / row.chunks)
            if bucket != row.length_bucket or row.reweighing:
                self._reweigh(corpus_id, bucket, row.chunks, progress)

    def _reweigh(self, corpus_id: int, bucket: int, total: int, progress: Callable[[Progress], None] | None) -> None:
        change = update(corpora).where(corpora.c.id == corpus_id)
        with self._database.write() as connection:
            connection.execute(change.values(length_bucket=bucket, reweighing=True))
        average, last, done = bucket_length(bucket), -1, 0
        query = (
            select(chunks.c.id, chunks.c.terms)
            .join(versions, versions.c.id == chunks.c.version_id)
            .join(documents, documents.c.id == versions.c.document_id)
            .where(documents.c.corpus_id == corpus_id)
            .order_by(chunks.c.id)
            .limit(BATCH)
        )
        while True:
            with self._database.read() as connection:
                rows = connection.execute(query.where(chunks.c.id > last)).all()
            if not rows:
                break
            weights = [self.weigh(TermCounts.from_bytes(row.terms), average) for row in rows]
            self._index().set_sparse([row.id for row in rows], weights)
            last, done = rows[-1].id, done + len(rows)
            if progress:
                progress(Progress(phase="index", done=done, total=total, item="word weights"))
        with self._database.write() as connection:
            connection.execute(change.values(reweighing=False))

    def collect_garbage(self) -> None:
        """Remove cached vectors that no chunk and no episode refers to; nothing is written when nothing was removed."""
        if self._database.get_meta("garbage") is None:
            return
        unused = ~exists().where(chunks.c.embed_key == embeddings.c.embed_key)
        unused &= ~exists().where(episodes.c.embed_key == embeddings.c.embed_key)
        with self._database.write() as connection:
            connection.execute(delete(meta).where(meta.c.key == "garbage"))
            # A writer that has just found a vector keeps it locked; one that comes later finds none.
            free = select(embeddings.c.embed_key).where(unused).with_for_update(skip_locked=True)
            for some in batches(list(set(connection.execute(free).scalars()))):
                connection.execute(delete(embeddings).where(embeddings.c.embed_key.in_(some), unused))

    def recover(self) -> None:
        """Clear away what a dead writer left: pending versions, stale points, half-done weights."""
        pending = select(versions.c.id).where(versions.c.state == "pending")
        if self._workers is not None:
            self._workers.bury()
            at_work = select(workers.c.name)
            pending = pending.where(
                or_(
                    versions.c.writer.not_in(at_work),
                    versions.c.lease_until < time.time(),
                    versions.c.id.in_(self._failed),
                )
            )
        with self._database.read() as connection:
            left = list(connection.execute(pending).scalars())
            unfinished = list(connection.execute(select(corpora.c.id).where(corpora.c.reweighing)).scalars())
        for some in batches(left):
            with self._database.write() as connection:
                still = select(versions.c.id).where(versions.c.id.in_(some), versions.c.state == "pending")
                locked = connection.execute(still.with_for_update(skip_locked=True))
                if dead := list(locked.scalars()):
                    self._remove_versions(connection, dead)
                self._remove_empty(connection, documents.c.live_version.is_(None))
        self._failed.clear()
        self.drop_stale_points()
        for corpus_id in unfinished:
            with self._database.exclusive(f"finish {corpus_id}") as free:  # else somebody is at it
                if free:
                    self._finish(corpus_id)


def _taken_for_dead() -> StoreError:
    return StoreError(
        "This process was taken for dead, and what it was about to write was cleared away.",
        remedy="Run the same command again; if it happens often, look at the connection to the database.",
    )
