"""The embedded vector index: Qdrant's engine inside this process, in a folder. Adapter of qdrant-edge-py 0.9.

Vectors are kept as float16 with 4-bit TurboQuant codes that are scanned by brute force and rescored; no graph is built,
so there is nothing to optimise in the background and no recall cliff. Every engine call holds the GIL.
"""

from __future__ import annotations

import os
import shutil
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import numpy as np

from tercet.errors import (
    CorruptMemoryError,
    EngineUnavailableError,
    ForkedProcessError,
    MemoryLockedError,
    StoreError,
    TercetError,
)
from tercet.memory.points import (
    COSINE_DIGITS,
    LARGEST_ID,
    batches,
    checked_dense,
    checked_filter,
    checked_ids,
    checked_limit,
    checked_pairs,
    checked_points,
    checked_sparse,
    ranked,
)
from tercet.memory.shard import REINDEX, ShardDirectory
from tercet.memory.vectors import AnyOf, Condition, IndexSpec, Neighbor, Point, SparseVector, VectorFilter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tercet.settings import Durability

_missing: ImportError | None = None
try:
    import qdrant_edge as engine
except ImportError as error:  # no build for this platform
    _missing = error

_FLUSH_EVERY = 5_000
"""Point writes between flushes: opening replays what came after the last one, at about 13,000 points a second."""

_PAGE = 5_000


def open_edge(path: Path, spec: IndexSpec, *, durability: Durability = "process") -> EdgeIndex:
    """Open the embedded index in a folder, or make one.

    Args:
        path: The folder; it belongs to one process at a time, readers included.
        spec: What the index is for; it must be what the index was made for.
        durability: ``process``: acknowledged writes survive kill -9. ``power``: they survive power loss too, at a
            flush for each call that writes.

    Raises:
        EngineUnavailableError: The engine has no build for this platform.
        MemoryLockedError: Another process, or this one, has the index open.
        CorruptMemoryError: The index was made for another spec, or its files are damaged.
        DiskFullError: Too little space is free.

    Example:
        >>> import tempfile, pathlib, numpy as np
        >>> from tercet.memory.edge import open_edge
        >>> from tercet.memory.vectors import AnyOf, IndexSpec, Point, VectorFilter
        >>> index = open_edge(pathlib.Path(tempfile.mkdtemp()), IndexSpec(dimension=2, integers=("corpus",)))
        >>> index.upsert([Point(id=7, payload={"corpus": 1}, dense=np.array([3, 4], np.float32))])
        >>> where = VectorFilter(must=(AnyOf("corpus", [1]),))
        >>> [(hit.id, round(hit.score, 2)) for hit in index.nearest_dense([3, 4], limit=5, where=where)]
        [(7, 1.0)]
        >>> index.close()
    """
    if _missing is not None:
        raise EngineUnavailableError(
            f"the embedded vector engine cannot be loaded here: {_missing}.",
            remedy="Install qdrant-edge-py, or use a Qdrant server: `--qdrant URL`.",
        ) from _missing
    directory = ShardDirectory(path)
    try:
        return EdgeIndex(directory, spec, durability)
    except BaseException:
        directory.release()
        raise


def drop_edge(path: Path) -> None:
    """Remove an index, whatever its state, so that ``open_edge`` makes a new one. It must not be open anywhere.

    Raises:
        MemoryLockedError: It is.
    """
    directory = ShardDirectory(path)
    try:
        directory.begin(IndexSpec(dimension=None))
    finally:
        directory.release()


