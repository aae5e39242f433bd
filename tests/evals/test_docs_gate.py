"""The gate for a documentation repository works as its README and its workflow say, command by command."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest
import yaml

from tercet.cli import main
from tests.docs.examples import ROOT, examples

EXAMPLE = ROOT / "examples" / "docs-gate"
WORKFLOW = EXAMPLE / ".github" / "workflows" / "docs-gate.yml"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the example, with words only: no model is needed."""
    folder = shutil.copytree(EXAMPLE, tmp_path / "repository")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TERCET_EMBEDDER", "none")
    monkeypatch.setenv("TERCET_EMBEDDING_CACHE", str(tmp_path / "vectors.db"))
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    return folder


def _commands_of_the_walk() -> list[str]:
    (block,) = [example for example in examples(EXAMPLE / "README.md") if example.language == "sh"]
    return [line for line in block.code.splitlines() if line.startswith("tercet ")]


def _steps() -> dict[str, str]:
    workflow = yaml.safe_load(WORKFLOW.read_text("utf-8"))
    return {step["name"]: step["run"] for step in workflow["jobs"]["gate"]["steps"] if "run" in step}


def _tercet(command: str) -> int:
    return main(shlex.split(command)[1:])


def _lose_pages(repository: Path) -> None:
    for name in ("retries.md", "workers.md", "backup.md"):
        (repository / "docs" / name).unlink()


@pytest.mark.parametrize(("loses", "code"), [(False, 0), (True, 1)], ids=["a harmless change", "pages are lost"])
def test_the_walk_ends_with_a_gated_number(repository: Path, loses: bool, code: int) -> None:
    ingest, golden, before, after, compare = _commands_of_the_walk()

    assert [_tercet(command) for command in (ingest, golden, before)] == [0, 0, 0]
    if loses:
        _lose_pages(repository)
    else:
        page = repository / "docs" / "jobs.md"
        page.write_text(page.read_text("utf-8") + "\n## See also\n\nWorkers run jobs.\n", encoding="utf-8")

    assert _tercet(after) == 0
    assert _tercet(compare) == code
    assert (repository / "made.jsonl").stat().st_size > 0
    assert (repository / "runs" / "gate" / "report.html").exists()


def test_the_commands_of_the_workflow_fail_the_job_that_loses_pages(repository: Path) -> None:
    steps = _steps()
    shutil.copytree(repository / "docs", repository.parent / "before" / "docs")  # what git worktree makes
    _lose_pages(repository)
    (measured_before,) = [line for line in steps["Measure the documentation as it is"].splitlines() if "tercet" in line]

    assert _tercet(measured_before) == 0
    assert _tercet(steps["Measure it as it would be"]) == 0
    assert _tercet(steps["Gate"]) == 1


def test_the_questions_are_clean(repository: Path) -> None:
    assert _tercet(_steps()["Look through the questions"]) == 0
