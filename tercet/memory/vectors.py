"""The vector index contract, and the small filter language that both engines compile.

An index keeps, for each integer id, an optional dense vector, an optional sparse vector and integers to filter by. It
holds no text: SQL is the truth and an index can be rebuilt from it at any time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray


class SparseVector(NamedTuple):
    """Term ids (unique, uint32) and their weights (float32), of equal length."""

    indices: NDArray[np.uint32]
    values: NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One record of an index."""

    id: int
    payload: Mapping[str, int | Sequence[int]]
    """Integers to filter by; only the fields named in the index's ``IndexSpec``."""
    dense: NDArray[np.float32] | None = None
    sparse: SparseVector | None = None


class Neighbor(NamedTuple):
    """An id found by a query and its similarity: cosine for dense, dot product for sparse vectors."""

    id: int
    score: float


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The field holds one of the values. An empty list matches nothing."""

    field: str
    values: Sequence[int]


@dataclass(frozen=True, slots=True)
class Between:
    """The field lies between inclusive bounds; None leaves a side open."""

    field: str
    low: int | None = None
    high: int | None = None


Condition = AnyOf | Between


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorFilter:
    """All of ``must`` hold and none of ``must_not``; empty matches everything."""

    must: tuple[Condition, ...] = ()
    must_not: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSpec:
    """What an index is made for; opening it with another spec raises ``CorruptMemoryError``."""

    dimension: int | None
    """Of the dense vectors (cosine); None: the index keeps only sparse vectors."""
    integers: tuple[str, ...] = field(default=())
    """Payload fields, each with an integer index for match and range."""


class VectorIndex(Protocol):
    """One collection of points.

    Every write is validated as a whole before any of it reaches the engine (``VectorError``: nothing was written), and
    is acknowledged only when it survives kill -9. Writing the same thing twice is the same as once. All methods may be
    called from several threads.
    """

    @property
    def spec(self) -> IndexSpec:
        """What the index was made for."""
        ...

    def upsert(self, points: Sequence[Point]) -> None:
        """Insert or replace whole points. Any number: the adapter batches."""
        ...

    def set_dense(self, ids: Sequence[int], vectors: NDArray[np.float32]) -> None:
        """Set the dense vectors (shape ``(len(ids), dimension)``) of points; ids that do not exist are ignored."""
        ...

    def set_sparse(self, ids: Sequence[int], vectors: Sequence[SparseVector]) -> None:
        """Replace the sparse vectors of points; ids that do not exist are ignored."""
        ...

    def delete(self, ids: Sequence[int]) -> None:
        """Remove points; unknown ids are ignored."""
        ...

    def nearest_dense(
        self, vector: NDArray[np.float32], *, limit: int, where: VectorFilter | None = None, exact: bool = False
    ) -> list[Neighbor]:
        """The points with a dense vector that are most similar by cosine, best first. ``exact`` skips quantization."""
        ...

    def nearest_sparse(self, vector: SparseVector, *, limit: int, where: VectorFilter | None = None) -> list[Neighbor]:
        """The points that share a term with ``vector``, by dot product, best first."""
        ...

    def get(self, ids: Sequence[int], *, vectors: bool = False) -> list[Point]:
        """Read points back, in the order of ``ids``; unknown ids are left out. Without ``vectors`` only the payload."""
        ...

    def ids(self, *, after: int = -1, limit: int = 10_000) -> list[int]:
        """Ids greater than ``after`` in ascending order: page by passing the last one."""
        ...

    def count(self, where: VectorFilter | None = None) -> int:
        """How many points a filter allows."""
        ...

    def clear(self) -> None:
        """Remove every point, and what the engine keeps about removed ones."""
        ...

    def flush(self) -> None:
        """Make everything acknowledged survive power loss too."""
        ...

    def close(self) -> None:
        """Flush and release the engine; a second call does nothing."""
        ...