class EdgeIndex:
    """A ``VectorIndex`` in a folder. Made by ``open_edge``."""

    def __init__(self, directory: ShardDirectory, spec: IndexSpec, durability: Durability) -> None:
        self._directory = directory
        self._spec = spec
        self._power = durability == "power"
        self._lock = threading.RLock()
        self._process = os.getpid()
        self._unflushed = 0
        self._shard: engine.EdgeShard | None = None
        directory.require_space(0)
        if directory.is_ready(spec):
            self._load()
        else:
            self._create()

    @property
    def spec(self) -> IndexSpec:
        """What the index was made for."""
        return self._spec

    def upsert(self, points: Sequence[Point]) -> None:
        """Insert or replace whole points, in batches; an id given twice keeps the last one."""
        for batch in batches(checked_points(points, self._spec)):
            made = [engine.Point(point.id, _vectors(point), dict(point.payload)) for point in batch]
            self._write(engine.UpdateOperation.upsert_points(made), batch)
        self._commit()

    def set_dense(self, ids: Sequence[int], vectors: NDArray[np.float32]) -> None:
        """Set dense vectors; ids that do not exist are ignored."""
        rows = checked_dense(vectors, len(ids), self._spec) if len(ids) else ()
        self._set({key: _floats(row) for key, row in zip(checked_ids(ids), rows, strict=True)}, "dense")

    def set_sparse(self, ids: Sequence[int], vectors: Sequence[SparseVector]) -> None:
        """Replace sparse vectors; ids that do not exist are ignored."""
        given = checked_pairs(ids, vectors)
        self._set({key: _sparse(vector) for key, vector in given.items()}, "sparse")

    def delete(self, ids: Sequence[int]) -> None:
        """Remove points; unknown ids are ignored."""
        for batch in batches(checked_ids(ids)):
            self._write(engine.UpdateOperation.delete_points(list(batch)), batch)
        self._commit()

    def nearest_dense(
        self, vector: NDArray[np.float32], *, limit: int, where: VectorFilter | None = None, exact: bool = False
    ) -> list[Neighbor]:
        """The most similar points by cosine; ``exact`` scans the stored float16 vectors instead of the codes."""
        quantized = engine.QuantizationSearchParams(ignore=exact, rescore=True, oversampling=2.0)
        query = engine.Query.Nearest(_floats(checked_dense(vector, None, self._spec)), using="dense")
        return self._nearest(query, limit, where, engine.SearchParams(exact=exact, quantization=quantized))

    def nearest_sparse(self, vector: SparseVector, *, limit: int, where: VectorFilter | None = None) -> list[Neighbor]:
        """The points that share a term, by dot product."""
        query = engine.Query.Nearest(_sparse(checked_sparse(vector)), using="sparse")
        return self._nearest(query, limit, where)

    def get(self, ids: Sequence[int], *, vectors: bool = False) -> list[Point]:
        """Read points back; dense vectors come as they are kept: of length 1, rounded to float16."""
        wanted = checked_ids(ids)
        found: dict[int, Point] = {}
        for batch in batches(list(dict.fromkeys(wanted))):
            with self._running() as shard:
                records = shard.retrieve(list(batch), True, vectors)
            found.update((int(cast("int", record.id)), _point(record)) for record in records)
        return [found[key] for key in wanted if key in found]

    def ids(self, *, after: int = -1, limit: int = 10_000) -> list[int]:
        """Ids greater than ``after``, ascending."""
        wanted, result = checked_limit(limit), list[int]()
        while len(result) < wanted and after < LARGEST_ID:
            page = min(_PAGE, wanted - len(result))
            request = engine.ScrollRequest(offset=max(after + 1, 0), limit=page, with_payload=False, with_vector=False)
            with self._running() as shard:
                records, _ = shard.scroll(request)
            result += [int(cast("int", record.id)) for record in records]
            if len(records) < page:
                break
            after = result[-1]
        return result

    def count(self, where: VectorFilter | None = None) -> int:
        """How many points the filter lets through."""
        request = engine.CountRequest(exact=True, filter=_filter(where, self._spec))
        with self._running() as shard:
            return shard.count(request)

    def clear(self) -> None:
        """Remove every point by making the shard anew; a crash on the way leaves an empty index."""
        with self._running() as shard:
            self._directory.require_space(0)
            shard.close()
            self._shard = None
            self._create()

    def flush(self) -> None:
        """Make everything acknowledged survive power loss too."""
        with self._running() as shard:
            shard.flush()
            self._unflushed = 0

    def close(self) -> None:
        """Flush and release the folder. In a forked child it does nothing: the index is its parent's."""
        if os.getpid() != self._process:
            return
        with self._lock:
            shard, self._shard = self._shard, None
            try:
                if shard is not None:
                    with _wrapped(self._directory):
                        shard.flush()
                        shard.close()
            finally:
                self._directory.release()

    def _create(self) -> None:
        self._directory.begin(self._spec)
        with _wrapped(self._directory):
            shard = engine.EdgeShard.create(str(self._directory.shard), _config(self._spec))
            indexed = engine.IntegerIndexParams(lookup=True, range=True)
            for name in self._spec.integers:
                shard.update(engine.UpdateOperation.create_field_index(name, indexed))
            shard.flush()
        self._directory.finish(self._spec)
        self._shard = shard
        self._unflushed = 0

    def _load(self) -> None:
        shutil.rmtree(self._directory.shard / "temp_segments", ignore_errors=True)
        with _wrapped(self._directory, damaged=True):
            self._shard = engine.EdgeShard.load(str(self._directory.shard))
            if self._directory.crashed:
                self._shard.flush()

    @contextmanager
    def _running(self) -> Iterator[engine.EdgeShard]:
        """The open shard, for one engine call at a time."""
        if os.getpid() != self._process:  # before the lock: a thread of the parent may have held it at the fork
            raise ForkedProcessError(
                f"the vector index {self._directory.path} was opened in process {self._process} and used in its "
                f"forked child {os.getpid()}, where the engine would hang.",
                remedy="Start processes with the 'spawn' method, or open the memory after the fork.",
            )
        with self._lock:
            if self._shard is None:
                raise StoreError(f"the vector index {self._directory.path} is closed.")
            with _wrapped(self._directory):
                yield self._shard

    def _write(self, operation: engine.UpdateOperation, batch: Sequence[object]) -> None:
        with self._running() as shard:
            self._directory.require_space(len(batch) * (8 * (self._spec.dimension or 0) + 8192))
            shard.update(operation)
            self._unflushed += len(batch)
            if self._unflushed >= _FLUSH_EVERY:
                shard.flush()
                self._unflushed = 0

    def _set(self, vectors: Mapping[int, engine.NamedVector], name: str) -> None:
        for batch in batches(list(vectors)):
            with self._running() as shard:  # held over both calls: an unknown id would fail the update
                known = [record.id for record in shard.retrieve(list(batch), False, False)]
                made = [engine.PointVectors(key, {name: vectors[cast("int", key)]}) for key in known]
                if made:
                    self._write(engine.UpdateOperation.update_vectors(made), made)
        self._commit()

    def _commit(self) -> None:
        if self._power:
            self.flush()

    def _nearest(
        self, query: engine.Query, limit: int, where: VectorFilter | None, params: engine.SearchParams | None = None
    ) -> list[Neighbor]:
        matching = _filter(where, self._spec)

        def fetch(count: int) -> list[tuple[int, float]]:
            request = engine.QueryRequest(limit=count, query=query, filter=matching, params=params)
            with self._running() as shard:
                found = shard.query(request)
            if params is None:  # sparse
                return [(hit.id, hit.score) for hit in found]  # type: ignore[misc]  # ids of ours are never UUIDs
            return [(hit.id, round(hit.score, COSINE_DIGITS)) for hit in found]  # type: ignore[misc]  # as above

        return ranked(fetch, checked_limit(limit))


