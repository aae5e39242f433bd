"""Latency of ``EpisodicRetriever.search`` over 100,000 synthetic turns, without the embedding of the query.

Turns are words drawn by Zipf's law in conversations of 20 turns between two of 40 actors, vectors lie around random
centres; the vector of a query is looked up, not computed. Nine tenths of the turns belong to one user, the rest to 100
others. Measured is the whole search: actors in the query, filters, both legs, turns beside the best, ranking, reading
the ten hits back.

    python benchmarks/episodic_latency.py

``--keep DIR`` keeps the memory there for the next run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from query_latency import SyntheticEmbedder
from query_latency import words as numbered_words

from tercet import EpisodicRetriever, Memory, Scope, Turn

if TYPE_CHECKING:
    from collections.abc import Sequence

START = datetime(2024, 1, 1, tzinfo=UTC)
TURNS = 20
ACTORS = [f"Actor{number}" for number in range(40)]
MAIN = Scope(tenant="acme", user="main")
BAR = {"p50_ms": 10.0, "p95_ms": 40.0}


LETTERS = str.maketrans("0123456789", "abcdefghij")


def words(random: np.random.Generator, count: int) -> str:
    """Words of letters alone: those with digits would be taken for identifiers."""
    return numbered_words(random, count).translate(LETTERS)


def fill(memory: Memory, count: int) -> float:
    started = time.perf_counter()
    random = np.random.default_rng(2)
    for number in range(count // TURNS):
        scope = MAIN if number % 10 else Scope(tenant="acme", user=f"other{number // 10 % 100}")
        pair = random.choice(len(ACTORS), 2, replace=False)
        began = START + timedelta(minutes=60 * number)
        turns = [
            Turn(
                actor=ACTORS[pair[place % 2]],
                text=words(random, int(random.integers(8, 40))) + (f" ORD-{number % 2000}" if place == 3 else ""),
                occurred_at=began + timedelta(seconds=30 * place),
                entities=(f"topic {number % 50}",) if place == 0 else (),
            )
            for place in range(TURNS)
        ]
        memory.episodic.record_turns(turns, scope=scope, conversation=f"talk {number}", embed=False)
    memory.episodic.embed_missing()
    return time.perf_counter() - started


def timed(memory: Memory, queries: Sequence[str], how: dict[str, Any]) -> dict[str, float]:
    retriever = EpisodicRetriever(memory.episodic)
    how = dict(how)
    names = " ".join(f"ORD-{number}" for number in range(how.pop("identifiers", 0)))
    taken, on_processor = [], []
    for query in [*queries[:20], *queries]:  # the first ones warm the caches
        started, processor = time.perf_counter(), time.process_time()
        result = retriever.search(f"{query} {names}".strip(), limit=10, **how)
        taken.append(time.perf_counter() - started)
        on_processor.append(time.process_time() - processor)
        assert result.hits or result.reason == "below the floor", (query, result.reason)
        assert not result.degraded
    p50, p95, p99 = np.percentile(np.array(taken[20:]) * 1000, [50, 95, 99])
    return {
        "p50_ms": round(float(p50), 2),
        "p95_ms": round(float(p95), 2),
        "p99_ms": round(float(p99), 2),
        "cpu_p50_ms": round(float(np.median(on_processor[20:])) * 1000, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--keep", type=Path, help="folder for the memory; default: a temporary one")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "episodic_latency.json")
    options = parser.parse_args()
    embedder = SyntheticEmbedder()
    random = np.random.default_rng(3)
    queries = [words(random, int(random.integers(3, 12))) for _ in range(options.queries)]
    for query in queries:
        embedder.embed_query(query)
    for query in queries:
        embedder.embed_query(f"{query} ORD-0 ORD-1 ORD-2")
    end = START + timedelta(minutes=60 * options.episodes / TURNS)
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.keep or Path(temporary)) / f"talks-{options.episodes}"
        with Memory.open(folder, embedder=embedder, clock=lambda: end) as memory:
            known = memory.episodic.timeline(MAIN, limit=1)
            seconds = 0.0 if known else fill(memory, options.episodes)
            print(f"{options.episodes} episodes stored in {seconds:.0f} s", flush=True)
            cases: dict[str, dict[str, Any]] = {
                "scoped, 90 % of the episodes": {"scope": MAIN},
                "scoped, 0.1 % of the episodes": {"scope": Scope(tenant="acme", user="other7")},
                "scoped, last 30 days": {"scope": MAIN, "since": end - timedelta(days=30)},
                "scoped, three identifiers": {"scope": MAIN, "identifiers": 3},
                "scoped, two neighbours, explained": {"scope": MAIN, "neighbours": 2, "explain": True},
                "all scopes of a tenant": {"scope": Scope.any(tenant="acme")},
            }
            measured: dict[str, dict[str, float]] = {}
            for name, how in cases.items():
                measured[name] = timed(memory, queries, how)
                print(f"  {name:36} {measured[name]}", flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    result = {
        "command": f"python benchmarks/episodic_latency.py --episodes {options.episodes} --queries {options.queries}",
        "tercet": version("tercet"),
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1),
        "episodes": options.episodes,
        "queries": options.queries,
        "store_s": round(seconds, 1),
        "bar, scoped": BAR,
        "latency": measured,
    }
    options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
