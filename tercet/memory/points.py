"""What both vector engines have in common: checks before a write, unit vectors, batches and stable ranking.

Both engines apply a bad batch partly (the points before and after the bad one are stored), accept NaN and malformed
sparse arrays, and take ``True`` for 1. So everything is checked here, whole, before the first engine call.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, SupportsIndex, TypeVar, cast

import numpy as np

from tercet.errors import VectorError
from tercet.memory.vectors import AnyOf, Between, IndexSpec, Neighbor, Point, SparseVector, VectorFilter

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T")

BATCH = 256
"""Points in one engine call: the embedded engine holds the GIL meanwhile, and larger ones would stall all threads."""

LARGEST_ID = 2**63 - 1
"""Ids are row ids of SQL databases: signed 64-bit."""

LARGEST_INTEGER = 2**53 - 1
"""Of payload values: ranges are compared as float64, which is exact up to here."""

LARGEST_LIMIT = 1_000_000
"""Of results asked for: engines reserve memory for as many as the limit says."""

COSINE_DIGITS = 6
"""Of a cosine; further ones depend on the order in which an engine added the products up."""

_neighbor = cast("Callable[[tuple[int, float]], Neighbor]", partial(tuple.__new__, Neighbor))
"""From a tuple, in a quarter of the time that naming the fields takes: a search makes hundreds."""

_LARGEST_TERM = 2**32 - 1
_TIES = 10_000
"""Equal scores at the end of a result are fetched up to this many, so that the id decides which of them stay."""


def batches(items: Sequence[T], size: int = BATCH) -> Iterator[Sequence[T]]:
    """Cut a sequence into runs of at most ``size``."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def checked_integer(value: object, what: str, *, low: int, high: int) -> int:
    """An int between ``low`` and ``high``; NumPy integers are welcome, booleans and floats are not.

    Raises:
        VectorError: It is something else.
    """
    if type(value) is int:
        number = value
    elif isinstance(value, (bool, np.bool_)):
        raise VectorError(f"{what} must be an integer, got {value!r}.")
    else:
        try:
            number = operator.index(cast("SupportsIndex", value))
        except TypeError as error:
            raise VectorError(f"{what} must be an integer, got {value!r}.") from error
    if not low <= number <= high:
        raise VectorError(f"{what} must be between {low} and {high}, got {number}.")
    return number


def checked_limit(limit: int) -> int:
    """A number of results, from zero to a million."""
    return checked_integer(limit, "the limit", low=0, high=LARGEST_LIMIT)


def checked_ids(ids: Iterable[int]) -> list[int]:
    """Point ids as plain ints.

    Raises:
        VectorError: One is negative, not an integer, or beyond 63 bits.
    """
    return [checked_integer(key, "a point id", low=0, high=LARGEST_ID) for key in ids]


def checked_dense(vectors: object, count: int | None, spec: IndexSpec) -> NDArray[np.float32]:
    """Dense vectors scaled to length 1, as C-ordered float32. A zero vector stays zero: its cosine with anything is 0.

    Args:
        vectors: Shape ``(count, dimension)``, or ``(dimension,)`` where ``count`` is None.
        count: How many rows there must be.
        spec: Gives the dimension.

    Raises:
        VectorError: The shape is wrong, a number is not finite, or the index keeps no dense vectors.
    """
    if spec.dimension is None:
        raise VectorError("this index keeps no dense vectors (its dimension is None).")
    shape = (spec.dimension,) if count is None else (count, spec.dimension)
    try:
        array = np.asarray(vectors)
    except ValueError as error:  # rows of unequal length
        raise VectorError(f"dense vectors must form an array of shape {shape}: {error}.") from error
    if array.shape != shape:
        raise VectorError(f"dense vectors must have the shape {shape}, got {array.shape}.")
    if array.dtype.kind not in "fiu":
        raise VectorError(f"dense vectors must hold real numbers, got {array.dtype}.")
    wide = array.astype(np.float64)
    if not np.isfinite(wide).all():
        rows = np.flatnonzero(~np.isfinite(np.atleast_2d(wide)).all(axis=1))
        raise VectorError(f"a dense vector holds NaN or infinity (row {rows[0]}, {len(rows)} in all).")
    # Scaling by the largest component first keeps squares of very large or small numbers inside float64.
    largest = np.abs(wide).max(axis=-1, keepdims=True, initial=0.0)
    wide /= np.where(largest > 0, largest, 1.0)
    length = np.sqrt(np.square(wide).sum(axis=-1, keepdims=True))
    return np.ascontiguousarray(wide / np.where(length > 0, length, 1.0), dtype=np.float32)


