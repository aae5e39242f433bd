"""Reranking: a slower model reads the query beside each of the best chunks and orders them again."""

from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from tercet.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence


@runtime_checkable
class Reranker(Protocol):
    """Scores texts by how well they answer a query. Safe to call from several threads."""

    def rerank(self, query: str, texts: Sequence[str]) -> Sequence[float]:
        """One finite score a text, in the order given; higher is better, on any scale."""
        ...


def rerank_scores(reranker: Reranker, query: str, texts: Sequence[str]) -> list[float]:
    """Ask a reranker and check its answer.

    Raises:
        ConfigurationError: It returned too few or too many scores, or one that is not finite.
    """
    scores = [float(score) for score in reranker.rerank(query, texts)]
    if len(scores) != len(texts):
        raise ConfigurationError(
            f"The reranker {type(reranker).__name__} returned {len(scores)} scores for {len(texts)} texts.",
            remedy="rerank(query, texts) must return one score for each text, in order.",
        )
    if not all(map(math.isfinite, scores)):
        raise ConfigurationError(
            f"The reranker {type(reranker).__name__} returned a score that is not finite.",
            remedy="Check its weights and number format; float16 overflows on some processors.",
        )
    return scores


class CrossEncoderReranker:
    """A sentence-transformers cross-encoder, such as ``cross-encoder/ms-marco-MiniLM-L6-v2``.

    Nogueira and Cho, "Passage Re-ranking with BERT" (2019). The weights load with the first ``rerank`` call.

    Args:
        model: A folder that holds the model, or its name on the Hugging Face hub.
        download: True: fetch a model that is not in the local cache. By default nothing is fetched.
        batch_size: Pairs scored at a time.
        device: As PyTorch names it; None: the best there is.

    Example:
        >>> from tercet import SemanticRetriever
        >>> reranker = CrossEncoderReranker("models/ms-marco-MiniLM-L6-v2")
        >>> retriever = SemanticRetriever(memory.semantic, reranker=reranker)  # doctest: +SKIP
    """

    def __init__(
        self, model: str | Path, *, download: bool = False, batch_size: int = 32, device: str | None = None
    ) -> None:
        if batch_size < 1:
            raise ConfigurationError(f"batch_size must be at least 1, got {batch_size}.")
        self.model = str(model)
        self._download = download
        self._batch_size = batch_size
        self._device = device
        self._encoder: Any = None
        self._lock = threading.Lock()

    def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        """Score the texts; texts longer than the model reads are cut off by it.

        Raises:
            ConfigurationError: The library or the weights are missing.
        """
        if not texts:
            return []
        with self._lock:  # the tokenizer keeps its padding settings in the object
            encoder = self._loaded()
            pairs = [(query, text) for text in texts]
            scores = encoder.predict(pairs, batch_size=self._batch_size, show_progress_bar=False)
        return [float(score) for score in scores]

    def _loaded(self) -> Any:  # noqa: ANN401 -- a class of the library, which is imported only here
        if self._encoder is None:
            try:
                from sentence_transformers import CrossEncoder  # loads torch
            except ImportError as error:
                raise ConfigurationError(
                    f"The reranker {self.model!r} needs sentence-transformers, which is not installed.",
                    remedy="Run: pip install sentence-transformers",
                ) from error
            folder = Path(self.model).is_dir()
            try:
                self._encoder = CrossEncoder(
                    self.model, num_labels=1, device=self._device, local_files_only=folder or not self._download
                )
            except (OSError, ValueError, KeyError, RuntimeError) as error:
                raise ConfigurationError(
                    f"The reranker {self.model!r} cannot be loaded: {str(error).strip().splitlines()[0]}",
                    remedy="Give a folder that holds a sequence-classification model with one output, "
                    "or download=True on a machine with network access.",
                ) from error
        return self._encoder
