"""One worker of a shared ingest in a process of its own, which may die at a chosen step.

``python worker_driver.py DATABASE QDRANT`` works with the hash embedder until SIGTERM. It prints ``ready`` when it
waits for work, and at its end what it did, as JSON. Environment: ``KILL_AT``: kill -9 at the n-th step, from 1. A step
is the beginning of a transaction that writes, the moment before its commit, and the moment after it; so death comes
with nothing, something or everything of a batch stored.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from tercet.ingestion import parts, run, sharing
from tercet.memory import vectorizing
from tercet.memory.database import Database
from tercet.memory.memory import Memory
from tercet.testing import HashEmbedder

kill_at = int(os.environ.get("KILL_AT", "0"))
steps = itertools.count(1)


def step() -> None:
    if next(steps) == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)


def count_steps() -> None:
    original = Database.write

    @contextmanager
    def write(self: Database) -> Iterator[Any]:
        step()
        with original(self) as connection:
            yield connection
            step()
        step()

    Database.write = write


def tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def use_small_batches() -> None:
    sharing.POLL_S = 0.02
    sharing.PAUSE_S = vectorizing.PAUSE_S = 0.02
    sharing.BATCH_FILES = 8
    run.BATCH_DOCUMENTS = 4
    parts.PART_CHUNKS = 4
    vectorizing.SHARED_WINDOW = 16


def main(database: str, qdrant: str) -> None:
    use_small_batches()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    embedder = HashEmbedder(dimension=16)
    with Memory.open(database=database, qdrant=qdrant, embedder=embedder, create=False) as memory:
        memory.claim()
        tell("ready")
        if kill_at:
            count_steps()
        report = sharing.work(memory, parsers=1, stop=stop)
    tell(json.dumps({**asdict(report), "texts": embedder.embedded}))


if __name__ == "__main__":
    main(*sys.argv[1:])