def checked_sparse(vector: SparseVector) -> SparseVector:
    """One sparse vector as uint32 term ids and float32 weights; terms with weight 0 are dropped.

    Raises:
        VectorError: Arrays of unequal length, a term twice, a term beyond uint32, or a weight that is not finite.
    """
    try:
        terms, weights = np.asarray(vector[0]), np.asarray(vector[1])
    except (TypeError, IndexError, ValueError) as error:
        raise VectorError(f"a sparse vector needs two arrays, term ids and weights: {error}.") from error
    if terms.ndim != 1 or terms.shape != weights.shape:
        raise VectorError(
            f"a sparse vector needs as many weights as term ids, in one dimension: {terms.shape}, {weights.shape}."
        )
    if terms.size == 0:
        return SparseVector(np.empty(0, np.uint32), np.empty(0, np.float32))
    if terms.dtype != np.uint32:
        if terms.dtype.kind not in "iu" or int(terms.min()) < 0 or int(terms.max()) > _LARGEST_TERM:
            raise VectorError("term ids of a sparse vector must be integers of 32 bits, zero or more.")
        terms = terms.astype(np.uint32)
    if weights.dtype != np.float32:
        if weights.dtype.kind not in "fiu":
            raise VectorError(f"weights of a sparse vector must be real numbers, got {weights.dtype}.")
        with np.errstate(over="ignore"):
            weights = weights.astype(np.float32)
    if not np.isfinite(weights).all():
        raise VectorError("a sparse vector holds NaN, infinity or a weight beyond float32.")
    if not (terms[1:] > terms[:-1]).all():
        order = np.argsort(terms)
        terms, weights = terms[order], weights[order]
        again = terms[1:] == terms[:-1]
        if again.any():
            raise VectorError(f"a sparse vector holds term {terms[1:][again][0]} twice.")
    if not weights.all():
        terms, weights = terms[weights != 0], weights[weights != 0]
    return SparseVector(np.ascontiguousarray(terms), np.ascontiguousarray(weights))


def checked_pairs(ids: Sequence[int], vectors: Sequence[SparseVector]) -> dict[int, SparseVector]:
    """Ids with their sparse vectors.

    Raises:
        VectorError: There are not as many of one as of the other, or one is malformed.
    """
    if len(ids) != len(vectors):
        raise VectorError(f"got {len(ids)} ids and {len(vectors)} sparse vectors.")
    return {key: checked_sparse(vector) for key, vector in zip(checked_ids(ids), vectors, strict=True)}


def checked_points(points: Sequence[Point], spec: IndexSpec) -> list[Point]:
    """Points fit for either engine: unit vectors, plain ints, each id once (the last one given wins).

    Raises:
        VectorError: Any of them is malformed; the message names its id.
    """
    unique = {checked_integer(point.id, "a point id", low=0, high=LARGEST_ID): point for point in points}
    dense = _checked_rows(unique, spec)
    checked = []
    for key, point in unique.items():
        try:
            payload = _checked_payload(point.payload, spec)
            sparse = None if point.sparse is None else checked_sparse(point.sparse)
        except VectorError as error:
            raise VectorError(f"point {key}: {error}") from error
        if sparse is not None and not sparse.indices.size:
            sparse = None
        checked.append(Point(id=key, payload=payload, dense=dense.get(key), sparse=sparse))
    return checked


