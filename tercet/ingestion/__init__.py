"""Documents into memory: sources, parsers, chunking, and the pipeline that ties them together."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tercet.ingestion.pipeline import ingest

__all__ = ["ingest"]


def __getattr__(name: str) -> object:
    """Load the pipeline with its first use: a parser process imports this package and needs none of it."""
    if name == "ingest":
        from tercet.ingestion.pipeline import ingest as function

        return function
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
