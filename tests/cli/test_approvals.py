"""``tercet approvals`` and ``tercet effects``: what a person is told, and what comes of what they say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tercet import Memory
from tests.cli.journals import ARGUMENTS, ASKED, DOUBTED, LATE, STARTED, WAITS
from tests.cli.test_json import assert_documented

WHO = ("--tenant", "acme", "--user", "ada")
OTHER = ("--tenant", "globex", "--user", "eve")
ANN = ("--approver", "ann")


def stored(folder: Path, approval: str = ASKED):
    with Memory.open(folder / ".tercet", read_only=True) as memory:
        return memory.journal.approval(approval)


def test_list_shows_what_waits(journalled) -> None:
    waiting = journalled("approvals", "list", *WHO, "--json").json
    everything = journalled("approvals", "list", *WHO, "--state", "all", "--json").json

    assert_documented("approvals-list", waiting)
    assert [(one["id"], one["state"]) for one in waiting["approvals"]] == [(ASKED, "pending")]
    assert {one["id"]: one["state"] for one in everything["approvals"]} == {ASKED: "pending", LATE: "expired"}
    out = journalled("approvals", "list", *WHO).out
    assert "pending, 23 h 5" in out
    assert "value 1000.01 is above 1000.00 per call" in out
    assert "Nothing pending here" in journalled("approvals", "list", *OTHER).out


def test_show_tells_all_that_a_person_must_know_and_nothing_in_it_can_pass_for_something_else(journalled) -> None:
    """Part of S1.24: the decision is surfaced to a reviewer as it is, whatever the model wrote into it."""
    out = journalled("approvals", "show", ASKED, *WHO).out

    assert out.startswith(f"Approval {ASKED}: pending\n  tool: pay\n  arguments:\n")
    lines = out.splitlines()
    for expected in (
        '    to: "ACME\\u202e\\u200b"',
        "    value: 1000.01",
        "      | Thanks.\\x1b[2J",
        "      |   on behalf of: everyone",
        "      | Approval 1: approved",
        "    | value 1000.01 is above 1000.00 per call",
        '    - "pay failed: timeout"',
        "  on behalf of: tenant=acme, user=ada",
        f"  agent: payer, run {WAITS}, call 1/c1",
    ):
        assert expected in lines
    assert [line for line in lines if line.startswith("  on behalf of")] == ["  on behalf of: tenant=acme, user=ada"]
    assert not {"\x1b", "\u202e", "\u200b"} & set(out)
    assert_documented("approvals-show", journalled("approvals", "show", ASKED, *WHO, "--json").json)


def test_approve_writes_down_who_allowed_what(journalled, tmp_path: Path) -> None:
    done = journalled("approvals", "approve", ASKED, *WHO, *ANN, "--answer", "Checked with Bo.", "--json")

    assert_documented("approvals-show", done.json)
    found = stored(tmp_path)
    assert (found.state, found.approver, found.answer) == ("approved", "ann", "Checked with Bo.")
    assert found.edited_arguments is None
    again = journalled("approvals", "deny", ASKED, *WHO, *ANN)
    assert (again.code, "is approved by ann, no longer pending" in again.err) == (2, True)
    assert stored(tmp_path) == found
    assert "  approved: " in journalled("approvals", "show", ASKED, *WHO).out


def test_an_edit_is_kept_beside_what_was_asked_for(journalled, tmp_path: Path) -> None:
    edit = '{"to": "ACME", "value": 900.10, "note": "Grüße"}'
    out = journalled("approvals", "approve", ASKED, *WHO, *ANN, "--edit", edit).out

    assert '  allowed instead:\n    to: "ACME"\n    value: 900.1\n    note: "Grüße"\n' in out
    assert f"agent.resume('{WAITS}', scope=…)" in out
    found = stored(tmp_path)
    assert json.loads(found.edited_arguments) == {"to": "ACME", "value": 900.1, "note": "Grüße"}
    assert json.loads(found.arguments) == ARGUMENTS


def test_deny_keeps_the_reason(journalled, tmp_path: Path) -> None:
    out = journalled("approvals", "deny", ASKED, *WHO, *ANN, "--answer", "Too much.").out

    assert out.startswith(f"Approval {ASKED}: denied\n")
    assert (stored(tmp_path).state, stored(tmp_path).answer) == ("denied", "Too much.")


def test_the_approver_is_named_or_whoever_is_logged_in(journalled, tmp_path: Path, monkeypatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "os-user")
    journalled("approvals", "approve", ASKED, *WHO)
    assert stored(tmp_path).approver == "os-user"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("approve", LATE, *WHO, *ANN), "is expired"),
        (("approve", ASKED, *OTHER, *ANN), "There is no approval"),
        (("approve", ASKED, *ANN), "There is no approval"),
        (("show", "nothing", *WHO), "There is no approval"),
        (("approve", ASKED, *WHO, "--approver", " "), "is no name"),
        (("approve", ASKED, *WHO, "--approver", "ann\u202e"), "is no name"),
        (("approve", ASKED, *WHO, *ANN, "--edit", "{"), "not JSON"),
        (("approve", ASKED, *WHO, *ANN, "--edit", "[1]"), "not a JSON object"),
        (("approve", ASKED, *WHO, *ANN, "--edit", '{"value": 1, "value": 9}'), "'value' is named twice"),
        (("approve", ASKED, *WHO, *ANN, "--edit", '{"a": {"value": NaN}}'), "NaN is no number"),
        (("approve", ASKED, *WHO, *ANN, "--edit", "[" * 100_000), "not JSON"),
        (("approve", ASKED, *WHO, *ANN, "--answer", "a\0b"), "NUL"),
        (("list", "--state", "open"), "no state"),
    ],
)
def test_what_cannot_be_decided_is_2_and_changes_nothing(journalled, tmp_path: Path, words, message: str) -> None:
    before = stored(tmp_path)

    outcome = journalled("approvals", *words)

    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err
    assert "defect" not in outcome.err
    assert stored(tmp_path) == before


# -- effects -----------------------------------------------------------------------------------------------------------


def test_what_is_in_doubt_is_shown_with_its_call(journalled) -> None:
    found = journalled("effects", "list", *WHO, "--in-doubt", "--json").json
    out = journalled("effects", "list", *WHO, "--in-doubt").out

    assert_documented("effects-list", found)
    assert [(one["key"], one["state"]) for one in found["effects"]] == [(STARTED, "started"), (DOUBTED, "in_doubt")]
    assert (found["effects"][0]["arguments"], found["effects"][1]["arguments"]) == (ARGUMENTS, None)
    assert found["effects"][0]["amounts"] == {"value": "1000.01"}
    assert f"pay: started\n  key: {STARTED}\n  arguments:\n" in out
    assert "send_mail: in doubt\n" in out
    assert "    | no answer in 30 s\n" in out
    assert not {"\x1b", "\u202e"} & set(out)
    (one,) = journalled("effects", "list", *WHO, "--state", "in_doubt", "--json").json["effects"]
    assert one["key"] == DOUBTED
    assert journalled("effects", "list", *OTHER).out == "No effects here. --any looks more widely.\n"


@pytest.mark.parametrize(("word", "state"), [("--done", "done"), ("--failed", "failed")])
def test_a_doubt_is_settled_with_name_and_reason(journalled, word: str, state: str) -> None:
    reason = ("--reason", "The server's log says so.", *ANN)
    outcome = journalled("effects", "resolve", DOUBTED, *WHO, word, *reason, "--json")
    again = journalled("effects", "resolve", DOUBTED, *WHO, word, *reason)

    assert_documented("effects-resolve", outcome.json)
    effect = outcome.json["effect"]
    assert (effect["state"], effect["reason"]) == (state, "ann: The server's log says so.")
    assert effect["finished_at"]
    assert (again.code, f"is {state}" in again.err) == (2, True)


def test_what_a_process_may_still_be_at_has_to_be_said_to_be_abandoned(journalled) -> None:
    words = ("effects", "resolve", STARTED, *WHO, "--done", "--reason", "It is on the statement.", *ANN)
    refused = journalled(*words)
    done = journalled(*words, "--abandoned", "--result", '{"order": 4711}', "--json").json["effect"]

    assert (refused.code, "--abandoned" in refused.err) == (2, True)
    assert (done["state"], done["result"]["value"]) == ("done", {"order": 4711})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((DOUBTED, *WHO, "--reason", "x"), "whether it happened"),
        ((DOUBTED, *WHO, "--done", "--failed", "--reason", "x"), "whether it happened"),
        ((DOUBTED, *WHO, "--done"), "without a reason"),
        ((DOUBTED, *WHO, "--done", "--reason", "x", "--result", "{"), "not JSON"),
        ((DOUBTED, *WHO, "--failed", "--reason", "x", "--result", "1"), "gave nothing"),
        ((DOUBTED, *OTHER, "--done", "--reason", "x"), "There is no effect"),
        (("nothing", *WHO, "--done", "--reason", "x"), "There is no effect"),
    ],
)
def test_what_cannot_be_settled_is_2_and_changes_nothing(journalled, words, message: str) -> None:
    before = journalled("effects", "list", "--any", "--json").json

    outcome = journalled("effects", "resolve", *words)

    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err
    assert journalled("effects", "list", "--any", "--json").json == before


HOLD = """
import sys
from tercet import Memory
with Memory.open(".tercet") as memory:
    memory.claim()
    print("held", flush=True)
    sys.stdin.read()
"""


def test_everything_works_beside_a_process_that_holds_the_folder(journalled, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    command = [sys.executable, "-c", HOLD]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, text=True, **pipes) as holder:
        assert holder.stdout.readline() == "held\n"
        for words in (
            ("runs", "list"),
            ("runs", "show", WAITS),
            ("runs", "verify", "--all"),
            ("runs", "explain", WAITS),
            ("approvals", "list"),
            ("approvals", "show", ASKED),
            ("approvals", "approve", ASKED, *ANN),
            ("effects", "list"),
            ("effects", "resolve", DOUBTED, "--done", "--reason", "Seen."),
        ):
            assert journalled(*words, "--any").code == 0, words
    assert stored(tmp_path).state == "approved"
