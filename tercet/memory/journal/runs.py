"""Runs and their events in SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, insert, select, update

from tercet.errors import StoreError
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
    unknown_run,
)
from tercet.memory.journal.records import RunRecord
from tercet.memory.journal.statements import Part, Statement
from tercet.memory.journal.tails import Tails
from tercet.memory.journal.verifying import Head, verify
from tercet.memory.journal.visible import scope_in, visible, with_scope
from tercet.memory.schema import run_events, run_texts, runs
from tercet.memory.working.records import from_microseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy import BindParameter, Connection

    from tercet.memory.database import Database
    from tercet.memory.journal.chain import Sealed
    from tercet.memory.journal.records import EventRecord, NewEvent, NewRun, RunStatus, Verification
    from tercet.records import AnyScope, Scope


class Runs(Part):
    """The part of the journal that keeps runs."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        super().__init__(database, clock=clock)
        self._tails = Tails()
        key: BindParameter[Any] = bindparam("key")
        after: BindParameter[Any] = bindparam("after")
        add = database.upsert(runs, conflict=["run_id"]).returning(runs.c.id)
        self._add_run = Statement(database, add, columns=[one.name for one in runs.c if one.name not in _UNSET])
        self._add_texts = Statement(database, insert(run_texts))
        self._add_events = Statement(database, insert(run_events))
        columns = runs.c
        unchanged = (columns.id == bindparam("row"), columns.events == after, columns.hash == bindparam("before"))
        advance = update(runs).where(*unchanged, columns.erased_at.is_(None))
        self._advance = Statement(database, advance, columns=["status", "changed_at", "events", "hash"])
        query = with_scope(runs).where(columns.run_id == key)
        self._read = Statement(database, query)
        self._read_for_writing = Statement(database, query.with_for_update(of=runs))
        numbered = run_events.c.number
        query = select(run_events).where(run_events.c.run == key, numbered > after).order_by(numbered)
        self._read_events = Statement(database, query)
        query = select(run_texts).where(run_texts.c.run == key).order_by(run_texts.c.number)
        self._read_texts = Statement(database, query)
        query = query.where(run_texts.c.number.between(bindparam("low"), bindparam("high")))
        self._read_some_texts = Statement(database, query)

    # -- writing -----------------------------------------------------------------------------------------------------

    def begin(self, run: NewRun, events: Sequence[NewEvent] = ()) -> RunRecord:
        """See ``Journal.begin``."""
        checked_run(run)
        began = microseconds(events[0].at if events else self._clock())
        changed = microseconds(events[-1].at) if events else began
        identity = chain.identity_of(run)
        salt = chain.new_salt()
        digest = chain.digest_of(salt, chain.header_text(identity, parts(run.scope), began), "run")
        first = chain.first_hash(run.id, digest)
        with self._database.write() as connection:
            values: dict[str, Any] = dict(zip(_IDENTITY, identity, strict=True))
            row = self._add_run.first(
                connection,
                **values,
                scope_id=self._place(connection, run.scope),
                tenant=run.scope.tenant or "",
                status="running",
                began_at=began,
                changed_at=changed,
                events=len(events),
                hash=first,
                header_salt=salt,
                header_digest=digest,
            )
            if row is None:
                raise known_run(run.id)
            tail = Tail(row.id, 0, first)
            sealed = chain.seal(tail, events)
            if events:
                values = {"row": row.id, "after": len(events), "before": first, "status": "running"}
                self._advance.change(connection, **values, events=len(events), hash=sealed.hash, changed_at=changed)
                self._keep(connection, sealed)
        self._tails.put(run.id, tail.after(sealed))
        return RunRecord(
            id=run.id,
            scope=run.scope,
            agent=run.agent,
            task=run.task,
            parent=run.parent,
            root=run.root or run.id,
            replays=run.replays,
            status="running",
            began_at=from_microseconds(began),
            changed_at=from_microseconds(changed),
            events=len(events),
            hash=sealed.hash.hex(),
        )

    def append(
        self, run: str, events: Sequence[NewEvent], *, after: int, status: RunStatus = "running"
    ) -> tuple[EventRecord, ...]:
        """See ``Journal.append``."""
        checked_status(status)
        values = {"status": status, "after": after, "events": after + len(events)}
        values["changed_at"] = microseconds(events[-1].at if events else self._clock())
        tail = self._tails.get(run)
        sealed = None if tail is None or tail.events != after else chain.seal(tail, events)
        try:
            with self._database.write() as connection:
                if tail is None or sealed is None or not self._advanced(connection, tail, sealed, values):
                    tail = self._load(connection, run, after)
                    sealed = chain.seal(tail, events)
                    if not self._advanced(connection, tail, sealed, values):  # the row is locked, and was just read
                        raise StoreError(f"The run {run!r} changes while it is locked.", remedy="Check the database.")
                self._keep(connection, sealed)
        except BaseException:
            self._tails.drop(run)  # whether it was committed is not known
            raise
        if status == "running":
            self._tails.put(run, tail.after(sealed))
        else:
            self._tails.drop(run)
        return tuple(
            chain.event_record(run, row, tuple(event.texts)) for row, event in zip(sealed.events, events, strict=True)
        )

    def _advanced(self, connection: Connection, tail: Tail, sealed: Sealed, values: dict[str, Any]) -> bool:
        """Whether the chain still ended where it was thought to, and now ends with what was sealed."""
        changed = self._advance.change(connection, row=tail.row, before=tail.hash, hash=sealed.hash, **values)
        return changed == 1

    def _keep(self, connection: Connection, sealed: Sealed) -> None:
        self._add_texts.change_rows(connection, sealed.texts)
        self._add_events.change_rows(connection, sealed.events)

    def _load(self, connection: Connection, run: str, after: int) -> Tail:
        """The end of a chain as it is kept; locked, so that it stays there."""
        row = self._read_for_writing.first(connection, key=run)
        if row is None:
            raise unknown_run(run)
        if row.erased_at is not None or row.events != after:
            raise not_appended(run, after, row.events, erased=row.erased_at is not None)
        texts = [TextRow._make(one) for one in self._read_texts.run(connection, key=row.id)]
        return chain.tail_of(row.id, row.events, row.hash, texts)

    # -- reading -----------------------------------------------------------------------------------------------------

    def run(self, run: str) -> RunRecord:
        """See ``Journal.run``."""
        with self._database.read() as connection:
            return _run(self._row(connection, run))

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
        query = with_scope(runs).where(visible(runs, scope))
        for column, wanted in ((runs.c.status, status), (runs.c.agent, agent), (runs.c.root, root)):
            query = query if wanted is None else query.where(column == wanted)
        query = query.order_by(runs.c.began_at.desc(), runs.c.id.desc()).limit(limit)
        with self._database.read() as connection:
            return [_run(row) for row in connection.execute(query)]

    def events(self, run: str, *, after: int = 0) -> list[EventRecord]:
        """See ``Journal.events``."""
        with self._database.read() as connection:
            key = self._row(connection, run).id
            rows = [EventRow._make(row) for row in self._read_events.run(connection, key=key, after=after)]
            used = [chain.first_and_last(row.texts) for row in rows if row.texts]
            low, high = min((one[0] for one in used), default=1), max((one[1] for one in used), default=0)
            found = self._read_some_texts.run(connection, key=key, low=low, high=high) if used else ()
            texts = {row.number: row.text for row in map(TextRow._make, found)}
        return [chain.event_record(run, row, chain.texts_of(row.texts, texts)) for row in rows]

    def verify(self, run: str) -> Verification:
        """See ``Journal.verify``."""
        with self._database.read() as connection:
            row = self._row(connection, run)
            identity = [getattr(row, name) for name in _IDENTITY]
            header = chain.header_text(identity, parts(scope_in(row)), row.began_at)
            erased = row.erased_at is not None
            head = Head(run, row.events, row.hash, header, row.header_salt, row.header_digest, erased)
            events = self._read_events.run(connection, key=row.id, after=-1)
            texts = self._read_texts.run(connection, key=row.id)
            return verify(head, map(EventRow._make, events), map(TextRow._make, texts))

    def _row(self, connection: Connection, run: str) -> Any:  # noqa: ANN401  # a row of the driver
        row = self._read.first(connection, key=run)
        if row is None:
            raise unknown_run(run)
        return row


_IDENTITY = ("run_id", "agent", "task", "parent", "root", "replays")
_UNSET = ("id", "erased_at")
"""Columns of a run that has just begun."""


def _run(row: Any) -> RunRecord:  # noqa: ANN401  # a row of with_scope
    return RunRecord(
        id=row.run_id,
        scope=scope_in(row),
        agent=row.agent,
        task=row.task,
        parent=row.parent,
        root=row.root,
        replays=row.replays,
        status=row.status,
        began_at=from_microseconds(row.began_at),
        changed_at=from_microseconds(row.changed_at),
        events=row.events,
        hash=row.hash.hex(),
        erased_at=None if row.erased_at is None else from_microseconds(row.erased_at),
    )
