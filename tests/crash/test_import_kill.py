"""kill -9 during an import leaves nothing, or what the next opening or the same import completes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tercet import Memory, Scope, Turn
from tercet.memory.health import check
from tercet.testing import HashEmbedder
from tests.crash.import_driver import DIMENSION
from tests.memory.exchange.histories import exported, fill

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs kill -9")

DRIVER = Path(__file__).with_name("import_driver.py")
MOMENTS = [
    "import",
    "embed",
    *(pytest.param(seconds, marks=pytest.mark.slow) for seconds in ("0.005", "0.02", "0.05", "0.1", "0.2")),
]


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> tuple[Path, bytes]:
    """An export, and what the memory it came from would export again."""
    folder = tmp_path_factory.mktemp("source")
    with Memory.open(folder / "memory", embedder=HashEmbedder(DIMENSION)) as memory:
        fill(memory, seed=5, size=60)
        turns = [Turn(actor="ada", text=f"event {number}") for number in range(200)]
        memory.episodic.record_turns(turns, scope=Scope(), conversation="events", embed=False)
        memory.export(folder / "all.jsonl", scope=Scope.any())
        return folder / "all.jsonl", exported(memory)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_while_importing(source, tmp_path, moment):
    export, data = source
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, str(DRIVER), str(tmp_path / "memory"), str(export), moment]

    died = subprocess.run(command, env=environment, check=False).returncode

    if moment in {"import", "embed"}:
        assert died == -9
    with Memory.open(tmp_path / "memory", embedder=HashEmbedder(DIMENSION)) as memory:
        found = exported(memory)
        nothing = b'"episode":0' in found
        assert nothing or found == data
        if moment in {"import", "embed"}:
            assert nothing == (moment == "import")
        if not nothing:
            assert check(memory) == []
        report = memory.import_(export, scope=Scope.any())
        assert (report.episodes > 0) == nothing
        assert exported(memory) == data
        assert check(memory) == []
        assert memory.episodic.missing_vectors() == 0
