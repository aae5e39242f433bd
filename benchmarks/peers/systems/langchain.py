"""LangChain with Chroma as its retrieval tutorial has it: loader, recursive splitter (1000/200 characters), Chroma."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import chromadb
import sentence_transformers
from chromadb.config import Settings as ChromaSettings
from langchain_chroma import Chroma
from langchain_classic.retrievers import EnsembleRetriever
from langchain_community.document_loaders import DirectoryLoader, TextLoader
from langchain_community.retrievers import BM25Retriever
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_huggingface import HuggingFaceEmbeddings
from langchain_text_splitters import RecursiveCharacterTextSplitter
from measuring import CHUNKS_FOR_DOCUMENTS, HITS, Query, Records, Settings, Watch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PACKAGES = ["langchain", "langchain-chroma", "chromadb", "sentence-transformers", "torch", "rank-bm25"]


def watch(watch: Watch) -> None:
    sentence_transformers.SentenceTransformer.encode = watch.wrap(sentence_transformers.SentenceTransformer.encode)


def _embedder(settings: Settings) -> HuggingFaceEmbeddings:
    options: dict[str, Any] = {"device": "cpu"}
    if settings.dtype != "float32":
        options["model_kwargs"] = {"dtype": settings.dtype}
    return HuggingFaceEmbeddings(model_name=str(settings.model), model_kwargs=options)


def reads(settings: Settings) -> int:
    return int(_embedder(settings)._client.max_seq_length)


def _client(settings: Settings) -> Any:
    return chromadb.PersistentClient(str(settings.folder / "chroma"), ChromaSettings(anonymized_telemetry=False))


def _split(documents: list[Document]) -> list[Document]:
    return RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200).split_documents(documents)


def ingest(settings: Settings, root: Path, proof: str, ready: Callable[[], None]) -> int:
    embedder = _embedder(settings)
    documents = DirectoryLoader(str(root), glob="**/*", loader_cls=TextLoader).load()
    chunks = _split(documents)
    stored = Chroma.from_documents(chunks, embedder, client=_client(settings))
    assert stored.similarity_search(proof, k=HITS)
    ready()
    return len(chunks)


class Known(Embeddings):
    """Looks vectors up."""

    def __init__(self, records: Records) -> None:
        self._known = records.known

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self._known[text].tolist() for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self._known[text].tolist()


def load(settings: Settings, records: Records) -> dict[str, Any]:
    client = _client(settings)
    collection = client.create_collection("docs", embedding_function=None)
    size = client.get_max_batch_size()
    for start in range(0, len(records.ids), size):
        part = slice(start, start + size)
        collection.add(
            ids=records.ids[part],
            embeddings=records.vectors[part],
            documents=records.texts[part],
            metadatas=[{"group": group} for group in records.groups[part]],
        )
    stored = Chroma(client=client, collection_name="docs", embedding_function=Known(records))
    documents = [
        Document(page_content=text, metadata={"group": group}, id=key)
        for key, text, group in zip(records.ids, records.texts, records.groups, strict=True)
    ]
    words = BM25Retriever.from_documents(documents, k=HITS)
    hybrid = EnsembleRetriever(retrievers=[words, stored.as_retriever(search_kwargs={"k": HITS})], weights=[0.5, 0.5])

    def dense(query: Query, where: dict[str, int] | None = None) -> list[str]:
        found = stored.similarity_search_by_vector(query.vector.tolist(), k=HITS, filter=where)
        return [document.id or "" for document in found]

    return {
        "dense": dense,
        "hybrid": lambda query: [document.id or "" for document in hybrid.invoke(query.text)][:HITS],
        "filtered dense": lambda query: dense(query, {"group": query.group}),
        "filtered hybrid": "BM25Retriever has no filter",
    }


def index(settings: Settings, documents: list[tuple[str, str, str]]) -> Callable[[str], list[str]]:
    given = [Document(page_content=f"{title}\n{text}".strip(), metadata={"of": key}) for key, text, title in documents]
    stored = Chroma.from_documents(_split(given), _embedder(settings), client=_client(settings))

    def search(text: str) -> list[str]:
        found = stored.similarity_search(text, k=CHUNKS_FOR_DOCUMENTS)
        return list(dict.fromkeys(document.metadata["of"] for document in found))

    return search
