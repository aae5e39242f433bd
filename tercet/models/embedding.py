"""Text to dense vectors: the contract every embedder keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from tercet.errors import EmbedderUnavailableError

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


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderFacts:
    """What would embed, and from where: shown by ``tercet doctor``."""

    spec: str
    source: Literal["folder", "cache", "package", "hub"]
    path: Path
    dimension: int
    max_tokens: int
    dtype: str
    """What this processor would compute in."""
    fingerprint: str
    weights_ok: bool | None
    """Whether the weights have the published SHA-256; None where this project knows no published one."""


def resolve_embedder(spec: str) -> Embedder:
    """The embedder a specification names. Loads no weights; may download them if they are nowhere on this machine.

    Args:
        spec: A folder with a sentence-transformers model, or a model name: ``"all-MiniLM-L6-v2"``, ``"owner/model"``.
            ``"none"`` is not an embedder; whoever allows it handles it before.

    Raises:
        EmbedderUnavailableError: It is nowhere on this machine and cannot be downloaded; says how to install it.

    Example:
        >>> resolve_embedder("all-MiniLM-L6-v2").dimension
        384
    """
    from tercet.models.sentence_transformers import SentenceTransformersEmbedder

    return SentenceTransformersEmbedder(spec)


def describe(spec: str) -> EmbedderFacts:
    """Say what ``resolve_embedder`` would find on this machine, reading the weights' hash but not asking the hub.

    Raises:
        EmbedderUnavailableError: It is nowhere on this machine.
    """
    from tercet.models.sentence_transformers import SentenceTransformersEmbedder

    embedder = SentenceTransformersEmbedder(spec, use_hub=False)
    weights_ok = None
    if embedder.folder.pinned:
        try:
            embedder.folder.verify()
            weights_ok = True
        except EmbedderUnavailableError:
            weights_ok = False
    return EmbedderFacts(
        spec=embedder.spec,
        source=embedder.folder.source,
        path=embedder.folder.path,
        dimension=embedder.dimension,
        max_tokens=embedder.max_tokens,
        dtype=embedder.dtype,
        fingerprint=embedder.fingerprint,
        weights_ok=weights_ok,
    )
