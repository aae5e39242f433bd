"""Many threads on one embedded index: every acknowledged write is there afterwards."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import numpy as np
import pytest

from tercet.memory.edge import open_edge
from tercet.memory.vectors import AnyOf, IndexSpec, Point, SparseVector, VectorFilter

SPEC = IndexSpec(dimension=16, integers=("writer",))
THREADS = 16


def hammer(folder: Path, operations: int, seed: int) -> None:
    """16 threads upsert, add vectors, delete, read and query; then the index is reopened and compared."""
    rows = np.random.default_rng(seed).standard_normal((THREADS * operations, 16)).astype(np.float32)
    index = open_edge(folder, SPEC)
    kept: list[set[int]] = [set() for _ in range(THREADS)]
    failures: list[BaseException] = []
    start = threading.Barrier(THREADS)

    def work(writer: int) -> None:
        choose, mine = random.Random((seed, writer).__repr__()), kept[writer]
        own = VectorFilter(must=(AnyOf("writer", [writer]),))
        start.wait()
        try:
            for step in range(operations):
                key = step * THREADS + writer
                index.upsert([Point(id=key, payload={"writer": writer})])
                mine.add(key)
                index.set_dense([key], rows[key : key + 1])
                index.set_sparse([key], [SparseVector(np.array([key], np.uint32), np.ones(1, np.float32))])
                what = choose.random()
                if what < 0.1:
                    index.delete([key])
                    mine.remove(key)
                elif what < 0.4:
                    assert index.nearest_dense(rows[key], limit=1, where=own)[0].id == key
                elif what < 0.6:
                    assert [point.id for point in index.get([key])] == [key]
                elif what < 0.7:
                    assert index.count(own) == len(mine)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(writer,)) for writer in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    index.close()

    again = open_edge(folder, SPEC)
    expected = sorted(set().union(*kept))
    assert again.ids(limit=len(rows)) == expected
    for point in again.get(expected, vectors=True):
        assert point.payload == {"writer": point.id % THREADS}
        assert point.dense is not None
        assert float(point.dense @ rows[point.id] / np.linalg.norm(rows[point.id])) > 0.999
        assert point.sparse is not None
        assert point.sparse.indices.tolist() == [point.id]
    again.close()


def test_16_threads_lose_nothing(tmp_path):
    hammer(tmp_path, 80, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("run", range(10))
def test_16_threads_with_800_operations_each_lose_nothing(tmp_path, run):
    hammer(tmp_path, 800, seed=run)
