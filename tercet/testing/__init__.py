"""Stand-ins and conformance suites for testing code that uses Tercet, and Tercet itself."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tercet.testing.embedder import HashEmbedder
    from tercet.testing.vector_conformance import VectorIndexConformance

_HOME = {
    "HashEmbedder": "tercet.testing.embedder",
    "VectorIndexConformance": "tercet.testing.vector_conformance",  # needs pytest
}

__all__ = ["HashEmbedder", "VectorIndexConformance"]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
