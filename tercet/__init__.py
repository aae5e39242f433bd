"""Tercet: three memories, one budgeted context.

The names below are the public interface. Each is loaded when it is first used, so that ``import tercet`` costs nothing:

    >>> import tercet
    >>> tercet.DocumentFilter(corpus=("docs",)).corpus
    ('docs',)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tercet.agents.agent import Agent
    from tercet.agents.ends import Answer, Escalated, Impossible, LimitReached, NeedsClarification, Quote
    from tercet.agents.instructions import Instructions
    from tercet.agents.limits import Limits
    from tercet.agents.permissions import Permissions
    from tercet.agents.thresholds import Threshold
    from tercet.agents.tools.decorator import tool
    from tercet.agents.tools.records import ToolContext
    from tercet.errors import TercetError
    from tercet.ingestion.pipeline import ingest
    from tercet.memory.episodes.records import Episode, RecordResult, Turn
    from tercet.memory.episodes.retention import Retention
    from tercet.memory.episodic import EpisodicMemory
    from tercet.memory.memory import Memory
    from tercet.memory.semantic import SemanticMemory
    from tercet.memory.working.memory import WorkingMemory
    from tercet.memory.working.records import WorkingDocument
    from tercet.models.embedding import Embedder
    from tercet.records import (
        Chunk,
        Citation,
        Document,
        DocumentFilter,
        ErasureReceipt,
        Explanation,
        Hit,
        IngestReport,
        Progress,
        Provenance,
        Reference,
        Scope,
        SearchResult,
    )
    from tercet.retrieval.compressed import Compressed, Passage
    from tercet.retrieval.compression import Compressor
    from tercet.retrieval.context import ContextBuilder
    from tercet.retrieval.context_records import Context, ContextItem, ContextReport
    from tercet.retrieval.episodic import EpisodicRetriever
    from tercet.retrieval.episodic_records import EpisodicHit, EpisodicResult
    from tercet.retrieval.history import CompressedHistory, Utterance, compress_history
    from tercet.retrieval.semantic import SemanticRetriever
    from tercet.retrieval.working import WorkingRetriever
    from tercet.settings import (
        ChunkingConfig,
        CompressionConfig,
        ContextConfig,
        EpisodicConfig,
        LexicalConfig,
        ParsingConfig,
        ParsingLimits,
        RetrievalConfig,
        UnpackingLimits,
        WebLimits,
        WebOptions,
    )

__version__: str

_HOME = {
    "Agent": "tercet.agents.agent",
    "Answer": "tercet.agents.ends",
    "Chunk": "tercet.records",
    "ChunkingConfig": "tercet.settings",
    "Citation": "tercet.records",
    "Compressed": "tercet.retrieval.compressed",
    "CompressedHistory": "tercet.retrieval.history",
    "CompressionConfig": "tercet.settings",
    "Compressor": "tercet.retrieval.compression",
    "Context": "tercet.retrieval.context_records",
    "ContextBuilder": "tercet.retrieval.context",
    "ContextConfig": "tercet.settings",
    "ContextItem": "tercet.retrieval.context_records",
    "ContextReport": "tercet.retrieval.context_records",
    "Document": "tercet.records",
    "DocumentFilter": "tercet.records",
    "Embedder": "tercet.models.embedding",
    "Episode": "tercet.memory.episodes.records",
    "EpisodicConfig": "tercet.settings",
    "EpisodicHit": "tercet.retrieval.episodic_records",
    "EpisodicMemory": "tercet.memory.episodic",
    "EpisodicResult": "tercet.retrieval.episodic_records",
    "EpisodicRetriever": "tercet.retrieval.episodic",
    "ErasureReceipt": "tercet.records",
    "Escalated": "tercet.agents.ends",
    "Explanation": "tercet.records",
    "Hit": "tercet.records",
    "Impossible": "tercet.agents.ends",
    "IngestReport": "tercet.records",
    "Instructions": "tercet.agents.instructions",
    "LexicalConfig": "tercet.settings",
    "LimitReached": "tercet.agents.ends",
    "Limits": "tercet.agents.limits",
    "Memory": "tercet.memory.memory",
    "NeedsClarification": "tercet.agents.ends",
    "ParsingConfig": "tercet.settings",
    "ParsingLimits": "tercet.settings",
    "Passage": "tercet.retrieval.compressed",
    "Permissions": "tercet.agents.permissions",
    "Progress": "tercet.records",
    "Provenance": "tercet.records",
    "Quote": "tercet.agents.ends",
    "RecordResult": "tercet.memory.episodes.records",
    "Reference": "tercet.records",
    "Retention": "tercet.memory.episodes.retention",
    "RetrievalConfig": "tercet.settings",
    "Scope": "tercet.records",
    "SearchResult": "tercet.records",
    "SemanticMemory": "tercet.memory.semantic",
    "SemanticRetriever": "tercet.retrieval.semantic",
    "TercetError": "tercet.errors",
    "Threshold": "tercet.agents.thresholds",
    "ToolContext": "tercet.agents.tools.records",
    "Turn": "tercet.memory.episodes.records",
    "UnpackingLimits": "tercet.settings",
    "Utterance": "tercet.retrieval.history",
    "WebLimits": "tercet.settings",
    "WebOptions": "tercet.settings",
    "WorkingDocument": "tercet.memory.working.records",
    "WorkingMemory": "tercet.memory.working.memory",
    "WorkingRetriever": "tercet.retrieval.working",
    "compress_history": "tercet.retrieval.history",
    "ingest": "tercet.ingestion.pipeline",
    "tool": "tercet.agents.tools.decorator",
}

__all__ = [
    "Agent",
    "Answer",
    "Chunk",
    "ChunkingConfig",
    "Citation",
    "Compressed",
    "CompressedHistory",
    "CompressionConfig",
    "Compressor",
    "Context",
    "ContextBuilder",
    "ContextConfig",
    "ContextItem",
    "ContextReport",
    "Document",
    "DocumentFilter",
    "Embedder",
    "Episode",
    "EpisodicConfig",
    "EpisodicHit",
    "EpisodicMemory",
    "EpisodicResult",
    "EpisodicRetriever",
    "ErasureReceipt",
    "Escalated",
    "Explanation",
    "Hit",
    "Impossible",
    "IngestReport",
    "Instructions",
    "LexicalConfig",
    "LimitReached",
    "Limits",
    "Memory",
    "NeedsClarification",
    "ParsingConfig",
    "ParsingLimits",
    "Passage",
    "Permissions",
    "Progress",
    "Provenance",
    "Quote",
    "RecordResult",
    "Reference",
    "Retention",
    "RetrievalConfig",
    "Scope",
    "SearchResult",
    "SemanticMemory",
    "SemanticRetriever",
    "TercetError",
    "Threshold",
    "ToolContext",
    "Turn",
    "UnpackingLimits",
    "Utterance",
    "WebLimits",
    "WebOptions",
    "WorkingDocument",
    "WorkingMemory",
    "WorkingRetriever",
    "compress_history",
    "ingest",
    "tool",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 -- PEP 562: the type is the attribute's own
    if name == "__version__":
        from importlib.metadata import version  # only who asks pays for it

        value: Any = version("tercet")
    elif name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
    else:
        raise AttributeError(f"module 'tercet' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
