"""LlamaIndex as its starter tutorial has it: directory reader, sentence splitter, vector store in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sentence_transformers
from llama_index.core import Document, SimpleDirectoryReader, VectorStoreIndex
from llama_index.core import Settings as Defaults
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.llms import MockLLM
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.schema import QueryBundle, TextNode
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from llama_index.retrievers.bm25 import BM25Retriever
from measuring import CHUNKS_FOR_DOCUMENTS, HITS, Query, Records, Settings, Watch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PACKAGES = ["llama-index-core", "sentence-transformers", "torch", "bm25s"]


def watch(watch: Watch) -> None:
    sentence_transformers.SentenceTransformer.encode = watch.wrap(sentence_transformers.SentenceTransformer.encode)


def _embedder(settings: Settings) -> HuggingFaceEmbedding:
    options = {} if settings.dtype == "float32" else {"model_kwargs": {"dtype": settings.dtype}}
    return HuggingFaceEmbedding(model_name=str(settings.model), device="cpu", **options)


def reads(settings: Settings) -> int:
    return int(_embedder(settings).max_length)


def ingest(settings: Settings, root: Path, proof: str, ready: Callable[[], None]) -> int:
    Defaults.embed_model = _embedder(settings)
    documents = SimpleDirectoryReader(input_dir=str(root), recursive=True).load_data()
    stored = VectorStoreIndex.from_documents(documents)
    assert stored.as_retriever(similarity_top_k=HITS).retrieve(proof)
    ready()
    return len(stored.docstore.docs)


class Known(BaseEmbedding):
    """Stands where a model is asked for; nodes and queries bring their vectors."""

    def _get_text_embedding(self, text: str) -> list[float]:
        raise AssertionError(text)

    _get_query_embedding = _get_text_embedding

    async def _aget_query_embedding(self, query: str) -> list[float]:
        raise AssertionError(query)


def load(settings: Settings, records: Records) -> dict[str, Any]:
    nodes = [
        TextNode(id_=key, text=text, embedding=vector.tolist(), metadata={"group": group})
        for key, text, vector, group in zip(records.ids, records.texts, records.vectors, records.groups, strict=True)
    ]
    stored = VectorStoreIndex(nodes, embed_model=Known())
    dense = stored.as_retriever(similarity_top_k=HITS)
    words = BM25Retriever.from_defaults(nodes=nodes, similarity_top_k=HITS)
    hybrid = QueryFusionRetriever(
        [dense, words],
        similarity_top_k=HITS,
        num_queries=1,
        mode="reciprocal_rerank",
        use_async=False,
        llm=MockLLM(),
    )

    def asked(retriever: Any, query: Query) -> list[str]:
        found = retriever.retrieve(QueryBundle(query_str=query.text, embedding=query.vector.tolist()))
        return [hit.node.node_id for hit in found]

    def filtered(query: Query) -> list[str]:
        where = MetadataFilters(filters=[MetadataFilter(key="group", value=query.group)])
        return asked(stored.as_retriever(similarity_top_k=HITS, filters=where), query)

    return {
        "dense": lambda query: asked(dense, query),
        "hybrid": lambda query: asked(hybrid, query),
        "filtered dense": filtered,
        "filtered hybrid": "BM25Retriever takes its filter when it is built, over the whole corpus, not with a query",
    }


def index(settings: Settings, documents: list[tuple[str, str, str]]) -> Callable[[str], list[str]]:
    Defaults.embed_model = _embedder(settings)
    given = [Document(id_=key, text=f"{title}\n{text}".strip()) for key, text, title in documents]
    stored = VectorStoreIndex.from_documents(given)
    retriever = stored.as_retriever(similarity_top_k=CHUNKS_FOR_DOCUMENTS)

    def search(text: str) -> list[str]:
        return list(dict.fromkeys(hit.node.ref_doc_id for hit in retriever.retrieve(text)))

    return search
