"""Writes episodes from 16 threads, and says on standard output what was acknowledged. Killed by its test.

``python episode_writer.py MEMORY SEED`` writes mixed records until it is killed; each line is one acknowledged
operation: its name and the ids it concerns.
"""

from __future__ import annotations

import random
import sys
import threading
from datetime import UTC, datetime, timedelta

from tercet import Memory, Scope, Turn
from tercet.testing import HashEmbedder

THREADS = 16
DIMENSION = 16


def scope_of(thread: int) -> Scope:
    return Scope(tenant=f"t{thread % 4}", user=f"u{thread}")


def write(memory: Memory, thread: int, seed: int, lock: threading.Lock, most: int) -> None:
    choose = random.Random(f"{seed} {thread}")
    scope, mine = scope_of(thread), []
    start = datetime(2024, 5, 1, tzinfo=UTC)
    for number in range(most):
        name = choose.choices(["fact", "turns", "retract", "later"], [6, 2, 1, 1])[0]
        if name == "turns":
            turns = [Turn(actor="ada", text=f"turn {number} {n} of {thread}") for n in range(choose.choice([1, 3, 12]))]
            said = ["turns", *memory.episodic.record_turns(turns, scope=scope, conversation=f"c{number}")]
        elif name == "retract" and mine:
            key = mine.pop(choose.randrange(len(mine)))
            memory.episodic.retract(key, scope=scope)
            said = ["retract", key]
        else:
            result = memory.episodic.record(
                f"fact {number} of thread {thread}",
                scope=scope,
                actor="ada",
                kind="fact",
                occurred_at=start + timedelta(minutes=number),
                embed=name != "later",
            )
            mine.append(result.id)
            said = ["record", result.id]
        with lock:
            sys.stdout.write(" ".join(said) + "\n")
            sys.stdout.flush()


def run(memory: Memory, seed: int, most: int) -> None:
    lock = threading.Lock()
    threads = [threading.Thread(target=write, args=(memory, n, seed, lock, most)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    with Memory.open(sys.argv[1], embedder=HashEmbedder(dimension=DIMENSION)) as opened:
        run(opened, int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 10**9)
        sys.stdout.write("done\n")
