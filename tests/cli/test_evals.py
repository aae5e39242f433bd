"""The commands that compare, gate and report runs: what they print, write and exit with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tercet.evals.runs import write_run
from tests.cli.conftest import Run
from tests.cli.test_json import assert_documented
from tests.evals.made_runs import made_run


@pytest.fixture
def runs(run: Run, tmp_path: Path) -> Run:
    """``run``, in a folder with a run before a change, one after it, and one on other data."""
    before = made_run("before")
    write_run(tmp_path / "before", before)
    write_run(tmp_path / "after", made_run("after", skill=0.3))
    write_run(tmp_path / "other", replace(before, dataset=replace(before.dataset, fingerprint="beef")))
    return run


def test_compare_says_which_is_better_and_which_questions_lost(runs: Run) -> None:
    outcome = runs("eval", "compare", "before", "after", "--measure", "nDCG@10")

    assert outcome.code == 0
    assert "the candidate is worse" in outcome.out
    assert "four times out of five" in outcome.out
    assert "Worst regressions" in outcome.out
    assert "How do I" in outcome.out


def test_a_failed_gate_exits_1_and_everything_is_written(runs: Run, tmp_path: Path) -> None:
    outcome = runs("eval", "compare", "before", "after", "--gate", "nDCG@10>=-0.01", "--out", "found")

    assert outcome.code == 1
    assert "nDCG@10>=-0.01 failed" in outcome.out
    assert (tmp_path / "found" / "report.html").exists()
    assert runs("eval", "compare", "before", "before", "--gate", "nDCG@10>=-0.01").code == 0


def test_strict_fails_what_the_questions_cannot_decide(runs: Run, tmp_path: Path) -> None:
    write_run(tmp_path / "noisy", made_run("noisy", seed=8))
    words = ("eval", "compare", "before", "noisy", "--gate", "nDCG@10>=-0.2")

    assert runs(*words).code == 0
    assert runs(*words, "--strict").code == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("compare", "before", "other"), "different data"),
        (("compare", "before", "nowhere"), "There is no run in 'nowhere'"),
        (("compare", "before", "after", "--gate", "nDCG@10"), "expected a measure, '>=' and a number"),
        (("compare", "before", "after", "--measure", "taste"), "There is no measure 'taste'"),
        (("compare", "before", "after", "--out", "before"), "which no eval wrote"),
        (("gate", "after"), "There is no baseline to judge by"),
        (("gate", "after", "--baseline", "before"), "There is no gate to judge by"),
        (("gate", "after", "--baseline", "base", "--gate", "R@10>=0"), "There is no baseline in 'base' yet"),
        (("gate", "after", "--config", "gate.toml"), "gate.toml cannot be read"),
        (("report", "nowhere"), "There is no run in 'nowhere'"),
    ],
)
def test_what_cannot_be_compared_exits_2(runs: Run, words: tuple[str, ...], message: str) -> None:
    outcome = runs("eval", *words)

    assert outcome.code == 2
    assert message in outcome.err


def test_compare_prints_one_json_document(runs: Run) -> None:
    outcome = runs("eval", "compare", "before", "after", "--gate", "R@10>=-0.01", "--json")

    assert outcome.code == 1
    assert_documented("eval-compare", outcome.json)
    assert outcome.json["passed"] is False
    assert outcome.json["measures"]["nDCG@10"]["verdict"] == "baseline"
    assert outcome.json["regressions"][0]["found"]["candidate"][0]["text"]


def test_gate_reads_the_repository_stores_a_baseline_and_tells_the_job(runs: Run, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.tercet.eval]\nbaseline = "evals/baseline"\ngates = ["nDCG@10>=-0.01"]\n'
    )

    accepted = runs("eval", "gate", "before", "--accept", "--json")
    same = runs("eval", "gate", "before")
    failed = runs("eval", "gate", "after", "--summary", "summary.md", "--out", "found", "--json")

    assert_documented("eval-compare", failed.json)
    assert_documented("eval-gate-accept", accepted.json)
    assert (accepted.code, same.code, failed.code) == (0, 0, 1)
    assert "nDCG@10>=-0.01 passed" in same.out
    assert (tmp_path / "summary.md").read_text("utf-8").startswith("# after against before")
    assert "<failure" in (tmp_path / "found" / "junit.xml").read_text("utf-8")


def test_report_makes_the_page_anew(runs: Run, tmp_path: Path) -> None:
    (tmp_path / "before" / "report.html").unlink()

    shown = runs("eval", "report", "before")
    document = runs("eval", "report", "before", "--out", "copy", "--json")

    assert shown.code == document.code == 0
    assert "nDCG@10" in shown.out
    assert (tmp_path / "before" / "report.html").exists()
    assert (tmp_path / "copy" / "queries.jsonl").read_bytes() == (tmp_path / "before" / "queries.jsonl").read_bytes()
    assert_documented("eval-report", document.json)
