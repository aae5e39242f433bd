"""A deterministic embedder for tests: texts that share words are similar, and equal texts are bit-equal."""

from __future__ import annotations

import re
import threading
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_WORD = re.compile(r"\w+")


class HashEmbedder:
    """Each distinct word adds a fixed random direction; the sum is made a unit vector.

    The result depends on nothing but the text and the dimension: not on batch, thread, process or machine.

    Args:
        dimension: Of the vectors.
        spec: The name it goes by; also part of the fingerprint, so that two of them can stand for two models.

    Attributes:
        embedded: How many texts were embedded so far, queries included.

    Example:
        >>> embedder = HashEmbedder(dimension=8)
        >>> embedder.embed_documents(["rotate keys", "keys rotate"]).shape
        (2, 8)
    """

    max_tokens = 256
    tokenizer_file: Path | None = None

    def __init__(self, dimension: int = 64, spec: str = "hash") -> None:
        self.dimension = dimension
        self.spec = spec
        self.embedded = 0
        self._lock = threading.Lock()
        self._directions: dict[str, NDArray[np.int64]] = {}

    @property
    def fingerprint(self) -> str:
        """Spec and dimension: all that the vectors depend on."""
        return f"{self.spec}:hash-1:{self.dimension}:float32"

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts in order; returns unit rows, shape ``(len(texts), dimension)``."""
        rows = np.empty((len(texts), self.dimension), np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[:] = self._vector(text)
        with self._lock:
            self.embedded += len(texts)
        return rows

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """Embed one query as a document is embedded."""
        row: NDArray[np.float32] = self.embed_documents([text])[0]
        return row

    def _vector(self, text: str) -> NDArray[np.float32]:
        total = np.zeros(self.dimension, np.int64)
        for word in sorted(set(_WORD.findall(text.casefold()))) or [text]:
            total += self._direction(word)
        if not total.any():
            total[0] = 1
        # Integers until here, so that the order of words and the width of SIMD registers cannot change a bit.
        norm = np.sqrt(np.float64(int((total * total).sum())))
        vector: NDArray[np.float32] = (total / norm).astype(np.float32)
        return vector

    def _direction(self, word: str) -> NDArray[np.int64]:
        known = self._directions.get(word)
        if known is None:
            seeds = (
                blake2b(f"{block}:{word}".encode("utf-8", "surrogatepass"), digest_size=64).digest()
                for block in range(-(-self.dimension // 32))
            )
            known = np.frombuffer(b"".join(seeds), "<i2")[: self.dimension].astype(np.int64)
            self._directions[word] = known
        return known
