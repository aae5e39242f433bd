"""The embedded index: its folder, its lock, its process, its disk."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from tercet.errors import (
    CorruptMemoryError,
    DiskFullError,
    ForkedProcessError,
    MemoryLockedError,
    StoreError,
)
from tercet.memory import edge
from tercet.memory.edge import drop_edge, open_edge
from tercet.memory.vectors import AnyOf, IndexSpec, Point, SparseVector, VectorFilter

SPEC = IndexSpec(dimension=4, integers=("corpus",))
HOLD = """
import sys
from pathlib import Path
from tercet.memory.edge import open_edge
from tercet.memory.vectors import IndexSpec, Point
index = open_edge(Path(sys.argv[1]), IndexSpec(dimension=4, integers=("corpus",)))
index.upsert([Point(id=1, payload={})])
print("open", flush=True)
sys.stdin.read()
"""


def point(key: int) -> Point:
    return Point(id=key, payload={"corpus": key}, dense=np.eye(4, dtype=np.float32)[key % 4])


def filled(folder: Path) -> None:
    index = open_edge(folder, SPEC)
    index.upsert([point(key) for key in range(10)])
    index.close()


def described(folder: Path) -> dict[str, object]:
    return json.loads((folder / "index.json").read_text("utf-8"))


# The folder


def test_only_the_owner_can_read_the_folder(tmp_path):
    filled(tmp_path / "index")
    assert stat.S_IMODE((tmp_path / "index").stat().st_mode) == 0o700


def test_a_file_beside_the_shard_says_what_the_index_is_for(tmp_path):
    filled(tmp_path)
    assert described(tmp_path) == {"format": 1, "state": "ready", "dimension": 4, "integers": ["corpus"]}


def test_the_error_for_another_spec_names_both(tmp_path):
    filled(tmp_path)
    with pytest.raises(CorruptMemoryError) as refusal:
        open_edge(tmp_path, IndexSpec(dimension=8, integers=("day",)))
    for part in (str(tmp_path), "dimension 4", "corpus", "dimension 8", "day", "tercet reindex"):
        assert part in str(refusal.value)


@pytest.mark.parametrize("state", ["creating", "clearing"])
def test_a_shard_whose_making_was_cut_short_is_made_anew(tmp_path, state):
    filled(tmp_path)
    shutil.rmtree(tmp_path / "shard" / "segments")
    (tmp_path / "index.json").write_text(json.dumps({**described(tmp_path), "state": state}), "utf-8")
    index = open_edge(tmp_path, SPEC)
    assert index.count() == 0
    index.upsert([point(1)])
    index.close()
    assert described(tmp_path)["state"] == "ready"


def test_a_crash_while_clearing_leaves_an_empty_index(tmp_path, monkeypatch):
    filled(tmp_path)
    index = open_edge(tmp_path, SPEC)

    def crash(spec: IndexSpec) -> None:
        raise SystemExit

    monkeypatch.setattr(edge, "_config", crash)
    with pytest.raises(SystemExit):
        index.clear()
    monkeypatch.undo()
    with pytest.raises(StoreError, match="closed"):
        index.count()
    index.close()
    again = open_edge(tmp_path, SPEC)
    assert again.count() == 0
    again.close()


@pytest.mark.parametrize("lost", ["shard", "index.json", "shard/segments", "shard/edge_config.json"])
def test_lost_files_are_an_error_and_never_an_empty_index(tmp_path, lost):
    filled(tmp_path)
    gone = tmp_path / lost
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    with pytest.raises(CorruptMemoryError, match="tercet reindex"):
        open_edge(tmp_path, SPEC)


@pytest.mark.parametrize("broken", ["index.json", "shard/edge_config.json"])
def test_damaged_files_are_an_error(tmp_path, broken):
    filled(tmp_path)
    (tmp_path / broken).write_text("{", "utf-8")
    with pytest.raises(CorruptMemoryError, match="tercet reindex"):
        open_edge(tmp_path, SPEC)


def test_another_format_is_an_error(tmp_path):
    filled(tmp_path)
    (tmp_path / "index.json").write_text(json.dumps({**described(tmp_path), "format": 2}), "utf-8")
    with pytest.raises(CorruptMemoryError, match="format 2"):
        open_edge(tmp_path, SPEC)


def test_a_dropped_index_can_be_made_anew_for_another_spec(tmp_path):
    filled(tmp_path)
    (tmp_path / "shard" / "edge_config.json").write_text("{", "utf-8")
    drop_edge(tmp_path)
    index = open_edge(tmp_path, IndexSpec(dimension=8))
    assert index.count() == 0
    index.close()


def test_what_a_killed_optimizer_left_is_removed(tmp_path):
    filled(tmp_path)
    rubbish = tmp_path / "shard" / "temp_segments" / "segment_builder_1"
    rubbish.mkdir(parents=True)
    index = open_edge(tmp_path, SPEC)
    assert not rubbish.exists()
    assert index.count() == 10
    index.close()


# The lock and the process


def test_a_second_opener_is_refused_in_this_process_and_in_another(tmp_path):
    index = open_edge(tmp_path, SPEC)
    with pytest.raises(MemoryLockedError, match="this process"):
        open_edge(tmp_path, SPEC)
    with pytest.raises(MemoryLockedError):
        drop_edge(tmp_path)
    index.close()
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(MemoryLockedError, match=f"process {other.pid}"):
            open_edge(tmp_path, SPEC)
        other.send_signal(signal.SIGKILL)
        other.wait()
        again = open_edge(tmp_path, SPEC)
        assert again.ids() == [1]
        again.close()


def test_a_failed_opening_gives_the_lock_back(tmp_path):
    filled(tmp_path)
    with pytest.raises(CorruptMemoryError):
        open_edge(tmp_path, IndexSpec(dimension=8))
    open_edge(tmp_path, SPEC).close()


def test_a_forked_child_is_refused_instead_of_hanging_and_its_parent_goes_on(tmp_path):
    index = open_edge(tmp_path, SPEC)
    index.upsert([point(1)])
    child = os.fork()
    if child == 0:
        refused = 0
        for use in (index.count, index.flush, lambda: index.upsert([point(2)]), lambda: index.get([1])):
            try:
                use()
            except ForkedProcessError as error:
                refused += "spawn" in error.remedy
        index.close()
        os._exit(refused)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 4
    with pytest.raises(MemoryLockedError):
        open_edge(tmp_path, SPEC)
    index.upsert([point(2)])
    assert index.ids() == [1, 2]
    index.close()


def test_without_the_engine_the_error_names_the_server(tmp_path):
    """Part of S1.53: the embedded engine is an option, not a need."""
    script = (
        "import sys; sys.modules['qdrant_edge'] = None\n"
        "from pathlib import Path\n"
        "from tercet.errors import EngineUnavailableError\n"
        "from tercet.memory.edge import open_edge\n"
        "from tercet.memory.vectors import IndexSpec\n"
        "try:\n    open_edge(Path(sys.argv[1]), IndexSpec(dimension=4))\n"
        "except EngineUnavailableError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "index")], capture_output=True, text=True, check=True
    )
    assert "--qdrant URL" in done.stdout
    assert not (tmp_path / "index").exists()


# The disk and the engine's errors


def test_a_nearly_full_disk_is_refused_before_the_engine_is_asked(tmp_path, monkeypatch):
    index = open_edge(tmp_path, SPEC)
    index.upsert([point(1)])
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(2**40, 2**40, 2**27 - 1))
    for write in (
        lambda: index.upsert([point(2)]),
        lambda: index.set_dense([1], np.ones((1, 4), np.float32)),
        lambda: index.delete([1]),
        index.clear,
    ):
        with pytest.raises(DiskFullError, match=str(tmp_path)) as refusal:
            write()
        assert "space" in refusal.value.remedy
    assert index.ids() == [1]
    index.close()
    with pytest.raises(DiskFullError):
        open_edge(tmp_path, SPEC)
    monkeypatch.undo()
    again = open_edge(tmp_path, SPEC)
    assert again.ids() == [1]
    again.close()


class _Failing:
    """A shard whose calls fail as the engine's do."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def count(self, request: object) -> int:
        raise self.error


