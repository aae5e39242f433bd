"""The vector index on a Qdrant server or cluster. Adapter of qdrant-client."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit, urlunsplit

import numpy as np
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from tercet.errors import ConfigurationError, CorruptMemoryError, StoreError, TercetError
from tercet.memory.points import (
    LARGEST_ID,
    batches,
    checked_dense,
    checked_filter,
    checked_ids,
    checked_limit,
    checked_pairs,
    checked_points,
    checked_sparse,
    cosine,
    ranked,
)
from tercet.memory.vectors import AnyOf, Condition, IndexSpec, Neighbor, Point, SparseVector, VectorFilter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

_TIMEOUT = 60
"""Seconds for one request."""

_PAGE = 1_000
_METADATA_SINCE = (1, 16)
_TURBO_SINCE = (1, 18)
_ATTEMPTS = 3


def open_server(
    url: str | QdrantClient, collection: str, spec: IndexSpec, *, api_key: str | None = None
) -> ServerIndex:
    """Open a collection of a Qdrant server, or make it.

    Args:
        url: Of the server, or a client (which stays open when the index is closed).
        collection: Its name; nothing else may write to it.
        spec: What the index is for; it must be what the collection was made for.
        api_key: For a server that asks for one.

    Raises:
        StoreError: The server cannot be reached, or refuses.
        CorruptMemoryError: The collection was made for another spec, or by something else.
        ConfigurationError: The URL is malformed, or the server is older than 1.16.

    Example:
        >>> import numpy as np
        >>> from qdrant_client import QdrantClient
        >>> from tercet.memory.server import open_server
        >>> from tercet.memory.vectors import IndexSpec, Point
        >>> index = open_server(QdrantClient(":memory:"), "notes", IndexSpec(dimension=2))
        >>> index.upsert([Point(id=7, payload={}, dense=np.array([3, 4], np.float32))])
        >>> [hit.id for hit in index.nearest_dense(np.array([1, 1], np.float32), limit=5)]
        [7]
    """
    client, owned = _client(url, api_key), isinstance(url, str)
    try:
        return ServerIndex(client, collection, spec, where=_where(url), owned=owned)
    except BaseException:
        if owned:
            client.close()
        raise


def drop_server(url: str | QdrantClient, collection: str, *, api_key: str | None = None) -> None:
    """Remove a collection, whatever it was made for, so that ``open_server`` makes a new one; none is fine too.

    Raises:
        StoreError: The server cannot be reached, or refuses.
    """
    where = _where(url)
    client = _client(url, api_key)
    try:
        with _wrapped(collection, where):
            client.delete_collection(collection)
    finally:
        if isinstance(url, str):
            client.close()


class ServerIndex:
    """A ``VectorIndex`` in a collection of a server. Made by ``open_server``."""

    def __init__(self, client: QdrantClient, collection: str, spec: IndexSpec, *, where: str, owned: bool) -> None:
        self._client = client
        self._name = collection
        self._spec = spec
        self._where = where
        self._owned = owned
        self._closed = False
        self._local = not hasattr(client._client, "http")
        # Local mode is plain Python without locks: it loses writes and breaks under threads.
        self._lock: AbstractContextManager[object] = threading.RLock() if self._local else nullcontext()
        with self._running():
            if client.collection_exists(collection):
                self._check()
            else:
                self._create()
            self._index_fields()

    @property
    def spec(self) -> IndexSpec:
        """What the index was made for."""
        return self._spec

    def upsert(self, points: Sequence[Point]) -> None:
        """Insert or replace whole points, in batches; an id given twice keeps the last one."""
        for batch in batches(checked_points(points, self._spec)):
            made = [
                models.PointStruct(id=point.id, vector=_vectors(point), payload=dict(point.payload)) for point in batch
            ]
            with self._running() as client:
                client.upsert(self._name, made, wait=True)

    def set_dense(self, ids: Sequence[int], vectors: NDArray[np.float32]) -> None:
        """Set dense vectors; ids that do not exist are ignored."""
        rows = checked_dense(vectors, len(ids), self._spec) if len(ids) else ()
        self._set({key: row.tolist() for key, row in zip(checked_ids(ids), rows, strict=True)}, "dense")

    def set_sparse(self, ids: Sequence[int], vectors: Sequence[SparseVector]) -> None:
        """Replace sparse vectors; ids that do not exist are ignored."""
        given = checked_pairs(ids, vectors)
        self._set({key: _sparse(vector) for key, vector in given.items()}, "sparse")

    def delete(self, ids: Sequence[int]) -> None:
        """Remove points; unknown ids are ignored."""
        for batch in batches(checked_ids(ids)):
            with self._running() as client:
                client.delete(self._name, models.PointIdsList(points=list(batch)), wait=True)

    def nearest_dense(
        self, vector: NDArray[np.float32], *, limit: int, where: VectorFilter | None = None, exact: bool = False
    ) -> list[Neighbor]:
        """The most similar points by cosine; ``exact`` uses neither graph nor quantization."""
        quantized = models.QuantizationSearchParams(ignore=exact, rescore=True, oversampling=2.0)
        params = None if self._local else models.SearchParams(exact=exact, quantization=quantized)
        return self._nearest(checked_dense(vector, None, self._spec).tolist(), "dense", limit, where, params)

    def nearest_sparse(self, vector: SparseVector, *, limit: int, where: VectorFilter | None = None) -> list[Neighbor]:
        """The points that share a term, by dot product."""
        return self._nearest(_sparse(checked_sparse(vector)), "sparse", limit, where)

    def get(self, ids: Sequence[int], *, vectors: bool = False) -> list[Point]:
        """Read points back; dense vectors come as they are kept: of length 1, rounded to float16."""
        wanted = checked_ids(ids)
        found: dict[int, Point] = {}
        for batch in batches(list(dict.fromkeys(wanted))):
            with self._running() as client:
                records = client.retrieve(self._name, list(batch), with_payload=True, with_vectors=vectors)
            found.update((cast("int", record.id), _point(record)) for record in records)
        return [found[key] for key in wanted if key in found]

    def ids(self, *, after: int = -1, limit: int = 10_000) -> list[int]:
        """Ids greater than ``after``, ascending."""
        wanted, result = checked_limit(limit), list[int]()
        while len(result) < wanted and after < LARGEST_ID:
            page = min(_PAGE, wanted - len(result))
            with self._running() as client:
                records, _ = client.scroll(
                    self._name, offset=max(after + 1, 0), limit=page, with_payload=False, with_vectors=False
                )
            result += [cast("int", record.id) for record in records]
            if len(records) < page:
                break
            after = result[-1]
        return result

    def count(self, where: VectorFilter | None = None) -> int:
        """How many points the filter lets through."""
        matching = _filter(where, self._spec)
        with self._running() as client:
            return client.count(self._name, matching, exact=True).count

    def clear(self) -> None:
        """Remove every point by making the collection anew; a crash on the way leaves it to the next opening."""
        with self._running() as client:
            client.delete_collection(self._name)
            self._create()
            self._index_fields()

    def flush(self) -> None:
        """Nothing to do: writes wait until the server has applied them, and its log is the server's concern."""
        with self._running():
            pass

    def close(self) -> None:
        """Close the connection, unless the client was given."""
        with self._lock:
            if not self._closed and self._owned:
                self._client.close()
            self._closed = True

    @contextmanager
    def _running(self) -> Iterator[QdrantClient]:
        with self._lock:
            if self._closed:
                raise StoreError(f"the vector index {self._name!r} at {self._where} is closed.")
            with _wrapped(self._name, self._where):
                yield self._client

    def _create(self) -> None:
        version = tuple(int(part) for part in self._client.info().version.split(".")[:2])
        if version < _METADATA_SINCE:
            raise ConfigurationError(
                f"the Qdrant server at {self._where} is older than 1.16 and cannot keep what a collection is for.",
                remedy="Upgrade the server.",
            )
        vectors = {}
        if self._spec.dimension is not None:
            vectors["dense"] = models.VectorParams(
                size=self._spec.dimension,
                distance=models.Distance.COSINE,
                datatype=models.Datatype.FLOAT16,
                quantization_config=_quantization(version),
            )
        self._client.create_collection(
            self._name,
            vectors_config=vectors,
            sparse_vectors_config={"sparse": models.SparseVectorParams()},  # no IDF: queries bring their own
            metadata={"tercet": _described(self._spec)},
        )

    def _index_fields(self) -> None:
        """Index what is not indexed yet: the collection may be new, or left so by a crash."""
        if self._local:
            return  # it has no indexes and warns about them
        indexed = self._client.get_collection(self._name).payload_schema
        params = models.IntegerIndexParams(type=models.IntegerIndexType.INTEGER, lookup=True, range=True)
        for name in self._spec.integers:
            if name not in indexed:
                self._client.create_payload_index(self._name, name, params, wait=True)

    def _check(self) -> None:
        found = self._client.get_collection(self._name)
        described = (found.config.metadata or {}).get("tercet")
        if described != _described(self._spec):
            raise CorruptMemoryError(
                f"the collection {self._name!r} at {self._where} was made for {described or 'something else'}, "
                f"not for {_described(self._spec)}.",
                remedy="Name another collection, or remove this one and run `tercet reindex`.",
            )

    def _set(self, vectors: Mapping[int, list[float] | models.SparseVector], name: str) -> None:
        for batch in batches(list(vectors)):
            for attempt in range(_ATTEMPTS):
                with self._running() as client:
                    # An unknown id would fail the update, so they are asked for; another writer may remove one since.
                    known = client.retrieve(self._name, list(batch), with_payload=False, with_vectors=False)
                    made = [
                        models.PointVectors(id=record.id, vector={name: vectors[cast("int", record.id)]})
                        for record in known
                    ]
                    try:
                        if made:
                            client.update_vectors(self._name, made, wait=True)
                    except UnexpectedResponse as error:
                        if error.status_code != 404 or attempt == _ATTEMPTS - 1:
                            raise
                    else:
                        break

    def _nearest(
        self,
        query: list[float] | models.SparseVector,
        using: str,
        limit: int,
        where: VectorFilter | None,
        params: models.SearchParams | None = None,
    ) -> list[Neighbor]:
        matching = _filter(where, self._spec)

        def fetch(count: int) -> list[tuple[int, float]]:
            with self._running() as client:
                found = client.query_points(
                    self._name,
                    query=query,
                    using=using,
                    limit=count,
                    query_filter=matching,
                    search_params=params,
                    with_payload=False,
                )
            rounded = cosine if using == "dense" else float
            return [(cast("int", hit.id), rounded(hit.score)) for hit in found.points]

        return ranked(fetch, checked_limit(limit))


