"""Exit codes, and errors that say what to do instead of where the code was."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from tercet import Memory, Scope
from tercet.cli import app
from tercet.memory.journal.records import NewEvent, NewRun


def test_done_is_0(run, corpus: Path) -> None:
    assert run("ingest", corpus, "--embedder", "none").code == 0
    assert run("--version").code == 0


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["search"], id="missing-argument"),
        pytest.param(["search", "x", "--bogus"], id="unknown-option"),
        pytest.param(["serch", "x"], id="unknown-command"),
        pytest.param(["search", "x", "--limit", "0"], id="number-out-of-range"),
        pytest.param(["search", "x", "--where", "team"], id="malformed-filter"),
        pytest.param(["search", "x", "--range", "year=new..old"], id="malformed-range"),
        pytest.param(["search", "x", "--as-of", "yesterday"], id="malformed-date"),
        pytest.param(["search", "x"], id="no-memory"),
        pytest.param(["ingest", "nowhere"], id="no-source"),
        pytest.param(["ingest", ".", "--embed", "never"], id="unknown-choice"),
        pytest.param(["forget"], id="forget-without-a-filter"),
        pytest.param(["restore", "nothing.backup"], id="no-backup"),
    ],
)
def test_wrong_usage_or_data_is_2_with_a_message_and_no_traceback(run, words: list[str]) -> None:
    plain = run(*words)
    machine = run(*words, "--json")

    assert plain.code == machine.code == 2
    assert plain.out == ""
    assert "Error" in plain.err
    assert "Traceback" not in plain.err
    assert "defect" not in plain.err
    assert set(machine.json["error"]) == {"type", "message", "remedy"}
    assert machine.json["error"]["message"] in plain.err


def test_an_error_shows_its_remedy(run) -> None:
    outcome = run("forget", "--memory", "x")

    assert "Error: forget was not told what." in outcome.err
    assert "--all" in outcome.err


def test_refused_commands_leave_no_memory_behind(run, tmp_path: Path) -> None:
    run("search", "x")
    run("status")
    run("embed")
    run("doctor")

    assert not (tmp_path / ".tercet").exists()


def test_forget_without_a_terminal_needs_yes(ingested) -> None:
    outcome = ingested("forget", "--all")

    assert outcome.code == 2
    assert "--yes" in outcome.err
    assert ingested("status", "--json").json["corpora"][0]["documents"] == 3


def test_doctor_exits_1_when_a_check_fails(ingested, tmp_path: Path) -> None:
    (tmp_path / ".tercet").chmod(0o755)

    outcome = ingested("doctor")

    assert outcome.code == 1
    assert "chmod 700" in outcome.out


def test_a_defect_is_reported_without_a_traceback_unless_asked_for(run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*words: object, **options: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(app, "app", broken)
    quiet = run("status")
    monkeypatch.setenv("TERCET_TRACEBACK", "1")
    loud = run("status")

    assert quiet.code == loud.code == 2
    assert "ZeroDivisionError" in quiet.err
    assert "Traceback" not in quiet.err
    assert "Traceback" in loud.err


def test_an_error_of_the_operating_system_names_the_file(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*words: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied", "/etc/shadow")

    monkeypatch.setattr(app, "app", refused)

    outcome = run("status")

    assert outcome.code == 2
    assert "Error: Permission denied '/etc/shadow'." in outcome.err


def test_doctor_verifies_runs_when_it_is_asked_to(ingested, tmp_path: Path) -> None:
    said = NewEvent(kind="said", body="{}", at=datetime(2024, 5, 6, tzinfo=UTC))
    with Memory.open(tmp_path / ".tercet", embedder="none") as memory:
        memory.journal.begin(NewRun(id="run-1", scope=Scope(tenant="acme"), agent="helper"), [said, said])
    whole = ingested("doctor", "--runs")
    with Memory.open(tmp_path / ".tercet") as memory, memory.database.write() as connection:
        connection.execute(text("UPDATE run_events SET kind = 'heard' WHERE number = 2"))
    unasked, asked = ingested("doctor"), ingested("doctor", "--runs")

    assert (whole.code, unasked.code, asked.code) == (0, 0, 1)
    assert "run 'run-1' is not as it was written from event 2 on" in asked.out
    assert "1 run of agents, 0 effects (0 in doubt)" in ingested("status").out