def _vectors(point: Point) -> dict[str, engine.NamedVector]:
    vectors: dict[str, engine.NamedVector] = {}
    if point.dense is not None:
        vectors["dense"] = _floats(point.dense)
    if point.sparse is not None:
        vectors["sparse"] = _sparse(point.sparse)
    return vectors


def _floats(vector: NDArray[np.float32]) -> list[float]:
    """A buffer, which the engine reads faster than the list that its stub asks for."""
    return cast("list[float]", vector.data)


def _sparse(vector: SparseVector) -> engine.SparseVector:
    return engine.SparseVector(cast("list[int]", vector.indices.data), cast("list[float]", vector.values.data))


def _filter(where: VectorFilter | None, spec: IndexSpec) -> engine.Filter | None:
    checked = checked_filter(where, spec)
    if not checked.must and not checked.must_not:
        return None
    return engine.Filter(
        must=[_condition(condition) for condition in checked.must],
        must_not=[_condition(condition) for condition in checked.must_not],
    )


def _condition(condition: Condition) -> engine.FieldCondition:
    if isinstance(condition, AnyOf):
        if len(condition.values) == 1:  # twice as fast where most points match
            return engine.FieldCondition(condition.field, match=engine.MatchValue(condition.values[0]))
        return engine.FieldCondition(condition.field, match=engine.MatchAny(list(condition.values)))
    return engine.FieldCondition(condition.field, range=engine.RangeFloat(gte=condition.low, lte=condition.high))


def _config(spec: IndexSpec) -> engine.EdgeConfig:
    vectors = None
    if spec.dimension is not None:
        codes = engine.TurboQuantQuantizationConfig(bits=engine.TurboQuantBitSize.Bits4, memory=engine.Memory.Pinned)
        vectors = {
            "dense": engine.EdgeVectorParams(
                size=spec.dimension,
                distance=engine.Distance.Cosine,
                datatype=engine.VectorStorageDatatype.Float16,
                quantization_config=codes,
            )
        }
    return engine.EdgeConfig(
        vectors=vectors,
        sparse_vectors={"sparse": engine.EdgeSparseVectorParams()},  # no Idf: queries bring their own
        optimizers=engine.EdgeOptimizersConfig(indexing_threshold=10**9, default_segment_number=1),
        wal_enabled=True,  # without it a kill tears points apart
    )


def _point(record: engine.Record) -> Point:
    vectors = cast("dict[str, object]", record.vector or {})
    dense, sparse = vectors.get("dense"), cast("engine.SparseVector | None", vectors.get("sparse"))
    return Point(
        id=int(cast("int", record.id)),
        payload=record.payload or {},
        dense=None if dense is None else np.array(dense, np.float32),
        sparse=SparseVector(np.array(sparse.indices, np.uint32), np.array(sparse.values, np.float32))
        if sparse is not None and sparse.indices
        else None,
    )


@contextmanager
def _wrapped(directory: ShardDirectory, *, damaged: bool = False) -> Iterator[None]:
    """Turn the engine's bare exceptions, and panics that are not even ``Exception``, into ours."""
    try:
        yield
    except TercetError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        if "WouldBlock" in str(error):
            raise MemoryLockedError(
                f"the shard of the vector index {directory.path} is open in a process that holds no lock on it.",
                remedy="End that process.",
            ) from error
        if damaged:
            raise CorruptMemoryError(f"{directory.path} cannot be opened: {error}", remedy=REINDEX) from error
        raise StoreError(f"the vector index {directory.path} failed: {error}") from error