def _quantization(version: tuple[int, ...]) -> models.QuantizationConfig:
    if version >= _TURBO_SINCE:
        turbo = models.TurboQuantQuantizationConfig(bits=models.TurboQuantBitSize.BITS4, always_ram=True)
        return models.TurboQuantization(turbo=turbo)
    scalar = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
    return models.ScalarQuantization(scalar=scalar)


def _described(spec: IndexSpec) -> dict[str, object]:
    return {"dimension": spec.dimension, "integers": list(spec.integers)}


def _vectors(point: Point) -> models.VectorStruct:
    vectors: dict[str, models.Vector] = {}
    if point.dense is not None:
        vectors["dense"] = point.dense.tolist()
    if point.sparse is not None:
        vectors["sparse"] = _sparse(point.sparse)
    return vectors


def _sparse(vector: SparseVector) -> models.SparseVector:
    return models.SparseVector(indices=vector.indices.tolist(), values=vector.values.tolist())


def _point(record: models.Record) -> Point:
    vectors = cast("dict[str, object]", record.vector or {})
    dense, sparse = vectors.get("dense"), cast("models.SparseVector | None", vectors.get("sparse"))
    return Point(
        id=cast("int", record.id),
        payload=record.payload or {},
        dense=None if dense is None else np.array(dense, np.float32),
        sparse=SparseVector(np.array(sparse.indices, np.uint32), np.array(sparse.values, np.float32))
        if sparse is not None and sparse.indices
        else None,
    )


