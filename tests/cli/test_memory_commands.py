"""``tercet memory``: whose records are shown and handed over, and what machines get to read."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tercet import Memory, Scope
from tests.cli.test_json import assert_documented
from tests.docs.examples import tercet

WHO = ("--tenant", "acme", "--user", "ada")


def test_list(people) -> None:
    mine = people("memory", "list", *WHO, "--json").json
    all_ = people("memory", "list", "--any", "--json").json

    assert_documented("memory-list", mine)
    assert_documented("memory-list", all_)
    assert [(one["scope"]["user"], one["working"], one["episodes"]) for one in mine["scopes"]] == [("ada", 1, 2)]
    assert [one["scope"]["user"] for one in all_["documents"]] == ["ada", "eve"]
    assert "acme\tada" in people("memory", "list", "--any").out


def test_timeline(people) -> None:
    mine = people("memory", "timeline", *WHO, "--json").json
    everybody = people("memory", "timeline", "--any", "--superseded", "--json").json

    assert_documented("memory-timeline", mine)
    assert_documented("memory-timeline", everybody)
    assert [one["text"] for one in mine["episodes"]] == ["Ada lives in Bergen"]
    assert len(everybody["episodes"]) == 3
    early = people("memory", "timeline", *WHO, "--superseded", "--until", "2024-05-02", "--kind", "fact").out
    assert "Ada lives in Oslo [superseded]" in early
    assert "Bergen" not in early
    assert people("memory", "timeline", *WHO, "--as-of", "2000-01-01", "--json").json == {"episodes": []}


def test_show(people) -> None:
    (episode,) = people("memory", "timeline", *WHO, "--json").json["episodes"]
    shown = people("memory", "show", episode["id"], *WHO, "--json").json
    plan = people("memory", "show", "plan", *WHO, "--json").json

    assert_documented("memory-show", shown)
    assert_documented("memory-show", plan)
    assert shown["episode"] == episode
    assert [entry["kind"] for entry in shown["history"]] == ["recorded"]
    assert (plan["document"]["value"], [one["version"] for one in plan["history"]]) == ({"goal": "aim of ada"}, [1])
    assert "Ada lives in Bergen" in people("memory", "show", episode["id"], *WHO).out
    assert "aim of ada" in people("memory", "show", "plan", "--tenant", "acme", "--any").out
    ambiguous = people("memory", "show", "plan", "--any")
    assert (ambiguous.code, "tenant=globex" in ambiguous.err) == (2, True)


def test_nobody_is_shown_the_records_of_another_tenant(people) -> None:
    (theirs,) = people("memory", "timeline", "--tenant", "globex", "--user", "eve", "--json").json["episodes"]

    refused = people("memory", "show", theirs["id"], *WHO, "--json")
    missing = people("memory", "show", "0" * 32, *WHO, "--json")
    assert refused.code == missing.code == 2
    assert refused.json["error"]["message"].replace(theirs["id"], "0" * 32) == missing.json["error"]["message"]
    for words in (["list"], ["timeline"], ["audit"], ["show", "plan"]):
        assert "globex" not in people("memory", *words, *WHO, "--json").out
    assert "globex" not in people("memory", "export", "-", *WHO).out


def test_audit_exits_1_when_there_is_something_to_look_at(people, tmp_path: Path) -> None:
    quiet = people("memory", "audit", "--any", "--json")
    with Memory.open(tmp_path / ".tercet") as memory:
        for number in (30, 90):
            memory.episodic.record(
                f"Keys rotate every {number} days", scope=Scope(tenant="acme", user="ada"), actor="ada", kind="fact"
            )
    loud = people("memory", "audit", *WHO, "--json")

    assert_documented("memory-audit", loud.json)
    assert (quiet.code, quiet.json) == (0, {"findings": [], "reviews": []})
    assert (loud.code, [one["kind"] for one in loud.json["findings"]]) == (1, ["contradiction"])
    assert people("memory", "audit", *WHO).code == 1


def test_export_import_export(people, tmp_path: Path) -> None:
    saved = people("memory", "export", "all.jsonl", "--any", "--json").json
    taken = people("memory", "import", "all.jsonl", "--memory", "copy", "--embedder", "none", "--json").json
    again = people("memory", "import", "all.jsonl", "--memory", "copy", "--json").json
    people("memory", "export", "copy.jsonl", "--any", "--memory", "copy")

    assert_documented("memory-export", saved)
    assert_documented("memory-import", taken)
    assert (saved["working_documents"], saved["episodes"]) == (2, 3)
    assert (taken["working_documents"], taken["episodes"], taken["known"]) == (2, 3, 0)
    assert (again["working_documents"], again["episodes"], again["known"]) == (0, 0, 5)
    assert (tmp_path / "all.jsonl").read_bytes() == (tmp_path / "copy.jsonl").read_bytes()


def test_an_export_goes_through_a_pipe(people, tmp_path: Path) -> None:
    out = subprocess.run([tercet(), "memory", "export", "-", "--any"], capture_output=True, check=True, cwd=tmp_path)
    copy = [tercet(), "memory", "import", "-", "--memory", "copy", "--embedder", "none"]
    done = subprocess.run(copy, input=out.stdout, capture_output=True, check=True, cwd=tmp_path)

    assert b"3 episodes imported" in done.stdout
    people("memory", "export", "file.jsonl", "--any", "--memory", "copy")
    assert (tmp_path / "file.jsonl").read_bytes() == out.stdout


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["export", "x.jsonl"], id="export-of-nobody"),
        pytest.param(["import", "nothing.jsonl"], id="no-file"),
        pytest.param(["import", "broken.jsonl"], id="damaged-file"),
        pytest.param(["import", "theirs.jsonl", "--tenant", "acme", "--any"], id="records-of-others"),
        pytest.param(["export", "broken.jsonl", "--any"], id="file-exists"),
        pytest.param(["show", "nothing", *WHO], id="no-document"),
        pytest.param(["show", "nothing", "--any"], id="no-document-anywhere"),
        pytest.param(["timeline", "--since", "yesterday", "--any"], id="no-time"),
        pytest.param(["timeline", "--kind", "rumour", "--any"], id="no-kind"),
        pytest.param(["list", "--tenant", ""], id="empty-name"),
    ],
)
def test_wrong_usage_or_data_is_2_with_a_message(people, tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "broken.jsonl").write_text("{}\n", encoding="utf-8")
    people("memory", "export", "theirs.jsonl", "--any")
    before = people("memory", "export", "-", "--any").out

    outcome = people("memory", *words)

    assert outcome.code == 2
    assert outcome.err.startswith("Error: ")
    assert "defect" not in outcome.err
    assert people("memory", "export", "-", "--any").out == before


def test_an_export_and_a_json_document_do_not_share_standard_output(people) -> None:
    outcome = people("memory", "export", "-", "--any", "--json")

    assert (outcome.code, outcome.json["error"]["type"]) == (2, "InputError")


def test_status_counts_them(people) -> None:
    document = people("status", "--json").json

    assert_documented("status", document)
    assert (document["working_documents"], document["episodes"], document["episode_vectors"]) == (2, 3, 0)
    assert "2 working documents, 3 episodes" in people("status").out


HOLD = """
import sys
from tercet import Memory
with Memory.open(".tercet") as memory:
    memory.claim()
    print("held", flush=True)
    sys.stdin.read()
"""


def test_reading_works_beside_a_process_that_holds_the_folder(people, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", HOLD]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, text=True, **pipes) as holder:
        assert holder.stdout.readline() == "held\n"
        for words in (["list"], ["timeline"], ["audit"], ["export", "beside.jsonl"]):
            assert people("memory", *words, "--any").code == 0
        assert people("memory", "show", "plan", *WHO).code == 0
        assert people("memory", "import", "beside.jsonl").code == 2
        assert people("forget", *WHO, "--yes").code == 2
