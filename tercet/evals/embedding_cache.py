"""Vectors kept between runs, so that no text is embedded twice and a warm run loads no model.

The file holds hashes and vectors, no text. It is kept apart from every memory: an eval makes many memories of the same
documents, and throws most of them away.
"""

from __future__ import annotations

import threading
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tercet.errors import EmbeddingCacheError, StoreError
from tercet.evals.cache_files import CacheForm, user_cache_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType
    from typing import Literal

    from numpy.typing import NDArray

    from tercet.models.embedding import Embedder

FORM = CacheForm(
    name="embedding cache",
    application_id=0x74726365,
    version=1,
    table="CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID",
    error=EmbeddingCacheError,
    option="--embedding-cache",
    loss="its vectors are made again",
)
_BATCH = 500
"""Keys in one query; SQLite takes 999 variables everywhere."""
_UNIT = 1e-2
"""How far from 1 the length of a vector may be: more is damage. What bfloat16 rounds is less."""


def default_cache_file() -> Path:
    """Where vectors are kept when nothing else is said: the user's cache folder.

    Example:
        >>> default_cache_file().name
        'embeddings.sqlite3'
    """
    return user_cache_folder() / "embeddings.sqlite3"


class CachedEmbedder:
    """An embedder that keeps every vector in a file, and embeds only what the file does not hold.

    Vectors are kept by the embedder's fingerprint, the text, and whether it was a document or a query. Processes may
    share the file; two that embed the same text at the same time both embed it. Safe to share between threads.

    Args:
        embedder: Asked for what is not in the file. Its weights are not loaded before.
        path: The file; made with its folder when it is not there.

    Attributes:
        embedded: Texts that had to be embedded so far, queries included.
        found: Texts whose vector was in the file.

    Raises:
        EmbeddingCacheError: The file is damaged, is something else, or cannot be opened.

    Example:
        >>> import tempfile
        >>> from tercet.testing import HashEmbedder
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with CachedEmbedder(HashEmbedder(), Path(folder) / "vectors.sqlite3") as first:
        ...         _ = first.embed_documents(["Rotate keys.", "Keep them secret."])
        ...     with CachedEmbedder(HashEmbedder(), Path(folder) / "vectors.sqlite3") as second:
        ...         _ = second.embed_documents(["Rotate keys.", "Never log them."])
        >>> second.found, second.embedded
        (1, 1)
    """

    def __init__(self, embedder: Embedder, path: str | Path) -> None:
        self._embedder = embedder
        self.path = Path(path)
        self.spec, self.fingerprint, self.dimension = embedder.spec, embedder.fingerprint, embedder.dimension
        self.max_tokens, self.tokenizer_file = embedder.max_tokens, embedder.tokenizer_file
        self.embedded = 0
        self.found = 0
        self._lock = threading.RLock()
        with self._named_errors():
            self._connection = FORM.open(self.path)

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts in the order given; returns finite unit rows, shape ``(len(texts), dimension)``.

        Raises:
            EmbeddingCacheError: The file is damaged or cannot be written.
            EmbedderUnavailableError: A text is new, and the weights cannot be loaded.
        """
        keys = [self._key("document", text) for text in texts]
        known = self._read(keys)
        # Once each, in the order given: as an embedder without a cache would be asked.
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if new:
            made = dict(zip(new, self._embedder.embed_documents(list(new.values())), strict=True))
            self._write(made)
            known.update(made)
        self._count(found=len(texts) - len(new), embedded=len(new))
        rows = np.empty((len(texts), self.dimension), np.float32)
        for place, key in enumerate(keys):
            rows[place] = known[key]
        return rows

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """Embed one query; returns a finite unit vector, shape ``(dimension,)``."""
        key = self._key("query", text)
        known = self._read([key])
        if key not in known:
            known = {key: self._embedder.embed_query(text)}
            self._write(known)
            self._count(found=0, embedded=1)
        else:
            self._count(found=1, embedded=0)
        return known[key]

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> CachedEmbedder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _key(self, use: Literal["document", "query"], text: str) -> bytes:
        content = f"{self.fingerprint}\0{use}\0{text}".encode("utf-8", "surrogatepass")
        return blake2b(content, digest_size=16).digest()

    def _count(self, *, found: int, embedded: int) -> None:
        with self._lock:
            self.found += found
            self.embedded += embedded

    def _read(self, keys: Sequence[bytes]) -> dict[bytes, NDArray[np.float32]]:
        wanted = list(dict.fromkeys(keys))
        rows: list[tuple[bytes, bytes]] = []
        with self._lock, self._named_errors():
            for start in range(0, len(wanted), _BATCH):
                some = wanted[start : start + _BATCH]
                marks = ",".join("?" * len(some))
                query = f"SELECT key, vector FROM vectors WHERE key IN ({marks})"  # noqa: S608  # marks are question marks
                rows += self._connection.execute(query, some).fetchall()
        if any(not isinstance(row[1], bytes) or len(row[1]) != 4 * self.dimension for row in rows):
            raise self._damaged(f"a vector has not the {self.dimension} dimensions of {self.spec}")
        if not rows:
            return {}
        vectors = np.frombuffer(b"".join(vector for _, vector in rows), "<f4").reshape(len(rows), self.dimension)
        lengths = np.linalg.norm(vectors, axis=1)
        if not (np.abs(lengths - 1) < _UNIT).all():  # NaN is not less than anything
            raise self._damaged("a vector is not of length 1")
        return {key: vectors[place] for place, (key, _) in enumerate(rows)}

    def _write(self, vectors: Mapping[bytes, NDArray[np.float32]]) -> None:
        rows = [(key, np.asarray(vector, dtype="<f4").tobytes()) for key, vector in vectors.items()]
        with self._lock, self._named_errors(), self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("INSERT OR IGNORE INTO vectors (key, vector) VALUES (?, ?)", rows)

    def _named_errors(self) -> AbstractContextManager[None]:
        return FORM.named_errors(self.path)

    def _damaged(self, reason: str) -> StoreError:
        return FORM.damaged(self.path, reason)
