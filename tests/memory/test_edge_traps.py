"""Canaries: what the embedded engine does that its adapter works around.

One that fails after an upgrade tells what to revisit. The engine is called directly here, as nothing else does.
"""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from importlib.metadata import version

import numpy as np
import pytest
import qdrant_edge as engine

U = engine.UpdateOperation


def config(**options: object) -> engine.EdgeConfig:
    dense = engine.EdgeVectorParams(
        size=4,
        distance=engine.Distance.Cosine,
        datatype=engine.VectorStorageDatatype.Float16,
        quantization_config=engine.TurboQuantQuantizationConfig(
            bits=engine.TurboQuantBitSize.Bits4, memory=engine.Memory.Pinned
        ),
    )
    return engine.EdgeConfig(
        vectors={"dense": dense}, sparse_vectors={"sparse": engine.EdgeSparseVectorParams()}, **options
    )


@pytest.fixture
def shard(tmp_path):
    shard = engine.EdgeShard.create(str(tmp_path / "shard"), config())
    yield shard
    shard.close()


def dense(*values: float) -> dict[str, object]:
    return {"dense": list(values)}


def ids(shard: engine.EdgeShard) -> list[int]:
    records, _ = shard.scroll(engine.ScrollRequest(limit=100, with_payload=False, with_vector=False))
    return [record.id for record in records]


def count(shard: engine.EdgeShard, condition: object) -> int:
    return shard.count(engine.CountRequest(exact=True, filter=engine.Filter(must=[condition])))


def nearest(shard: engine.EdgeShard, query: object, using: str = "dense") -> list[tuple[int, float]]:
    params = engine.SearchParams(quantization=engine.QuantizationSearchParams(rescore=True))
    request = engine.QueryRequest(limit=10, query=engine.Query.Nearest(query, using=using), params=params)
    return [(hit.id, hit.score) for hit in shard.query(request)]


def test_the_version_is_the_one_these_were_written_for():
    assert version("qdrant-edge-py").split(".")[:2] == ["0", "9"]


def test_true_matches_no_boolean(shard):
    shard.update(U.upsert_points([engine.Point(1, {}, {"flag": True}), engine.Point(2, {}, {"flag": 1})]))
    condition = engine.FieldCondition("flag", match=engine.MatchValue(True))
    assert count(shard, condition) == 1  # the integer, not the boolean


def test_true_is_taken_for_id_1_and_negative_ids_are_refused(shard):
    shard.update(U.upsert_points([engine.Point(True, {}, {})]))
    assert ids(shard) == [1]
    with pytest.raises(Exception):  # noqa: B017, PT011 - that it has no better type is the point
        engine.Point(-1, {}, {})


def test_nan_is_accepted(shard):
    shard.update(U.upsert_points([engine.Point(1, dense(float("nan"), 0, 0, 1), {})]))
    assert ids(shard) == [1]


def test_a_zero_vector_scores_zero(shard):
    shard.update(U.upsert_points([engine.Point(1, dense(0, 0, 0, 0), {}), engine.Point(2, dense(0, 0, 0, 2), {})]))
    assert nearest(shard, [0.0, 0.0, 0.0, 1.0]) == [(2, 1.0), (1, 0.0)]


def test_without_rescoring_scores_are_those_of_the_codes(shard):
    shard.update(U.upsert_points([engine.Point(1, dense(0, 0, 0, 2), {})]))
    request = engine.QueryRequest(limit=1, query=engine.Query.Nearest([0.0, 0.0, 0.0, 1.0], using="dense"))
    assert shard.query(request)[0].score != 1.0


def test_a_term_twice_is_accepted_and_arrays_of_unequal_length_panic(shard):
    shard.update(U.upsert_points([engine.Point(1, {"sparse": engine.SparseVector([3, 3], [1.0, 1.0])}, {})]))
    assert ids(shard) == [1]
    unequal = engine.Point(2, {"sparse": engine.SparseVector([1, 2, 3], [1.0])}, {})
    with pytest.raises(BaseException, match="index out of bounds") as panic:
        shard.update(U.upsert_points([unequal]))
    assert type(panic.value).__name__ == "PanicException"
    assert not isinstance(panic.value, Exception)


