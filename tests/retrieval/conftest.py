"""A small memory made directly through the store, so that these tests stand without ingestion."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path

import pytest

from tercet.memory.memory import Memory
from tercet.memory.stored import IndexedChunk, NewVersion
from tercet.models.lexical import Analyzer
from tercet.records import Chunk, Document, embedded_text
from tercet.testing import HashEmbedder

Fill = Callable[..., None]


def chunks_of(document: Document, analyzer: Analyzer) -> list[IndexedChunk]:
    """One chunk a paragraph; a paragraph that starts with ``# `` is the heading of those after it."""
    found: list[IndexedChunk] = []
    path: tuple[str, ...] = ()
    start = 0
    for paragraph in document.text.split("\n\n"):
        if paragraph.startswith("# "):
            path = (paragraph[2:],)
        else:
            seen = embedded_text(document.title, path, "", paragraph)
            chunk = Chunk(
                id=blake2b(f"{document.uri}\0{seen}\0{len(found)}".encode(), digest_size=16).hexdigest(),
                text=paragraph,
                start=start,
                end=start + len(paragraph),
                title=document.title,
                heading_path=path,
            )
            found.append(IndexedChunk(chunk=chunk, terms=analyzer.count(seen)))
        start += len(paragraph) + 2
    return found


def fill(
    memory: Memory,
    documents: Sequence[Document],
    *,
    corpus: str = "docs",
    tenant: str = "",
    version: str = "",
    embed: bool = True,
) -> None:
    analyzer = Analyzer(memory.lexical)
    corpus_id = memory.ledger.corpus(corpus, tenant=tenant, version=version)
    memory.semantic.put(
        [
            NewVersion(
                corpus_id=corpus_id,
                uri=document.uri,
                content_hash=blake2b(document.text.encode(), digest_size=16).hexdigest(),
                config_hash="",
                text=document.text,
                chunks=chunks_of(document, analyzer),
                title=document.title,
                metadata=document.metadata,
                effective_from=document.effective_from,
                effective_to=document.effective_to,
            )
            for document in documents
        ]
    )
    memory.semantic.finish(corpus_id)
    if embed:
        memory.semantic.embed_missing()


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    with Memory.open(tmp_path / "memory", embedder=HashEmbedder()) as opened:
        yield opened


@pytest.fixture
def lexical_memory(tmp_path: Path) -> Iterator[Memory]:
    with Memory.open(tmp_path / "words", embedder="none") as opened:
        yield opened


@pytest.fixture(name="fill", scope="session")
def _fill() -> Fill:
    return fill
