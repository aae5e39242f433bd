"""The tables of a memory, one module a store. Importing this package puts all of them into ``schema``."""

from tercet.memory.schema.columns import FORMAT_VERSION, meta, schema
from tercet.memory.schema.episodic import (
    episode_bands,
    episode_entities,
    episode_events,
    episode_frequencies,
    episode_names,
    episode_queue,
    episode_reviews,
    episode_scopes,
    episode_sources,
    episodes,
)
from tercet.memory.schema.scopes import scopes
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
    versions,
)

__all__ = [
    "FORMAT_VERSION",
    "attributes",
    "chunks",
    "corpora",
    "documents",
    "embeddings",
    "episode_bands",
    "episode_entities",
    "episode_events",
    "episode_frequencies",
    "episode_names",
    "episode_queue",
    "episode_reviews",
    "episode_scopes",
    "episode_sources",
    "episodes",
    "files",
    "frequencies",
    "meta",
    "roots",
    "schema",
    "scopes",
    "stale_points",
    "versions",
]
