"""Embeddings by sentence-transformers models on the processor."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import logging
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tercet.errors import EmbedderUnavailableError, VectorError
from tercet.models.weights import WITHOUT_HUB, locate, read_facts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

Dtype = Literal["float32", "bfloat16"]

_BATCH_TOKENS = 2048
"""Tokens of a batch, padding included: eight full texts, so that what a layer works on stays in the cache."""
_SHORTEST = 0.6
"""Shortest text of a batch as a share of its longest: padding costs as much as text does, another batch little."""


class SentenceTransformersEmbedder:
    """Runs a sentence-transformers model: sorted by length, in batches of equal tokens, in bfloat16 where that is fast.

    Construction and attributes read small files; the weights are loaded by the first text. Longer texts than
    ``max_tokens`` are cut off. Safe to share between threads. Results in bfloat16 depend on the batch in the fourth
    decimal (mean cosine to float32 0.9999); both count as one dtype class, so a memory may move between processors.

    Args:
        name: A folder, or a name such as ``"all-MiniLM-L6-v2"``; see ``tercet.models.weights.locate``.
        dtype: Of the weights; None takes bfloat16 where the processor computes in it, else float32.
        use_hub: Whether weights that are nowhere on this machine may be downloaded.

    Raises:
        EmbedderUnavailableError: The model cannot be found or read.

    Example:
        >>> embedder = SentenceTransformersEmbedder("all-MiniLM-L6-v2")
        >>> embedder.dimension, embedder.max_tokens
        (384, 256)
    """

    def __init__(self, name: str, *, dtype: Dtype | None = None, use_hub: bool = True) -> None:
        self.folder = locate(name, use_hub=use_hub)
        self.spec = str(self.folder.path) if self.folder.source == "folder" else name
        self.dtype: Dtype = dtype or ("bfloat16" if computes_bfloat16() else "float32")
        self._facts = read_facts(self.folder)
        self._lock = threading.Lock()
        self._loaded: _Model | None = None

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return self._facts.dimension

    @property
    def max_tokens(self) -> int:
        """Longest text it reads, special tokens included."""
        return self._facts.max_tokens

    @property
    def tokenizer_file(self) -> Path | None:
        """The model's own ``tokenizer.json``."""
        return self.folder.path / "tokenizer.json"

    @property
    def fingerprint(self) -> str:
        """Weights, dimension, length, prompts and dtype class; the same weights found elsewhere keep it."""
        facts = self._facts
        rest = f"{facts.max_tokens}|{facts.lower_case}|{facts.document_prompt}|{facts.query_prompt}"
        settings = hashlib.blake2b(rest.encode(), digest_size=4).hexdigest()
        return f"sentence-transformers:{self.folder.weights_hash[:16]}:{settings}:{facts.dimension}:float"

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts in the order given; returns finite unit rows, shape ``(len(texts), dimension)``.

        Raises:
            EmbedderUnavailableError: The weights are damaged, or the library that runs them is missing.
            VectorError: The model gave a vector that is not finite or is zero.
        """
        return self._embed(texts, self._facts.document_prompt)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """Embed one query; returns a finite unit vector, shape ``(dimension,)``."""
        row: NDArray[np.float32] = self._embed([text], self._facts.query_prompt)[0]
        return row

    def _embed(self, texts: Sequence[str], prompt: str) -> NDArray[np.float32]:
        rows = np.empty((len(texts), self.dimension), np.float32)
        if not texts:
            return rows
        model = self._model()
        lowered = (text.lower() for text in texts) if self._facts.lower_case else texts
        # A lone surrogate has no UTF-8 form, and one such text must not stop the others.
        clean = [(prompt + text).encode("utf-8", "replace").decode("utf-8") for text in lowered]
        tokens = model.tokenize(clean)
        order = sorted(range(len(tokens)), key=lambda place: -len(tokens[place]))
        for batch in _batches(order, [len(text) for text in tokens]):
            rows[batch] = model.vectors([tokens[place] for place in batch])
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        if not (np.isfinite(norms).all() and norms.all()):
            raise VectorError(f"model {self.spec} gave a vector that is not finite or is zero; nothing was stored.")
        rows /= norms
        return rows

    def _model(self) -> _Model:
        with self._lock:
            if self._loaded is None:
                self.folder.verify()
                self._loaded = _Model(self.folder.path, self.dtype, self.max_tokens)
                if self._loaded.dimension not in {None, self.dimension}:
                    raise EmbedderUnavailableError(
                        f"the model in {self.folder.path} gives {self._loaded.dimension} dimensions, "
                        f"its configuration says {self.dimension}.",
                        remedy="Repair modules.json and the pooling configuration.",
                    )
            return self._loaded


class _Model:
    """The loaded modules and their tokenizer."""

    def __init__(self, folder: Path, dtype: Dtype, max_tokens: int) -> None:
        with _quiet():
            try:
                import torch
                from sentence_transformers import SentenceTransformer
                from tokenizers import Tokenizer

                self._torch = torch
                self._model = SentenceTransformer(
                    str(folder),
                    device="cpu",
                    local_files_only=True,
                    model_kwargs={"dtype": getattr(torch, dtype), "use_safetensors": True},
                ).eval()
                self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            except ImportError as error:
                raise EmbedderUnavailableError(
                    f"the model in {folder} needs sentence-transformers, which cannot be imported: {error}.",
                    remedy="`pip install sentence-transformers`, or search by words only with `--embedder none`.",
                ) from error
            except Exception as error:  # a damaged or foreign model fails in many ways inside the library
                raise EmbedderUnavailableError(
                    f"the model in {folder} cannot be loaded: {error}", remedy=WITHOUT_HUB
                ) from error
        self._tokenizer.enable_truncation(max_tokens)
        self._tokenizer.no_padding()
        wrapped = self._model.tokenizer
        self._padding = int(getattr(wrapped, "pad_token_id", None) or 0)
        self._typed = "token_type_ids" in getattr(wrapped, "model_input_names", ())
        self.dimension: int | None = self._model.get_embedding_dimension()

    def tokenize(self, texts: list[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self._tokenizer.encode_batch(texts)]

    def vectors(self, tokens: list[list[int]]) -> NDArray[np.float32]:
        """Vectors of one batch, longest text first, not yet of unit length."""
        torch = self._torch
        ids = np.full((len(tokens), len(tokens[0])), self._padding, np.int64)
        mask = np.zeros_like(ids)
        for place, text in enumerate(tokens):
            ids[place, : len(text)] = text
            mask[place, : len(text)] = 1
        features: dict[str, Any] = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
        if self._typed:
            features["token_type_ids"] = torch.zeros_like(features["input_ids"])
        with torch.inference_mode():
            found: NDArray[np.float32] = self._model(features)["sentence_embedding"].float().numpy()
        return found


def _batches(order: Sequence[int], lengths: Sequence[int]) -> Iterator[list[int]]:
    """Texts of similar length together, longest first."""
    start = 0
    while start < len(order):
        longest = lengths[order[start]]
        batch = order[start : start + max(1, _BATCH_TOKENS // longest)]
        alike = [place for place in batch if lengths[place] >= _SHORTEST * longest]
        yield alike
        start += len(alike)


def computes_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 in hardware (AVX512-BF16 or AMX; known on Linux only)."""
    try:
        facts = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return False
    flags = next((line for line in facts.splitlines() if line.startswith("flags")), "").split()
    return "avx512_bf16" in flags or "amx_bf16" in flags


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars, log lines or warnings of the libraries while a model loads; what was set before comes back."""
    loggers = [logging.getLogger(name) for name in ("transformers", "sentence_transformers", "huggingface_hub")]
    levels = [logger.level for logger in loggers]
    bars: Any = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            bars = importlib.import_module("transformers.utils.logging")
        except ImportError:  # loading will fail, and say so
            had_bars = False
        else:
            had_bars = bool(bars.is_progress_bar_enabled())
            bars.disable_progress_bar()
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
            if bars is not None and had_bars:
                bars.enable_progress_bar()
