"""kill -9 at any moment: what the embedded index acknowledged is there, and no point is a mixture of two writes."""

from __future__ import annotations

import importlib.util
import itertools
import random
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from tercet.memory.edge import open_edge
from tercet.memory.vectors import AnyOf, Point, VectorFilter

WRITER = Path(__file__).with_name("edge_writer.py")
_spec = importlib.util.spec_from_file_location("edge_writer", WRITER)
assert _spec is not None
assert _spec.loader is not None
writer = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(writer)


class State(NamedTuple):
    """The versions that the parts of a point were written in."""

    payload: int
    dense: int
    sparse: int


def expected(seed: int, acknowledged: int) -> tuple[dict[int, State], dict[int, State]]:
    """The points after the acknowledged operations, and after the one that was under way as well."""
    points: dict[int, State] = {}
    before: dict[int, State] = {}
    for version, (name, ids) in enumerate(itertools.islice(writer.operations(seed), acknowledged + 1)):
        before = dict(points)
        if name == "upsert":
            points.update((key, State(version, version, version)) for key in ids)
        elif name in ("dense", "sparse"):
            points.update((key, points[key]._replace(**{name: version})) for key in ids if key in points)
        elif name == "delete":
            for key in ids:
                points.pop(key, None)
        elif name == "clear":
            points.clear()
    return before, points


def found_as(point: Point, state: State | None) -> bool:
    if state is None:
        return False
    assert point.dense is not None
    assert point.sparse is not None
    weights = dict(zip(point.sparse.indices.tolist(), point.sparse.values.tolist(), strict=True))
    wanted = writer.dense(point.id, state.dense)
    return (
        point.payload == {"version": state.payload}
        and weights == {point.id: state.sparse + 1, 5_000: 1}
        and float(point.dense @ wanted / np.linalg.norm(wanted)) > 0.999
    )


def kill_and_check(folder: Path, seed: int) -> int:
    """One trial. Returns how many acknowledged points were checked."""
    acknowledgements = random.Random(seed).randrange(1, 60)
    with subprocess.Popen([sys.executable, str(WRITER), str(folder), str(seed)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(acknowledgements)]
        process.kill()
        lines += process.stdout.readlines()
    acknowledged = sum(line.endswith(b"\n") for line in lines)
    before, after = expected(seed, acknowledged)
    index = open_edge(folder, writer.SPEC)
    points = {point.id: point for point in index.get(index.ids(), vectors=True)}
    for key in before.keys() | after.keys() | points.keys():
        if key in points:
            assert found_as(points[key], before.get(key)) or found_as(points[key], after.get(key)), key
        else:
            assert key not in before or key not in after, f"lost {key}"
    assert index.count() == len(points)
    for key in list(points)[:20]:
        version = points[key].payload["version"]
        where = VectorFilter(must=(AnyOf("version", [version]),))
        assert index.nearest_dense(points[key].dense, limit=1, where=where, exact=True)[0].id == key
    writer.apply(index, ("upsert", list(range(300))), acknowledged + 2)
    assert {point.payload["version"] for point in index.get(range(300))} == {acknowledged + 2}
    index.close()
    return len(before)


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (2, 3))])
def test_nothing_acknowledged_is_lost_or_torn_by_kill_9(tmp_path, seed):
    assert kill_and_check(tmp_path / "index", seed) >= 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 160))
def test_nothing_acknowledged_is_lost_or_torn_by_kill_9_in_many_trials(tmp_path, seed):
    assert kill_and_check(tmp_path / "index", seed) >= 0


@pytest.mark.slow
def test_an_index_killed_again_and_again_opens_quickly_and_keeps_everything(tmp_path):
    script = (
        "import sys\nfrom pathlib import Path\n"
        "from tercet.memory.edge import open_edge\nfrom tercet.memory.vectors import IndexSpec, Point\n"
        "index = open_edge(Path(sys.argv[1]), IndexSpec(dimension=None))\n"
        "first = int(sys.argv[2])\n"
        "index.upsert([Point(id=key, payload={}) for key in range(first, first + 4_000)])\n"
        "print('done', flush=True)\nsys.stdin.read()\n"
    )
    for first in range(0, 40_000, 4_000):
        command = [sys.executable, "-c", script, str(tmp_path), str(first)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"done\n"
            process.kill()
    index = open_edge(tmp_path, writer.IndexSpec(dimension=None))
    assert index.ids(limit=50_000) == list(range(40_000))
    index.close()
