"""The tables of a memory, one module a store. Importing this package puts all of them into ``schema``."""

from tercet.memory.schema.batches import batches, claimed_texts, jobs, outcomes, workers
from tercet.memory.schema.columns import FORMAT_VERSION, meta, schema
from tercet.memory.schema.semantic import (
    attributes,
    chunks,
    corpora,
    documents,
    embeddings,
    files,
    frequencies,
    roots,
    stale_points,
    text_parts,
    versions,
)

__all__ = [
    "FORMAT_VERSION",
    "attributes",
    "batches",
    "chunks",
    "claimed_texts",
    "corpora",
    "documents",
    "embeddings",
    "files",
    "frequencies",
    "jobs",
    "meta",
    "outcomes",
    "roots",
    "schema",
    "stale_points",
    "text_parts",
    "versions",
    "workers",
]
