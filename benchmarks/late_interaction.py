"""MaxSim over the token vectors of a sentence embedder, as a reranker: tried by ``defaults.py``.

Khattab and Zaharia, "ColBERT" (SIGIR 2020), but with a model that was not trained for it: each token of the question
takes its best cosine among the tokens of the text, and the score is their mean.
"""

from __future__ import annotations

import sqlite3
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_BATCH = 16


class TokenVectors:
    """Token vectors of texts, computed once and kept in a file as float16; a ``Reranker`` by MaxSim.

    Args:
        model: Folder of a sentence-transformers model.
        file: SQLite file, made when it is not there.
        dimension: Of the vectors.
    """

    def __init__(self, model: Path, file: Path, dimension: int) -> None:
        self._folder = model
        self._dimension = dimension
        self._model: Any = None
        self._file = sqlite3.connect(file, isolation_level=None)
        self._scores: dict[tuple[str, str], float] = {}
        self._file.execute("CREATE TABLE IF NOT EXISTS tokens (key BLOB PRIMARY KEY, vectors BLOB)")

    def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        """MaxSim of each text."""
        missing = [text for text in dict.fromkeys(texts) if (query, text) not in self._scores]
        (asked,) = self.of([query])
        for text, rows in zip(missing, self.of(missing), strict=True):
            self._scores[query, text] = max_sim(asked, rows)
        return [self._scores[query, text] for text in texts]

    def of(self, texts: Sequence[str]) -> Iterator[NDArray[np.float32]]:
        """Unit rows, a token each, special tokens included."""
        missing = [text for text in dict.fromkeys(texts) if self._read(text) is None]
        for start in range(0, len(missing), _BATCH):
            batch = missing[start : start + _BATCH]
            self.keep(batch, self.encode(batch))
        for text in texts:
            stored = self._read(text)
            assert stored is not None
            yield np.frombuffer(stored, np.float16).reshape(-1, self._dimension).astype(np.float32)

    def _read(self, text: str) -> bytes | None:
        row = self._file.execute("SELECT vectors FROM tokens WHERE key = ?", [_key(text)]).fetchone()
        return None if row is None else row[0]

    def encode(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """Unit rows of each text, made now."""
        if self._model is None:
            from sentence_transformers import SentenceTransformer

            self._model = SentenceTransformer(str(self._folder), device="cpu", local_files_only=True)
        found = self._model.encode(list(texts), output_value="token_embeddings", show_progress_bar=False)
        vectors = [np.asarray(rows.float()) for rows in found]
        return [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in vectors]

    def keep(self, texts: Sequence[str], vectors: Sequence[NDArray[np.float32]]) -> None:
        """Write the token vectors of texts to the file."""
        self._file.execute("BEGIN")
        for text, rows in zip(texts, vectors, strict=True):
            stored = [_key(text), rows.astype(np.float16).tobytes()]
            self._file.execute("INSERT OR REPLACE INTO tokens VALUES (?, ?)", stored)
        self._file.execute("COMMIT")


def max_sim(asked: NDArray[np.float32], rows: NDArray[np.float32]) -> float:
    """The mean, over the question's tokens, of the best cosine among the text's tokens."""
    return float((asked @ rows.T).max(axis=1).mean())


def _key(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
