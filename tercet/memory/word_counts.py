"""The word statistics of corpora: how many chunks they have, how long these are, and in how many each term occurs."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import repeat
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import delete, update

from tercet.memory.database import corpora, excluded, frequencies

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray
    from sqlalchemy import Connection

    from tercet.memory.database import Database
    from tercet.models.lexical import TermCounts

_GATHERED = 1_000_000
"""Term ids that wait at most before they are counted."""


@dataclass(slots=True)
class _Totals:
    chunks: int = 0
    length: int = 0
    terms: NDArray[np.uint32] = field(default_factory=lambda: np.empty(0, np.uint32))
    counts: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    waiting: list[NDArray[np.uint32]] = field(default_factory=list)
    waiting_terms: int = 0

    def settle(self) -> None:
        """Count what waits."""
        if not self.waiting:
            return
        new, times = np.unique(np.concatenate(self.waiting), return_counts=True)
        terms, places = np.unique(np.concatenate((self.terms, new)), return_inverse=True)
        counts = np.zeros(len(terms), np.int64)
        np.add.at(counts, places, np.concatenate((self.counts, times)))
        self.terms, self.counts = terms, counts
        self.waiting.clear()
        self.waiting_terms = 0


class WordCounts:
    """Chunks that are counted together, in the room that their vocabulary takes."""

    def __init__(self) -> None:
        self._totals: dict[int, _Totals] = {}

    def add(self, corpus_id: int, chunks: Iterable[TermCounts]) -> None:
        """Count chunks of a corpus."""
        totals = self._totals.setdefault(corpus_id, _Totals())
        for terms in chunks:
            totals.chunks += 1
            totals.length += terms.length
            totals.waiting.append(terms.ids)
            totals.waiting_terms += len(terms.ids)
            if totals.waiting_terms >= _GATHERED:
                totals.settle()

    def write(self, connection: Connection, database: Database, *, sign: int) -> None:
        """Add what was counted to the statistics (``sign=1``), or take it out (``sign=-1``)."""
        for corpus_id, totals in sorted(self._totals.items()):
            totals.settle()
            connection.execute(
                update(corpora)
                .where(corpora.c.id == corpus_id)
                .values(
                    chunks=corpora.c.chunks + sign * totals.chunks,
                    length_total=corpora.c.length_total + sign * totals.length,
                )
            )
            if not len(totals.terms):
                continue
            _add_frequencies(connection, database, corpus_id, totals.terms.tolist(), (sign * totals.counts).tolist())
            if sign < 0:
                connection.execute(
                    delete(frequencies).where(frequencies.c.corpus_id == corpus_id, frequencies.c.count <= 0)
                )


def _add_frequencies(
    connection: Connection, database: Database, corpus_id: int, terms: Sequence[int], numbers: Sequence[int]
) -> None:
    """Add to the document frequencies of terms, in the driver's own form: these are most of the rows of a write."""
    statement = database.upsert(
        frequencies,
        conflict=("corpus_id", "term"),
        update={"count": frequencies.c.count + excluded(frequencies.c.count)},
    ).compile(connection, column_keys=["corpus_id", "term", "count"])
    rows = zip(repeat(corpus_id), terms, numbers)
    if statement.positional:
        connection.exec_driver_sql(str(statement), list(rows))
    else:
        connection.exec_driver_sql(
            str(statement), [{"corpus_id": key, "term": term, "count": number} for key, term, number in rows]
        )
