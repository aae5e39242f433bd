"""A small library of documents for tests of the semantic store."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from tercet.memory.memory import Memory
from tercet.memory.stored import IndexedChunk, NewVersion
from tercet.models.lexical import Analyzer
from tercet.records import Chunk, DocumentFilter


def new_version(memory: Memory, corpus_id: int, uri: str, texts: Sequence[str], **fields: Any) -> NewVersion:
    """A version whose chunks are the given texts, joined by newlines in the stored text."""
    analyzer = Analyzer(memory.lexical)
    indexed = []
    position = 0
    for ordinal, text in enumerate(texts):
        chunk = Chunk(
            id=hashlib.md5(f"{uri}\0{text}\0{ordinal}".encode()).hexdigest(),
            text=text,
            start=position,
            end=position + len(text),
        )
        position += len(text) + 1
        indexed.append(IndexedChunk(chunk=chunk, terms=analyzer.count(chunk.embedded_text)))
    fields.setdefault("content_hash", hashlib.md5("\n".join(texts).encode()).hexdigest())
    return NewVersion(corpus_id=corpus_id, uri=uri, config_hash="test", text="\n".join(texts), chunks=indexed, **fields)


def found_texts(memory: Memory, query: str, *, limit: int = 10, **where: Any) -> list[str]:
    """Texts of the lexical candidates for a query, best first."""
    selection = memory.semantic.select(DocumentFilter(**where))
    terms = dict.fromkeys(Analyzer(memory.lexical).terms(query), 1)
    candidates = memory.semantic.lexical_candidates(terms, selection, limit=limit).candidates
    loaded = memory.semantic.load([candidate.row for candidate in candidates])
    return [loaded[candidate.row].chunk.text for candidate in candidates]