def checked_filter(where: VectorFilter | None, spec: IndexSpec) -> VectorFilter:
    """The filter with plain ints, its fields known to the index.

    Raises:
        VectorError: A field is not in the spec, or a value is not an integer.
    """
    if where is None:
        return VectorFilter()
    return VectorFilter(
        must=tuple(_checked_condition(condition, spec) for condition in where.must),
        must_not=tuple(_checked_condition(condition, spec) for condition in where.must_not),
    )


def ranked(fetch: Callable[[int], Iterable[tuple[int, float]]], limit: int) -> list[Neighbor]:
    """The best ``limit`` results by ``(-score, id)``, whatever order the engine gives to equal scores.

    Args:
        fetch: Asks the engine for its best n.
        limit: How many to return.
    """
    if limit == 0:
        return []
    wanted = limit + 8
    while True:
        found = sorted([(-score, key) for key, score in fetch(wanted)])
        tied_to_the_end = len(found) == wanted and found[limit - 1][0] == found[-1][0]
        if not tied_to_the_end or wanted >= limit + _TIES:
            return list(map(_neighbor, [(key, -score) for score, key in found[:limit]]))
        wanted = min(limit + (wanted - limit) * 8, limit + _TIES)


def cosine(score: float) -> float:
    """A cosine to ``COSINE_DIGITS``."""
    return round(score, COSINE_DIGITS)


def _checked_rows(points: Mapping[int, Point], spec: IndexSpec) -> dict[int, NDArray[np.float32]]:
    given = {key: point.dense for key, point in points.items() if point.dense is not None}
    try:
        rows = checked_dense(list(given.values()), len(given), spec) if given else ()
    except VectorError:
        for key, vector in given.items():  # only on the way out: find the culprit
            try:
                checked_dense(vector, None, spec)
            except VectorError as error:
                raise VectorError(f"point {key}: {error}") from error
        raise
    return dict(zip(given, rows, strict=True))


def _checked_payload(payload: Mapping[str, int | Sequence[int]], spec: IndexSpec) -> dict[str, int | Sequence[int]]:
    checked: dict[str, int | Sequence[int]] = {}
    for name, value in payload.items():
        if name not in spec.integers:
            raise VectorError(
                f"the payload field {name!r} is not one of the index ({', '.join(spec.integers) or 'none'})."
            )
        if type(value) is int:
            checked[name] = _checked_value(value, name)
        elif isinstance(value, (str, bytes)):
            raise VectorError(f"the payload field {name!r} must hold integers, got {value!r}.")
        elif isinstance(value, (Sequence, np.ndarray)):
            checked[name] = [_checked_value(item, name) for item in value]
        else:
            checked[name] = _checked_value(value, name)
    return checked


def _checked_value(value: object, name: str) -> int:
    return checked_integer(value, f"a value of {name!r}", low=-LARGEST_INTEGER, high=LARGEST_INTEGER)


def _checked_condition(condition: AnyOf | Between, spec: IndexSpec) -> AnyOf | Between:
    name = condition.field
    if name not in spec.integers:
        raise VectorError(f"cannot filter by {name!r}: the index keeps {', '.join(spec.integers) or 'no fields'}.")
    if isinstance(condition, AnyOf):
        return AnyOf(name, _checked_values(condition.values, name))
    low, high = condition.low, condition.high
    return Between(name, None if low is None else _clamped(low, name), None if high is None else _clamped(high, name))


def _checked_values(values: Sequence[int], name: str) -> list[int]:
    if all(type(value) is int for value in values):  # thousands of ids a query are usual
        kept = [value for value in values if -LARGEST_INTEGER <= value <= LARGEST_INTEGER]
    else:
        checked = [checked_integer(value, f"a value of {name!r}", low=-(2**63), high=2**64) for value in values]
        kept = [value for value in checked if -LARGEST_INTEGER <= value <= LARGEST_INTEGER]
    return kept


def _clamped(bound: object, name: str) -> int:
    number = checked_integer(bound, f"a bound of {name!r}", low=-(2**127), high=2**127)
    return max(-LARGEST_INTEGER - 1, min(LARGEST_INTEGER + 1, number))
