"""Many writers of one document: every increment counts, on both databases, across threads and processes."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tercet import Memory, Scope
from tercet.errors import ConflictError, DocumentExistsError, InputError
from tercet.memory.database import Database
from tercet.memory.lock import FolderLock
from tercet.memory.working.memory import WorkingMemory
from tests.memory.working import counting
from tests.memory.working.counting import SHARED, Counter

ROOT = Path(__file__).parents[3]


def in_threads(number: int, work) -> None:
    errors: list[BaseException] = []

    def run(own: int) -> None:
        try:
            work(own)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(own,)) for own in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def check_count(working: WorkingMemory, total: int, made: list[int]) -> None:
    """Each increment made one version, and every version is the one before plus one."""
    done = working.read(Counter, key="count", scope=SHARED)
    assert (done.value.count, done.version) == (total, total + 1)
    assert sorted(made) == list(range(2, total + 2))
    assert len(working.history(key="count", scope=SHARED)) == total + 1
    for version in (1, 2, total // 2, total):
        assert working.read(Counter, key="count", scope=SHARED, version=version).value.count == version - 1


@pytest.mark.parametrize("times", [25, pytest.param(500, marks=[pytest.mark.slow, pytest.mark.timeout(300)])])
def test_eight_threads_count_exactly(working, times):
    """S2.14, S2.67: 8 threads x 500 increments of one document are 4,000."""
    working.create(Counter(), key="count", scope=SHARED, actor="counter")
    made: list[int] = []
    in_threads(8, lambda own: made.extend(counting.count(working, times)))
    check_count(working, 8 * times, made)


@pytest.mark.parametrize(
    ("processes", "times"), [(2, 25), pytest.param(4, 500, marks=[pytest.mark.slow, pytest.mark.timeout(300)])]
)
def test_processes_count_exactly(database, working, processes, times):
    """S2.67: processes share state through versions only; 4 processes x 500 increments are 2,000."""
    working.create(Counter(), key="count", scope=SHARED, actor="counter")
    place = str(database.path.parent) if database.path else url_of(database)
    command = [sys.executable, "-m", "tests.memory.working.counting", place, str(times)]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(processes)]
    made = [int(version) for child in children for version in child.communicate()[0].split()]
    assert [child.returncode for child in children] == [0] * processes
    check_count(working, processes * times, made)


def url_of(database: Database) -> str:
    return (
        make_url(str(database.engine.url.render_as_string(hide_password=False)))
        .set(drivername="postgresql")
        .render_as_string(hide_password=False)
    )


def test_of_many_who_write_from_one_version_one_succeeds(working):
    """S2.14: no update is lost, and each of the others is told."""
    working.create(Counter(), key="count", scope=SHARED, actor="counter")
    outcome: list[object] = []

    def write(own: int) -> None:
        try:
            value = Counter(count=own + 1)
            place = {"key": "count", "scope": SHARED, "read_version": 1}
            outcome.append(working.replace(value, **place, actor="counter").value.count)
        except ConflictError as error:
            outcome.append(error)

    in_threads(8, write)
    (winner,) = [one for one in outcome if isinstance(one, int)]
    losers = [one for one in outcome if isinstance(one, ConflictError)]
    assert len(losers) == 7
    assert {one.current["count"] for one in losers} == {winner}
    assert working.read(Counter, key="count", scope=SHARED).version == 2


def test_of_many_who_create_one_document_one_succeeds(working):
    outcome: list[object] = []

    def create(own: int) -> None:
        try:
            outcome.append(working.create(Counter(count=own), key="new", scope=SHARED, actor=str(own)).created_by)
        except DocumentExistsError:
            outcome.append(None)

    in_threads(8, create)
    (winner,) = [one for one in outcome if one]
    assert len(outcome) == 8
    assert working.read(Counter, key="new", scope=SHARED).created_by == winner


def test_of_many_who_answer_one_request_one_succeeds(working):
    working.create(Counter(), key="count", scope=SHARED, actor="counter")
    operations = [{"op": "replace", "path": "/count", "value": 7}]
    request = working.request_change(Counter, operations, key="count", scope=SHARED, read_version=1, actor="asker")
    outcome: list[str] = []

    def answer(own: int) -> None:
        try:
            if own % 2:
                working.reject(request.id, scope=SHARED, actor="counter")
                outcome.append("rejected")
            else:
                working.accept(Counter, request.id, scope=SHARED, read_version=1, actor="counter")
                outcome.append("accepted")
        except (InputError, ConflictError):
            pass  # answered before, or from another version

    in_threads(8, answer)
    (state,) = outcome
    assert working.requests(SHARED, state=None)[0].state == state
    count = working.read(Counter, key="count", scope=SHARED).value.count
    assert count == (7 if state == "accepted" else 0)


def test_it_works_beside_a_process_that_holds_the_folder(tmp_path):
    folder = tmp_path / "memory"
    Memory.open(folder, embedder="none").close()
    with FolderLock(folder), Memory.open(folder, embedder="none") as memory:
        memory.working.create(Counter(), key="count", scope=Scope(), actor="a")
        assert memory.working.update(Counter, counting.add_one, key="count", scope=Scope(), actor="a").value.count == 1
