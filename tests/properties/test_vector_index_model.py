"""Random histories: both engines against a dictionary and brute force in NumPy."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from qdrant_client import QdrantClient

from tercet.memory.edge import open_edge
from tercet.memory.server import open_server
from tercet.memory.vectors import AnyOf, Between, Condition, IndexSpec, Point, SparseVector, VectorFilter, VectorIndex

SPEC = IndexSpec(dimension=8, integers=("a", "b"))
TABLE = np.random.default_rng(3).standard_normal((60, 8)).astype(np.float32)

keys = st.integers(0, 30)
rows = st.integers(0, len(TABLE) - 1)
value = st.integers(-3, 6)
payloads = st.dictionaries(st.sampled_from(SPEC.integers), value | st.lists(value, max_size=3))
weights = st.dictionaries(st.integers(0, 12), st.sampled_from([0.25, 0.5, 1.0, 2.0]), max_size=5)
conditions = st.builds(AnyOf, st.sampled_from(SPEC.integers), st.lists(value, max_size=4)) | st.builds(
    Between, st.sampled_from(SPEC.integers), st.none() | value, st.none() | value
)
filters = st.builds(
    lambda must, but_not: VectorFilter(must=tuple(must), must_not=tuple(but_not)),
    st.lists(conditions, max_size=2),
    st.lists(conditions, max_size=1),
)


def sparse(given: dict[int, float]) -> SparseVector:
    return SparseVector(np.array(list(given), np.uint32), np.array(list(given.values()), np.float32))


def holds(condition: Condition, point: Point) -> bool:
    held = point.payload.get(condition.field, [])
    values: Sequence[int] = [held] if isinstance(held, int) else held
    if isinstance(condition, AnyOf):
        return any(value in condition.values for value in values)
    low = -np.inf if condition.low is None else condition.low
    high = np.inf if condition.high is None else condition.high
    return any(low <= value <= high for value in values)


class History(RuleBasedStateMachine):
    """Applies the same operations to an index and to a dictionary."""

    index: VectorIndex

    def open(self) -> VectorIndex:
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.points: dict[int, Point] = {}
        self.index = self.open()

    def matching(self, where: VectorFilter) -> list[Point]:
        return [
            point
            for point in self.points.values()
            if all(holds(condition, point) for condition in where.must)
            and not any(holds(condition, point) for condition in where.must_not)
        ]

    @rule(written=st.lists(st.tuples(keys, payloads, st.none() | rows, st.none() | weights), max_size=6))
    def upsert(self, written):
        points = [
            Point(
                id=key,
                payload=payload,
                dense=None if row is None else TABLE[row],
                sparse=None if given is None else sparse(given),
            )
            for key, payload, row, given in written
        ]
        self.index.upsert(points)
        self.points |= {point.id: point for point in points}

    @rule(changed=st.dictionaries(keys, rows, max_size=6))
    def set_dense(self, changed):
        self.index.set_dense(list(changed), TABLE[list(changed.values())])
        for key, row in changed.items():
            if key in self.points:
                self.points[key] = replace(self.points[key], dense=TABLE[row])

    @rule(changed=st.dictionaries(keys, weights, max_size=6))
    def set_sparse(self, changed):
        self.index.set_sparse(list(changed), [sparse(given) for given in changed.values()])
        for key, given in changed.items():
            if key in self.points:
                self.points[key] = replace(self.points[key], sparse=sparse(given))

    @rule(gone=st.lists(keys, max_size=6))
    def delete(self, gone):
        self.index.delete(gone)
        for key in gone:
            self.points.pop(key, None)

    @precondition(lambda self: self.points)
    @rule(coin=st.integers(0, 9))
    def clear(self, coin):
        if coin == 0:
            self.index.clear()
            self.points.clear()

    @rule(coin=st.integers(0, 4))
    def reopen(self, coin):
        if coin == 0:
            self.index.close()
            self.index = self.open()

    @rule(row=rows, limit=st.integers(0, 12), where=filters, exact=st.booleans())
    def nearest_dense(self, row, limit, where, exact):
        query = TABLE[row] / np.linalg.norm(TABLE[row])
        scores = {
            point.id: float(point.dense @ query / np.linalg.norm(point.dense))
            for point in self.matching(where)
            if point.dense is not None
        }
        found = self.index.nearest_dense(TABLE[row], limit=limit, where=where, exact=exact)
        self.compare(found, scores, limit, tolerance=2e-3)

    @rule(given=weights, limit=st.integers(0, 12), where=filters)
    def nearest_sparse(self, given, limit, where):
        scores = {}
        for point in self.matching(where):
            held = {} if point.sparse is None else dict(zip(*map(np.ndarray.tolist, point.sparse), strict=True))
            if held.keys() & given.keys():
                scores[point.id] = sum(held[term] * given[term] for term in held.keys() & given.keys())
        found = self.index.nearest_sparse(sparse(given), limit=limit, where=where)
        self.compare(found, scores, limit, tolerance=1e-6)
        assert [hit.id for hit in found] == sorted(scores, key=lambda key: (-scores[key], key))[:limit]

    def compare(self, found, scores, limit, tolerance):
        assert len(found) == min(limit, len(scores))
        assert found == sorted(found, key=lambda hit: (-hit.score, hit.id))
        assert [hit.score for hit in found] == pytest.approx([scores[hit.id] for hit in found], abs=tolerance)
        best = sorted(scores.values(), reverse=True)[:limit]
        assert [hit.score for hit in found] == pytest.approx(best, abs=tolerance)

    @rule(where=filters)
    def count(self, where):
        assert self.index.count(where) == len(self.matching(where))

    @invariant()
    def holds_the_same_points(self):
        assert self.index.ids() == sorted(self.points)
        for point in self.index.get(sorted(self.points), vectors=True):
            wanted = self.points[point.id]
            assert point.payload == wanted.payload
            assert (point.dense is None) == (wanted.dense is None)
            assert (point.sparse is None) == (wanted.sparse is None or not wanted.sparse.indices.size)


class EdgeHistory(History):
    folder: Path | None = None

    def open(self) -> VectorIndex:
        if self.folder is None:
            memory = Path("/dev/shm")
            roomy = memory.is_dir() and shutil.disk_usage(memory).free > 2**30
            self.folder = Path(tempfile.mkdtemp(dir=memory if roomy else None, prefix="tercet-"))
        return open_edge(self.folder, SPEC)

    def teardown(self) -> None:
        self.index.close()
        assert self.folder is not None
        shutil.rmtree(self.folder)


class ServerHistory(History):
    client: QdrantClient | None = None

    def open(self) -> VectorIndex:
        self.client = self.client or QdrantClient(":memory:")
        return open_server(self.client, "vectors", SPEC)


@pytest.mark.parametrize("history", [EdgeHistory, ServerHistory])
def test_random_histories(history):
    run = history.TestCase()
    run.settings = settings(max_examples=20, stateful_step_count=20, deadline=None)
    run.runTest()


@pytest.mark.slow
@pytest.mark.parametrize("history", [EdgeHistory, ServerHistory])
def test_many_random_histories(history):
    run = history.TestCase()
    run.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
    run.runTest()