def test_a_failed_batch_is_partly_applied_and_the_error_is_bare(shard):
    for first in range(0, 500, 100):  # which of them are written is up to a hash map
        points = [engine.Point(key, dense(1, 0, 0, 0), {}) for key in range(first, first + 99)]
        points.insert(50, engine.Point(first + 99, dense(1, 0), {}))
        with pytest.raises(Exception) as failure:  # noqa: PT011 - as above
            shard.update(U.upsert_points(points))
        assert type(failure.value) is Exception
    assert ids(shard)


def test_updating_vectors_of_an_unknown_id_fails_after_the_known_ones_were_written(shard):
    shard.update(U.upsert_points([engine.Point(1, {}, {})]))
    with pytest.raises(Exception, match="No point with id 9"):
        shard.update(U.update_vectors([engine.PointVectors(key, dense(1, 0, 0, 0)) for key in (9, 1)]))
    assert ids(shard) == [1]


def test_reading_back_needs_all_three_arguments(shard):
    with pytest.raises(TypeError):
        shard.retrieve([1])


def test_rank_fusion_needs_its_constant():
    with pytest.raises(TypeError):
        engine.Fusion.Rrf()


def test_a_second_opener_is_refused_by_a_message_that_is_all_there_is(shard, tmp_path):
    with pytest.raises(Exception, match="WouldBlock") as refusal:
        engine.EdgeShard.load(str(tmp_path / "shard"))
    assert type(refusal.value) is Exception


def test_without_the_log_there_is_no_lock(tmp_path):
    first = engine.EdgeShard.create(str(tmp_path / "open"), config(wal_enabled=False))
    second = engine.EdgeShard.load(str(tmp_path / "open"))
    second.close()
    first.close()


def test_a_shard_without_segments_opens(tmp_path):
    engine.EdgeShard.create(str(tmp_path / "lost"), config()).close()
    shutil.rmtree(tmp_path / "lost" / "segments")
    again = engine.EdgeShard.load(str(tmp_path / "lost"))
    assert ids(again) == []
    again.close()


def test_upserts_with_a_condition_insert_new_points_regardless(shard):
    shard.update(U.upsert_points([engine.Point(1, {}, {"version": 1})]))
    stale = engine.Filter(must=[engine.FieldCondition("version", match=engine.MatchValue(0))])
    new = [engine.Point(1, {}, {"version": 2}), engine.Point(2, {}, {"version": 2})]
    shard.update(U.upsert_points(new, condition=stale))
    assert [record.payload for record in shard.retrieve([1, 2], True, False)] == [{"version": 1}, {"version": 2}]


def test_a_query_in_a_forked_child_hangs(shard):
    shard.update(U.upsert_points([engine.Point(1, dense(1, 0, 0, 0), {})]))
    nearest(shard, [1.0, 0.0, 0.0, 0.0])
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, 1.0)
        nearest(shard, [1.0, 0.0, 0.0, 0.0])
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGALRM


def test_calls_hold_the_gil(shard):
    rows = np.random.default_rng(1).standard_normal((20_000, 4)).astype(np.float32)
    points = [engine.Point(key, {"dense": memoryview(row)}, {}) for key, row in enumerate(rows)]
    operation = U.upsert_points(points)
    beats = [time.perf_counter()]
    done = threading.Event()

    def beat() -> None:
        while not done.wait(0.001):
            beats.append(time.perf_counter())

    thread = threading.Thread(target=beat)
    thread.start()
    begun = time.perf_counter()
    shard.update(operation)
    took = time.perf_counter() - begun
    done.set()
    thread.join()
    beats.append(time.perf_counter())
    assert max(np.diff(beats)) > took * 0.8
