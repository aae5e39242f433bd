"""Semantic memory: documents in chunks, found by words and by meaning.

The store keeps and finds; it does not rank across signals. ``SemanticRetriever`` asks it for the candidates of each leg
and fuses them.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from sqlalchemy import func, select

from tercet.memory.chunk_rows import read_text
from tercet.memory.database import chunks, corpora, documents, embeddings, versions
from tercet.memory.lexical_query import known_terms, lexical_query
from tercet.memory.points import batches
from tercet.memory.selection import document_conditions, resolve
from tercet.memory.stored import Candidate, DocumentInfo, LexicalCandidates, Selection, StoredChunk
from tercet.memory.vectorizing import Vectorizer
from tercet.memory.writing import SemanticWriter
from tercet.models.lexical import bucket_length, term_id
from tercet.records import Chunk, DocumentFilter, Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from sqlalchemy import Connection, Row

    from tercet.memory.database import Database
    from tercet.memory.stored import NewVersion
    from tercet.memory.vectors import Neighbor, VectorIndex
    from tercet.memory.workers import Workers
    from tercet.models.embedding import Embedder
    from tercet.settings import LexicalConfig

_END = 2**31 - 1
"""Behind the end of any text."""
SLACK = 64
"""Candidates asked for beyond the limit while some may be removed chunks, so that a second query is rarely needed."""
TIED = 8
"""The same when all are live: only tied scores at the end ask for more."""
EXACT_BELOW = 20_000
"""Chunks up to which dense search compares full vectors: quantization saves nothing worth having there."""
REMEMBERED_ROWS = 1_000_000
READ_AHEAD = 200_000
"""Chunks up to which the first search reads all ids at once, from indexes: 0.1 s, and no look-up ever after."""

# As text, because every search asks, and building a statement costs more than running it. Where rows are named, the
# state is compared as an expression, which no index serves: given more than ten rows, SQLite would go by the index of
# states, through every live version.
_OF_CORPUS = (
    " FROM chunks JOIN versions ON versions.id = version_id JOIN documents ON documents.id = versions.document_id"
)
_ALL_CHUNKS = "SELECT chunks.id, chunk_id, corpus_id" + _OF_CORPUS
_SOME_CHUNKS = _ALL_CHUNKS + " WHERE chunks.id IN ({})"
_LIVE_CHUNKS = (
    "SELECT chunks.id, chunk_id, corpus_id, embedded" + _OF_CORPUS + " WHERE chunks.id IN ({}) AND state || '' = 'live'"
)
_FREQUENCIES = (
    "SELECT term, sum(count) FROM frequencies WHERE corpus_id IN ({corpora}) AND term IN ({terms}) GROUP BY term"
)
_LOAD = (
    'SELECT chunks.id, chunks.chunk_id, chunks.text, chunks.start, chunks."end", chunks.title, chunks.heading_path,'
    " chunks.kind, chunks.lead, chunks.anchor, chunks.line_start, chunks.line_end, chunks.tokens, chunks.terms,"
    " versions.title, versions.metadata, versions.trust, documents.uri, corpora.name, corpora.version, corpora.tenant,"
    " corpora.length_bucket, addresses.url"
    " FROM chunks JOIN versions ON versions.id = chunks.version_id"
    " JOIN documents ON documents.id = versions.document_id JOIN corpora ON corpora.id = documents.corpus_id"
    " LEFT JOIN addresses ON addresses.version_id = versions.id"
    " WHERE versions.state || '' = 'live' AND chunks.id IN ({})"
)

_candidate = cast("Callable[[tuple[int, str, float, bool]], Candidate]", partial(tuple.__new__, Candidate))
"""From a tuple, in a quarter of the time that naming the fields takes: a search makes hundreds."""

_PLACE = (chunks.c.id, chunks.c.start, chunks.c.end)
_PAGE = 32
"""Neighbours of a chunk that are read at a time; few sections have more."""


class SemanticMemory:
    """The knowledge base of a memory. Opened by ``Memory.open``, as ``memory.semantic``."""

    def __init__(
        self,
        database: Database,
        *,
        index: Callable[[], VectorIndex],
        rebuild_index: Callable[[], VectorIndex],
        embedder: Callable[[], Embedder | None],
        fingerprint: Callable[[], str | None],
        lexical: LexicalConfig,
        claim: Callable[[], None],
        workers: Workers | None,
    ) -> None:
        self.lexical = lexical
        self._database = database
        self._index = index
        self._embedder = embedder
        self._fingerprint = fingerprint
        self._claim = claim
        self._settled_rows: dict[int, tuple[str, int, bool]] = {}
        self._writer = SemanticWriter(database, index=index, lexical=lexical, fingerprint=fingerprint, workers=workers)
        self._vectorizer = Vectorizer(
            database,
            index=index,
            rebuild_index=rebuild_index,
            embedder=embedder,
            fingerprint=fingerprint,
            weigh=self._writer.weigh,
            workers=workers,
        )

    @property
    def embedder(self) -> Embedder | None:
        """The embedder of this memory; None when it is searched by words only."""
        return self._embedder()

    @property
    def index(self) -> VectorIndex:
        """The vector index, opened on first use."""
        return self._index()

    # -- finding -----------------------------------------------------------------------------------------------------

    def select(self, where: DocumentFilter) -> Selection:
        """Resolve a filter: which corpora and documents may be searched.

        Raises:
            InputError: A condition of the filter names no value.
        """
        with self._database.read() as connection:
            return resolve(connection, where)

    def lexical_candidates(self, terms: Mapping[str, float], selection: Selection, *, limit: int) -> LexicalCandidates:
        """The best live chunks by BM25.

        Args:
            terms: Analysed query terms and how much each weighs in the query.
            selection: What may be searched.
            limit: How many chunks at most; exactly as many when that many share a term with the query.

        Returns:
            Candidates by descending score (BM25 sum), equal scores by chunk id, and the IDF of the terms.
        """
        if selection.empty or not terms:
            return LexicalCandidates(candidates=[], idf={})
        frequency = self._document_frequencies([term_id(term) for term in terms], selection)
        weights = known_terms(terms, frequency, selection.chunks)
        if not weights:
            return LexicalCandidates(candidates=[], idf={})
        query = lexical_query(terms, weights)

        def nearest(count: int) -> list[Neighbor]:
            return self._index().nearest_sparse(query, limit=count, where=selection.where)

        return LexicalCandidates(candidates=self._live(nearest, limit, selection), idf=weights)

    def dense_candidates(self, vector: NDArray[np.float32], selection: Selection, *, limit: int) -> list[Candidate]:
        """The best live chunks by cosine with a query vector, equal scores by chunk id."""
        if selection.empty:
            return []
        exact = selection.chunks <= EXACT_BELOW

        def nearest(count: int) -> list[Neighbor]:
            return self._index().nearest_dense(vector, limit=count, where=selection.where, exact=exact)

        return self._live(nearest, limit, selection)

    def _document_frequencies(self, terms: Sequence[int], selection: Selection) -> dict[int, int]:
        query = _FREQUENCIES.format(
            corpora=",".join(str(int(corpus.id)) for corpus in selection.corpora),
            terms=",".join(str(int(term)) for term in sorted(set(terms))),
        )
        with self._database.read() as connection:
            return {int(term): int(count) for term, count in connection.exec_driver_sql(query)}

    def _live(self, nearest: Callable[[int], list[Neighbor]], limit: int, selection: Selection) -> list[Candidate]:
        """Ask for ever more neighbours until ``limit`` live ones are certain, ties at the end included.

        The index is not asked about corpora where all of them were visible, so one that was made since the selection
        is told here, by what the database says of each row.
        """
        count = limit + (TIED if selection.settled else SLACK)
        visible = frozenset(corpus.id for corpus in selection.corpora)
        while True:
            found = nearest(count)
            rows = self._live_rows(selection, [neighbor.id for neighbor in found])
            ordered = sorted(
                [
                    (-score, place[0], row, place[2])
                    for row, score in found
                    if (place := rows.get(row)) is not None and place[1] in visible
                ]
            )
            exhausted = len(found) < count
            if exhausted or (len(ordered) > limit and -ordered[limit - 1][0] > found[-1].score):
                best = [(row, chunk_id, -score, embedded) for score, chunk_id, row, embedded in ordered[:limit]]
                return list(map(_candidate, best))
            count *= 4

    def _live_rows(self, selection: Selection, rows: Sequence[int]) -> Mapping[int, tuple[str, int, bool]]:
        """Chunk id, corpus, and whether its vector is in the index, of the rows that are live.

        While nothing is unfinished, what is in the index is live and has its vector, and a row keeps its chunk id and
        its corpus for ever, so rows seen before need no look. Should a write begin meanwhile, ``load`` leaves out what
        is not live.
        """
        if not selection.settled:
            live = self._read_rows(_LIVE_CHUNKS, rows)
            return {row: (chunk_id, corpus, bool(embedded)) for row, chunk_id, corpus, embedded in live}
        if len(self._settled_rows) > REMEMBERED_ROWS:
            self._settled_rows = {}
        known = self._settled_rows
        if not known and selection.chunks <= READ_AHEAD:
            with self._database.read() as connection:
                every = connection.exec_driver_sql(_ALL_CHUNKS)
                known.update((row, (chunk_id, corpus, True)) for row, chunk_id, corpus in every)
        unknown = [row for row in rows if row not in known]
        read = self._read_rows(_SOME_CHUNKS, unknown)
        known.update((row, (chunk_id, corpus, True)) for row, chunk_id, corpus in read)
        return known

    def _read_rows(self, query: str, rows: Sequence[int]) -> list[Row[*tuple[Any, ...]]]:
        found: list[Row[*tuple[Any, ...]]] = []
        if rows:
            with self._database.read() as connection:
                for some in batches(rows, 1_000):
                    numbers = ",".join(map(str, map(int, some)))
                    found.extend(connection.exec_driver_sql(query.format(numbers)).all())
        return found

    def coverage(self, selection: Selection) -> tuple[int, int]:
        """How many of the selected live chunks have a dense vector, and how many there are.

        While no vector is missing anywhere, both numbers are those of the whole corpora, which need no counting.
        """
        if selection.empty:
            return 0, 0
        if selection.settled:
            return selection.chunks, selection.chunks
        with self._database.read() as connection:
            query = (
                select(func.count(), func.count().filter(chunks.c.embedded))
                .select_from(chunks)
                .join(versions, versions.c.id == chunks.c.version_id)
                .join(documents, documents.c.id == versions.c.document_id)
                .where(versions.c.state == "live")
                .where(documents.c.corpus_id.in_([corpus.id for corpus in selection.corpora]))
            )
            if selection.documents is not None:
                total = with_vector = 0
                for some in batches(selection.documents):
                    counts = connection.execute(query.where(documents.c.id.in_(some))).one()
                    total, with_vector = total + counts[0], with_vector + counts[1]
                return with_vector, total
            total, with_vector = connection.execute(query).one()
        return int(with_vector), int(total)

    # -- reading -----------------------------------------------------------------------------------------------------

    def load(self, rows: Sequence[int]) -> dict[int, StoredChunk]:
        """Read chunks back with their documents; rows that are no longer live are left out."""
        found: dict[int, StoredChunk] = {}
        with self._database.read() as connection:
            for some in batches(rows):
                for row in connection.exec_driver_sql(_LOAD.format(",".join(map(str, map(int, some))))).all():
                    found[row[0]] = _stored(row)
        return found

    def section(self, row: int) -> tuple[int, str]:
        """The stored text around a chunk, as far as neighbouring chunks share its heading path, and where it starts.

        Empty if the chunk is gone.
        """
        with self._database.read() as connection:
            here = connection.execute(
                select(chunks.c.version_id, chunks.c.heading_path, *_PLACE).where(chunks.c.id == row)
            ).first()
            if here is None:
                return 0, ""
            start = _reach(connection, here, -1).start
            return start, read_text(connection, here.version_id, start, _reach(connection, here, 1).end)

    def read(self, document_id: int) -> tuple[str, tuple[int, ...]]:
        """The stored text of a live document, and the rows of its chunks in order; both empty if it is gone."""
        with self._database.read() as connection:
            live = connection.execute(
                select(documents.c.live_version).where(documents.c.id == document_id)
            ).scalar_one_or_none()
            if live is None:
                return "", ()
            rows = connection.execute(
                select(chunks.c.id).where(chunks.c.version_id == live).order_by(chunks.c.ordinal)
            ).scalars()
            return read_text(connection, live, 0, _END), tuple(rows)

    def vectors(self, rows: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        """The dense vectors of chunks, by row; rows without one are left out."""
        query = select(chunks.c.id, embeddings.c.vector).join(embeddings, embeddings.c.embed_key == chunks.c.embed_key)
        query = query.where(embeddings.c.fingerprint == self._fingerprint())
        found: dict[int, NDArray[np.float32]] = {}
        with self._database.read() as connection:
            for some in batches(rows):
                for row, vector in connection.execute(query.where(chunks.c.id.in_(some))):
                    found[row] = np.frombuffer(vector, dtype="<f4")
        return found

    def documents(self, where: DocumentFilter | None = None) -> Iterator[DocumentInfo]:
        """The live documents that a filter allows (all that belong to no tenant without one), by corpus and uri."""
        with self._database.read() as connection:
            selection = resolve(connection, where or DocumentFilter())
            counts = select(chunks.c.version_id, func.count().label("chunks")).group_by(chunks.c.version_id).subquery()
            query = (
                select(documents, versions, corpora, func.coalesce(counts.c.chunks, 0).label("chunk_count"))
                .join(versions, versions.c.id == documents.c.live_version)
                .join(corpora, corpora.c.id == documents.c.corpus_id)
                .outerjoin(counts, counts.c.version_id == versions.c.id)
                .where(documents.c.corpus_id.in_([corpus.id for corpus in selection.corpora]))
                .where(*document_conditions(where or DocumentFilter()))
                .order_by(corpora.c.name, corpora.c.tenant, corpora.c.version, documents.c.uri)
                .with_only_columns(
                    documents.c.id,
                    documents.c.uri,
                    corpora.c.name,
                    corpora.c.tenant,
                    corpora.c.version,
                    versions.c.title,
                    versions.c.content_hash,
                    versions.c.config_hash,
                    versions.c.trust,
                    versions.c.metadata,
                    func.coalesce(counts.c.chunks, 0),
                    maintain_column_froms=True,
                )
            )
            rows = connection.execute(query).all()
        for key, uri, name, tenant, version, title, content, config, trust, metadata, count in rows:
            yield DocumentInfo(
                id=key,
                uri=uri,
                corpus=name,
                tenant=tenant,
                version=version,
                title=title,
                content_hash=content,
                config_hash=config,
                trust=trust,
                metadata=json.loads(metadata),
                chunks=count,
            )

    # -- writing -----------------------------------------------------------------------------------------------------

    def put(self, new: Sequence[NewVersion], *, also: Callable[[Connection], None] | None = None) -> None:
        """Store a batch of document versions, each replacing the live one; acknowledged when it returns.

        Args:
            new: The versions.
            also: Called in the transaction that makes them live; what it raises keeps them from that.

        Raises:
            MemoryLockedError: Another process holds the memory.
            DiskFullError: Too little space is left; nothing of the batch became visible.
        """
        self._claim()
        self._writer.put(new, also=also)

    def delete(self, document_ids: Sequence[int]) -> None:
        """Remove documents, their chunks, words and points."""
        self._claim()
        self._writer.delete(document_ids)

    def finish(self, corpus_id: int, *, progress: Callable[[Progress], None] | None = None) -> None:
        """End a run of writes: weights for the corpus's real average length, unreferenced vectors removed."""
        self._claim()
        self._writer.finish(corpus_id, progress)

    def collect_garbage(self) -> None:
        """Remove cached vectors of texts that no chunk and no episode has any longer."""
        self._writer.collect_garbage()

    def forget(self, where: DocumentFilter) -> int:
        """Remove every document that a filter allows, from the database's log too; returns how many.

        ``Memory.forget`` removes them from the vector index, the free space of the files and mirrored sites as well.
        """
        self._claim()
        doomed = list(self.documents(where))
        with self._database.read() as connection:
            selection = resolve(connection, where)
        self._writer.delete([document.id for document in doomed])
        for corpus in selection.corpora:
            self._writer.finish(corpus.id)
        self._database.checkpoint()
        return len(doomed)

    def recover(self) -> None:
        """Clear away what a writer that died left half-done. Runs by itself when the memory is claimed."""
        self._writer.recover()
        self._vectorizer.recover()

    def embed_missing(self, *, progress: Callable[[Progress], None] | None = None) -> int:
        """Give every live chunk its dense vector; resumes where an earlier run stopped.

        Returns:
            How many texts were embedded; vectors already known cost nothing.

        Raises:
            EmbedderUnavailableError: No weights could be resolved.
        """
        self._claim()
        return self._vectorizer.embed_missing(progress=progress)

    def embed_some(self) -> int | None:
        """Give the next few chunks without a dense vector theirs: how many texts were embedded.

        None: there is none, or other processes are at all of them.
        """
        self._claim()
        return self._vectorizer.embed_some()

    def reindex(self, *, progress: Callable[[Progress], None] | None = None) -> int:
        """Rebuild the vector index from the database without embedding anything; returns the points written."""
        self._claim()
        return self._vectorizer.reindex(progress=progress)

    def missing_vectors(self) -> int:
        """Live chunks that still lack a dense vector."""
        return self._vectorizer.missing()


