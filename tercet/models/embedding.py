"""Text to dense vectors: the contract every embedder keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into unit vectors of one dimension.

    Reading the attributes must be cheap: weights are loaded by the first ``embed`` call, not before.
    """

    @property
    def spec(self) -> str:
        """How to name this embedder on the command line, such as ``"all-MiniLM-L6-v2"``."""
        ...

    @property
    def fingerprint(self) -> str:
        """Model, weights hash, dimension, prefix and dtype class: vectors of different fingerprints never mix."""
        ...

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        ...

    @property
    def max_tokens(self) -> int:
        """Longest text it reads, in its own tokens, special tokens included."""
        ...

    @property
    def tokenizer_file(self) -> Path | None:
        """A Hugging Face ``tokenizer.json`` that counts as the embedder does; None: the built-in estimate is used."""
        ...

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts in the order given; returns finite unit rows, shape ``(len(texts), dimension)``."""
        ...

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """Embed one query; returns a finite unit vector, shape ``(dimension,)``."""
        ...
