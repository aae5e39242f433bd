"""Batches of files in the database, which several processes claim, do, and hand back when they die.

A batch waits, or belongs to a worker; when it is done its row is gone. What becomes of a file is written in the same
transaction that makes it so, which first looks whether the batch still belongs to the writer. So a worker that was
taken for dead, and is only slow, changes nothing any more, and no file is done twice.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select, update

from tercet.errors import ClaimLostError
from tercet.memory.database import batches, jobs, outcomes
from tercet.memory.rows import write_files
from tercet.memory.stored import FileEntry, FileOutcome, FileStamp, FileTask
from tercet.records import Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import Connection

    from tercet.memory.database import Database
    from tercet.memory.workers import Workers

MOST_DEATHS = 3
"""Workers that may die on a file before it counts as the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One ingest that is shared."""

    id: int
    corpus_id: int
    settings: Mapping[str, Any]
    """What a worker must know to do the same as the coordinator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Files that this process has claimed."""

    id: int
    worker_id: int
    job: Job
    tasks: tuple[FileTask, ...]


class BatchLedger:
    """The batches of a database that several processes share.

    Args:
        database: Where they are kept.
        workers: This process among the others.
    """

    def __init__(self, database: Database, workers: Workers) -> None:
        self._database = database
        self._workers = workers

    # -- the coordinator's side --------------------------------------------------------------------------------------

    def submit(
        self, corpus_id: int, root: str, settings: Mapping[str, Any], parts: Sequence[Sequence[FileTask]]
    ) -> int:
        """Let everybody see some batches; returns the id of the job.

        Args:
            corpus_id: Where the files go.
            root: Name of the root they belong to; one job at a time has it.
            settings: What a worker must know.
            parts: The files of each batch.
        """
        with self._database.write() as connection:
            row = {"corpus_id": corpus_id, "root": root, "settings": json.dumps(dict(settings))}
            job_id = int(connection.execute(insert(jobs).values(row).returning(jobs.c.id)).scalar_one())
            rows = [{"job_id": job_id, "deaths": 0, "tasks": _tasks_json(part)} for part in parts]
            if rows:
                connection.execute(insert(batches), rows)
        return job_id

    def outcomes(self, job_id: int) -> list[FileOutcome]:
        """What became of the files of a job so far, by uri."""
        query = select(outcomes.c.uri, outcomes.c.outcome).where(outcomes.c.job_id == job_id).order_by(outcomes.c.uri)
        with self._database.read() as connection:
            return [_outcome(uri, json.loads(text)) for uri, text in connection.execute(query)]

    def count(self, job_id: int) -> tuple[int, int]:
        """How many files of a job are done, and how many batches are not."""
        with self._database.read() as connection:
            done = connection.execute(select(func.count()).where(outcomes.c.job_id == job_id)).scalar_one()
            left = connection.execute(select(func.count()).where(batches.c.job_id == job_id)).scalar_one()
        return int(done), int(left)

    def discard(self, *, corpus_id: int, root: str) -> None:
        """Remove the jobs of a root, done or not; who works on one of their batches can no longer finish it."""
        with self._database.write() as connection:
            found = select(jobs.c.id).where(jobs.c.corpus_id == corpus_id, jobs.c.root == root)
            ids = list(connection.execute(found).scalars())
            while connection.execute(delete(batches).where(batches.c.job_id.in_(ids))).rowcount:
                pass  # those into which somebody was just cutting the batch of a dead worker are seen the second time
            connection.execute(delete(outcomes).where(outcomes.c.job_id.in_(ids)))
            connection.execute(delete(jobs).where(jobs.c.id.in_(ids)))

    # -- a worker's side ---------------------------------------------------------------------------------------------

    def claim(self, *, job_id: int | None = None, but_not: Collection[int] = ()) -> Batch | None:
        """Take a batch that nobody works on, and be the only one who does; None: there is none.

        Args:
            job_id: Only of this job.
            but_not: Of none of these jobs.
        """
        self._workers.bury()
        worker_id = self._workers.id
        waiting = (
            select(batches.c.id, batches.c.job_id, batches.c.tasks)
            .where(batches.c.worker_id.is_(None), batches.c.job_id.not_in(but_not))
            .order_by(batches.c.deaths, batches.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        if job_id is not None:
            waiting = waiting.where(batches.c.job_id == job_id)
        with self._database.write() as connection:
            row = connection.execute(waiting).first()
            if row is None:
                return None
            connection.execute(update(batches).where(batches.c.id == row.id).values(worker_id=worker_id))
            job = connection.execute(select(jobs).where(jobs.c.id == row.job_id)).one()
            tasks = _left(connection, row.job_id, row.tasks)
        return Batch(
            id=row.id,
            worker_id=worker_id,
            job=Job(id=job.id, corpus_id=job.corpus_id, settings=json.loads(job.settings)),
            tasks=tasks,
        )

    def settle(self, connection: Connection, batch: Batch, found: Sequence[FileOutcome]) -> None:
        """Note what becomes of files, in the transaction that makes it so.

        Raises:
            ClaimLostError: The batch belongs to somebody else by now.
        """
        if not _ours(connection, batch):
            raise ClaimLostError("Another process took over the batch.", remedy="It will be done there.")
        rows = [{"job_id": batch.job.id, "uri": one.uri, "outcome": _outcome_json(one)} for one in found]
        connection.execute(insert(outcomes), rows)

    def finish(self, batch: Batch) -> None:
        """Remove a batch whose files are all settled; does nothing when it belongs to somebody else by now."""
        with self._database.write() as connection:
            if _ours(connection, batch):
                connection.execute(delete(batches).where(batches.c.id == batch.id))

    def release(self, batch: Batch) -> None:
        """Leave a batch to others, with what is left of it."""
        with self._database.write() as connection:
            if _ours(connection, batch):
                connection.execute(update(batches).where(batches.c.id == batch.id).values(worker_id=None))


def give_back(connection: Connection, database: Database, worker_id: int, *, died: str = "") -> None:
    """Free the batches of a worker that ends.

    Args:
        connection: A transaction.
        database: Its database.
        worker_id: The worker.
        died: Its name where it died: a batch of several files is then cut into single ones, and a file on which
            several workers died has failed.
    """
    mine = select(batches.c.id, batches.c.job_id, batches.c.deaths, batches.c.tasks).where(
        batches.c.worker_id == worker_id
    )
    for row in connection.execute(mine.order_by(batches.c.id).with_for_update()).all():
        this = batches.c.id == row.id
        if not died:
            connection.execute(update(batches).where(this).values(worker_id=None))
            continue
        deaths = row.deaths + 1
        left = _left(connection, row.job_id, row.tasks)
        connection.execute(delete(batches).where(this))
        if len(left) == 1 and deaths >= MOST_DEATHS:
            _fail(connection, database, row.job_id, left[0], f"ended {deaths} processes that ingested it, as {died}")
        elif left:
            singles = [{"job_id": row.job_id, "deaths": deaths, "tasks": _tasks_json([task])} for task in left]
            connection.execute(insert(batches), singles)


def _fail(connection: Connection, database: Database, job_id: int, task: FileTask, reason: str) -> None:
    outcome = FileOutcome(uri=task.uri, reason=reason)
    connection.execute(insert(outcomes).values(job_id=job_id, uri=task.uri, outcome=_outcome_json(outcome)))
    write_files(connection, database, [replace(task.entry, reason=reason)])


def _ours(connection: Connection, batch: Batch) -> bool:
    """Whether a batch is still the claimer's; it stays so until the commit."""
    mine = select(batches.c.id).where(batches.c.id == batch.id, batches.c.worker_id == batch.worker_id)
    return connection.execute(mine.with_for_update()).first() is not None


def _left(connection: Connection, job_id: int, text: str) -> tuple[FileTask, ...]:
    """The files of a batch that are not settled yet."""
    tasks = [
        FileTask(location, uri, FileEntry(**{**entry, "stamp": FileStamp(*entry["stamp"])}))
        for location, uri, entry in json.loads(text)
    ]
    uris = [task.uri for task in tasks]
    settled = select(outcomes.c.uri).where(outcomes.c.job_id == job_id, outcomes.c.uri.in_(uris))
    done = set(connection.execute(settled).scalars())
    return tuple(task for task in tasks if task.uri not in done)


def _tasks_json(tasks: Sequence[FileTask]) -> str:
    return json.dumps([[task.location, task.uri, asdict(task.entry)] for task in tasks])


def _outcome_json(outcome: FileOutcome) -> str:
    fields = asdict(outcome)
    del fields["uri"]
    return json.dumps(fields)


def _outcome(uri: str, fields: Mapping[str, Any]) -> FileOutcome:
    findings = tuple(Finding(**finding) for finding in fields["findings"])
    return FileOutcome(uri=uri, **{**fields, "findings": findings})
