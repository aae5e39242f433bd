"""Configuration as frozen records: stored with a memory, hashed into what was made with it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, is_dataclass
from typing import TYPE_CHECKING, Literal

from tercet.errors import ConfigurationError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Fusion = Literal["dbsf", "rrf", "minmax"]
Durability = Literal["process", "power"]
"""``process``: acknowledged writes survive kill -9. ``power``: they survive power loss too, at a flush per commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkingConfig:
    """How documents are cut."""

    max_tokens: int = 256
    """Cap for a chunk's embedded text (title, heading path, lead, text, special tokens) in the embedder's tokens."""

    def __post_init__(self) -> None:
        if self.max_tokens < 16:
            raise ConfigurationError(
                f"chunk size max_tokens={self.max_tokens} is too small to hold a heading and a sentence.",
                remedy="Use at least 16; 128 to 256 suits all-MiniLM-L6-v2.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsingConfig:
    """What is taken from files."""

    notebook_outputs: bool = False
    """Text that code cells of notebooks printed or returned, tables included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LexicalConfig:
    """How words are found and weighted by the BM25 leg."""

    language: str = "english"
    """Snowball language for stems and stop words, or ``"none"`` for neither."""
    k1: float = 1.2
    b: float = 0.75
    split_identifiers: bool = True
    """Index ``getUserName`` also as get, user, name."""

    def __post_init__(self) -> None:
        if self.k1 < 0 or not 0 <= self.b <= 1:
            raise ConfigurationError(f"BM25 needs k1 >= 0 and 0 <= b <= 1, got k1={self.k1}, b={self.b}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalConfig:
    """How semantic memory is searched."""

    fusion: Fusion = "dbsf"
    candidates: int = 200
    """Chunks taken from each leg before fusion."""
    lexical_weight: float = 1.0
    dense_weight: float = 1.0
    rrf_k: int = 60
    """Constant of reciprocal rank fusion; ranks count from 1."""
    floor: float = 0.0
    """Hits with a lower score are dropped; 0 keeps all."""
    expand: Literal["none", "parent"] = "none"
    """``parent`` fills ``Hit.context`` with the section around the chunk."""
    diversity: float = 0.0
    """Maximal marginal relevance between 0 (off) and 1 (diversity alone)."""

    def __post_init__(self) -> None:
        if self.candidates < 1:
            raise ConfigurationError(f"candidates must be at least 1, got {self.candidates}.")
        if self.lexical_weight < 0 or self.dense_weight < 0 or self.lexical_weight + self.dense_weight == 0:
            raise ConfigurationError("leg weights must not be negative, and one of them must be above 0.")
        if not 0 <= self.diversity <= 1:
            raise ConfigurationError(f"diversity must lie between 0 and 1, got {self.diversity}.")
        if self.rrf_k < 1:
            raise ConfigurationError(f"rrf_k must be at least 1, got {self.rrf_k}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsingLimits:
    """What one file may cost before it fails alone."""

    workers: int | None = None
    """Parser processes; None: one per processor, four at most."""
    timeout_s: float = 60.0
    """For a small file; every 10 MB of it allow as much again."""
    memory_mb: int = 1024
    """Address space of a parser process (Linux and macOS)."""
    max_file_mb: float = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpackingLimits:
    """What an archive or a git revision may unpack to before it is refused as a whole.

    The size of one member is limited like that of any file, by ``ParsingLimits.max_file_mb``.
    """

    max_total_mb: float = 2000.0
    """Bytes taken out altogether, those of files that are passed over included where they have to be decompressed."""
    max_members: int = 100_000
    """Files and folders, whatever becomes of them."""
    max_ratio: float = 200.0
    """Unpacked size over the size of the archive; looked at beyond 10 MB only, below which nothing can be harmed."""
    max_depth: int = 64
    """Folders above a file; a file that lies deeper is left out and listed."""

    def __post_init__(self) -> None:
        if min(self.max_total_mb, self.max_members, self.max_ratio, self.max_depth) <= 0:
            raise ConfigurationError("Limits of unpacking must be above 0.", remedy="Leave one out for its default.")


def fingerprint(*configs: DataclassInstance | str) -> str:
    """Hash configuration records and version strings to 16 hex digits: equal settings, equal hash.

    Example:
        >>> fingerprint(ChunkingConfig()) == fingerprint(ChunkingConfig(max_tokens=256))
        True
    """
    payload = [asdict(config) if is_dataclass(config) else config for config in configs]
    return hashlib.blake2b(json.dumps(payload, sort_keys=True).encode(), digest_size=8).hexdigest()
