"""Rows that more than one writer of the database needs: known vectors, the file ledger, locks on documents."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import bindparam, select

from tercet.memory.database import embeddings, files
from tercet.memory.points import batches
from tercet.memory.references import write_references

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray
    from sqlalchemy import Connection, Table

    from tercet.memory.database import Database
    from tercet.memory.stored import FileEntry


_VECTORS = select(embeddings.c.embed_key, embeddings.c.vector).where(
    embeddings.c.fingerprint == bindparam("fingerprint"), embeddings.c.embed_key.in_(bindparam("keys", expanding=True))
)
_KEPT_VECTORS = _VECTORS.order_by(embeddings.c.embed_key).with_for_update(read=True, key_share=True)


def embed_key(text: str) -> bytes:
    """The key of an embedded text in the vector cache: equal texts are embedded once."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def lock_rows(connection: Connection, table: Table, ids: Collection[int]) -> None:
    """Lock rows until the commit, in the order of their ids; no row that refers to them has to wait."""
    for some in batches(sorted(ids)):
        query = select(table.c.id).where(table.c.id.in_(some)).order_by(table.c.id)
        connection.execute(query.with_for_update(key_share=True)).all()


def load_vectors(
    connection: Connection, fingerprint: str, keys: Sequence[bytes], *, keep: bool = False
) -> dict[bytes, NDArray[np.float32]]:
    """The vectors already known for some keys; with ``keep`` nobody can remove them before the commit."""
    found: dict[bytes, NDArray[np.float32]] = {}
    for some in batches(sorted(set(keys))):
        asked = {"fingerprint": fingerprint, "keys": list(some)}
        rows = connection.execute(_KEPT_VECTORS if keep else _VECTORS, asked).all()
        found.update((key, np.frombuffer(vector, dtype="<f4")) for key, vector in rows)
    return found


def write_files(connection: Connection, database: Database, entries: Sequence[FileEntry]) -> None:
    """Write rows of the file ledger, with what the files refer to."""
    if not entries:
        return
    rows = [
        {
            "root_id": entry.root_id,
            "path": entry.path,
            **entry.stamp._asdict(),
            "seen_ns": entry.seen_ns,
            "content_hash": entry.content_hash,
            "config_hash": entry.config_hash,
            "reason": entry.reason,
            "document_id": entry.document_id,
        }
        for entry in entries
    ]
    replaced = [column for column in rows[0] if column not in {"root_id", "path"}]
    connection.execute(database.upsert(files, conflict=("root_id", "path"), update=replaced), rows)
    write_references(connection, entries)
