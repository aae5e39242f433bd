"""What goes into semantic memory and what comes back: the records between the store, ingestion and retrieval."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from tercet.models.lexical import TermCounts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from tercet.memory.vectors import VectorFilter
    from tercet.records import Chunk, Finding, Metadata, Trust


class FileStamp(NamedTuple):
    """What the file system says about a file, to see without reading whether it changed."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


class IncludedFile(NamedTuple):
    """A file whose text another file includes, as it was when it was last read."""

    path: str
    """Below the root."""
    stamp: FileStamp
    """All zero where there was no such file."""
    content_hash: str
    """Empty where there was no such file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """One row of the ledger: a file below a root, as it was when its content was last read."""

    root_id: int
    path: str
    """Below the root, ``/`` between segments; empty where the root is itself a file."""
    stamp: FileStamp
    seen_ns: int
    """Clock just before the content was read, nanoseconds since the epoch."""
    content_hash: str
    config_hash: str
    reason: str | None = None
    """Why it could not be ingested; None: it was."""
    document_id: int | None = None
    included: tuple[IncludedFile, ...] = ()
    """Other files whose text became part of the document, and those that were looked for in vain."""
    outline: str = ""
    """JSON: the pages that the file lists as its children, where the site's navigation is made of such lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedChunk:
    """A chunk and its analysed terms."""

    chunk: Chunk
    terms: TermCounts


class Part(NamedTuple):
    """A stretch of a document's text, and the chunks that lie in it; their offsets are those of the whole text."""

    text: str
    chunks: Sequence[IndexedChunk]


class FurtherParts:
    """The parts of a document after its first, made while they are read; they can be read once.

    Args:
        parts: Makes them. What it raises keeps the version from becoming live.
    """

    def __init__(self, parts: Iterable[Part]) -> None:
        self.source = parts
        self.chunks = 0
        """How many were read so far."""

    def __iter__(self) -> Iterator[Part]:
        for part in self.source:
            self.chunks += len(part.chunks)
            yield part


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVersion:
    """A document version to be stored; it replaces the live one once it is complete.

    ``text`` and ``chunks`` are all of it, or its first part.
    """

    corpus_id: int
    uri: str
    content_hash: str
    config_hash: str
    text: str
    chunks: Sequence[IndexedChunk]
    title: str = ""
    metadata: Metadata = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    trust: Trust = "internal"
    effective_from: date | None = None
    effective_to: date | None = None
    file: FileEntry | None = None
    """Ledger row to write in the same transaction that makes the version live (its ``document_id`` is filled in)."""
    url: str = ""
    """Where its published page lies; empty: nowhere, or nobody knows."""
    further: FurtherParts | None = None
    """The rest of a document that is too large to be held at once; None: there is none."""

    @property
    def chunk_count(self) -> int:
        """How many chunks it has, once it is stored."""
        return len(self.chunks) + (0 if self.further is None else self.further.chunks)


class FileTask(NamedTuple):
    """A file to ingest: where it is, what it is called inside its corpus, and its row of the ledger to be."""

    location: str
    """Path on this machine, and on every other that works on the same batch."""
    uri: str
    entry: FileEntry
    """As the file looked when the run was planned; without the hash of its content, which is still to be read."""
    rules: Mapping[str, Any] = {}
    """How its page is published, as plain values; empty: as files are that no site publishes."""
    root: str = ""
    """Folder that included files are taken from, at the same path everywhere too; empty: nothing is included."""
    below: str = ""
    """Path of the file below ``root``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOutcome:
    """What became of a file."""

    uri: str
    reason: str | None = None
    """Why it could not be ingested; None: it was."""
    chunks: int = 0
    truncated: bool = False
    """The embedder will not read all of it."""
    findings: tuple[Finding, ...] = ()


class Candidate(NamedTuple):
    """A live chunk that one leg found."""

    row: int
    chunk_id: str
    score: float
    has_vector: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LexicalCandidates:
    """What the lexical leg found, and the inverse document frequency of each query term that occurs at all."""

    candidates: list[Candidate]
    idf: Mapping[str, float]


class CorpusRow(NamedTuple):
    """A corpus as the store keeps it: one row for each name, tenant and version."""

    id: int
    name: str
    tenant: str
    version: str
    chunks: int
    length_total: int
    length_bucket: int | None
    reweighing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A filter resolved against the database: which corpora, and what the vector index has to check."""

    corpora: tuple[CorpusRow, ...]
    where: VectorFilter | None = None
    """None: nothing to check."""
    documents: tuple[int, ...] | None = None
    """Ids of the matching documents; None: all of the corpora."""
    settled: bool = False
    """True when no write was under way and no vector missing: every point of the index was a live, complete chunk."""

    @property
    def empty(self) -> bool:
        """True when no document can match."""
        return not self.chunks or self.documents == ()

    @property
    def chunks(self) -> int:
        """Live chunks in the selected corpora, before document filters."""
        return sum(corpus.chunks for corpus in self.corpora)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredChunk:
    """A live chunk with all that a hit needs to be shown, cited and explained."""

    row: int
    chunk: Chunk
    uri: str
    corpus: str
    version: str
    tenant: str
    title: str
    metadata: Metadata
    trust: Trust
    packed_terms: bytes
    """As ``TermCounts`` packs them; only an explanation reads them."""
    url: str
    """Of the published page, without fragment; empty: none is known."""
    average_length: float
    """The length that the chunk's BM25 weights were made with."""

    @property
    def terms(self) -> TermCounts:
        """The analysed terms of the chunk.

        Raises:
            CorruptMemoryError: What is stored is no such thing.
        """
        return TermCounts.from_bytes(self.packed_terms)


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentInfo:
    """A live document, without its text."""

    id: int
    uri: str
    corpus: str
    tenant: str
    version: str
    title: str
    content_hash: str
    config_hash: str
    trust: Trust
    metadata: Metadata
    chunks: int
