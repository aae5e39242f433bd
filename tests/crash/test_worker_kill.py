"""An ingest shared by several processes on PostgreSQL equals one that a single process did, whoever is killed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from tercet.ingestion import ingest, parts, run, sharing
from tercet.memory import vectorizing
from tercet.memory.batches import BatchLedger
from tercet.memory.database import batches, claimed_texts, jobs, outcomes, stale_points, text_parts, versions, workers
from tercet.memory.health import check
from tercet.memory.memory import Memory
from tercet.records import IngestReport
from tercet.settings import ChunkingConfig, ParsingLimits
from tercet.testing import HashEmbedder
from tests.qdrant_server import qdrant_server

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs kill -9")

DRIVER = Path(__file__).with_name("worker_driver.py")
ROOT = Path(__file__).resolve().parents[2]
LIMITS = ParsingLimits(workers=1, max_file_mb=0.02)
CHUNKING = ChunkingConfig(max_tokens=48)
FILES = 200
TOO_LARGE = {17, 118}
IN_PARTS = {5, 60, 151}


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """Files of which some share paragraphs, some hold what is cleaned away, some are large, and two are too large."""
    folder = tmp_path_factory.mktemp("shared") / "docs"
    choice = random.Random(7)
    for number in range(FILES):
        path = folder / f"part{number % 7}" / f"page{number}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page(number, choice.randrange(1, 4)))
    return folder


def page(number: int, paragraphs: int) -> str:
    if number in TOO_LARGE:
        return f"# Page {number}\n\n" + "large " * 10_000
    paragraphs = 30 if number in IN_PARTS else paragraphs
    own = "\n\n".join(f"Paragraph {n} of page {number} says word{number}." for n in range(paragraphs))
    hidden = "Zero\u200bwidth. " if number % 11 == 0 else ""
    return f"# Page {number % 5}\n\n{hidden}{own}\n\n## Terms\n\nThese terms {number % 9} hold for everybody.\n"


@pytest.fixture(scope="module")
def alone(source, tmp_path_factory) -> tuple[dict[str, Any], dict[str, Any]]:
    """Report and content of a build by one process, in a folder, each document in one piece."""
    folder = tmp_path_factory.mktemp("alone")
    with Memory.open(folder, embedder=HashEmbedder(dimension=16), chunking=CHUNKING) as memory:
        report = ingest(source, into=memory, limits=LIMITS)
        return told(report), content(memory)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "BATCH_FILES", 8)
    monkeypatch.setattr(sharing, "PAUSE_S", 0.02)
    monkeypatch.setattr(vectorizing, "PAUSE_S", 0.02)
    monkeypatch.setattr(vectorizing, "SHARED_WINDOW", 16)
    monkeypatch.setattr(run, "BATCH_DOCUMENTS", 4)
    monkeypatch.setattr(parts, "PART_CHUNKS", 4)


class Servers:
    """A database and a vector server, and memories on them."""

    def __init__(self, database: str, qdrant: str) -> None:
        self.database = database
        self.qdrant = qdrant

    def open(self) -> Memory:
        embedder = HashEmbedder(dimension=16)
        return Memory.open(database=self.database, qdrant=self.qdrant, embedder=embedder, chunking=CHUNKING)

    def start_worker(self, *, kill_at: int = 0) -> subprocess.Popen[str]:
        """A worker that waits for work; the memory must have been made."""
        worker = subprocess.Popen(
            [sys.executable, str(DRIVER), self.database, self.qdrant],
            env=os.environ | {"KILL_AT": str(kill_at), "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
        return worker


@pytest.fixture
def servers(postgres_url: str) -> Iterator[Servers]:
    with qdrant_server() as (url, _):
        found = Servers(postgres_url, url)
        with found.open() as memory:
            memory.claim()
        yield found


@contextmanager
def ended(*processes: subprocess.Popen[str]) -> Iterator[None]:
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def stop(worker: subprocess.Popen[str]) -> dict[str, Any]:
    """End a worker as a supervisor does; what it did."""
    worker.terminate()
    printed, _ = worker.communicate(timeout=60)
    assert worker.returncode == 0
    return json.loads(printed)


def told(report: IngestReport) -> dict[str, Any]:
    """A report without its times, and without what only this process embedded."""
    fields = asdict(report)
    for name in ("searchable_s", "total_s", "embedded"):
        del fields[name]
    return fields


def content(memory: Memory) -> dict[str, Any]:
    """All that searches depend on, without the ids that a database gives."""
    query = (
        "SELECT c.id, d.uri, c.chunk_id, c.ordinal, c.text, c.title, c.heading_path, c.terms, c.embedded, e.vector "
        "FROM chunks c JOIN versions v ON v.id = c.version_id JOIN documents d ON d.live_version = v.id "
        "LEFT JOIN embeddings e ON e.embed_key = c.embed_key ORDER BY d.uri, c.ordinal"
    )
    index = memory.semantic.index
    with memory.database.read() as connection:
        rows = connection.exec_driver_sql(query).all()
        everything: dict[str, Any] = {
            name: [tuple(row) for row in connection.exec_driver_sql(text)]
            for name, text in {
                "frequencies": "SELECT term, count FROM frequencies ORDER BY term",
                "corpora": "SELECT chunks, length_total, length_bucket FROM corpora WHERE NOT reweighing",
                "files": "SELECT path, size, content_hash, reason FROM files ORDER BY path",
                "counts": "SELECT (SELECT count(*) FROM chunks), (SELECT count(*) FROM versions), "
                "(SELECT count(*) FROM documents), (SELECT count(*) FROM embeddings)",
            }.items()
        }
    points = {point.id: point for point in index.get([row[0] for row in rows], vectors=True)}
    everything["points"] = (index.count(), len(points))
    everything["rows"] = [tuple(row[1:]) for row in rows]
    everything["sparse"] = [weights(points[row[0]].sparse) for row in rows]
    for row in rows:
        assert np.allclose(points[row[0]].dense, np.frombuffer(row[9], "<f4"), atol=1e-3)
    return everything


def weights(sparse) -> list[tuple[int, float]]:
    return sorted((int(term), round(float(weight), 4)) for term, weight in zip(*sparse, strict=True))


def assert_nothing_is_left_over(memory: Memory) -> None:
    with memory.database.read() as connection:
        assert len(set(connection.execute(select(text_parts.c.version_id)).scalars())) == len(IN_PARTS)
        for table in (batches, jobs, outcomes, claimed_texts, stale_points):
            assert connection.execute(select(table)).all() == [], table.name
        assert connection.execute(select(versions.c.id).where(versions.c.state != "live")).all() == []
        assert len(connection.execute(select(workers.c.id)).all()) == 1  # this process
    assert check(memory) == []


def test_three_workers_and_a_coordinator_make_what_one_process_makes_and_embed_no_text_twice(servers, source, alone):
    helpers = [servers.start_worker() for _ in range(3)]
    with ended(*helpers), servers.open() as memory:
        report = ingest(source, into=memory, distribute=True, limits=LIMITS)
        done = [stop(helper) for helper in helpers]
        assert (told(report), content(memory)) == alone
        assert_nothing_is_left_over(memory)
        texts = report.embedded + sum(helper["texts"] for helper in done)
        assert texts == alone[1]["counts"][0][3]
    assert sum(helper["files"] for helper in done) > 0
    assert sum(helper["files"] for helper in done) <= FILES


def check_kills(servers: Servers, source: Path, alone: Any, kills: list[int]) -> None:
    """Workers that die at these steps, and one that does not."""
    helpers = [servers.start_worker(kill_at=step) for step in [*kills, 0]]
    with ended(*helpers), servers.open() as memory:
        report = ingest(source, into=memory, distribute=True, limits=LIMITS)
        assert [helper.wait(timeout=60) for helper in helpers[:-1]] == [-signal.SIGKILL] * len(kills)
        stop(helpers[-1])
        memory.semantic.recover()
        assert (told(report), content(memory)) == alone
        assert_nothing_is_left_over(memory)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 10))])
def test_one_of_three_workers_is_killed_and_the_result_is_that_of_one_process(servers, source, alone, seed):
    choice = random.Random(seed)
    check_kills(servers, source, alone, [choice.randrange(4, 120)])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_two_workers_are_killed_at_random_steps(servers, source, alone, seed):
    choice = random.Random(f"two {seed}")
    check_kills(servers, source, alone, [choice.randrange(4, 60), choice.randrange(4, 60)])


def test_without_workers_the_coordinator_does_it_alone(servers, source, alone):
    with servers.open() as memory:
        report = ingest(source, into=memory, distribute=True, limits=LIMITS)
        assert (told(report), content(memory)) == alone
        assert_nothing_is_left_over(memory)


def test_what_a_killed_coordinator_left_is_taken_over_by_the_next_run(servers, source, alone):
    """A process submits all files, ingests some, and vanishes with its claim; then a worker does some more."""
    with servers.open() as memory:
        job = submitted(memory, source)
        ledger = BatchLedger(memory.database, memory.workers)
        batch = ledger.claim(job_id=job)
        assert batch is not None
        memory.workers._let_go()  # as the kernel would: the connection is gone, the rows stay
        memory.database.close()
    with servers.open() as memory:
        report = ingest(source, into=memory, distribute=True, limits=LIMITS)
        assert (told(report), content(memory)) == alone
        assert_nothing_is_left_over(memory)


def submitted(memory: Memory, source: Path) -> int:
    """Submit the batches of a source as a coordinator does; returns the job."""
    found: list[int] = []

    class VanishedError(Exception):
        pass

    original = BatchLedger.submit

    def submit(self: BatchLedger, *arguments: Any) -> int:
        found.append(original(self, *arguments))
        raise VanishedError

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(BatchLedger, "submit", submit)
        with pytest.raises(VanishedError):
            ingest(source, into=memory, distribute=True, limits=LIMITS)
    return found[0]
