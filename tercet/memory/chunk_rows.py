"""The rows of chunks: written many at a time, read back a page at a time, and the text that they are spans of."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import func, insert, select

from tercet.memory.database import chunks, documents, text_parts, versions
from tercet.memory.points import BATCH
from tercet.memory.rows import embed_key, load_vectors
from tercet.models.lexical import TermCounts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from sqlalchemy import Connection

    from tercet.memory.stored import IndexedChunk

_COLUMNS = [column.name for column in chunks.c if column.name != "id"]


class NewChunks(NamedTuple):
    """Chunks to be stored for a pending version."""

    corpus_id: int
    document_id: int
    version_id: int
    items: Sequence[IndexedChunk]
    first: int = 0
    """Ordinal of the first."""


class ChunkRow(NamedTuple):
    """A chunk that was stored."""

    id: int
    corpus_id: int
    document_id: int
    version_id: int
    terms: TermCounts
    vector: NDArray[np.float32] | None
    """Where it is known."""


def insert_chunks(connection: Connection, new: Sequence[NewChunks], *, fingerprint: str | None) -> list[ChunkRow]:
    """Insert chunks; those whose vector is known are marked as embedded, for their points will have it.

    Args:
        connection: In a transaction that writes.
        new: The chunks, no version twice.
        fingerprint: Of the embedder; None without one.
    """
    keys = [[embed_key(item.chunk.embedded_text) for item in some.items] for some in new]
    known: dict[bytes, NDArray[np.float32]] = {}
    if fingerprint:
        known = load_vectors(connection, fingerprint, [key for some in keys for key in some], keep=True)
    rows = [
        (
            some.version_id,
            item.chunk.id,
            ordinal,
            item.chunk.start,
            item.chunk.end,
            item.chunk.text,
            json.dumps(item.chunk.heading_path, ensure_ascii=False),
            item.chunk.kind,
            item.chunk.title,
            item.chunk.lead,
            item.chunk.anchor,
            item.chunk.line_start,
            item.chunk.line_end,
            item.chunk.tokens,
            item.terms.length,
            item.terms.to_bytes(),
            key,
            key in known,
        )
        for some, of_these in zip(new, keys, strict=True)
        for ordinal, (item, key) in enumerate(zip(some.items, of_these, strict=True), some.first)
    ]
    if not rows:
        return []
    before = connection.execute(select(func.coalesce(func.max(chunks.c.id), 0))).scalar_one()
    statement = insert(chunks).compile(connection, column_keys=_COLUMNS)
    if statement.positional:
        connection.exec_driver_sql(str(statement), rows)
    else:
        connection.exec_driver_sql(str(statement), [dict(zip(_COLUMNS, row, strict=True)) for row in rows])
    of_versions = [some.version_id for some in new]
    written = select(chunks.c.version_id, chunks.c.ordinal, chunks.c.id).where(chunks.c.version_id.in_(of_versions))
    ids = {
        (version_id, ordinal): row
        for version_id, ordinal, row in connection.execute(written.where(chunks.c.id > before))
    }
    return [
        ChunkRow(
            id=ids[some.version_id, ordinal],
            corpus_id=some.corpus_id,
            document_id=some.document_id,
            version_id=some.version_id,
            terms=item.terms,
            vector=known.get(key),
        )
        for some, of_these in zip(new, keys, strict=True)
        for ordinal, (item, key) in enumerate(zip(some.items, of_these, strict=True), some.first)
    ]


def terms_of(connection: Connection, version_ids: Sequence[int]) -> Iterator[tuple[int, int, TermCounts]]:
    """Row id, corpus id and terms of the chunks of some versions, by row id; a page is held at a time."""
    query = (
        select(chunks.c.id, documents.c.corpus_id, chunks.c.terms)
        .join(versions, versions.c.id == chunks.c.version_id)
        .join(documents, documents.c.id == versions.c.document_id)
        .order_by(chunks.c.id)
        .limit(BATCH)
    )
    for version_id in sorted(version_ids):
        last = 0
        while page := connection.execute(query.where(versions.c.id == version_id, chunks.c.id > last)).all():
            for row in page:
                yield row.id, row.corpus_id, TermCounts.from_bytes(row.terms)
            if len(page) < BATCH:
                break
            last = page[-1].id


def read_text(connection: Connection, version_id: int, start: int, end: int) -> str:
    """A span of the text of a version, wherever its parts were cut."""
    text = str(connection.execute(select(versions.c.text).where(versions.c.id == version_id)).scalar_one())
    if end <= len(text):
        return text[start:end]
    of_it = text_parts.c.version_id == version_id
    begins = select(func.max(text_parts.c.start)).where(of_it, text_parts.c.start <= start).scalar_subquery()
    parts = select(text_parts).where(of_it, text_parts.c.start < end, text_parts.c.start >= func.coalesce(begins, 0))
    rows = connection.execute(parts.order_by(text_parts.c.start))
    rest = (row.text[max(0, start - row.start) : end - row.start] for row in rows)
    return "".join((text[start:end], *rest))
