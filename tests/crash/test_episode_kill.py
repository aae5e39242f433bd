"""kill -9 while 16 threads write episodes: what was acknowledged is there, found by both legs, and nothing is torn."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import select

from tercet import Memory, Scope
from tercet.memory.episodes.records import State
from tercet.memory.schema import episode_queue, episodes
from tercet.testing import HashEmbedder
from tests.crash.episode_writer import DIMENSION, THREADS, scope_of

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs kill -9")

DRIVER = Path(__file__).with_name("episode_writer.py")


def drive(folder: Path, seed: int, kill_after: int) -> list[list[str]]:
    """Run the writer until it has acknowledged some operations and a little longer; returns what it acknowledged."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, str(DRIVER), str(folder), str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(kill_after)]
        threading.Event().wait(random.Random(seed).uniform(0, 0.05))
        writer.kill()
        lines += writer.stdout.readlines()
    return [line.split() for line in lines if line.endswith("\n")]


def check(folder: Path, acknowledged: list[list[str]]) -> None:
    written = {key for name, *keys in acknowledged if name in {"record", "turns"} for key in keys}
    retracted = {key for name, *keys in acknowledged if name == "retract" for key in keys}
    with Memory.open(folder, embedder=HashEmbedder(dimension=DIMENSION)) as memory:
        memory.claim()
        with memory.database.read() as connection:
            kept = dict(connection.execute(select(episodes.c.episode_id, episodes.c.id)).all())
            turns = connection.execute(
                select(episodes.c.scope_id, episodes.c.conversation, episodes.c.ordinal).where(
                    episodes.c.kind == "turn"
                )
            ).all()
            assert connection.execute(select(episode_queue.c.row)).all() == []
        assert written <= set(kept)
        # Beyond what was acknowledged there is at most what each thread was writing when it was killed.
        assert len(set(kept) - written) <= THREADS * 12
        sizes: dict[tuple, list[int]] = {}
        for scope, conversation, ordinal in turns:
            sizes.setdefault((scope, conversation), []).append(ordinal)
        assert {len(ordinals) for ordinals in sizes.values()} <= {1, 3, 12}
        assert all(sorted(ordinals) == list(range(len(ordinals))) for ordinals in sizes.values())

        states = {episode.id: episode.state for episode in memory.episodic.get(sorted(kept), scope=Scope.any())}
        assert all(states[key] == State.RETRACTED for key in retracted)
        live = {key for key, state in states.items() if state == State.LIVE}
        memory.episodic.embed_missing()
        selection = memory.episodic.select(Scope.any())
        words = {term: 1 for text in ("fact", "turn") for term in memory.episodic.analyzer.terms(text)}
        found = memory.episodic.lexical_candidates(words, selection, limit=len(kept) + 1).candidates
        near = memory.episodic.dense_candidates(memory.embedder.embed_query("fact"), selection, limit=len(kept) + 1)
        assert {one.id for one in found} == {one.id for one in near} == live
        for thread in range(THREADS):
            assert all(one.scope == scope_of(thread) for one in memory.episodic.timeline(scope_of(thread)))
        assert memory.episodic.consolidate(scope_of(0)).settled == 0
        assert set(memory._indexes.open("episodic").ids()) == set(kept.values())


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
def test_killed_while_sixteen_threads_write(tmp_path, seed):
    acknowledged = drive(tmp_path / "memory", seed, kill_after=random.Random(seed).randrange(20, 150))
    check(tmp_path / "memory", acknowledged)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", range(3, 100))
def test_killed_at_other_moments_and_again_after_recovery(tmp_path, seed):
    """The bar of 100 runs: the reopened set is the acknowledged set, every time."""
    acknowledged = drive(tmp_path / "memory", seed, kill_after=random.Random(seed).randrange(1, 400))
    check(tmp_path / "memory", acknowledged)
    acknowledged += drive(tmp_path / "memory", seed + 1000, kill_after=10)
    check(tmp_path / "memory", acknowledged)
