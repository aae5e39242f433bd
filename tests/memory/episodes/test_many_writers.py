"""Many threads and many tenants at once: nothing is lost, nothing leaks."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tercet import Memory, Scope, Turn
from tercet.testing import HashEmbedder


def test_sixteen_threads_of_mixed_writes_lose_nothing(memory):
    """Each thread records, retracts and undoes in a scope of its own and in one that all share."""
    shared = Scope(tenant="shared")
    barrier = threading.Barrier(16)

    def work(thread: int) -> tuple[list[str], set[str]]:
        choose, own = random.Random(thread), Scope(tenant="own", user=f"u{thread}")
        made, gone = [], set()
        barrier.wait()
        for number in range(12):
            scope = choose.choice([own, shared])
            result = memory.episodic.record(
                f"thread {thread} says {number}",
                scope=scope,
                actor=f"a{thread}",
                kind="fact",
                subject=f"s{thread}/{number}",
            )
            made.append(result.id)
            if choose.random() < 0.3:
                event = memory.episodic.retract(result.id, scope=scope)
                gone.add(result.id)
                if choose.random() < 0.5:
                    memory.episodic.undo(event, scope=scope)
                    gone.discard(result.id)
        made += memory.episodic.record_turns(
            [Turn(actor="x", text=f"thread {thread} turn {n}") for n in range(5)],
            scope=shared,
            conversation=f"c{thread}",
        )
        return made, gone

    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(work, range(16)))
    made = {key for keys, _ in results for key in keys}
    gone = {key for _, keys in results for key in keys}
    assert len(made) == 16 * 17
    live = {episode.id for episode in memory.episodic.timeline(Scope.any())}
    assert live == made - gone
    selection = memory.episodic.select(Scope.any())
    term = memory.episodic.analyzer.terms("thread")[0]
    assert {one.id for one in memory.episodic.lexical_candidates({term: 1}, selection, limit=1000).candidates} == live


def test_one_fact_recorded_by_sixteen_threads_is_kept_once(memory):
    barrier = threading.Barrier(16)

    def work(_: int) -> str:
        barrier.wait()
        return memory.episodic.record("Ada lives in Oslo", scope=Scope(user="ada"), actor="ada", kind="fact").status

    with ThreadPoolExecutor(16) as pool:
        statuses = sorted(pool.map(work, range(16)))
    assert statuses == ["added"] + ["known"] * 15


def leaks(memory: Memory, operations: int) -> int:
    """Random operations of 50 tenants; counts what a reader got that is not its own or its ancestors'."""
    choose = random.Random(7)
    fields = ("user", "agent", "session")
    tenants = [f"t{n}" for n in range(50)]
    owners: dict[str, Scope] = {}
    leaked = 0

    def scope() -> Scope:
        own = {name: choose.choice([None, "x", "y"]) for name in fields}
        return Scope(tenant=choose.choice([*tenants, None] if choose.random() < 0.05 else tenants), **own)

    for number in range(operations):
        who = scope()
        action = choose.choices(["record", "turns", "timeline", "words", "meaning", "retract"], [5, 1, 1, 3, 2, 1])[0]
        seen: list[str] = []
        if action == "record":
            kind = choose.choice(["fact", "event"])
            text = f"secret {choose.randrange(20)} of the tenant"
            owners[memory.episodic.record(text, scope=who, actor="a", kind=kind, embed=number % 3 > 0).id] = who
        elif action == "turns":
            turns = [Turn(actor="a", text=f"secret turn {n}") for n in range(3)]
            for key in memory.episodic.record_turns(turns, scope=who, conversation=f"c{number}"):
                owners[key] = who
        elif action == "timeline":
            seen = [one.id for one in memory.episodic.timeline(who, include_superseded=True)]
        elif action == "retract" and owners:
            memory.episodic.retract(choose.choice(list(owners)), scope=Scope.any())
        else:
            selection = memory.episodic.select(who, entities=[], include_superseded=choose.random() < 0.2)
            if action == "words":
                term = memory.episodic.analyzer.terms("secret")[0]
                seen = [one.id for one in memory.episodic.lexical_candidates({term: 1}, selection, limit=50).candidates]
            else:
                vector = memory.embedder.embed_query("secret tenant")
                seen = [one.id for one in memory.episodic.dense_candidates(vector, selection, limit=50)]
        leaked += sum(not who.sees(owners[key]) for key in seen)
    return leaked


def test_fifty_tenants_see_nothing_of_each_other(memory):
    """No reader is returned what another tenant owns, whichever way it asks."""
    assert leaks(memory, 400) == 0


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_fifty_tenants_see_nothing_of_each_other_in_ten_thousand_operations(tmp_path):
    with Memory.open(tmp_path / "memory", embedder=HashEmbedder(dimension=16)) as memory:
        assert leaks(memory, 10_000) == 0
