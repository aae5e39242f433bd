"""Where the live chunks of a memory stand in their documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import select

from tercet.memory.database import chunks, documents, versions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tercet.memory.database import Database


class ChunkPlace(NamedTuple):
    """A live chunk without its text."""

    uri: str
    start: int
    end: int
    tokens: int
    """Of its embedded text, by the embedder's tokenizer."""


def chunk_places(database: Database) -> Iterator[ChunkPlace]:
    """All live chunks, in the order in which they were stored, whomever they belong to."""
    query = (
        select(documents.c.uri, chunks.c.start, chunks.c.end, chunks.c.tokens)
        .join(versions, versions.c.id == chunks.c.version_id)
        .join(documents, documents.c.live_version == versions.c.id)
        .order_by(chunks.c.id)
    )
    with database.read() as connection:
        rows = connection.execute(query).all()
    for row in rows:
        yield ChunkPlace(*row)
