"""Runs and their events in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tercet.memory.journal import chain
from tercet.memory.journal.chain import EventRow, Tail, TextRow
from tercet.memory.journal.checks import (
    checked_limit,
    checked_run,
    checked_status,
    known_run,
    microseconds,
    not_appended,
    parts,
    sees,
    unknown_run,
)
from tercet.memory.journal.records import RunRecord
from tercet.memory.journal.verifying import Head, verify
from tercet.memory.working.records import from_microseconds
from tercet.records import Scope

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from tercet.memory.journal.records import EventRecord, NewEvent, NewRun, RunStatus, Verification
    from tercet.records import AnyScope


@dataclass(slots=True)
class _Run:
    identity: tuple[str, str, str, str, str, str]
    scope: Scope
    began_at: int
    changed_at: int
    status: RunStatus
    salt: bytes | None
    digest: bytes
    tail: Tail
    events: list[EventRow] = field(default_factory=list)
    texts: list[TextRow] = field(default_factory=list)
    erased_at: datetime | None = None

    def record(self) -> RunRecord:
        run, agent, task, parent, root, replays = self.identity
        return RunRecord(
            id=run,
            scope=self.scope,
            agent=agent,
            task=task,
            parent=parent,
            root=root,
            replays=replays,
            status=self.status,
            began_at=from_microseconds(self.began_at),
            changed_at=from_microseconds(self.changed_at),
            events=self.tail.events,
            hash=self.tail.hash.hex(),
            erased_at=self.erased_at,
        )


class InMemoryRuns:
    """The part of the journal in memory that keeps runs.

    Args:
        lock: Held by each method.
        clock: The time, with its zone.
    """

    def __init__(self, lock: threading.RLock, *, clock: Callable[[], datetime]) -> None:
        self._lock = lock
        self._clock = clock
        self._runs: dict[str, _Run] = {}

    def begin(self, run: NewRun, events: Sequence[NewEvent] = ()) -> RunRecord:
        """See ``Journal.begin``."""
        checked_run(run)
        began = microseconds(events[0].at if events else self._clock())
        identity, salt = chain.identity_of(run), chain.new_salt()
        digest = chain.digest_of(salt, chain.header_text(identity, parts(run.scope), began), "run")
        tail = Tail(0, 0, chain.first_hash(run.id, digest))
        new = _Run(identity, run.scope, began, began, "running", salt, digest, tail)
        self._add(new, events)
        with self._lock:
            if run.id in self._runs:
                raise known_run(run.id)
            self._runs[run.id] = new
            return new.record()

    def append(
        self, run: str, events: Sequence[NewEvent], *, after: int, status: RunStatus = "running"
    ) -> tuple[EventRecord, ...]:
        """See ``Journal.append``."""
        checked_status(status)
        with self._lock:
            found = self._found(run)
            if found.erased_at is not None or found.tail.events != after:
                raise not_appended(run, after, found.tail.events, erased=found.erased_at is not None)
            if not events:
                found.changed_at = microseconds(self._clock())
            self._add(found, events)
            found.status = status
            rows = found.events[after:]
        return tuple(chain.event_record(run, row, tuple(event.texts)) for row, event in zip(rows, events, strict=True))

    def _add(self, run: _Run, events: Sequence[NewEvent]) -> None:
        sealed = chain.seal(run.tail, events)
        run.tail = run.tail.after(sealed)
        run.events += sealed.events
        run.texts += sealed.texts
        if events:
            run.changed_at = sealed.events[-1].at

    def run(self, run: str) -> RunRecord:
        """See ``Journal.run``."""
        with self._lock:
            return self._found(run).record()

    def runs(
        self,
        *,
        scope: Scope | AnyScope,
        status: RunStatus | None = None,
        agent: str | None = None,
        root: str | None = None,
        limit: int = 100,
    ) -> list[RunRecord]:
        """See ``Journal.runs``."""
        checked_limit(limit)
        with self._lock:
            found = [one.record() for one in reversed(self._runs.values())]
        wanted = [
            one
            for one in found
            if sees(scope, one.scope, erased=one.erased_at is not None)
            and status in (None, one.status)
            and agent in (None, one.agent)
            and root in (None, one.root)
        ]
        return sorted(wanted, key=lambda one: one.began_at, reverse=True)[:limit]

    def events(self, run: str, *, after: int = 0) -> list[EventRecord]:
        """See ``Journal.events``."""
        with self._lock:
            found = self._found(run)
            rows = found.events[max(after, 0) :]
            texts = {row.number: row.text for row in found.texts}
        return [chain.event_record(run, row, chain.texts_of(row.texts, texts)) for row in rows]

    def verify(self, run: str) -> Verification:
        """See ``Journal.verify``."""
        with self._lock:
            found = self._found(run)
            header = chain.header_text(found.identity, parts(found.scope), found.began_at)
            erased = found.erased_at is not None
            tail = found.tail
            head = Head(run, tail.events, tail.hash, header, found.salt, found.digest, erased)
            return verify(head, found.events, found.texts)

    def _found(self, run: str) -> _Run:
        if run not in self._runs:
            raise unknown_run(run)
        return self._runs[run]

    def _erase_runs(self, runs: Sequence[str], at: datetime) -> dict[str, int]:
        """Erase runs, with the lock held; returns how many of what."""
        counts = {"runs": 0, "run_events": 0, "run_texts": 0}
        for run in [self._found(name) for name in sorted(set(runs))]:
            if run.erased_at is None:
                run.events = [row._replace(body=None, salt=None) for row in run.events]
                run.texts = [row._replace(text=None, salt=None) for row in run.texts]
                run.tail.texts.clear()
                run.scope, run.salt, run.erased_at = Scope(tenant=run.scope.tenant), None, at
                counts["runs"] += 1
                counts["run_events"] += len(run.events)
                counts["run_texts"] += len(run.texts)
        return counts
