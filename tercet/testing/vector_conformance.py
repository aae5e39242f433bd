"""What every ``VectorIndex`` must do, as tests to inherit. Needs pytest."""
# ruff: noqa: D102 - the name of a test says what it shows

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tercet.errors import CorruptMemoryError, StoreError, VectorError
from tercet.memory.vectors import (
    AnyOf,
    Between,
    Condition,
    IndexSpec,
    Neighbor,
    Point,
    SparseVector,
    VectorFilter,
    VectorIndex,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

OpenIndex = Callable[[IndexSpec], VectorIndex]

SPEC = IndexSpec(dimension=16, integers=("corpus", "day"))


def sparse(weights: dict[int, float]) -> SparseVector:
    """A sparse vector from ``{term id: weight}``."""
    return SparseVector(np.array(list(weights), np.uint32), np.array(list(weights.values()), np.float32))


def filtered(*must: Condition, but_not: Sequence[Condition] = ()) -> VectorFilter:
    """A filter, written shortly."""
    return VectorFilter(must=must, must_not=tuple(but_not))


def vectors(count: int, *, dimension: int = 16, seed: int = 7) -> NDArray[np.float32]:
    """Random vectors of shape ``(count, dimension)``, not of unit length."""
    return np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32) * 3


class VectorIndexConformance:
    """Inherit it in a class named ``Test…`` and give the fixture ``open_index``: open the same place each time.

    Example::

        class TestMyIndex(VectorIndexConformance):
            @pytest.fixture
            def open_index(self, tmp_path):
                return lambda spec: MyIndex(tmp_path, spec)
    """

    @pytest.fixture
    def open_index(self) -> OpenIndex:
        """Opens the index under test, always at the same place, which is empty when a test begins."""
        raise NotImplementedError

    @pytest.fixture
    def index(self, open_index: OpenIndex) -> Iterator[VectorIndex]:
        """An empty index for ``SPEC``."""
        index = open_index(SPEC)
        yield index
        index.close()

    # Reading back

    def test_a_new_index_is_empty(self, index: VectorIndex) -> None:
        assert index.count() == 0
        assert index.ids() == []
        assert index.nearest_dense(vectors(1)[0], limit=3) == []
        assert index.nearest_sparse(sparse({1: 1.0}), limit=3) == []
        assert index.spec == SPEC

    def test_points_come_back_in_the_order_asked_and_unknown_ids_are_left_out(self, index: VectorIndex) -> None:
        index.upsert([Point(id=key, payload={"corpus": key}) for key in (5, 1, 9)])
        assert [point.id for point in index.get([9, 404, 5, 1])] == [9, 5, 1]
        assert [point.payload for point in index.get([5, 1])] == [{"corpus": 5}, {"corpus": 1}]
        assert [point.id for point in index.get([5, 5])] == [5, 5]
        assert index.get([]) == []

    def test_vectors_come_back_only_when_asked_for_and_dense_ones_at_length_one(self, index: VectorIndex) -> None:
        given = vectors(1)[0]
        index.upsert([Point(id=1, payload={"day": [3, 4]}, dense=given, sparse=sparse({7: 0.5, 2**32 - 1: 2.0}))])
        (bare,), (full,) = index.get([1]), index.get([1], vectors=True)
        assert bare.dense is None
        assert bare.sparse is None
        assert full.payload == {"day": [3, 4]}
        assert full.dense is not None
        assert full.sparse is not None
        assert full.dense.dtype == np.float32
        np.testing.assert_allclose(full.dense, given / np.linalg.norm(given), atol=1e-3)
        assert dict(zip(full.sparse.indices.tolist(), full.sparse.values.tolist(), strict=True)) == {
            7: 0.5,
            2**32 - 1: 2.0,
        }

    def test_ids_are_paged_in_ascending_order(self, index: VectorIndex) -> None:
        index.upsert([Point(id=key, payload={}) for key in (30, 2, 11, 0, 2**40)])
        assert index.ids() == [0, 2, 11, 30, 2**40]
        assert index.ids(limit=2) == [0, 2]
        assert index.ids(after=2, limit=2) == [11, 30]
        assert index.ids(after=2**40) == []
        assert index.ids(limit=0) == []

    def test_the_largest_id_can_be_kept_and_paged_past(self, index: VectorIndex) -> None:
        largest = 2**63 - 1
        index.upsert([Point(id=largest, payload={"corpus": 1})])
        assert index.ids() == [largest]
        assert index.ids(after=largest) == []
        assert [point.id for point in index.get([largest])] == [largest]

    def test_more_points_than_a_batch_or_a_page_are_all_kept(self, index: VectorIndex) -> None:
        given = vectors(1_100)
        index.upsert([Point(id=key, payload={"corpus": key % 2}, dense=row) for key, row in enumerate(given)])
        assert index.ids() == list(range(1_100))
        assert index.count(filtered(AnyOf("corpus", [1]))) == 550
        assert len(index.get(range(1_100))) == 1_100
        index.delete(range(0, 1_100, 2))
        assert index.ids() == list(range(1, 1_100, 2))

    # Writing

    def test_upsert_replaces_the_whole_point(self, index: VectorIndex) -> None:
        given = vectors(2)
        index.upsert([Point(id=1, payload={"corpus": 1, "day": 2}, dense=given[0], sparse=sparse({3: 1.0}))])
        index.upsert([Point(id=1, payload={"corpus": 5})])
        (point,) = index.get([1], vectors=True)
        assert point == Point(id=1, payload={"corpus": 5})
        assert index.nearest_dense(given[0], limit=5) == []
        assert index.nearest_sparse(sparse({3: 1.0}), limit=5) == []
        assert index.count(filtered(AnyOf("day", [2]))) == 0

    def test_writing_the_same_twice_is_the_same_as_once(self, index: VectorIndex) -> None:
        points = [Point(id=key, payload={"corpus": key}, dense=row) for key, row in enumerate(vectors(5))]
        index.upsert(points)
        before = index.nearest_dense(vectors(1)[0], limit=5)
        index.upsert(points)
        assert index.count() == 5
        assert index.nearest_dense(vectors(1)[0], limit=5) == before

    def test_of_one_id_given_twice_the_last_one_stays(self, index: VectorIndex) -> None:
        index.upsert([Point(id=1, payload={"corpus": 1}), Point(id=1, payload={"corpus": 2})])
        assert [point.payload for point in index.get([1])] == [{"corpus": 2}]
        given = vectors(2)
        index.set_dense([1, 1], given)
        assert index.nearest_dense(given[1], limit=1)[0].score == pytest.approx(1.0, abs=1e-3)

    def test_a_point_can_get_its_dense_vector_later(self, index: VectorIndex) -> None:
        given = vectors(2)
        index.upsert([Point(id=1, payload={"corpus": 1}, sparse=sparse({3: 1.0})), Point(id=2, payload={"corpus": 1})])
        assert index.nearest_dense(given[0], limit=5) == []
        index.set_dense([1], given[:1])
        assert [hit.id for hit in index.nearest_dense(given[0], limit=5)] == [1]
        assert [hit.id for hit in index.nearest_sparse(sparse({3: 2.0}), limit=5)] == [1]
        assert index.get([1])[0].payload == {"corpus": 1}

    def test_set_dense_ignores_ids_that_do_not_exist(self, index: VectorIndex) -> None:
        given = vectors(4)
        index.upsert([Point(id=key, payload={}) for key in (1, 3)])
        index.set_dense([9, 1, 8, 3], given)
        assert index.ids() == [1, 3]
        assert index.nearest_dense(given[1], limit=1)[0].id == 1
        assert index.nearest_dense(given[3], limit=1)[0].id == 3
        index.set_dense([77], given[:1])
        assert index.count() == 2

    def test_set_sparse_replaces_and_ignores_ids_that_do_not_exist(self, index: VectorIndex) -> None:
        index.upsert([Point(id=1, payload={}, sparse=sparse({1: 1.0, 2: 1.0})), Point(id=2, payload={})])
        index.set_sparse([9, 1, 2], [sparse({5: 1.0}), sparse({2: 4.0}), sparse({2: 1.0})])
        assert index.ids() == [1, 2]
        assert index.nearest_sparse(sparse({1: 1.0, 5: 1.0}), limit=5) == []
        assert index.nearest_sparse(sparse({2: 1.0}), limit=5) == [Neighbor(1, 4.0), Neighbor(2, 1.0)]

    def test_an_empty_sparse_vector_is_none(self, index: VectorIndex) -> None:
        index.upsert([Point(id=1, payload={}, sparse=sparse({4: 1.0})), Point(id=2, payload={}, sparse=sparse({}))])
        index.set_sparse([1], [sparse({})])
        assert [point.sparse for point in index.get([1, 2], vectors=True)] == [None, None]
        assert index.nearest_sparse(sparse({4: 1.0}), limit=5) == []

    def test_deleted_points_are_gone_and_unknown_ids_ignored(self, index: VectorIndex) -> None:
        given = vectors(3)
        index.upsert([Point(id=key, payload={}, dense=row, sparse=sparse({1: 1.0})) for key, row in enumerate(given)])
        index.delete([1, 404])
        index.delete([1])
        assert index.ids() == [0, 2]
        assert index.get([1]) == []
        assert sorted(hit.id for hit in index.nearest_dense(given[1], limit=5)) == [0, 2]
        assert [hit.id for hit in index.nearest_sparse(sparse({1: 1.0}), limit=5)] == [0, 2]

    def test_writing_nothing_is_allowed(self, index: VectorIndex) -> None:
        index.upsert([])
        index.set_dense([], vectors(0))
        index.set_sparse([], [])
        index.delete([])
        assert index.count() == 0

    def test_clear_removes_everything_and_the_index_goes_on(self, index: VectorIndex) -> None:
        point = Point(id=1, payload={"corpus": 1}, dense=vectors(1)[0], sparse=sparse({1: 1.0}))
        index.upsert([point])
        index.clear()
        assert index.count() == 0
        assert index.nearest_sparse(sparse({1: 1.0}), limit=5) == []
        index.upsert([point])
        assert index.count(filtered(AnyOf("corpus", [1]), Between("corpus", 0, 1))) == 1

    # Searching

    def test_dense_scores_are_cosines_best_first(self, index: VectorIndex) -> None:
        given, query = vectors(50), vectors(1, seed=1)[0]
        index.upsert([Point(id=key, payload={}, dense=row) for key, row in enumerate(given)])
        cosines = given @ query / np.linalg.norm(given, axis=1) / np.linalg.norm(query)
        best = np.argsort(-cosines)[:10]
        for exact in (False, True):
            found = index.nearest_dense(query, limit=10, exact=exact)
            assert [hit.id for hit in found] == best.tolist()
            assert [hit.score for hit in found] == pytest.approx(cosines[best].tolist(), abs=2e-3)

    def test_lengths_of_dense_vectors_do_not_matter(self, index: VectorIndex) -> None:
        given = vectors(1)[0]
        for key, factor in enumerate((1e-30, 1.0, 1e30)):
            index.upsert([Point(id=key, payload={}, dense=given * np.float32(factor))])
        scores = [hit.score for hit in index.nearest_dense(given * np.float32(1e-20), limit=5)]
        assert scores == pytest.approx([1.0, 1.0, 1.0], abs=1e-3)

    def test_a_zero_vector_is_similar_to_nothing(self, index: VectorIndex) -> None:
        given = vectors(1)[0]
        index.upsert(
            [Point(id=1, payload={}, dense=np.zeros(16, np.float32)), Point(id=2, payload={}, dense=given)],
        )
        assert [(hit.id, round(hit.score, 2)) for hit in index.nearest_dense(given, limit=5)] == [(2, 1.0), (1, 0.0)]

    def test_sparse_scores_are_dot_products_of_points_that_share_a_term(self, index: VectorIndex) -> None:
        index.upsert(
            [
                Point(id=1, payload={}, sparse=sparse({1: 1.0, 2: 2.0})),
                Point(id=2, payload={}, sparse=sparse({2: 0.5, 3: 9.0})),
                Point(id=3, payload={}, sparse=sparse({4: 9.0})),
                Point(id=4, payload={}, dense=vectors(1)[0]),
            ]
        )
        assert index.nearest_sparse(sparse({2: 2.0, 1: 0.25}), limit=9) == [Neighbor(1, 4.25), Neighbor(2, 1.0)]
        assert index.nearest_sparse(sparse({77: 1.0}), limit=9) == []
        assert index.nearest_sparse(sparse({}), limit=9) == []

    def test_equal_scores_are_ordered_and_cut_by_id(self, index: VectorIndex) -> None:
        row, keys = vectors(1)[0], [40, 7, 99, 3, 55, 12, 80, 1, 61, 33, 21, 72, 2, 18]
        index.upsert([Point(id=key, payload={}, dense=row, sparse=sparse({1: 1.0})) for key in keys])
        assert [hit.id for hit in index.nearest_sparse(sparse({1: 1.0}), limit=4)] == [1, 2, 3, 7]
        assert [hit.id for hit in index.nearest_dense(row, limit=4)] == [1, 2, 3, 7]

    def test_a_limit_bounds_the_results(self, index: VectorIndex) -> None:
        index.upsert([Point(id=key, payload={}, dense=row) for key, row in enumerate(vectors(5))])
        assert index.nearest_dense(vectors(1)[0], limit=0) == []
        assert len(index.nearest_dense(vectors(1)[0], limit=2)) == 2
        assert len(index.nearest_dense(vectors(1)[0], limit=1_000)) == 5
        with pytest.raises(VectorError, match="limit"):
            index.nearest_dense(vectors(1)[0], limit=-1)

    # Filters

    @pytest.mark.parametrize(
        ("where", "expected"),
        [
            (filtered(), [1, 2, 3, 4, 5]),
            (filtered(AnyOf("corpus", [1])), [1, 2]),
            (filtered(AnyOf("corpus", [2, 1, 404])), [1, 2, 3]),
            (filtered(AnyOf("corpus", [])), []),
            (filtered(but_not=[AnyOf("corpus", [])]), [1, 2, 3, 4, 5]),
            (filtered(AnyOf("day", [20])), [2, 3]),
            (filtered(AnyOf("day", [-5, 30])), [3, 4]),
            (filtered(AnyOf("corpus", [2**60])), []),
            (filtered(Between("day", 15, 25)), [2, 3]),
            (filtered(Between("day", 10, 10)), [1]),
            (filtered(Between("day", high=10)), [1, 4]),
            (filtered(Between("day", low=30)), [3]),
            (filtered(Between("day", -(2**80), 2**80)), [1, 2, 3, 4]),
            (filtered(Between("day", 26, 29)), []),
            (filtered(Between("day", 25, 15)), []),
            (filtered(AnyOf("corpus", [1]), Between("day", low=15)), [2]),
            (filtered(but_not=[AnyOf("corpus", [1]), Between("day", 30, 30)]), [4, 5]),
            (filtered(AnyOf("corpus", [1, 2]), but_not=[AnyOf("day", [10])]), [2, 3]),
        ],
    )
    def test_filters(self, index: VectorIndex, where: VectorFilter, expected: list[int]) -> None:
        row = vectors(1)[0]
        payloads: dict[int, dict[str, int | Sequence[int]]] = {
            1: {"corpus": 1, "day": 10},
            2: {"corpus": 1, "day": 20},
            3: {"corpus": [2, 3], "day": [20, 30]},
            4: {"corpus": [], "day": -5},
            5: {},
        }
        index.upsert(
            [Point(id=key, payload=payload, dense=row, sparse=sparse({1: 1.0})) for key, payload in payloads.items()]
        )
        assert index.count(where) == len(expected)
        assert [hit.id for hit in index.nearest_dense(row, limit=9, where=where)] == expected
        assert [hit.id for hit in index.nearest_dense(row, limit=9, where=where, exact=True)] == expected
        assert [hit.id for hit in index.nearest_sparse(sparse({1: 1.0}), limit=9, where=where)] == expected

    def test_values_at_the_edge_of_what_ranges_compare_exactly(self, index: VectorIndex) -> None:
        edge = 2**53 - 1
        index.upsert([Point(id=1, payload={"day": edge}), Point(id=2, payload={"day": edge - 1})])
        assert index.count(filtered(Between("day", low=edge))) == 1
        assert index.count(filtered(Between("day", low=edge + 1))) == 0
        assert index.count(filtered(AnyOf("day", [edge - 1]))) == 1

    def test_thousands_of_values_can_be_asked_for(self, index: VectorIndex) -> None:
        index.upsert([Point(id=key, payload={"corpus": key}, dense=row) for key, row in enumerate(vectors(300))])
        where = filtered(AnyOf("corpus", [*range(100, 200), *range(10_000, 15_000)]))
        assert index.count(where) == 100
        found = index.nearest_dense(vectors(1)[0], limit=200, where=where)
        assert sorted(hit.id for hit in found) == list(range(100, 200))

    # Refusals: nothing is written

    @pytest.mark.parametrize(
        "bad",
        [
            Point(id=-1, payload={}),
            Point(id=True, payload={}),
            Point(id="5", payload={}),  # type: ignore[arg-type]  # wrong on purpose
            Point(id=2**63, payload={}),
            Point(id=8, payload={"corpus": True}),
            Point(id=8, payload={"corpus": 1.0}),  # type: ignore[dict-item]  # wrong on purpose
            Point(id=8, payload={"corpus": "1"}),  # type: ignore[dict-item]  # wrong on purpose
            Point(id=8, payload={"corpus": [1, None]}),  # type: ignore[list-item]  # wrong on purpose
            Point(id=8, payload={"corpus": 2**53}),
            Point(id=8, payload={"unknown": 1}),
            Point(id=8, payload={}, dense=np.ones(15, np.float32)),
            Point(id=8, payload={}, dense=np.ones((1, 16), np.float32)),
            Point(id=8, payload={}, dense=np.full(16, np.nan, np.float32)),
            Point(id=8, payload={}, dense=np.array([np.inf] + [0] * 15, np.float32)),
            Point(id=8, payload={}, sparse=SparseVector(np.array([1, 1], np.uint32), np.ones(2, np.float32))),
            Point(id=8, payload={}, sparse=SparseVector(np.array([1, 2], np.uint32), np.ones(1, np.float32))),
            Point(id=8, payload={}, sparse=SparseVector(np.array([1], np.uint32), np.array([np.nan], np.float32))),
            Point(id=8, payload={}, sparse=SparseVector(np.array([1]), np.array([1e300]))),
            Point(id=8, payload={}, sparse=SparseVector(np.array([-1]), np.ones(1))),  # type: ignore[arg-type]  # wrong on purpose
            Point(id=8, payload={}, sparse=SparseVector(np.array([2**32]), np.ones(1))),  # type: ignore[arg-type]  # wrong on purpose
        ],
    )
    def test_a_malformed_point_is_refused_with_its_whole_call(self, index: VectorIndex, bad: Point) -> None:
        good = [Point(id=key, payload={"corpus": 1}) for key in range(100, 400)]
        with pytest.raises(VectorError):
            index.upsert([*good, bad, Point(id=500, payload={})])
        assert index.count() == 0

    def test_malformed_updates_are_refused_whole(self, index: VectorIndex) -> None:
        given = vectors(2)
        index.upsert([Point(id=1, payload={}), Point(id=2, payload={})])
        broken = given.copy()
        broken[1, 3] = np.nan
        for ids, rows in (([1, 2], broken), ([1, 2], given[:1]), ([1, 2], given[:, :15]), ([1, -2], given)):
            with pytest.raises(VectorError):
                index.set_dense(ids, rows)
        for weights in ([sparse({1: 1.0})], [sparse({1: 1.0}), sparse({1: np.inf})]):
            with pytest.raises(VectorError):
                index.set_sparse([1, 2], weights)
        with pytest.raises(VectorError):
            index.delete([1, -1])
        assert [(point.dense, point.sparse) for point in index.get([1, 2], vectors=True)] == [(None, None)] * 2

    def test_malformed_queries_are_refused(self, index: VectorIndex) -> None:
        index.upsert([Point(id=1, payload={"corpus": 1}, dense=vectors(1)[0])])
        for query in (np.ones(15, np.float32), np.full(16, np.nan, np.float32)):
            with pytest.raises(VectorError):
                index.nearest_dense(query, limit=1)
        with pytest.raises(VectorError):
            index.nearest_sparse(sparse({1: np.nan}), limit=1)
        for condition in (AnyOf("unknown", [1]), AnyOf("corpus", [True]), Between("corpus", low=0.5)):  # type: ignore[arg-type]  # wrong on purpose
            with pytest.raises(VectorError):
                index.count(filtered(condition))

    # Opening and closing

    def test_what_was_acknowledged_is_there_after_reopening(self, open_index: OpenIndex) -> None:
        given = vectors(300)
        first = open_index(SPEC)
        first.upsert(
            [
                Point(id=key, payload={"corpus": key % 3}, dense=row, sparse=sparse({key % 7: 1.0}))
                for key, row in enumerate(given)
            ]
        )
        first.delete([0])
        first.flush()
        expected = first.nearest_dense(given[5], limit=5, where=filtered(AnyOf("corpus", [2])))
        first.close()
        second = open_index(SPEC)
        assert second.ids() == list(range(1, 300))
        assert second.nearest_dense(given[5], limit=5, where=filtered(AnyOf("corpus", [2]))) == expected
        second.close()

    @pytest.mark.parametrize(
        "other",
        [
            IndexSpec(dimension=8, integers=("corpus", "day")),
            IndexSpec(dimension=None, integers=("corpus", "day")),
            IndexSpec(dimension=16, integers=("corpus",)),
            IndexSpec(dimension=16, integers=("corpus", "day", "more")),
        ],
    )
    def test_another_spec_is_refused(self, open_index: OpenIndex, other: IndexSpec) -> None:
        open_index(SPEC).close()
        with pytest.raises(CorruptMemoryError, match="reindex"):
            open_index(other)
        open_index(SPEC).close()

    def test_an_index_without_a_dimension_keeps_sparse_vectors_only(self, open_index: OpenIndex) -> None:
        index = open_index(IndexSpec(dimension=None))
        index.upsert([Point(id=1, payload={}, sparse=sparse({1: 1.0}))])
        assert index.nearest_sparse(sparse({1: 1.0}), limit=1) == [Neighbor(1, 1.0)]
        with pytest.raises(VectorError, match="no dense"):
            index.upsert([Point(id=2, payload={}, dense=vectors(1)[0])])
        with pytest.raises(VectorError, match="no dense"):
            index.nearest_dense(vectors(1)[0], limit=1)
        index.close()

    def test_a_closed_index_says_so_and_closes_twice(self, open_index: OpenIndex) -> None:
        index = open_index(SPEC)
        index.close()
        index.close()
        for use in (index.count, index.flush, index.clear, lambda: index.upsert([Point(id=1, payload={})])):
            with pytest.raises(StoreError, match="closed"):
                use()

    def test_threads_may_share_it(self, index: VectorIndex) -> None:
        given, failures = vectors(160), list[BaseException]()

        def work(worker: int) -> None:
            try:
                for key in range(worker, 160, 8):
                    index.upsert([Point(id=key, payload={"corpus": worker}, dense=given[key])])
                    assert index.nearest_dense(given[key], limit=1)[0].id == key
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert index.ids() == list(range(160))