def _reach(connection: Connection, here: Row[*tuple[Any, ...]], step: int) -> Row[*tuple[Any, ...]]:
    """The last chunk before (-1) or after (1) a chunk that is still under the same headings."""
    query = select(chunks.c.heading_path, *_PLACE).where(chunks.c.version_id == here.version_id).limit(_PAGE)
    query = query.order_by(chunks.c.id.desc() if step < 0 else chunks.c.id)
    last = here
    while True:
        beyond = chunks.c.id < last.id if step < 0 else chunks.c.id > last.id
        page = connection.execute(query.where(beyond)).all()
        for row in page:
            if row.heading_path != here.heading_path:
                return last
            last = row
        if len(page) < _PAGE:
            return last


def _stored(values: Sequence[Any]) -> StoredChunk:
    """A row of ``_LOAD``."""
    row, key, text, start, end, title, path, kind, lead, anchor, line_start, line_end, tokens, terms, *version = values
    document_title, metadata, trust, uri, corpus, corpus_version, tenant, length_bucket, url = version
    return StoredChunk(
        row=row,
        chunk=Chunk(
            id=key,
            text=text,
            start=start,
            end=end,
            title=title,
            heading_path=tuple(json.loads(path)) if path != "[]" else (),
            kind=kind,
            lead=lead,
            anchor=anchor,
            line_start=line_start,
            line_end=line_end,
            tokens=tokens,
        ),
        uri=uri,
        corpus=corpus,
        version=corpus_version,
        tenant=tenant,
        title=document_title,
        metadata=json.loads(metadata) if metadata != "{}" else {},
        trust=trust,
        packed_terms=terms,
        url=url or "",
        average_length=bucket_length(length_bucket or 0),
    )