def _filter(where: VectorFilter | None, spec: IndexSpec) -> models.Filter | None:
    checked = checked_filter(where, spec)
    if not checked.must and not checked.must_not:
        return None
    return models.Filter(
        must=[_condition(condition) for condition in checked.must],
        must_not=[_condition(condition) for condition in checked.must_not],
    )


def _condition(condition: Condition) -> models.FieldCondition:
    if isinstance(condition, AnyOf):
        if len(condition.values) == 1:
            return models.FieldCondition(key=condition.field, match=models.MatchValue(value=condition.values[0]))
        return models.FieldCondition(key=condition.field, match=models.MatchAny(any=list(condition.values)))
    return models.FieldCondition(key=condition.field, range=models.Range(gte=condition.low, lte=condition.high))


def _client(url: str | QdrantClient, api_key: str | None) -> QdrantClient:
    if not isinstance(url, str):
        return url
    try:
        return QdrantClient(url=url, api_key=api_key, timeout=_TIMEOUT, check_compatibility=False)
    except ValueError as error:
        raise ConfigurationError(
            f"{_where(url)} is not the URL of a Qdrant server: {error}.", remedy="Give one like http://localhost:6333."
        ) from error


def _where(url: str | QdrantClient) -> str:
    """The server in words, without a password."""
    if not isinstance(url, str):
        return "the given client"
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


@contextmanager
def _wrapped(collection: str, where: str) -> Iterator[None]:
    """Turn what the client raises into ours."""
    try:
        yield
    except TercetError:
        raise
    except UnexpectedResponse as error:
        what = f"the Qdrant server at {where} refused: {error.status_code} {error.reason_phrase}"
        if error.status_code in {401, 403}:
            raise StoreError(f"{what}.", remedy="Give the server's API key.") from error
        raise StoreError(f"{what}: {error.content[:300].decode(errors='replace')}") from error
    except (ApiException, ValueError, KeyError, OSError) as error:
        raise StoreError(
            f"the vector index {collection!r} at {where} failed: {error}",
            remedy="Check that the Qdrant server runs there, or name another with `--qdrant URL`.",
        ) from error
