"""A memory in a folder, and one on PostgreSQL and the server adapter."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from qdrant_client import QdrantClient

from tercet import Memory
from tercet.testing import HashEmbedder
from tests.memory.forgetting.canaries import DIMENSION, open_memory


@pytest.fixture(params=["embedded", "by-url"])
def memory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Memory]:
    if request.param == "embedded":
        with open_memory(tmp_path / "memory") as opened:
            yield opened
        return
    database = request.getfixturevalue("postgres_url")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Payload indexes have no effect in the local Qdrant")
        client = QdrantClient(":memory:")
        with Memory.open(database=database, qdrant=client, embedder=HashEmbedder(dimension=DIMENSION)) as opened:
            yield opened
