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
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from query_latency import SyntheticEmbedder, timed, write_result
from query_latency import words as numbered_words

from tercet import EpisodicRetriever, Memory, Scope, Turn

if TYPE_CHECKING:
    from collections.abc import Callable

    from tercet.retrieval.episodic_records import EpisodicResult

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


def searches(memory: Memory, how: dict[str, Any]) -> Callable[[str], EpisodicResult]:
    retriever = EpisodicRetriever(memory.episodic)
    names = " ".join(f"ORD-{number}" for number in range(how.get("identifiers", 0)))
    options = {name: value for name, value in how.items() if name != "identifiers"}
    return lambda query: retriever.search(f"{query} {names}".strip(), limit=10, **options)


def is_whole(result: EpisodicResult) -> bool:
    return bool(result.hits or result.reason == "below the floor") and not result.degraded


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
                measured[name] = timed(queries, searches(memory, how), is_whole)
                print(f"  {name:36} {measured[name]}", flush=True)
    command = f"python benchmarks/episodic_latency.py --episodes {options.episodes} --queries {options.queries}"
    figures = {
        "episodes": options.episodes,
        "queries": options.queries,
        "store_s": round(seconds, 1),
        "bar, scoped": BAR,
        "latency": measured,
    }
    write_result(options.out, command, figures)


if __name__ == "__main__":
    main()
