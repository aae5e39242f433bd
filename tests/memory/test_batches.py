"""Batches are claimed by one worker each, survive its death, and cannot be finished by one that was taken for dead."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from tercet.errors import ClaimLostError, StoreError
from tercet.memory.batches import MOST_DEATHS, Batch, BatchLedger
from tercet.memory.database import Database, batches, corpora, files, roots, workers
from tercet.memory.stored import FileEntry, FileOutcome, FileStamp, FileTask
from tercet.memory.workers import LOCK_CLASS, Workers
from tercet.records import Finding


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    with Database.open(postgres_url) as opened:
        with opened.write() as connection:
            connection.execute(corpora.insert().values(id=1, name="docs"))
            connection.execute(roots.insert().values(id=1, corpus_id=1, name="docs", path="/docs"))
        yield opened


class Process:
    """What one process of several has: itself among the others, and the batches."""

    def __init__(self, database: Database) -> None:
        self.workers = Workers(database)
        self.ledger = BatchLedger(database, self.workers)

    def claim(self) -> Batch:
        batch = self.ledger.claim()
        assert batch is not None
        return batch


@pytest.fixture
def ada(database: Database) -> Iterator[Process]:
    process = Process(database)
    yield process
    process.workers.close()


@pytest.fixture
def bob(database: Database) -> Iterator[Process]:
    process = Process(database)
    yield process
    process.workers.close()


def task(number: int) -> FileTask:
    stamp = FileStamp(size=10, mtime_ns=1, ctime_ns=2, inode=number)
    entry = FileEntry(root_id=1, path=f"{number}.md", stamp=stamp, seen_ns=3, content_hash="", config_hash="c")
    return FileTask(f"/docs/{number}.md", f"docs/{number}.md", entry)


def submit(process: Process, *sizes: int) -> int:
    """A job with batches of these sizes."""
    numbers = iter(range(sum(sizes)))
    return process.ledger.submit(1, "docs", {"n": 1}, [[task(next(numbers)) for _ in range(size)] for size in sizes])


def settle(database: Database, process: Process, batch: Batch, *uris: str) -> None:
    with database.write() as connection:
        process.ledger.settle(connection, batch, [FileOutcome(uri=uri, chunks=2) for uri in uris])


def cut_off(database: Database, process: Process) -> None:
    """End the connection that shows a process to be alive, as a lost network or a kill does."""
    query = (
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 "
        f"AND classid = {LOCK_CLASS} AND objid = {process.workers._id} "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"  # the server has others
    )
    with database.write() as connection:
        assert connection.exec_driver_sql(query).scalars().all() == [True]


def die_on(database: Database, *uris: str) -> None:
    """Let a process claim these files and die."""
    victim = Process(database)
    assert [one.uri for one in victim.claim().tasks] == list(uris)
    cut_off(database, victim)
    victim.workers._let_go()


def waiting(database: Database) -> list[tuple[int, int]]:
    """Deaths and number of files of the batches that nobody has."""
    query = select(batches.c.deaths, batches.c.tasks).where(batches.c.worker_id.is_(None)).order_by(batches.c.id)
    with database.read() as connection:
        return [(deaths, text.count("/docs/")) for deaths, text in connection.execute(query)]


def test_a_batch_comes_back_from_the_database_as_it_was_submitted(database, ada):
    job = submit(ada, 2)
    batch = ada.claim()
    assert batch.tasks == (task(0), task(1))
    assert (batch.job.id, batch.job.corpus_id, batch.job.settings) == (job, 1, {"n": 1})


def test_outcomes_come_back_as_they_were_settled(database, ada):
    job = submit(ada, 2)
    batch = ada.claim()
    found = [
        FileOutcome(uri="docs/0.md", reason="is too large"),
        FileOutcome(uri="docs/1.md", chunks=3, truncated=True, findings=(Finding(kind="zero-width", count=2),)),
    ]
    with database.write() as connection:
        ada.ledger.settle(connection, batch, found)
    ada.ledger.finish(batch)
    assert ada.ledger.outcomes(job) == found
    assert ada.ledger.count(job) == (2, 0)


@pytest.mark.parametrize("seed", range(3))
def test_every_batch_is_claimed_by_exactly_one_of_many_threads(database, seed):
    choice = random.Random(seed)
    processes = [Process(database) for _ in range(6)]
    submit(processes[0], *[1] * 60)
    taken: list[int] = []
    lock = threading.Lock()

    def take(process: Process) -> None:
        gives_back = random.Random(choice.random())
        while (batch := process.ledger.claim()) is not None:
            if gives_back.random() < 0.2:
                process.ledger.release(batch)
                continue
            with lock:
                taken.append(batch.id)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(take, processes))
    assert len(taken) == len(set(taken)) == 60
    for process in processes:
        process.workers.close()


def test_claims_of_a_process_that_ends_in_order_are_free_and_count_no_death(database, ada, bob):
    submit(ada, 3)
    ada.claim()
    assert bob.ledger.claim() is None
    ada.workers.close()
    assert len(bob.claim().tasks) == 3
    bob.workers.close()
    assert waiting(database) == [(0, 3)]


def test_a_batch_of_a_dead_process_is_claimed_again_one_file_at_a_time_without_what_was_settled(database, ada, bob):
    submit(ada, 3)
    settle(database, ada, ada.claim(), "docs/1.md")
    cut_off(database, ada)
    assert [[one.uri for one in bob.claim().tasks] for _ in range(2)] == [["docs/0.md"], ["docs/2.md"]]
    assert bob.ledger.claim() is None


def test_a_file_on_which_workers_keep_dying_fails_alone_with_the_reason(database, bob):
    job = submit(bob, 2)
    die_on(database, "docs/0.md", "docs/1.md")
    for _ in range(MOST_DEATHS - 2):
        die_on(database, "docs/0.md")
    other = bob.claim()
    settle(database, bob, other, "docs/1.md")
    bob.ledger.finish(other)
    die_on(database, "docs/0.md")
    assert bob.ledger.claim() is None
    outcomes = bob.ledger.outcomes(job)
    assert [(one.uri, one.reason is None) for one in outcomes] == [("docs/0.md", False), ("docs/1.md", True)]
    assert f"ended {MOST_DEATHS} processes" in str(outcomes[0].reason)
    assert bob.ledger.count(job) == (2, 0)
    with database.read() as connection:
        assert connection.execute(select(files.c.path, files.c.reason)).all() == [("0.md", outcomes[0].reason)]


def test_a_worker_that_was_taken_for_dead_cannot_settle_and_what_it_wrote_is_rolled_back(database, ada, bob):
    submit(ada, 1)
    batch = ada.claim()
    cut_off(database, ada)
    again = bob.claim()

    def write_and_settle() -> None:
        with database.write() as connection:
            connection.execute(roots.insert().values(id=2, corpus_id=1, name="lost", path="/lost"))
            ada.ledger.settle(connection, batch, [FileOutcome(uri="docs/0.md")])

    with pytest.raises(ClaimLostError):
        write_and_settle()
    ada.ledger.finish(batch)
    ada.ledger.release(batch)
    settle(database, bob, again, "docs/0.md")
    bob.ledger.finish(again)
    with database.read() as connection:
        assert connection.execute(select(roots.c.name)).scalars().all() == ["docs"]
        assert connection.execute(select(batches.c.id)).all() == []


def test_a_process_that_lost_its_connection_becomes_another_worker(database, ada):
    before = ada.workers.id, ada.workers.name
    cut_off(database, ada)
    after = ada.workers.id, ada.workers.name
    assert before[0] != after[0]
    assert before[1] != after[1]
    ada.workers.bury()
    with database.read() as connection:
        assert connection.execute(select(workers.c.id, workers.c.name)).all() == [after]


def test_a_file_settled_twice_is_refused_by_the_database(database, ada):
    submit(ada, 1)
    batch = ada.claim()
    settle(database, ada, batch, "docs/0.md")
    with pytest.raises(StoreError):
        settle(database, ada, batch, "docs/0.md")


def test_a_discarded_job_can_no_longer_be_settled(database, ada, bob):
    job = submit(ada, 2, 1)
    batch = ada.claim()
    bob.ledger.discard(corpus_id=1, root="another")
    assert bob.ledger.count(job) == (0, 2)
    bob.ledger.discard(corpus_id=1, root="docs")
    assert bob.ledger.count(job) == (0, 0)
    assert bob.ledger.claim() is None
    with pytest.raises(ClaimLostError):
        settle(database, ada, batch, "docs/0.md")


def test_a_name_is_exclusive_until_its_holder_lets_go(database):
    with database.exclusive("ingest") as first, database.exclusive("ingest") as second:
        assert (first, second) == (True, False)
        with database.exclusive("another") as other:
            assert other
    for _ in range(20):
        with database.exclusive("ingest") as again:
            assert again
    with database.exclusive("ingest", wait=True) as again:
        assert again
