"""kill -9 anywhere in an ingest, then run it again: nothing is lost, and the result is that of a clean build."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from tercet.ingestion import ingest
from tercet.memory.memory import Memory
from tercet.models.lexical import Analyzer
from tercet.records import DocumentFilter
from tercet.settings import ParsingLimits
from tercet.testing import HashEmbedder

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs kill -9")

DRIVER = Path(__file__).with_name("ingest_driver.py")

POINTS = [
    # the first batch on its way: rows pending, points, live
    "put/before/1",
    "put/inside/1",
    "put/after/1",
    "index.upsert/inside/1",
    "index.upsert/after/1",
    "put/inside/2",
    "put/after/2",
    # replaced versions leave stale points behind
    "index.delete/before/1",
    "index.delete/inside/1",
    "drop_stale_points/inside/1",
    "drop_stale_points/after/1",
    # a later batch
    "index.upsert/inside/2",
    "put/inside/4",
    # touched files in the ledger
    "record/inside/1",
    "record/after/1",
    # documents of vanished files
    "delete/before/1",
    "delete/inside/1",
    "delete/after/1",
    # weights for another average length, unreferenced vectors
    "_reweigh/after/1",
    "index.set_sparse/inside/1",
    "_reweigh/inside/2",
    "collect_garbage/inside/1",
    "collect_garbage/after/1",
    # dense vectors
    "_save/before/1",
    "_save/inside/1",
    "_save/after/1",
    "index.set_dense/inside/1",
    "index.set_dense/after/1",
    "_mark/inside/1",
    "_mark/after/2",
]
"""One at each step; ``put`` opens two transactions a batch, the second makes it live."""

QUICK = {
    "index.upsert/inside/1",
    "put/after/2",
    "index.delete/inside/1",
    "put/inside/4",
    "delete/after/1",
    "index.set_sparse/inside/1",
    "collect_garbage/inside/1",
    "_save/after/1",
}
"""Those that every run of the tests visits; the slow lane visits all of them, several times."""


@dataclass
class Scene:
    """A memory of the folder as it was, the folder as it is, and what a clean build of it holds."""

    source: Path
    before: Path
    clean: dict[str, list]
    points: list[str]


def page(name: str, marker: str, paragraphs: int) -> str:
    body = "\n\n".join(f"{marker} paragraph {n} of {name} says word{n}." for n in range(paragraphs))
    return f"# {name}\n\n{body}\n\n## More about {name}\n\n{marker} closing words.\n"


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Scene:
    folder = tmp_path_factory.mktemp("ingest-kill")
    source = folder / "docs"
    source.mkdir()
    for number in range(6):
        (source / f"keep{number}.md").write_text(page(f"keep{number}", f"steady{number}", 1))
        (source / f"edit{number}.md").write_text(page(f"edit{number}", f"old{number}", 1))
    (source / "gone.md").write_text(page("gone", "vanishing", 1))
    (source / "renamed.md").write_text(page("renamed", "wandering", 1))
    drive(folder / "before", source)

    for number in range(6):
        (source / f"edit{number}.md").write_text(page(f"edit{number}", f"new{number}", 6))
        (source / f"add{number}.md").write_text(page(f"add{number}", f"fresh{number}", 3))
    (source / "gone.md").unlink()
    (source / "renamed.md").rename(source / "moved.md")
    os.utime(source / "keep0.md")
    trace = folder / "trace"
    shutil.copytree(folder / "before", folder / "traced")
    drive(folder / "traced", source, trace=trace)
    points = [line for line in trace.read_text().splitlines() if "/" in line]
    drive(folder / "clean", source)
    with opened(folder / "clean") as memory:
        return Scene(source, folder / "before", content(memory), points)


def drive(memory: Path, source: Path, *, kill_at: str = "", trace: Path | None = None) -> int:
    environment = os.environ | {"KILL_AT": kill_at} | ({"TRACE": str(trace)} if trace else {})
    done = subprocess.run(
        [sys.executable, str(DRIVER), str(memory), str(source)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


def opened(folder: Path) -> Memory:
    return Memory.open(folder, embedder=HashEmbedder(dimension=16))


def content(memory: Memory) -> dict[str, list]:
    """All that searches depend on, by chunk: rows, words, weights and vectors."""
    query = (
        "SELECT c.id, d.uri, c.chunk_id, c.ordinal, c.text, c.title, c.heading_path, c.terms, c.embedded, e.vector "
        "FROM chunks c JOIN versions v ON v.id = c.version_id JOIN documents d ON d.live_version = v.id "
        "LEFT JOIN embeddings e ON e.embed_key = c.embed_key ORDER BY d.uri, c.ordinal"
    )
    memory.claim()
    index = memory._indexes.open("semantic")
    with memory.database.read() as connection:
        rows = connection.exec_driver_sql(query).all()
        everything: dict[str, list] = {
            name: connection.exec_driver_sql(text).all()
            for name, text in {
                "frequencies": "SELECT term, count FROM frequencies ORDER BY term",
                "corpora": "SELECT chunks, length_total, length_bucket, reweighing FROM corpora",
                "files": "SELECT path, size, content_hash, reason FROM files ORDER BY path",
            }.items()
        }
        for table in ("chunks", "versions", "documents", "embeddings", "stale_points"):
            everything[table] = connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalars().all()
    points = {point.id: point for point in index.get([row[0] for row in rows], vectors=True)}
    everything["points"] = [index.count(), len(points)]
    everything["rows"] = [tuple(row[1:]) for row in rows]
    everything["sparse"] = [vector(points[row[0]].sparse) for row in rows]
    everything["dense"] = [points[row[0]].dense.tobytes() for row in rows]
    return everything


def vector(sparse) -> list[tuple[int, float]]:
    return sorted(zip(sparse.indices.tolist(), sparse.values.tolist(), strict=True))


def searchable(memory: Memory, word: str) -> list[str]:
    terms = dict.fromkeys(Analyzer(memory.lexical).terms(word), 1)
    candidates = memory.semantic.lexical_candidates(
        terms, memory.semantic.select(DocumentFilter()), limit=50
    ).candidates
    return sorted({stored.uri for stored in memory.semantic.load([c.row for c in candidates]).values()})


def assert_nothing_is_unsearchable(memory: Memory) -> None:
    """Each document of the memory before is found, in its old or in its new text, never in both or neither."""
    for number in range(6):
        assert searchable(memory, f"steady{number}") == [f"docs/keep{number}.md"]
        old, new = searchable(memory, f"old{number}"), searchable(memory, f"new{number}")
        assert sorted(old + new) == [f"docs/edit{number}.md"], (old, new)
    assert searchable(memory, "wandering") in (
        ["docs/renamed.md"],
        ["docs/moved.md"],
        ["docs/moved.md", "docs/renamed.md"],
    )
    query = HashEmbedder(dimension=16).embed_query("steady0 paragraph 0 of keep0 says word0.")
    nearest = memory.semantic.dense_candidates(query, memory.semantic.select(DocumentFilter()), limit=1)
    assert [stored.uri for stored in memory.semantic.load([nearest[0].row]).values()] == ["docs/keep0.md"]


def check_recovery(scene: Scene, folder: Path) -> None:
    with opened(folder) as memory:
        assert_nothing_is_unsearchable(memory)
        ingest(scene.source, into=memory, allow_delete=True, limits=ParsingLimits(workers=1))
        assert content(memory) == scene.clean
    with opened(folder) as memory:
        assert content(memory) == scene.clean


def check_kill(scene: Scene, folder: Path, point: str) -> None:
    shutil.copytree(scene.before, folder)
    assert drive(folder, scene.source, kill_at=point) == -signal.SIGKILL, f"{point} was never reached"
    check_recovery(scene, folder)


@pytest.mark.parametrize("point", [pytest.param(p, marks=() if p in QUICK else pytest.mark.slow) for p in POINTS])
def test_killed_at_a_point_and_run_again_equals_a_clean_build(scene, tmp_path, point):
    check_kill(scene, tmp_path / "memory", point)


def test_the_points_cover_each_kind_of_write(scene):
    assert set(POINTS) <= set(scene.points)
    kinds = {point.partition("/")[0] for point in scene.points} - {"set_meta"}
    assert kinds == {point.partition("/")[0] for point in POINTS}


def test_an_uninterrupted_update_equals_a_clean_build(scene, tmp_path):
    shutil.copytree(scene.before, tmp_path / "memory")
    assert drive(tmp_path / "memory", scene.source) == 0
    with opened(tmp_path / "memory") as memory:
        assert content(memory) == scene.clean


def test_parser_processes_end_with_their_parent(scene, tmp_path):
    shutil.copytree(scene.before, tmp_path / "memory")
    drive(tmp_path / "memory", scene.source, kill_at="put/after/1", trace=tmp_path / "trace")
    workers = [
        int(line.split()[1]) for line in (tmp_path / "trace").read_text().splitlines() if line.startswith("worker")
    ]
    assert workers
    patience = threading.Event()
    for _ in range(200):
        if not any(Path(f"/proc/{pid}/stat").exists() and alive(pid) for pid in workers):
            break
        patience.wait(0.05)
    assert not any(alive(pid) for pid in workers)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or ") Z" not in state.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", sorted({point.rpartition("/")[0] for point in POINTS}))
def test_killed_at_random_occurrences_of_each_point(scene, tmp_path, name, seed):
    choice = random.Random(f"{name} {seed}")
    check_kill(
        scene, tmp_path / "memory", choice.choice([point for point in scene.points if point.startswith(name + "/")])
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_killed_repeatedly_at_random_points(scene, tmp_path, seed):
    choice = random.Random(seed)
    folder = tmp_path / "memory"
    shutil.copytree(scene.before, folder)
    for _ in range(4):
        drive(folder, scene.source, kill_at=choice.choice(scene.points))
    check_recovery(scene, folder)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_killed_from_outside_at_a_random_moment(scene, tmp_path, seed):
    folder = tmp_path / "memory"
    shutil.copytree(scene.before, folder)
    driver = subprocess.Popen([sys.executable, str(DRIVER), str(folder), str(scene.source)], stderr=subprocess.DEVNULL)
    try:
        driver.wait(random.Random(seed).uniform(0.5, 3))
    except subprocess.TimeoutExpired:
        driver.kill()
        driver.wait()
    check_recovery(scene, folder)
