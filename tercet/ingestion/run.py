"""What every ingest run shares: its configuration, its batches, and the tally that becomes the report."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Literal

from tercet.errors import ConfigurationError, InputError, ParseError, VectorError
from tercet.ingestion.chunking import StructuralChunker, whole
from tercet.ingestion.parsers import PARSERS_VERSION
from tercet.memory.stored import IndexedChunk
from tercet.models.lexical import Analyzer
from tercet.models.tokens import token_counter
from tercet.records import Document, FileFailure, IngestReport
from tercet.settings import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from tercet.ingestion.chunking import Chunker
    from tercet.memory.memory import Memory
    from tercet.memory.stored import NewVersion
    from tercet.models.tokens import TokenCounter
    from tercet.records import Chunk, Finding, Metadata, ParsedDocument, Progress, Trust
    from tercet.settings import ChunkingConfig, ParsingConfig

BATCH_DOCUMENTS = 64
BATCH_CHUNKS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where documents go."""

    corpus: str
    tenant: str
    version: str
    trust: Trust


class Run:
    """One ingest: what it works with, and the clock.

    Args:
        memory: Where documents go.
        target: Corpus and trust.
        chunker: ``"structural"``, a chunker of the caller's, or None for one chunk a document.
        parsing: What is taken from files.
        progress: Called after each step.
        chunking: How documents are cut; None: as the memory says.
    """

    def __init__(
        self,
        memory: Memory,
        target: Target,
        chunker: Chunker | Literal["structural"] | None,
        parsing: ParsingConfig,
        progress: Callable[[Progress], None] | None,
        *,
        chunking: ChunkingConfig | None = None,
    ) -> None:
        self.started = time.perf_counter()
        self.memory = memory
        self.target = target
        self.parsing = parsing
        self.progress = progress or (lambda step: None)
        embedder = memory.embedder
        self.tokenizer_file: Path | None = None if embedder is None else embedder.tokenizer_file
        self.max_tokens: int | None = None if embedder is None else embedder.max_tokens
        self.counter: TokenCounter = token_counter(self.tokenizer_file)
        self.chunking: ChunkingConfig = chunking or memory.chunking
        if self.max_tokens is not None and self.chunking.max_tokens > self.max_tokens:
            self.chunking = replace(self.chunking, max_tokens=self.max_tokens)  # more would be cut off unread
        self.structural = chunker == "structural"
        """Files are cut where they are parsed, by the default chunker."""
        self.chunker = self._chunker(chunker)
        version = "whole-1" if self.chunker is None else self.chunker.version
        self.config_hash = fingerprint(
            PARSERS_VERSION, parsing, version, self.chunking, memory.lexical, self.counter.name, target.trust
        )
        """Changes with everything that a stored document depends on beside its content."""
        self._analyzer: Analyzer | None = None

    def _chunker(self, chunker: Chunker | str | None) -> Chunker | None:
        if chunker is None:
            return None
        if chunker == "structural":
            return StructuralChunker(self.chunking, self.counter)
        if isinstance(chunker, str) or not hasattr(chunker, "chunk") or not hasattr(chunker, "version"):
            raise ConfigurationError(
                f"{chunker!r} is no chunker.", remedy='Use "structural", None, or an object with chunk() and version.'
            )
        return chunker

    def cut(self, document: ParsedDocument, uri: str) -> tuple[IndexedChunk, ...]:
        """Cut a document with the chunker of this run and find its words.

        Raises:
            ParseError: The caller's chunker failed, or made a chunk that is no span of the text.
        """
        if self.chunker is None:
            chunks = [whole(Document(uri=uri, text=document.text, title=document.title), self.counter)]
        elif self.structural:
            chunks = self.chunker.chunk(document, uri=uri)
        else:
            chunks = checked_cut(self.chunker, document, uri)
        return self.index(chunks)

    def too_long(self, chunks: Sequence[IndexedChunk]) -> bool:
        """Whether the embedder will not read all of some chunk."""
        return self.max_tokens is not None and any(item.chunk.tokens > self.max_tokens for item in chunks)

    def index(self, chunks: Sequence[Chunk]) -> tuple[IndexedChunk, ...]:
        """Find the words of chunks."""
        self._analyzer = self._analyzer or Analyzer(self.memory.lexical)
        return tuple(IndexedChunk(chunk=chunk, terms=self._analyzer.count(chunk.embedded_text)) for chunk in chunks)

    def complete(self, tally: Tally, corpus_id: int, *, embed: Literal["now", "later"]) -> IngestReport:
        """End the run: final weights, then dense vectors; returns the report."""
        semantic = self.memory.semantic
        semantic.finish(corpus_id, progress=self.progress)
        searchable_s = time.perf_counter() - self.started
        embedded = semantic.embed_missing(progress=self.progress) if embed == "now" else 0
        return replace(
            tally.report(),
            embedded=embedded,
            vectors_missing=semantic.missing_vectors(),
            searchable_s=searchable_s,
            total_s=time.perf_counter() - self.started,
        )


