"""What ingested files refer to, as the ledger keeps it beside them."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select, tuple_

from tercet.memory.points import batches
from tercet.memory.schema import files, references
from tercet.memory.stored import FileStamp, IncludedFile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from tercet.memory.stored import FileEntry


def write_references(connection: Connection, entries: Sequence[FileEntry]) -> None:
    """Replace what is kept about some files of the ledger."""
    place = tuple_(references.c.root_id, references.c.path)
    for some in batches([(entry.root_id, entry.path) for entry in entries]):
        connection.execute(delete(references).where(place.in_(some)))
    rows = [
        {
            "root_id": entry.root_id,
            "path": entry.path,
            "included": json.dumps([[file.path, *file.stamp, file.content_hash] for file in entry.included]),
            "outline": entry.outline,
        }
        for entry in entries
        if entry.included or entry.outline
    ]
    if rows:
        connection.execute(insert(references), rows)


def read_references(connection: Connection, root_id: int) -> dict[str, tuple[tuple[IncludedFile, ...], str]]:
    """Included files and outline, by path of the file that refers to them."""
    query = select(references.c.path, references.c.included, references.c.outline)
    rows = connection.execute(query.where(references.c.root_id == root_id)).all()
    return {path: (_included(included), outline) for path, included, outline in rows}


def remove_orphans(connection: Connection) -> None:
    """Forget what is kept about files that are no longer in the ledger."""
    known = select(files.c.path).where(files.c.root_id == references.c.root_id, files.c.path == references.c.path)
    connection.execute(delete(references).where(~known.exists()))


@lru_cache(maxsize=4096)  # pages of one site include the same files
def _included(text: str) -> tuple[IncludedFile, ...]:
    if text == "[]":
        return ()
    return tuple(
        IncludedFile(path=path, stamp=FileStamp(*numbers), content_hash=content_hash)
        for path, *numbers, content_hash in json.loads(text)
    )
