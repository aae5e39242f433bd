"""Latency, tokens and cost of queries in a few figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tercet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One quantity over all queries, in its own unit: seconds, tokens or a currency.

    Percentiles interpolate linearly between the two nearest values (the default of numpy, type 7 of Hyndman and Fan,
    "Sample Quantiles in Statistical Packages", 1996). With up to twenty queries p95 lies between the two slowest.
    """

    count: int
    """Queries."""
    total: float
    mean: float
    p50: float
    p95: float
    maximum: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Summary:
        """Sum up one value a query.

        Args:
            values: In any order.

        Raises:
            InputError: There are no values, or one of them is negative, infinite or not a number.

        Example:
            >>> Summary.of([0.1, 0.2, 0.3, 0.4])
            Summary(count=4, total=1.0, mean=0.25, p50=0.25, p95=0.385, maximum=0.4)
        """
        array = np.fromiter(values, dtype=np.float64)
        if not array.size:
            raise InputError("there are no values to sum up.", remedy="Give one for each query.")
        if not (np.isfinite(array) & (array >= 0)).all():
            raise InputError("a value is negative, infinite or not a number.", remedy="Leave that query out.")
        p50, p95 = np.percentile(array, (50, 95), method="linear").tolist()
        return cls(
            count=array.size,
            total=float(array.sum()),
            mean=float(array.mean()),
            p50=p50,
            p95=p95,
            maximum=float(array.max()),
        )
