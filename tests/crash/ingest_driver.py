"""Ingests a folder in a process of its own, and dies at a chosen point.

``python ingest_driver.py MEMORY SOURCE`` ingests with the hash embedder in small batches. Environment:

* ``KILL_AT``: ``name/moment/n``: kill -9 at the n-th time (from 1) that the point is reached. Empty: run to the end.
* ``PART_CHUNKS``: how many chunks of a document are stored at once.
* ``TRACE``: a file to which each point is written as it is passed, and the ids of parser processes.

Points are found by wrapping the store from outside: each SQL transaction is named after the function that opens it
(``put``, ``record``, …) and each call of the vector index after its method (``index.upsert``, …). Moments: ``before``;
``inside``: all statements of a transaction are done and none is committed, or half of the points of a call are written;
``after``.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tercet.ingestion import ingest, parts, pool, run
from tercet.memory import vectorizing, writing
from tercet.memory.database import Database
from tercet.memory.indexes import VectorIndexes
from tercet.memory.memory import Memory
from tercet.settings import ChunkingConfig, ParsingLimits
from tercet.testing import HashEmbedder

reached: Counter[str] = Counter()
kill_at = os.environ.get("KILL_AT", "")
trace = Path(os.environ["TRACE"]) if "TRACE" in os.environ else None


def note(line: str) -> None:
    if trace is not None:
        with trace.open("a") as file:
            file.write(line + "\n")


def reach(point: str) -> None:
    reached[point] += 1
    note(f"{point}/{reached[point]}")
    if kill_at == f"{point}/{reached[point]}":
        os.kill(os.getpid(), signal.SIGKILL)


def due(point: str) -> bool:
    return kill_at == f"{point}/{reached[point] + 1}"


def wrap_transactions() -> None:
    original = Database.write

    @contextmanager
    def write(self: Database) -> Iterator[Any]:
        name = sys._getframe(2).f_code.co_name
        reach(f"{name}/before")
        with original(self) as connection:
            yield connection
            reach(f"{name}/inside")
        reach(f"{name}/after")

    Database.write = write


class DyingIndex:
    """The vector index, with points before, inside and after each write."""

    def __init__(self, index: Any) -> None:
        self._index = index

    def __getattr__(self, name: str) -> Any:
        return getattr(self._index, name)

    def _write(self, name: str, items: Sequence[Any], *more: Any) -> None:
        method = getattr(self._index, name)
        reach(f"index.{name}/before")
        if due(f"index.{name}/inside"):
            half = len(items) // 2
            method(items[:half], *(part[:half] for part in more))
        reach(f"index.{name}/inside")
        method(items, *more)
        reach(f"index.{name}/after")

    def upsert(self, points: Any) -> None:
        self._write("upsert", points)

    def set_dense(self, ids: Any, vectors: Any) -> None:
        self._write("set_dense", ids, vectors)

    def set_sparse(self, ids: Any, vectors: Any) -> None:
        self._write("set_sparse", ids, vectors)

    def delete(self, ids: Any) -> None:
        self._write("delete", ids)


def wrap_index() -> None:
    original = VectorIndexes.open
    wrapped: dict[int, DyingIndex] = {}

    def opened(self: VectorIndexes, name: str) -> Any:
        index = original(self, name)
        return wrapped.setdefault(id(index), DyingIndex(index)) if name == "semantic" else index

    VectorIndexes.open = opened


def wrap_workers() -> None:
    original = pool._WorkerProcess.greet

    def greet(self: pool._WorkerProcess, settings: Any) -> None:
        original(self, settings)
        note(f"worker {self._process.pid}")

    pool._WorkerProcess.greet = greet


def use_small_batches() -> None:
    run.BATCH_DOCUMENTS = 3
    writing.BATCH = 4
    vectorizing.WINDOW = 8
    parts.PART_CHUNKS = int(os.environ.get("PART_CHUNKS", parts.PART_CHUNKS))


def main(memory_path: str, source: str) -> None:
    use_small_batches()
    wrap_transactions()
    wrap_index()
    wrap_workers()
    with Memory.open(
        memory_path, embedder=HashEmbedder(dimension=16), chunking=ChunkingConfig(max_tokens=48)
    ) as memory:
        report = ingest(source, into=memory, allow_delete=True, limits=ParsingLimits(workers=1))
    assert report.ok, report.failed
    note("done")


if __name__ == "__main__":
    main(*sys.argv[1:])
