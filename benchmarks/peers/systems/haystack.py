"""Haystack as its quick start has it: converters, DocumentSplitter with its defaults, store in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sentence_transformers
from haystack import Document
from haystack.components.converters import MarkdownToDocument, TextFileToDocument
from haystack.components.joiners import DocumentJoiner
from haystack.components.preprocessors import DocumentSplitter
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever, InMemoryEmbeddingRetriever
from haystack.components.writers import DocumentWriter
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.utils import ComponentDevice
from haystack_integrations.components.embedders.sentence_transformers import (
    SentenceTransformersDocumentEmbedder,
    SentenceTransformersTextEmbedder,
)
from measuring import CHUNKS_FOR_DOCUMENTS, HITS, Query, Records, Settings, Watch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PACKAGES = ["haystack-ai", "sentence-transformers-haystack", "sentence-transformers", "torch"]


def watch(watch: Watch) -> None:
    sentence_transformers.SentenceTransformer.encode = watch.wrap(sentence_transformers.SentenceTransformer.encode)


def _options(settings: Settings) -> dict[str, Any]:
    options: dict[str, Any] = {
        "model": str(settings.model),
        "device": ComponentDevice.from_str("cpu"),
        "progress_bar": False,
    }
    if settings.dtype != "float32":
        options["model_kwargs"] = {"dtype": settings.dtype}
    return options


def reads(settings: Settings) -> int:
    return int(sentence_transformers.SentenceTransformer(str(settings.model), device="cpu").max_seq_length)


def _store(settings: Settings, documents: list[Document]) -> tuple[InMemoryDocumentStore, int]:
    splits = DocumentSplitter().run(documents)["documents"]
    embedder = SentenceTransformersDocumentEmbedder(**_options(settings))
    embedder.warm_up()
    store = InMemoryDocumentStore()
    DocumentWriter(store).run(embedder.run(splits)["documents"])
    return store, len(splits)


def _searcher(settings: Settings, store: InMemoryDocumentStore, limit: int) -> Callable[[str], list[Document]]:
    embedder = SentenceTransformersTextEmbedder(**_options(settings))
    embedder.warm_up()
    retriever = InMemoryEmbeddingRetriever(store, top_k=limit)
    return lambda text: retriever.run(embedder.run(text)["embedding"])["documents"]


def ingest(settings: Settings, root: Path, proof: str, ready: Callable[[], None]) -> int:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    markdown = [path for path in files if path.suffix == ".md"]
    others = [path for path in files if path.suffix != ".md"]
    documents = MarkdownToDocument(progress_bar=False).run(markdown)["documents"] if markdown else []
    documents += TextFileToDocument().run(others)["documents"] if others else []
    store, chunks = _store(settings, documents)
    assert _searcher(settings, store, HITS)(proof)
    ready()
    return chunks


def load(settings: Settings, records: Records) -> dict[str, Any]:
    store = InMemoryDocumentStore()
    store.write_documents(
        [
            Document(id=key, content=text, embedding=vector.tolist(), meta={"group": group})
            for key, text, vector, group in zip(
                records.ids, records.texts, records.vectors, records.groups, strict=True
            )
        ]
    )
    by_vector = InMemoryEmbeddingRetriever(store, top_k=HITS)
    by_words = InMemoryBM25Retriever(store, top_k=HITS)
    joiner = DocumentJoiner(join_mode="reciprocal_rank_fusion", top_k=HITS)

    def where(query: Query, filtered: bool) -> dict[str, Any] | None:
        return {"field": "meta.group", "operator": "==", "value": query.group} if filtered else None

    def dense(query: Query, filtered: bool = False) -> list[Document]:
        return by_vector.run(query.vector.tolist(), filters=where(query, filtered))["documents"]

    def hybrid(query: Query, filtered: bool = False) -> list[Document]:
        words = by_words.run(query.text, filters=where(query, filtered))["documents"]
        return joiner.run([words, dense(query, filtered)])["documents"]

    return {
        "dense": lambda query: [document.id for document in dense(query)],
        "hybrid": lambda query: [document.id for document in hybrid(query)],
        "filtered dense": lambda query: [document.id for document in dense(query, True)],
        "filtered hybrid": lambda query: [document.id for document in hybrid(query, True)],
    }


def index(settings: Settings, documents: list[tuple[str, str, str]]) -> Callable[[str], list[str]]:
    given = [Document(content=f"{title}\n{text}".strip(), meta={"of": key}) for key, text, title in documents]
    store, _ = _store(settings, given)
    searcher = _searcher(settings, store, CHUNKS_FOR_DOCUMENTS)
    return lambda text: list(dict.fromkeys(document.meta["of"] for document in searcher(text)))
