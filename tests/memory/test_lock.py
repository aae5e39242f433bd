"""One process at a time holds a memory folder, and a crash gives it back."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from contextlib import contextmanager

import pytest

from tercet.errors import MemoryLockedError, MemoryNotFoundError, TercetError
from tercet.memory.lock import LOCK_FILE, FolderLock, Holder

HOLD = """
import sys
from pathlib import Path
from tercet.memory.lock import FolderLock
with FolderLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process(folder, *arguments: str):
    """A process that holds the lock of `folder` until its input ends or it is killed."""
    command = [sys.executable, "-c", HOLD, str(folder), *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process


def test_a_second_process_is_refused_and_told_who_holds_the_folder(tmp_path):
    with another_process(tmp_path) as other, pytest.raises(MemoryLockedError) as refusal:
        FolderLock(tmp_path).acquire()
    assert str(tmp_path) in refusal.value.message
    assert f"process {other.pid}" in refusal.value.message
    assert "tercet status" in refusal.value.remedy


def test_the_folder_is_free_when_the_holder_ends(tmp_path):
    with another_process(tmp_path):
        pass
    with FolderLock(tmp_path) as lock:
        assert lock.held


def test_kill_9_leaves_no_lock_behind(tmp_path):
    with another_process(tmp_path) as other:
        other.send_signal(signal.SIGKILL)
        other.wait()
    left = FolderLock(tmp_path)
    holder = left.holder()
    assert holder is not None
    assert holder.pid == other.pid  # the note stays, the lock does not
    with left:
        now = left.holder()
        assert now is not None
        assert now.pid == os.getpid()


def test_a_second_lock_in_the_same_process_is_refused(tmp_path):
    with FolderLock(tmp_path), pytest.raises(MemoryLockedError, match="already open in this process"):
        FolderLock(tmp_path).acquire()


def test_release_gives_the_folder_back_and_can_be_repeated(tmp_path):
    lock = FolderLock(tmp_path)
    lock.acquire()
    lock.acquire()
    lock.release()
    lock.release()
    assert not lock.held
    assert lock.holder() is None
    with FolderLock(tmp_path):
        pass


def test_the_note_hides_passwords_and_is_short(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["tercet", "--database", "postgresql://ada:s3cret@host/db", "x" * 500])
    with FolderLock(tmp_path) as lock:
        holder = lock.holder()
    assert holder is not None
    assert "s3cret" not in holder.command
    assert "postgresql://ada:***@host/db" in holder.command
    assert len(holder.command) <= 120


@pytest.mark.parametrize("note", ["", "{", "[]", '{"pid": 1}'])
def test_a_damaged_note_does_not_hide_the_refusal(tmp_path, note):
    with another_process(tmp_path):
        (tmp_path / f"{LOCK_FILE}.json").write_text(note)
        with pytest.raises(MemoryLockedError, match="another process"):
            FolderLock(tmp_path).acquire()


def test_a_missing_folder_is_refused_and_not_made(tmp_path):
    with pytest.raises(MemoryNotFoundError, match="nowhere"):
        FolderLock(tmp_path / "nowhere").acquire()
    assert not (tmp_path / "nowhere").exists()


def test_the_lock_file_is_for_its_owner_only(tmp_path):
    with FolderLock(tmp_path):
        assert stat.S_IMODE((tmp_path / LOCK_FILE).stat().st_mode) == 0o600


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_does_not_give_the_parents_lock_away(tmp_path):
    lock = FolderLock(tmp_path)
    lock.acquire()
    child = os.fork()
    if child == 0:
        try:
            lock.release()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert FolderLock(tmp_path).holder() == Holder(**json.loads((tmp_path / f"{LOCK_FILE}.json").read_text()))
    with pytest.raises(TercetError):
        FolderLock(tmp_path).acquire()
    lock.release()
