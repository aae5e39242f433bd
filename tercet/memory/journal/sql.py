"""``SqlJournal``: the journal of a memory, in its database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tercet.memory.journal import erasing
from tercet.memory.journal.approvals import Approvals
from tercet.memory.journal.checks import microseconds
from tercet.memory.journal.effects import Effects
from tercet.memory.journal.runs import Runs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tercet.memory.database import Database


class SqlJournal(Runs, Effects, Approvals):
    """The journal in a memory's database; works beside another process that holds the folder.

    May be used from several threads, and from several processes at once: each transaction is short, and of two
    processes that go on with one run the second is refused.

    Args:
        database: Where it is kept.
        clock: The time, with its zone, for what has no event that says it.

    Example:
        >>> from datetime import UTC, datetime
        >>> from tercet import Memory, Scope
        >>> from tercet.memory.journal.records import NewEvent, NewRun
        >>> said = NewEvent(kind="said", body='{"role":"user"}', texts=("What is new?",), at=datetime.now(UTC))
        >>> with Memory.open("my-memory", embedder="none") as memory:
        ...     begun = memory.journal.begin(NewRun(id="run-1", scope=Scope(tenant="acme"), agent="helper"), [said])
        ...     added = memory.journal.append("run-1", [said], after=begun.events, status="finished")
        ...     [event.number for event in added], memory.journal.verify("run-1").intact
        ([2], True)
    """

    def __init__(self, database: Database, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        super().__init__(database, clock=clock)

    @property
    def durable(self) -> bool:
        """True: it outlives the process."""
        return True

    def drop_texts(self) -> None:
        """Drop the texts that this process remembers of runs; the next append of each reads them again."""
        self._tails.clear()

    def erase(self, runs: Sequence[str], *, at: datetime) -> Mapping[str, int]:
        """See ``Journal.erase``. Bytes may stay in the database's files until ``Memory.forget`` makes them anew."""
        with self._database.write() as connection:
            chosen = erasing.of_runs(connection, runs)
            counts = erasing.count(connection, chosen)
            erasing.erase(connection, chosen, microseconds(at))
        self.drop_texts()
        return counts
