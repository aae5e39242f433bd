"""Memories whose clock stands until a test moves it, in a folder and by URL."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from qdrant_client import QdrantClient

from tercet import Memory
from tercet.testing import HashEmbedder


class Clock:
    """What time it is: May 6, 2024, at eight, until it is moved on."""

    def __init__(self) -> None:
        self.now = datetime(2024, 5, 6, 8, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> datetime:
        self.now += timedelta(**by)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["embedded", "by-url"])
def memory(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Memory]:
    """A memory in a folder, and one on PostgreSQL and the server adapter: both keep every promise."""
    if request.param == "embedded":
        with Memory.open(tmp_path / "memory", embedder=HashEmbedder(), clock=clock) as opened:
            yield opened
        return
    database = request.getfixturevalue("postgres_url")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Payload indexes have no effect in the local Qdrant")
        client = QdrantClient(":memory:")
        with Memory.open(database=database, qdrant=client, embedder=HashEmbedder(), clock=clock) as opened:
            yield opened
