"""One agent framework in one process: makes a run for each line it reads, and prints what it took.

python agent_worker.py --system langgraph --synchronous FULL --steps 20 --folder DIR [--count]

Started by ../agent_overhead.py with the Python of the system. Every SQLite connection that the process opens is set to
``--synchronous`` and reports its journal mode; with ``--count`` its commits are counted, which slows it down.
"""

from __future__ import annotations

import argparse
import json
import logging
import sqlite3
import sys
import time
import warnings
from collections import Counter
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any


class Connections:
    """Makes every SQLite connection of the process as durable as every other system's."""

    def __init__(self, synchronous: str, *, count: bool) -> None:
        self._synchronous, self._count = synchronous, count
        self._open = sqlite3.connect
        self.statements: Counter[str] = Counter()
        self.modes: set[str] = set()
        self._made: list[sqlite3.Connection] = []
        sqlite3.connect = sqlite3.dbapi2.connect = self.connect  # type: ignore[assignment]

    def connect(self, *arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = self._open(*arguments, **options)
        connection.execute(f"PRAGMA synchronous = {self._synchronous}")
        self._made.append(connection)
        if self._count:
            connection.set_trace_callback(self._seen)
        return connection

    def look(self) -> None:
        """Note how the connections really stand."""
        for connection in self._made:
            try:
                journal = connection.execute("PRAGMA journal_mode").fetchone()[0]
                level = connection.execute("PRAGMA synchronous").fetchone()[0]
            except sqlite3.ProgrammingError:  # closed, or of another thread
                continue
            self.modes.add(f"{journal}, synchronous {('OFF', 'NORMAL', 'FULL', 'EXTRA')[level]}")

    def _seen(self, statement: str) -> None:
        self.statements[statement.split(maxsplit=1)[0].upper()] += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--system", required=True)
    parser.add_argument("--synchronous", default="FULL", choices=["NORMAL", "FULL"])
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--count", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger().setLevel(logging.ERROR)
    connections = Connections(options.synchronous, count=options.count)
    system = import_module(f"agent_systems.{options.system}")
    runs = system.Runs(options.folder, options.steps, options.synchronous)
    expected = f"The sum is {options.steps * (options.steps + 1) // 2}."
    print(
        json.dumps({"versions": {name: version(name) for name in system.PACKAGES}, "writes": system.WRITES}), flush=True
    )
    for number, _ in enumerate(sys.stdin):
        connections.statements.clear()
        processor, started = time.process_time(), time.perf_counter()
        said = runs.run(number)
        seconds, processor = time.perf_counter() - started, time.process_time() - processor
        if said != expected:
            raise AssertionError(f"{options.system} said {said!r}, not {expected!r}")
        connections.look()
        facts = {"seconds": seconds, "CPU seconds": processor, "modes": sorted(connections.modes)}
        print(json.dumps(facts | {"statements": dict(connections.statements)}), flush=True)
    runs.close()


if __name__ == "__main__":
    main()
