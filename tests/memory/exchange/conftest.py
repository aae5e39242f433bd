"""New memories on either database."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from qdrant_client import QdrantClient

from tercet import Memory
from tercet.testing import HashEmbedder

Open = Callable[[str], Memory]


@pytest.fixture
def opened(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Open]:
    """Opens a new, empty memory: ``opened("sqlite")`` any number of times, ``opened("postgresql")`` once."""
    with ExitStack() as stack:

        def new(kind: str) -> Memory:
            if kind == "sqlite":
                folder = tmp_path / f"memory{len(list(tmp_path.iterdir()))}"
                return stack.enter_context(Memory.open(folder, embedder=HashEmbedder(16)))
            stack.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", "Payload indexes have no effect in the local Qdrant")
            where = {"database": request.getfixturevalue("postgres_url"), "qdrant": QdrantClient(":memory:")}
            return stack.enter_context(Memory.open(**where, embedder=HashEmbedder(16)))

        yield new
