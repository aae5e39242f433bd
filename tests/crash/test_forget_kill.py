"""kill -9 in the middle of forgetting: whoever opens the memory next finishes it, and no byte is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tercet import Scope, Turn
from tercet.memory.erasure import unfinished
from tercet.memory.health import check
from tests.memory.forgetting.canaries import (
    Canaries,
    fill,
    fill_documents,
    fill_neighbour,
    found_in,
    hits,
    neighbour,
    open_memory,
    vector_needles,
    vectors_of,
)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs kill -9")

ROOT = Path(__file__).parents[2]
DRIVER = Path(__file__).with_name("forget_driver.py")


QUICK = {("forget 1", "opening"), ("forget 3", "finish"), ("reindex 2", "opening"), ("checkpoint", "finish")}
"""Those that every run of the tests visits: before and after the rows are gone, and in each step that follows."""
KILLS = [
    pytest.param(moment, finisher, marks=() if (moment, finisher) in QUICK else pytest.mark.slow)
    for moment in ("forget 1", "forget 3", "reindex 1", "reindex 2", "vacuum", "checkpoint")
    for finisher in ("opening", "finish")
]


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("moment", "finisher"), KILLS)
def test_a_killed_erasure_is_finished(tmp_path, moment, finisher):
    folder, word, ada = tmp_path / "memory", Canaries(3), Scope(tenant="acme", user="ada")
    with open_memory(folder) as memory:
        fill_neighbour(memory, "bob")
        fill(memory, word, ada)
        more = [Turn(actor="ada", text=f"Turn {number} on {word('long talk')}") for number in range(400)]
        memory.episodic.record_turns(more, scope=ada, conversation="long", embed=False)
        fill_documents(memory, word, "papers", tenant="acme")
        vectors = vectors_of(memory, ada, ["papers"], "acme")
        before = neighbour(memory, "bob")

    command = [sys.executable, str(DRIVER), str(folder), "acme", moment]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    killed = subprocess.run(command, env=environment, timeout=90, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    left = found_in(hits(folder, [*word.needles(), *vector_needles(vectors)]))
    assert left  # else there was nothing to finish

    with open_memory(folder) as memory:
        if finisher == "finish":
            receipt = memory.finish_forgetting()
            assert receipt is not None
            assert receipt.status == "erased"
            assert receipt.removed["working"] == 1
        else:
            memory.claim()
        assert unfinished(memory.database) is None
        assert neighbour(memory, "bob") == before
        assert memory.episodic.timeline(Scope.any(tenant="acme")) == []
        assert check(memory) == []
    assert hits(folder, [*word.needles(), *vector_needles(vectors)]) == set()
