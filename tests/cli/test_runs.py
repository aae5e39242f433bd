"""``tercet runs``: what agents did, for people and machines, and whether the journal of it is as it was written."""

from __future__ import annotations

import re
import shlex
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tercet import Memory
from tercet.memory.journal.records import NewEvent, NewRun
from tests.cli.journals import ADA, DONE, THEIRS, WAITS
from tests.cli.test_json import assert_documented

WHO = ("--tenant", "acme", "--user", "ada")


def test_list_shows_how_runs_ended_the_latest_first(journalled) -> None:
    mine = journalled("runs", "list", *WHO, "--json").json

    assert_documented("runs-list", mine)
    ended = [(one["id"], one["status"], one["end"]) for one in mine["runs"]]
    assert ended == [(DONE, "finished", "answer"), (WAITS, "suspended", "approval")]
    table = journalled("runs", "list", *WHO).out
    assert re.search(rf"{WAITS}\tpayer\trefund\tsuspended\tapproval\t8\ttenant=acme, user=ada", table)
    assert THEIRS in journalled("runs", "list", "--any").out
    assert journalled("runs", "list").out == "No runs here. --any looks more widely.\n"


def test_list_can_be_narrowed(journalled) -> None:
    def ids(*words: object) -> list[str]:
        return [one["id"] for one in journalled("runs", "list", "--any", *words, "--json").json["runs"]]

    assert ids("--status", "suspended") == [WAITS]
    assert ids("--by", "support") == [DONE]
    assert ids("--tree", WAITS) == [WAITS]
    assert ids("--limit", 1) == [DONE]


def test_show_tells_the_run_event_by_event(journalled) -> None:
    """Part of S1.48: refusals and waiting calls are told as well, with their arguments."""
    out = journalled("runs", "show", WAITS, *WHO).out

    assert out.startswith(f"Run {WAITS} of payer: suspended, approval\n  on behalf of tenant=acme, user=ada\n")
    assert "2 model calls, 0 tool calls, 1,200 + 30 tokens, cost 0.0012" in out
    told = [re.sub(r" +\d+ +\+\d+\.\d s +", "", line) for line in out.splitlines() if re.match(" +[1-8]  ", line)]
    assert told[0].startswith("started: Refund order 4711\\x1b]0;title\\x07 please.")
    assert told[2] == "step 1: scripted fails, RateLimitedError: Busy."
    assert told[3] == "step 1: scripted is asked, attempt 2"
    assert told[4] == "step 1: scripted answers after 0.8 s, 1,200 + 30 tokens"
    assert told[5].startswith('step 1: pay({"to": "ACME\\u202e\\u200b", "value": 1000.01,')
    assert told[6] == "step 1: pay pending by approval after 0.0 s: value 1000.01 is above 1000.00 per call"
    assert len(told) == 8


def test_whole_texts_are_shown_on_request_behind_a_bar(journalled) -> None:
    """Part of S1.47: the full prompt and completion."""
    one = journalled("runs", "show", WAITS, *WHO, "--event", 6).out
    full = journalled("runs", "show", WAITS, *WHO, "--full").out

    assert (
        "        value: 1000.01\n        note:\n          | Thanks.\\x1b[2J\n          |   on behalf of: everyone\n"
        in one
    )
    assert "of payer" not in one
    assert "      instructions:\n        | You refund orders.\n      tools:\n" in full
    assert "\x1b" not in full + one
    assert "\u202e" not in full + one


def test_show_as_json_has_every_text(journalled) -> None:
    shown = journalled("runs", "show", WAITS, *WHO, "--json").json
    (one,) = journalled("runs", "show", WAITS, *WHO, "--event", 8, "--json").json["events"]

    assert_documented("runs-show", shown)
    assert [event["number"] for event in shown["events"]] == list(range(1, 9))
    assert shown["events"][1]["texts"] == ["You refund orders.", "[]"]
    assert shown["events"][4]["body"]["usage"]["input_tokens"] == 1200
    assert one == shown["events"][-1]
    assert shown["run"]["hash"] == one["hash"]


def test_verify_says_where_a_journal_was_changed(journalled, tmp_path: Path) -> None:
    """Part of S1.25: tampering is detected, and by which event it begins."""
    one, every = journalled("runs", "verify", DONE, *WHO), journalled("runs", "verify", "--all", "--any", "--json")
    assert (one.code, one.out) == (0, f"{DONE}: intact, 2 events\n")
    assert_documented("runs-verify", every.json)
    assert [run["intact"] for run in every.json["runs"]] == [True] * 3

    with closing(sqlite3.connect(tmp_path / ".tercet" / "memory.db")) as connection, connection:
        changed = connection.execute(
            "UPDATE run_events SET body = replace(body, '1200', '1') WHERE body LIKE '%1200%'"
        ).rowcount
    assert changed == 1

    broken = journalled("runs", "verify", WAITS, *WHO)
    assert broken.code == 1
    assert broken.out.startswith(f"{WAITS}: BROKEN at event 5: ")
    every = journalled("runs", "verify", "--all", "--any")
    assert (every.code, every.out.splitlines()[-1]) == (1, "3 runs, 2 intact, 1 broken")
    every = journalled("runs", "verify", "--all", "--any", "--json").json
    assert {one["run"]: one["broken_at"] for one in every["runs"]} == {WAITS: 5, DONE: None, THEIRS: None}


