"""Tercet with its defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from measuring import CHUNKS_FOR_DOCUMENTS, HITS, Query, Records, Settings, Watch

from tercet import Document, DocumentFilter, Memory, RetrievalConfig, SemanticRetriever
from tercet import ingest as ingest_into

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

PACKAGES = ["tercet", "sentence-transformers", "torch", "qdrant-edge-py"]


def watch(watch: Watch) -> None:
    from tercet.models.sentence_transformers import SentenceTransformersEmbedder

    SentenceTransformersEmbedder._embed = watch.wrap(SentenceTransformersEmbedder._embed)


def reads(settings: Settings) -> int:
    from tercet.models.embedding import describe

    return describe(str(settings.model)).max_tokens


def ingest(settings: Settings, root: Path, proof: str, ready: Callable[[], None]) -> int:
    from tercet.models.sentence_transformers import SentenceTransformersEmbedder

    embedder = SentenceTransformersEmbedder(str(settings.model))
    with Memory.open(settings.folder / "memory", embedder=embedder) as memory:
        report = ingest_into(root, into=memory, embed="later")
        assert report.ok, report.failed
        by_words = SemanticRetriever(memory.semantic, config=RetrievalConfig(dense_weight=0))
        assert by_words.search(proof, limit=HITS)
        ready()
        embedder._model()  # loads the weights, which the peers do before their embedder's clock runs
        memory.semantic.embed_missing()
        assert not memory.semantic.missing_vectors()
        return report.chunks


class Known:
    """An embedder that looks its vectors up."""

    spec, fingerprint, max_tokens, tokenizer_file, dimension = "known", "known:384", 256, None, 384

    def __init__(self, records: Records) -> None:
        self._known = records.known

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([self._known[text] for text in texts])

    def embed_query(self, text: str) -> NDArray[np.float32]:
        return self._known[text]


def load(settings: Settings, records: Records) -> dict[str, Any]:
    memory = Memory.open(settings.folder / "memory", embedder=Known(records))
    documents = (
        Document(uri=key, text=text, metadata={"group": group})
        for key, text, group in zip(records.ids, records.texts, records.groups, strict=True)
    )
    report = ingest_into(documents=documents, into=memory, chunker=None)
    assert report.ok
    assert not report.vectors_missing
    hybrid = SemanticRetriever(memory.semantic)
    dense = SemanticRetriever(memory.semantic, config=RetrievalConfig(lexical_weight=0))

    def search(retriever: SemanticRetriever, query: Query, *, filtered: bool) -> list[str]:
        where = DocumentFilter(equals={"group": query.group}) if filtered else None
        return [hit.citation.uri for hit in retriever.search(query.text, limit=HITS, where=where)]

    return {
        "dense": lambda query: search(dense, query, filtered=False),
        "hybrid": lambda query: search(hybrid, query, filtered=False),
        "filtered dense": lambda query: search(dense, query, filtered=True),
        "filtered hybrid": lambda query: search(hybrid, query, filtered=True),
    }


def index(settings: Settings, documents: list[tuple[str, str, str]]) -> Callable[[str], list[str]]:
    memory = Memory.open(settings.folder / "memory", embedder=str(settings.model))
    given = [Document(uri=key, text=text, title=title) for key, text, title in documents]
    report = ingest_into(documents=given, into=memory)
    assert report.ok, report.failed[:5]
    retriever = SemanticRetriever(memory.semantic)

    def search(text: str) -> list[str]:
        return list(dict.fromkeys(hit.citation.uri for hit in retriever.search(text, limit=CHUNKS_FOR_DOCUMENTS)))

    return search
