"""kill -9 of a run at every boundary of its journal: each effect happens at most once, and what nobody knows is shown.

The run has two irreversible tools, the second of which a person approves in between. The boundaries around the effects
are in the fast lane; all others, and 100 trials of processes that die again and again, in the slow one.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tercet import Answer, Memory
from tercet.agents.replay import replay
from tests.crash.agent_driver import SCOPE, Points, agent_of, open_memory, work

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs kill -9")

DRIVER = Path(__file__).with_name("agent_driver.py")
ROOT = Path(__file__).parents[2]
DONE = "pay done | close_account done"
UNKNOWN = "Nobody knows whether this happened"
POINTS = (
    *("begin", "append", "reserve", "pay", "settle", "append", "append"),
    *("ask", "append", "decide", "append"),
    *("reserve", "use", "close_account", "settle", "append", "append"),
)
"""What the run writes and does, in its order. Each has a point before and one behind it."""
TOOL_OF = {"pay": range(6, 10), "close_account": range(24, 30)}
"""Points, from 1, at which the effect of a tool is reserved and has not been settled."""
FAST = {1, 2, 12, 17, 18, 20, 23, 32, 34, *(point for points in TOOL_OF.values() for point in points)}
"""Points of the fast lane: all around the effects, and some of the others."""
TRIALS = 100
MOST_DEATHS = 6


@pytest.fixture(scope="module")
def driver() -> Iterator[subprocess.Popen[str]]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(DRIVER)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        yield process
        process.stdin.close()


def live(driver: subprocess.Popen[str], folder: Path, deadly: int) -> int:
    """Status of a process that went on with the task until its end, or until it died."""
    driver.stdin.write(f"{folder}\t{deadly}\n")
    driver.stdin.flush()
    return int(driver.stdout.readline())


def effects(folder: Path) -> list[str]:
    file = folder / "effects"
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def ended(memory: Memory) -> str:
    """What the finished run said at its end."""
    (run,) = memory.journal.runs(scope=SCOPE)
    assert run.status == "finished"
    last = memory.journal.events(run.id)[-1]
    assert last.kind == "run_ended"
    return last.texts[0] or ""


def assert_nothing_lost_or_doubled(folder: Path, memory: Memory) -> None:
    """Whatever happened: at most once each, shown if nobody knows, and all that was acknowledged is there."""
    (run,) = memory.journal.runs(scope=SCOPE)
    assert memory.journal.verify(run.id).intact
    written = {(one.run, one.number): one.hash for one in memory.journal.events(run.id)}
    for line in (folder / "acknowledged").read_text(encoding="utf-8").splitlines():
        name, number, hashed = line.split()
        assert written[name, int(number)] == hashed
    done = effects(folder)
    assert len(done) == len(set(done)) == len({line.split()[0] for line in done})
    assert memory.journal.effects(scope=SCOPE, state="started") == []
    doubted = memory.journal.effects(scope=SCOPE, state="in_doubt")
    settled = memory.journal.effects(scope=SCOPE, state="done")
    assert {f"{one.tool} {one.key}" for one in settled} <= set(done)
    assert set(done) <= {f"{one.tool} {one.key}" for one in (*settled, *doubted)}
    told = dict(zip(("pay", "close_account"), ended(memory).split(" | "), strict=True))
    assert {tool for tool, text in told.items() if text.startswith(UNKNOWN)} == {one.tool for one in doubted}
    assert {tool for tool, text in told.items() if text == f"{tool} done"} == {one.tool for one in settled}


def assert_replayed(folder: Path, memory: Memory) -> None:
    """The run is repeated to the byte, however many processes it took."""
    (run,) = memory.journal.runs(scope=SCOPE)
    before = effects(folder)
    points = Points(folder, 0)
    repeated = asyncio.run(replay(agent_of(folder, memory, points), run.id, scope=SCOPE))
    assert isinstance(repeated.end, Answer)
    sent = [one for one in memory.journal.events(run.id) if one.kind == "model_requested"]
    assert (repeated.end.text, repeated.requests) == (ended(memory), len(sent))
    assert (points.reached, effects(folder)) == ([], before)


def test_a_run_that_lives_comes_to_every_point(tmp_path: Path) -> None:
    end, reached = work(tmp_path, 0)

    assert end is not None
    assert end.text == DONE
    assert reached == [f"{when} {what}" for what in POINTS for when in ("before", "after")]
    assert [line.split()[0] for line in effects(tmp_path)] == ["pay", "close_account"]


@pytest.mark.parametrize(
    "point",
    [one if one in FAST else pytest.param(one, marks=pytest.mark.slow) for one in range(1, 2 * len(POINTS) + 1)],
)
def test_whoever_goes_on_after_a_kill_repeats_no_effect(
    driver: subprocess.Popen[str], tmp_path: Path, point: int
) -> None:
    """S1.24, S2.47: at every boundary of the journal, and right before and behind each effect."""
    assert live(driver, tmp_path, point) == -signal.SIGKILL
    before = effects(tmp_path)
    in_doubt = {tool for tool, points in TOOL_OF.items() if point in points}

    work(tmp_path, 0)

    with open_memory(tmp_path) as memory:
        assert_nothing_lost_or_doubled(tmp_path, memory)
        assert {one.tool for one in memory.journal.effects(scope=SCOPE, state="in_doubt")} == in_doubt
        assert [line for line in before if line not in effects(tmp_path)] == []
        counts = Counter(line.split()[0] for line in effects(tmp_path))
        died_at = (tmp_path / "points").read_text(encoding="utf-8")
        happened = died_at in {"after pay", "after close_account", "before settle"}
        assert all(counts[tool] == (happened if tool in in_doubt else 1) for tool in TOOL_OF)
        assert_replayed(tmp_path, memory)


@pytest.mark.slow
def test_a_hundred_runs_whose_processes_die_again_and_again(driver: subprocess.Popen[str], tmp_path: Path) -> None:
    """S1.24, S2.47."""
    choose = random.Random(20261121)
    figures: Counter[str] = Counter()
    for trial in range(TRIALS):
        folder = tmp_path / f"{trial}"
        folder.mkdir()
        for _ in range(MOST_DEATHS):
            if live(driver, folder, choose.randrange(1, 2 * len(POINTS) + 1)) == 0:
                break
            figures["deaths"] += 1
            figures[(folder / "points").read_text(encoding="utf-8")] += 1
        assert live(driver, folder, 0) == 0
        with open_memory(folder) as memory:
            assert_nothing_lost_or_doubled(folder, memory)
            assert_replayed(folder, memory)
            figures["in doubt"] += len(memory.journal.effects(scope=SCOPE, state="in_doubt"))
        figures["executed"] += len(effects(folder))
    print(f"{TRIALS} trials: {dict(figures)}")  # noqa: T201 - shown with -s
    assert figures["deaths"] >= TRIALS
    assert figures["in doubt"] > 0