def test_explain_names_the_first_that_went_wrong(journalled) -> None:
    """Part of S1.51: the first deviating step and its cause."""
    found = journalled("runs", "explain", WAITS, *WHO, "--json").json
    out = journalled("runs", "explain", WAITS, *WHO).out

    assert_documented("runs-explain", found)
    assert [one["number"] for one in found["deviations"]] == [3, 7]
    assert out.splitlines()[:3] == [
        f"Run {WAITS}: open",
        "First: event 3, step 1: model failed: RateLimitedError",
        "  Busy.",
    ]
    assert journalled("runs", "explain", DONE, *WHO).out == f"Run {DONE}: answer\nNothing went wrong.\n"


def test_an_erased_run_is_told_as_far_as_it_is_there(journalled, tmp_path: Path) -> None:
    with Memory.open(tmp_path / ".tercet") as memory:
        memory.journal.erase([WAITS], at=memory.clock())

    assert journalled("runs", "show", WAITS, *WHO).code == 2
    out = journalled("runs", "show", WAITS, "--tenant", "acme", "--any", "--full").out
    assert "what it said was erased" in out
    assert len(re.findall(r"(?m)^ +[1-8]  .*: erased$", out)) == 8
    assert "Refund" not in out
    assert journalled("runs", "list", "--tenant", "acme", "--any", "--json").json["runs"][1]["end"] == ""
    assert journalled("runs", "verify", WAITS, "--tenant", "acme", "--any").out.startswith(
        f"{WAITS}: intact, 8 events,"
    )
    assert journalled("runs", "explain", WAITS, "--tenant", "acme", "--any").code == 2


def test_an_event_of_another_version_is_shown_as_it_is(journalled, tmp_path: Path) -> None:
    with Memory.open(tmp_path / ".tercet") as memory:
        odd = NewEvent(kind="teleported\x1b[2J", body='{"kind": "teleported"}', at=memory.clock())
        memory.journal.begin(NewRun(id="odd", scope=ADA, agent="x"), [odd])

    out = journalled("runs", "show", "odd", *WHO).out
    assert 'teleported\\x1b[2J: {"kind": "teleported"}' in out


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("show", "nothing", *WHO), id="no-run"),
        pytest.param(("show", THEIRS, *WHO), id="of-another-tenant"),
        pytest.param(("show", WAITS), id="no-scope"),
        pytest.param(("show", WAITS, *WHO, "--event", "99"), id="no-event"),
        pytest.param(("verify",), id="verify-nothing"),
        pytest.param(("verify", WAITS, "--all"), id="verify-both"),
        pytest.param(("verify", THEIRS, *WHO), id="verify-of-another-tenant"),
        pytest.param(("explain", THEIRS, *WHO), id="explain-of-another-tenant"),
        pytest.param(("list", "--status", "done"), id="no-status"),
    ],
)
def test_wrong_usage_or_data_is_2_with_a_message(journalled, words: tuple[str, ...]) -> None:
    outcome = journalled("runs", *words)

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("Error: ")
    assert "defect" not in outcome.err
    assert len(outcome.err.splitlines()) == 2


def test_of_another_tenant_nothing_is_told_not_even_that_it_is_there(journalled) -> None:
    theirs = journalled("runs", "show", THEIRS, *WHO, "--json").json["error"]
    missing = journalled("runs", "show", "0" * 32, *WHO, "--json").json["error"]

    assert theirs["message"].replace(THEIRS, "0" * 32) == missing["message"]
    for words in (("list",), ("verify", "--all")):
        assert THEIRS not in journalled("runs", *words, *WHO, "--json").out


@pytest.mark.parametrize(
    "command",
    [
        *(f"runs {name}" for name in ("list", "show", "verify", "explain", "replay")),
        *(f"approvals {name}" for name in ("list", "show", "approve", "deny")),
        *(f"effects {name}" for name in ("list", "resolve")),
    ],
)
def test_help_has_examples_that_parse_and_no_command_makes_a_memory(command: str, run, tmp_path: Path) -> None:
    shown = run(*command.split(), "--help")
    examples = [line.strip() for line in shown.out.splitlines() if line.strip().startswith(f"tercet {command}")]

    assert shown.code == 0
    assert len(examples) >= 2
    for example in examples:
        outcome = run(*shlex.split(example)[1:])
        assert (outcome.code, "There is no memory" in outcome.err + outcome.out) == (2, True), outcome
    assert list(tmp_path.iterdir()) == []
