"""``tercet eval lint | golden | label``: what they print, write and return."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tercet.cli.app import app
from tests.cli.test_json import assert_documented

WORDS = (
    "Operators open the console, choose a region and wait until the fresh secret arrived. Afterwards the previous "
    "credential stops working, so deploy every consumer beforehand and watch its logs for refusals. "
)


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "manual"
    folder.mkdir()
    pages = {"keys.md": "Rotating an API key", "teams.md": "Inviting a colleague", "a.md": "Red \x1b[31mtape"}
    for name, title in pages.items():
        (folder / name).write_text(f"# Manual\n\n## {title}\n\n{name} says: {WORDS}\n", "utf-8")
    return folder


def golden(path: Path, *records: dict) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return path


def test_lint_exits_0_with_warnings_1_with_errors_and_2_if_it_cannot_be_read(run, tmp_path: Path) -> None:
    sound = golden(tmp_path / "sound.jsonl", {"id": "q1", "query": "why", "relevant": ["a"]})
    doubtful = golden(tmp_path / "doubtful.jsonl", {"id": "q1", "query": "why", "relevant": []})
    broken = golden(tmp_path / "broken.jsonl", {"id": "q1"}, {"id": "q1", "query": "why", "relevant": ["a"]})

    outcomes = [run("eval", "lint", path) for path in (sound, doubtful, broken, tmp_path / "nowhere")]

    assert [outcome.code for outcome in outcomes] == [0, 0, 1, 2]
    assert "0 errors, 0 warnings." in outcomes[0].out
    assert "[no-relevant]" in outcomes[1].out
    assert f"error: {broken}, line 1: " in outcomes[2].out
    assert "corpus.jsonl" in outcomes[3].err
    codes = [run("eval", "lint", path, "--json").code for path in (sound, doubtful, broken, tmp_path / "nowhere")]
    assert codes == [0, 0, 1, 2]


def test_lint_prints_one_documented_document(run, tmp_path: Path) -> None:
    path = golden(tmp_path / "broken.jsonl", {"id": "q1"}, {"id": "q2", "query": "why", "relevant": []})

    outcome = run("eval", "lint", path, "--json")

    assert_documented("eval-lint", outcome.json)
    assert outcome.json["dataset"]["questions"] == 1
    assert [finding["code"] for finding in outcome.json["findings"]] == ["bad-type", "no-relevant"]


def test_lint_looks_uris_up_in_a_memory_or_a_folder(run, docs: Path, tmp_path: Path) -> None:
    path = golden(tmp_path / "mine.jsonl", {"id": "q1", "query": "why", "relevant": ["manual/keys.md", "gone.md"]})
    assert run("ingest", docs, "--embedder", "none").code == 0

    for place in (("--memory", ".tercet"), ("--folder", docs)):
        outcome = run("eval", "lint", path, *place)
        assert outcome.code == 1
        assert "'gone.md'" in outcome.out
        assert "keys.md" not in outcome.out
    assert run("eval", "lint", path).code == 0


def test_an_unknown_kind_is_a_usage_error(run, tmp_path: Path) -> None:
    path = golden(tmp_path / "mine.jsonl", {"id": "q1", "query": "why", "relevant": []})

    assert run("eval", "lint", path, "--kind", "words").code == 2
    assert run("eval", "golden", "out.jsonl", "--folder", tmp_path, "--kind", "words").code == 2
    assert run("eval", "golden", "out.csv", "--folder", tmp_path).code == 2


def test_golden_makes_the_same_questions_from_a_memory_and_its_folder(run, docs: Path, tmp_path: Path) -> None:
    assert run("ingest", docs, "--embedder", "none").code == 0

    of_memory = run("eval", "golden", "memory.jsonl", "--kind", "heading", "--json")
    of_folder = run("eval", "golden", "folder.jsonl", "--kind", "heading", "--folder", docs)

    assert (of_memory.code, of_folder.code) == (0, 0)
    assert_documented("eval-golden", of_memory.json)
    assert of_memory.json["questions"] == 3
    assert "3 questions in folder.jsonl." in of_folder.out
    both = [Path(name).read_text("utf-8") for name in ("memory.jsonl", "folder.jsonl")]
    asked = [{json.loads(line)["query"] for line in text.splitlines()} for text in both]
    assert asked[0] == asked[1]
    assert run("eval", "lint", "memory.jsonl", "--memory", ".tercet").code == 0


def review(typed: str, *words: object) -> str:
    done = CliRunner().invoke(app, ["eval", "label", *map(str, words)], input=typed)
    assert done.exit_code == 0, done.output
    return done.output


def test_label_decides_question_by_question_and_goes_on_later(run, docs: Path) -> None:
    assert run("eval", "golden", "proposed.jsonl", "--folder", docs, "--kind", "heading").code == 0

    first = review("x\na\nr\nq\n", "proposed.jsonl", "golden.jsonl", "--folder", docs)
    typed = "e\nHow to begin?\nmanual/keys.md | manual/a.md\n"
    second = review(typed, "proposed.jsonl", "golden.jsonl", "--folder", docs)

    assert "[1/3]" in first
    assert "Manual > " in first
    assert "1 question in golden.jsonl, 1 rejected, 1 still to decide." in first
    assert "\x1b[31m" not in first
    assert "[1/1]" in second
    assert "2 questions in golden.jsonl, 1 rejected, 0 still to decide." in second
    kept = [json.loads(line) for line in Path("golden.jsonl").read_text("utf-8").splitlines()]
    assert [one["slices"]["reviewed"] for one in kept] == ["accepted", "edited"]
    assert (kept[1]["query"], kept[1]["relevant"]) == ("How to begin?", ["manual/keys.md", "manual/a.md"])


def test_label_shows_the_doubt(run, docs: Path, tmp_path: Path) -> None:
    one = {"id": "q1", "query": "why", "relevant": ["manual/keys.md", "gone.md"], "alternatives": ["manual/a.md"]}
    golden(tmp_path / "proposed.jsonl", one)

    shown = review("s\n", "proposed.jsonl", "golden.jsonl", "--folder", docs)

    assert "Doubt: may be answered by manual/a.md as well." in shown
    assert "Not in the corpus: gone.md." in shown
    assert not Path("golden.jsonl").exists()


def test_label_stops_at_the_end_of_input_and_keeps_what_was_decided(run, docs: Path) -> None:
    assert run("eval", "golden", "proposed.jsonl", "--folder", docs, "--kind", "heading").code == 0

    CliRunner().invoke(app, ["eval", "label", "proposed.jsonl", "golden.jsonl", "--folder", str(docs)], input="a\n")

    assert len(Path("golden.jsonl").read_text("utf-8").splitlines()) == 1


def test_label_does_not_write_over_what_it_reads(run, docs: Path, tmp_path: Path) -> None:
    path = golden(tmp_path / "proposed.jsonl", {"id": "q1", "query": "why", "relevant": []})

    assert run("eval", "label", path, path, "--folder", docs).code == 2


@pytest.mark.parametrize("command", ["lint", "golden", "label"])
def test_help_shows_examples(run, command: str) -> None:
    outcome = run("eval", command, "--help")

    assert outcome.code == 0
    assert f"tercet eval {command}" in outcome.out
    assert "Examples:" in outcome.out
