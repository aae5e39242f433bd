"""The vector index contract, on every engine that this machine can run (part of S1.53 and part of S1.54)."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from qdrant_client import QdrantClient

from tercet.memory.edge import open_edge
from tercet.memory.server import open_server
from tercet.testing.vector_conformance import OpenIndex, VectorIndexConformance
from tests.qdrant_server import qdrant_server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """On a disk in memory where there is one: making an index syncs some twenty files."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or shutil.disk_usage(memory).free < 2**30:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory, prefix="tercet-") as made:
        yield Path(made)


class TestEdge(VectorIndexConformance):
    @pytest.fixture
    def open_index(self, folder: Path) -> OpenIndex:
        return lambda spec: open_edge(folder / "vectors", spec)


class TestEdgeAgainstPowerLoss(VectorIndexConformance):
    @pytest.fixture
    def open_index(self, folder: Path) -> OpenIndex:
        return lambda spec: open_edge(folder / "vectors", spec, durability="power")


class TestServerInThisProcess(VectorIndexConformance):
    @pytest.fixture
    def open_index(self) -> OpenIndex:
        client = QdrantClient(":memory:")
        return lambda spec: open_server(client, "vectors", spec)


class TestServerInTests(VectorIndexConformance):
    """The server that tests of several processes share keeps the contract too, over HTTP."""

    @pytest.fixture
    def open_index(self) -> Iterator[OpenIndex]:
        with qdrant_server() as (url, _):
            yield lambda spec: open_server(url, "vectors", spec)


@pytest.mark.server
@pytest.mark.skipif("TERCET_QDRANT_URL" not in os.environ, reason="set TERCET_QDRANT_URL to a Qdrant server")
class TestServer(VectorIndexConformance):
    @pytest.fixture
    def open_index(self) -> Iterator[OpenIndex]:
        url, name = os.environ["TERCET_QDRANT_URL"], f"tercet-test-{uuid.uuid4().hex}"
        yield lambda spec: open_server(url, name, spec)
        with_client = QdrantClient(url=url)
        with_client.delete_collection(name)
        with_client.close()