@dataclass(slots=True, kw_only=True)
class Tally:
    """What has become of each document so far."""

    added: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    unchanged: int = 0
    renamed: list[tuple[str, str]] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    failed: list[FileFailure] = field(default_factory=list)
    findings: dict[str, tuple[Finding, ...]] = field(default_factory=dict)
    chunks: int = 0
    truncated: int = 0
    revision: str = ""

    def report(self) -> IngestReport:
        """The report, as far as it is known."""
        return IngestReport(
            added=tuple(sorted(self.added)),
            updated=tuple(sorted(self.updated)),
            unchanged=self.unchanged,
            renamed=tuple(sorted(self.renamed)),
            deleted=tuple(sorted(self.deleted)),
            failed=tuple(sorted(self.failed, key=lambda failure: failure.path)),
            findings=dict(sorted(self.findings.items())),
            chunks=self.chunks,
            truncated=self.truncated,
            revision=self.revision,
        )


class Batches:
    """Stores versions a batch at a time; one that the store refuses fails alone.

    Args:
        memory: Where they go.
        stored: Called for each version once it is live.
        refused: Called with each version that was refused, and the reason.
        also: Called in each transaction that makes versions live, with these versions.
    """

    def __init__(
        self,
        memory: Memory,
        *,
        stored: Callable[[NewVersion], None],
        refused: Callable[[NewVersion, str], None],
        also: Callable[[Connection, Sequence[NewVersion]], None] | None = None,
    ) -> None:
        self._memory = memory
        self._also = also
        self._stored = stored
        self._refused = refused
        self._waiting: list[NewVersion] = []
        self._chunks = 0

    def add(self, version: NewVersion) -> None:
        """Queue a version; stores the batch when it is full. One that comes in parts is stored at once, alone."""
        if version.further is not None:
            self.flush()
            self._put([version])
            return
        self._waiting.append(version)
        self._chunks += len(version.chunks)
        if len(self._waiting) >= BATCH_DOCUMENTS or self._chunks >= BATCH_CHUNKS:
            self.flush()

    def flush(self) -> None:
        """Store what is waiting."""
        waiting, self._waiting, self._chunks = self._waiting, [], 0
        if waiting:
            self._put(waiting)

    def _put(self, versions: Sequence[NewVersion]) -> None:
        also = self._also
        try:
            self._memory.semantic.put(
                versions, also=None if also is None else lambda connection: also(connection, versions)
            )
        except (InputError, VectorError) as error:
            self._memory.semantic.recover()  # the refused batch may have left pending rows
            if len(versions) == 1:
                self._refused(versions[0], str(error))
                return
            for version in versions:
                self._put([version])
            return
        for version in versions:
            self._stored(version)


def checked_cut(chunker: Chunker, document: ParsedDocument, uri: str) -> list[Chunk]:
    """Cut with a chunker of the caller's, and check what it made.

    Raises:
        ParseError: The chunker failed, or a chunk is no span of the text.
    """
    try:
        chunks = chunker.chunk(document, uri=uri)
    except Exception as error:  # the caller's code: its bug fails this document only
        raise ParseError(f"could not be cut: {type(error).__name__}: {error}") from error
    for chunk in chunks:
        if document.text[chunk.start : chunk.end] != chunk.text:
            raise ParseError(f"its chunker made a chunk that is not the text at {chunk.start}:{chunk.end}")
    if len({chunk.id for chunk in chunks}) < len(chunks):
        raise ParseError("its chunker gave the same id to two chunks")
    return chunks


def effective_dates(metadata: Metadata) -> tuple[date | None, date | None]:
    """Read ``effective_from`` and ``effective_to`` from metadata.

    Raises:
        ParseError: One is no ISO date, or they are the wrong way round.
    """
    days: list[date | None] = []
    for key in ("effective_from", "effective_to"):
        value = metadata.get(key)
        try:
            days.append(None if value in (None, "") else date.fromisoformat(str(value)[:10]))
        except ValueError:
            raise ParseError(f"has {key}: {value!r}, which is no date; write it as 2026-01-31") from None
    start, end = days
    if start is not None and end is not None and end <= start:
        raise ParseError(f"is effective from {start} but no longer on {end}")
    return start, end


def check_metadata(metadata: Metadata) -> None:
    """Check that metadata holds scalars or lists of scalars that both databases can keep.

    Raises:
        ParseError: A key or value is of another type, not finite, or beyond 64 bits.
    """
    for key, value in metadata.items():
        values = [value] if isinstance(value, str | int | float | bool) else value
        if not isinstance(key, str) or not isinstance(values, list | tuple):
            raise ParseError(f"has metadata {key!r} of type {type(value).__name__}; use strings, numbers, or lists")
        for one in values:
            if not isinstance(one, str | int | float | bool):
                raise ParseError(f"has metadata {key!r} with a {type(one).__name__}; use strings and numbers")
            if (isinstance(one, float) and not math.isfinite(one)) or (isinstance(one, int) and abs(one) >= 1 << 63):
                raise ParseError(f"has metadata {key!r} with a number that is not finite or beyond 64 bits")
