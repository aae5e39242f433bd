"""kill -9 around a payment, at each boundary: it is made at most once, and where nobody knows, that is shown."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tercet.agents.tools.records import InDoubt, Pending, Succeeded
from tercet.memory.database import Database
from tercet.memory.journal.sql import SqlJournal
from tests.crash.gate_driver import BOUNDARIES, NOWHERE, rig_of

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs kill -9")

DRIVER = Path(__file__).with_name("gate_driver.py")
ROOT = Path(__file__).parents[2]
OPEN = BOUNDARIES[BOUNDARIES.index("after reserve") : BOUNDARIES.index("after settle")]
"""Whoever dies here leaves an effect of which nobody knows whether it happened."""


@pytest.fixture(scope="module")
def driver() -> Iterator[subprocess.Popen[str]]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(DRIVER)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        yield process
        process.stdin.close()


def die(driver: subprocess.Popen[str], folder: Path, boundary: str, approval: str) -> int:
    """Status of a process that made the payment, or died at the boundary."""
    driver.stdin.write(f"{folder}\t{boundary}\t{approval}\n")
    driver.stdin.flush()
    return int(driver.stdout.readline())


def come(folder: Path, *, asking: bool, approval: str = "") -> Any:
    """What the payment comes to in a process that lives."""
    with Database.open(folder) as database:
        rig = rig_of(folder, SqlJournal(database), asking=asking)
        return asyncio.run(rig.call("pay", {"euros": "20"}, identifier="call-1", step=1, approval=approval))


def approved(folder: Path) -> str:
    waiting = come(folder, asking=True)
    assert isinstance(waiting, Pending)
    with Database.open(folder) as database:
        rig = rig_of(folder, SqlJournal(database), asking=True)
        rig.journal.decide(waiting.approval, approved=True, approver="grace", at=rig.clock.now())
    return waiting.approval


def paid(folder: Path) -> list[str]:
    file = folder / "paid"
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def effects(folder: Path, state: str) -> list[Any]:
    with Database.open(folder) as database:
        rig = rig_of(folder, SqlJournal(database), asking=False)
        return rig.journal.effects(scope=rig.scope, state=state)


@pytest.mark.parametrize(
    ("boundary", "asking"),
    [
        *((boundary, True) for boundary in BOUNDARIES),
        *((boundary, False) for boundary in BOUNDARIES if not boundary.endswith(("approval", "use"))),
    ],
)
def test_a_payment_is_made_at_most_once_and_what_is_not_known_is_said(
    driver: subprocess.Popen[str], tmp_path: Path, boundary: str, asking: bool
) -> None:
    """S1.24, and effects in doubt are not repeated."""
    approval = approved(tmp_path) if asking else ""

    assert die(driver, tmp_path, boundary, approval) == -signal.SIGKILL
    before = paid(tmp_path)
    outcomes = [come(tmp_path, asking=asking, approval=approval) for _ in range(3)]

    assert len(paid(tmp_path)) <= 1
    if boundary in OPEN:
        assert all(isinstance(outcome, InDoubt) for outcome in outcomes)
        assert paid(tmp_path) == before
        (effect,) = effects(tmp_path, "started")
        assert effect.key == outcomes[0].key
    else:
        assert all(isinstance(outcome, Succeeded) for outcome in outcomes)
        assert paid(tmp_path) == ["20"]
        assert outcomes[-1].repeated


def test_a_process_that_lives_pays_once(driver: subprocess.Popen[str], tmp_path: Path) -> None:
    assert [die(driver, tmp_path, NOWHERE, "") for _ in range(3)] == [0, 0, 0]
    assert paid(tmp_path) == ["20"]
