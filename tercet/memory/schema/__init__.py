"""The tables of a memory, one module a store. Importing this package puts all of them into ``schema``."""

from tercet.memory.schema.batches import batches, claimed_texts, jobs, outcomes, workers
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
from tercet.memory.schema.journal import approvals, effect_amounts, effects, run_events, run_texts, runs
from tercet.memory.schema.publishing import addresses, references
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
    text_parts,
    versions,
)
from tercet.memory.schema.working import working_changes, working_documents, working_requests, working_retired

__all__ = [
    "FORMAT_VERSION",
    "addresses",
    "approvals",
    "attributes",
    "batches",
    "chunks",
    "claimed_texts",
    "corpora",
    "documents",
    "effect_amounts",
    "effects",
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
    "jobs",
    "meta",
    "outcomes",
    "references",
    "roots",
    "run_events",
    "run_texts",
    "runs",
    "schema",
    "scopes",
    "stale_points",
    "text_parts",
    "versions",
    "workers",
    "working_changes",
    "working_documents",
    "working_requests",
    "working_retired",
]
