"""kill -9 while a large document is stored part by part: the version before stays, and nothing of the new one does."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.crash.test_ingest_kill import DRIVER, content, opened, searchable

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs kill -9")

QUICK = ["put/after/1", "_put_further/inside/1", "_put_further/after/2", "index.upsert/inside/3", "put/inside/2"]
"""The transaction of the first part, those of further parts, points of a further part, the one that makes it live."""


@dataclass
class Scene:
    """A memory of the large document as it was, the document as it is, and what both states hold."""

    source: Path
    before: Path
    old: dict[str, list]
    new: dict[str, list]
    points: list[str]


def large(word: str) -> str:
    return "# Large\n\n" + "\n\n".join(f"## Part {n}\n\n{word} words of part {n}, number{n}." for n in range(30))


def drive(memory: Path, source: Path, *, kill_at: str = "", trace: Path | None = None, part: int = 6) -> int:
    environment = os.environ | {"KILL_AT": kill_at, "PART_CHUNKS": str(part)} | ({"TRACE": str(trace)} if trace else {})
    done = subprocess.run(
        [sys.executable, str(DRIVER), str(memory), str(source)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Scene:
    folder = tmp_path_factory.mktemp("part-kill")
    source = folder / "docs"
    source.mkdir()
    (source / "large.md").write_text(large("ancient"))
    (source / "small.md").write_text("# Small\n\nIt stays.")
    drive(folder / "before", source)
    (source / "large.md").write_text(large("modern"))
    shutil.copytree(folder / "before", folder / "after")
    drive(folder / "after", source, trace=folder / "trace")
    points = [line for line in (folder / "trace").read_text().splitlines() if "/" in line]
    states = []
    for name in ("before", "after"):
        shutil.copytree(folder / name, folder / f"looked at {name}")
        with opened(folder / f"looked at {name}") as memory:
            states.append(content(memory))
    return Scene(source, folder / "before", *states, points)


def check_kill(scene: Scene, folder: Path, point: str) -> None:
    shutil.copytree(scene.before, folder)
    assert drive(folder, scene.source, kill_at=point) == -signal.SIGKILL, f"{point} was never reached"
    acknowledged = scene.points.index(point) >= scene.points.index("put/after/2")
    with opened(folder) as memory:
        if not acknowledged:
            assert content(memory) == scene.old
        assert bool(searchable(memory, "modern")) == acknowledged
        assert bool(searchable(memory, "ancient")) == (not acknowledged)
    assert drive(folder, scene.source) == 0
    with opened(folder) as memory:
        assert content(memory) == scene.new


def test_the_document_is_stored_in_parts(scene):
    assert "_put_further/inside/4" in scene.points
    assert set(QUICK) <= set(scene.points)
    assert scene.old != scene.new


@pytest.mark.parametrize("point", QUICK)
def test_killed_between_parts_the_old_version_stays(scene, tmp_path, point):
    check_kill(scene, tmp_path / "memory", point)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(15))
def test_killed_at_any_point(scene, tmp_path, seed):
    check_kill(scene, tmp_path / "memory", random.Random(seed).choice(scene.points))


def test_a_document_in_parts_is_the_same_as_one_in_a_piece(scene, tmp_path):
    drive(tmp_path / "memory", scene.source, part=1000)
    with opened(tmp_path / "memory") as memory:
        assert content(memory) == scene.new