class PanicException(BaseException):
    """Named as the engine's panics are."""


@pytest.mark.parametrize("error", [Exception("Service runtime error: no"), PanicException("index out of bounds")])
def test_errors_and_panics_of_the_engine_become_store_errors(tmp_path, monkeypatch, error):
    index = open_edge(tmp_path, SPEC)
    with monkeypatch.context() as patch:
        patch.setattr(index, "_shard", _Failing(error))
        with pytest.raises(StoreError, match=str(tmp_path)) as wrapped:
            index.count()
    assert wrapped.value.__cause__ is error
    index.close()


def test_an_interrupt_is_not_swallowed(tmp_path, monkeypatch):
    index = open_edge(tmp_path, SPEC)
    with monkeypatch.context() as patch:
        patch.setattr(index, "_shard", _Failing(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            index.count()
    index.close()


# Durability


class _Counting:
    """A shard that counts its flushes."""

    def __init__(self, shard: object) -> None:
        self.shard = shard
        self.flushes = 0

    def flush(self) -> None:
        self.flushes += 1
        self.shard.flush()

    def __getattr__(self, name: str) -> object:
        return getattr(self.shard, name)


@pytest.mark.parametrize(("durability", "expected"), [("process", 0), ("power", 3)])
def test_power_durability_flushes_each_call_that_writes(tmp_path, monkeypatch, durability, expected):
    index = open_edge(tmp_path, SPEC, durability=durability)
    shard = _Counting(index._shard)
    monkeypatch.setattr(index, "_shard", shard)
    index.upsert([point(1), point(2)])
    index.set_sparse([1], [SparseVector(np.array([1], np.uint32), np.array([1], np.float32))])
    index.delete([2])
    index.count(VectorFilter(must=(AnyOf("corpus", [1]),)))
    assert shard.flushes == expected
    index.close()
    assert shard.flushes == expected + 1


def test_the_log_is_flushed_every_few_thousand_points(tmp_path, monkeypatch):
    index = open_edge(tmp_path, SPEC)
    shard = _Counting(index._shard)
    monkeypatch.setattr(index, "_shard", shard)
    index.upsert([Point(id=key, payload={}) for key in range(12_000)])
    assert shard.flushes == 2
    index.close()
