"""txtai as its documentation has it: Textractor by paragraphs, Embeddings with content, hybrid where compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from measuring import CHUNKS_FOR_DOCUMENTS, HITS, Query, Records, Settings, Watch
from txtai import Embeddings
from txtai.pipeline import Textractor
from txtai.vectors import HFVectors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PACKAGES = ["txtai", "transformers", "torch", "faiss-cpu"]
MANY = 3000
"""Candidates from which a filter that keeps 1 % still finds ten."""


def watch(watch: Watch) -> None:
    HFVectors.encode = watch.wrap(HFVectors.encode)


def _embeddings(settings: Settings, **options: Any) -> Embeddings:
    if settings.dtype != "float32":
        options["vectors"] = {"dtype": getattr(torch, settings.dtype)}
    return Embeddings(path=str(settings.model), gpu=False, **options)


def reads(settings: Settings) -> int:
    embeddings = _embeddings(settings)
    embeddings.index(["one"])
    return int(embeddings.model.model.maxlength)


def ingest(settings: Settings, root: Path, proof: str, ready: Callable[[], None]) -> int:
    extract = Textractor(paragraphs=True)

    def paragraphs() -> Iterator[str]:
        for path in sorted(root.rglob("*")):
            if path.is_file():
                yield from extract(str(path))

    embeddings = _embeddings(settings, content=True, hybrid=True)
    embeddings.index(paragraphs())
    assert embeddings.search(proof, HITS)
    ready()
    return embeddings.count()


def load(settings: Settings, records: Records) -> dict[str, Any]:
    return load_with(settings, records)


def load_with(settings: Settings, records: Records, **options: Any) -> dict[str, Any]:
    """With options of its index beside the documented ones."""
    known = records.known

    def transform(texts: list[str]) -> np.ndarray:
        return np.stack([known[text] for text in texts])

    rows = [
        (key, {"text": text, "group_id": group})
        for key, text, group in zip(records.ids, records.texts, records.groups, strict=True)
    ]
    dense = Embeddings(method="external", transform=transform, content=True, **options)
    dense.index(rows)
    hybrid = Embeddings(method="external", transform=transform, content=True, hybrid=True, **options)
    hybrid.index(rows)

    def search(embeddings: Embeddings, query: Query) -> list[str]:
        return [hit["id"] for hit in embeddings.search(query.text, HITS)]

    def filtered(embeddings: Embeddings, query: Query, candidates: int | None = None) -> list[str]:
        similar = "similar(:x)" if candidates is None else f"similar(:x, {candidates})"
        sql = f"SELECT id, text, score FROM txtai WHERE {similar} AND group_id = {query.group}"
        return [hit["id"] for hit in embeddings.search(sql, HITS, parameters={"x": query.text})]

    return {
        "dense": lambda query: search(dense, query),
        "hybrid": lambda query: search(hybrid, query),
        "filtered dense": lambda query: filtered(dense, query),
        f"filtered dense, {MANY} candidates": lambda query: filtered(dense, query, MANY),
        "filtered hybrid": lambda query: filtered(hybrid, query),
        f"filtered hybrid, {MANY} candidates": lambda query: filtered(hybrid, query, MANY),
    }


def index(settings: Settings, documents: list[tuple[str, str, str]]) -> Callable[[str], list[str]]:
    embeddings = _embeddings(settings)
    embeddings.index([(key, f"{title}\n{text}".strip()) for key, text, title in documents])
    return lambda text: [key for key, _ in embeddings.search(text, CHUNKS_FOR_DOCUMENTS)]
