"""The example of an agent that may pay: the commands of its README, one after the other, do what it says."""

from __future__ import annotations

import json
import re
import runpy
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.examples import ROOT, examples

EXAMPLE = ROOT / "examples" / "support-agent"


@pytest.fixture
def shell(run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[str], str]:
    """Gives what a command of the README prints, run in an empty folder."""
    monkeypatch.syspath_prepend(str(EXAMPLE))
    monkeypatch.delitem(sys.modules, "scripted", raising=False)
    support = runpy.run_path(str(EXAMPLE / "support.py"))

    def command(line: str) -> str:
        program, *words = shlex.split(line)
        if program == "tercet":
            outcome = run(*words)
            assert outcome.code == 0, outcome.err
            return str(outcome.out)
        assert (program, words[0]) == ("python", "support.py")
        support["main"](words[1:])
        return capsys.readouterr().out

    return command


def test_the_commands_of_the_readme_pay_what_may_be_paid_and_ask_about_the_rest(shell, tmp_path: Path) -> None:
    commands = [line for block in examples(EXAMPLE / "README.md") for line in block.code.splitlines()]
    asked, decided = commands[:5], commands[5:]

    answered, paid, waits, doubted, listed = [shell(line) for line in asked]
    assert answered.startswith("answer: What came broken or not at all is refunded in full.")
    assert "[1] manual/refunds.md:3-3 (Refunds)" in answered
    assert paid == "answer: 30.00 EUR are on their way.\n"
    assert waits.startswith("escalated: value 1200.00 is above 1000.00 for one call")
    assert doubted.startswith("escalated: 'refund' would be steered by text of trust 'external': euros")
    approval, run = re.search(r"show (\w+)", waits)[1], re.search(r"--resume (\w+)", waits)[1]
    assert approval in listed
    assert payments(tmp_path) == [(4, "30.00")]

    decided = [line.replace("ID", approval).replace("RUN", run) for line in decided]
    shown, approved, resumed, effects, explained, replayed = [shell(line) for line in decided]
    assert "value 1200.00 is above 1000.00 for one call" in shown
    assert "approved" in approved
    assert resumed == "answer: 1200.00 EUR are on their way.\n"
    assert effects.count("refund: done") == 2
    assert "refund waits for a person" in explained
    assert "repeats: 3 requests the same to the byte" in replayed
    assert payments(tmp_path) == [(4, "30.00"), (7, "1200.00")]


def test_an_order_is_paid_back_once_however_often_it_is_asked_for(shell, tmp_path: Path) -> None:
    asked = 'python support.py "My lamp came broken (order 4). Please refund the 30.00 EUR."'

    assert shell(asked) == shell(asked)
    assert payments(tmp_path) == [(4, "30.00")]


def test_an_order_that_is_not_there_is_asked_about(shell) -> None:
    told = shell('python support.py "Please refund order 99."')

    assert told.startswith("clarification: There is no such order.")
    assert "--answer" in told


def payments(folder: Path) -> list[tuple[int, str]]:
    """What left the bank."""
    lines = (folder / "payments.jsonl").read_text(encoding="utf-8").splitlines()
    return [(one["order"], one["euros"]) for one in map(json.loads, lines)]
