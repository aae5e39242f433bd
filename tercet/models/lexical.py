"""Words and their weights: the analyzer and BM25."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tercet.settings import LexicalConfig


class TermCounts(NamedTuple):
    """The analysed terms of one text: ids (uint32, ascending, unique), how often each occurs, and how many in all."""

    ids: NDArray[np.uint32]
    counts: NDArray[np.uint16]
    length: int

    def to_bytes(self) -> bytes: ...
    @classmethod
    def from_bytes(cls, data: bytes) -> TermCounts: ...


class Analyzer:
    """Text to terms. Equal config, equal terms, on every machine."""

    def __init__(self, config: LexicalConfig) -> None: ...
    def terms(self, text: str) -> list[str]:
        """The terms of a text in order, repeated as they occur."""
        ...

    def count(self, text: str) -> TermCounts: ...


def term_id(term: str) -> int:
    """A stable 32-bit id (blake2b) of a term."""
    ...


def bm25_weights(counts: TermCounts, *, average_length: float, k1: float, b: float) -> NDArray[np.float32]:
    """The document side of BM25: ``tf (k1 + 1) / (tf + k1 (1 - b + b length / average_length))`` a term."""
    ...


def idf(document_frequency: int, documents: int) -> float:
    """Lucene's inverse document frequency, never negative: ``ln(1 + (N - df + .5) / (df + .5))``."""
    ...


def length_bucket(average_length: float) -> int:
    """The bucket of an average length: the nearest power of 1.25."""
    ...


def bucket_length(bucket: int) -> float:
    """The average length that stands for a bucket."""
    ...
