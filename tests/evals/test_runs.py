"""A run on disk is what it was, is there as a whole or not at all, and is not believed when it is read."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tercet.errors import FormatVersionError, InputError, SourceError
from tercet.evals.records import DatasetFacts, Estimate, EvalRun, Outcome, RankedItem
from tercet.evals.runs import FILES, read_run, write_run
from tests.evals.made_runs import HOSTILE, hostile_run, made_run

numbers = st.floats(allow_nan=False, allow_infinity=False)
names = st.text(st.characters(), max_size=8)  # half surrogate pairs included: JSON files have them
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
estimates = st.builds(Estimate, mean=numbers, low=numbers, high=numbers, count=st.integers(0))
outcomes = st.builds(
    Outcome,
    id=names,
    text=names,
    ranking=st.lists(st.builds(RankedItem, id=names, score=numbers, text=names), max_size=3).map(tuple),
    values=st.dictionaries(names, numbers, max_size=3),
    relevant=st.lists(names, max_size=3).map(tuple),
    slices=st.dictionaries(names, names, max_size=2),
    answerable=st.booleans(),
    loss=st.sampled_from(["none", "write", "read", "compression", None]),
    seconds=st.none() | numbers,
    tokens=st.none() | st.integers(),
    error=names,
)
runs = st.builds(
    EvalRun,
    name=names,
    dataset=st.builds(
        DatasetFacts,
        name=names,
        kind=st.sampled_from(["retrieval", "spans", "conversations"]),
        path=names,
        fingerprint=names,
        documents=st.integers(0),
        questions=st.integers(0),
    ),
    configuration=st.dictionaries(names, json_values, max_size=3),
    versions=st.dictionaries(names, names, max_size=2),
    seed=st.integers(),
    started=names,
    seconds=numbers,
    measures=st.dictionaries(names, estimates, max_size=3),
    slices=st.dictionaries(
        names, st.dictionaries(names, st.dictionaries(names, estimates, max_size=2), max_size=2), max_size=2
    ),
    curves=st.dictionaries(names, st.lists(st.tuples(numbers, numbers), max_size=3).map(tuple), max_size=2),
    outcomes=st.lists(outcomes, max_size=3, unique_by=lambda one: one.id).map(tuple),
    warnings=st.lists(names, max_size=2).map(tuple),
)


@settings(max_examples=25)
@given(run=runs)
def test_any_run_comes_back_as_it_was(tmp_path: Path, run: EvalRun) -> None:
    write_run(tmp_path / "run", run)

    assert read_run(tmp_path / "run") == run
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_a_run_is_six_files_and_its_parents_are_made(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "evals" / "now", made_run())

    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert json.loads((folder / "run.json").read_text())["format"] == 1
    assert len((folder / "queries.jsonl").read_text().splitlines()) == 60


def test_texts_of_other_scripts_stay_readable_in_the_files(tmp_path: Path) -> None:
    run = replace(made_run(questions=1), name="日本語")

    assert "日本語" in (write_run(tmp_path / "run", run) / "run.json").read_text("utf-8")


def test_the_trec_run_is_what_trec_eval_reads(tmp_path: Path) -> None:
    run = made_run(questions=2)
    odd = replace(run.outcomes[0], id="q 0", ranking=(*run.outcomes[0].ranking[:2], run.outcomes[0].ranking[0]))
    folder = write_run(tmp_path / "run", replace(run, name="200 tokens", outcomes=(odd, run.outcomes[1])))

    lines = [line.split(" ") for line in (folder / "run.trec").read_text().splitlines()]

    assert {len(line) for line in lines} == {6}
    assert [line[0] for line in lines] == ["q%200"] * 2 + ["q1"] * 30  # a document's second occurrence is left out
    assert lines[0][1:] == ["Q0", odd.ranking[0].id, "1", repr(odd.ranking[0].score), "200%20tokens"]


def test_an_earlier_run_is_replaced_and_anything_else_is_not(tmp_path: Path) -> None:
    write_run(tmp_path / "run", made_run("first"))
    write_run(tmp_path / "run", made_run("second"))
    assert read_run(tmp_path / "run").name == "second"

    (tmp_path / "run" / "notes.md").write_text("mine")
    with pytest.raises(InputError, match=r"notes\.md"):
        write_run(tmp_path / "run", made_run("third"))
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="not overwritten"):
        write_run(tmp_path / "file", made_run("third"))
    assert read_run(tmp_path / "run").name == "second"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "run"]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_json_cannot_hold_is_refused_before_anything_is_written(tmp_path: Path, value: float) -> None:
    run = made_run(questions=2)
    broken = replace(run.outcomes[0], values={"nDCG@10": value})

    with pytest.raises(InputError, match="question 'q0' cannot be written as JSON"):
        write_run(tmp_path / "run", replace(run, outcomes=(broken, run.outcomes[1])))
    assert list(tmp_path.iterdir()) == []


def test_a_question_twice_is_refused(tmp_path: Path) -> None:
    run = made_run(questions=1)

    with pytest.raises(InputError, match="'q0' more than once"):
        write_run(tmp_path / "run", replace(run, outcomes=run.outcomes * 2))


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", made_run(questions=1))
    document = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**document, "format": 2, "outcomes": "elsewhere"}))

    with pytest.raises(FormatVersionError, match="format 2; this Tercet reads up to 1"):
        read_run(folder)


DAMAGE = {
    "not a number": ("queries.jsonl", '"score": 19', '"score": "high', r"queries\.jsonl, line 1: not valid JSON"),
    "wrong type": ("queries.jsonl", '"answerable": true', '"answerable": [1]', r"line 1: answerable: "),
    "unknown loss": ("queries.jsonl", '"loss": "', '"loss": "un', r"line 1: loss: Input should be"),
    "infinite": ("queries.jsonl", '"seconds": 0.004', '"seconds": 1e999', r"line 1: .*1e999 is not a finite number"),
    "NaN": ("queries.jsonl", '"seconds": 0.004', '"seconds": NaN', r"line 1: .*NaN is not a finite number"),
    "same id": ("queries.jsonl", '"id": "q1"', '"id": "q0"', r"line 2: the question 'q0' occurs twice"),
    "missing field": ("run.json", '"seed"', '"sead"', r"run\.json: seed: Field required"),
    "no format": ("run.json", '"format": 1', '"format": "1"', r"'format' must be a whole number"),
    "format 0": ("run.json", '"format": 1', '"format": 0', r"'format' must be a whole number"),
    "other count": ("run.json", '"outcomes": 3', '"outcomes": 4', r"it has 3 questions where run\.json speaks of 4"),
    "deep": ("run.json", "{", "[" * 100_000, r"run\.json: not valid JSON"),
    "list": ("run.json", "{", '[1]\n{"a":', r"run\.json: not valid JSON"),
    "huge number": ("run.json", '"seed": 7', '"seed": ' + "9" * 5000, r"run\.json: not valid JSON"),
}


@pytest.mark.parametrize(("file", "before", "after", "message"), DAMAGE.values(), ids=DAMAGE)
def test_damage_is_named_by_file_and_line(tmp_path: Path, file: str, before: str, after: str, message: str) -> None:
    folder = write_run(tmp_path / "run", made_run(questions=3))
    text = (folder / file).read_text()
    assert before in text
    (folder / file).write_text(text.replace(before, after, 1))

    with pytest.raises(InputError, match=message) as caught:
        read_run(folder)
    assert "tercet eval run" in caught.value.remedy


def test_what_is_no_text_or_no_object_is_named(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", made_run(questions=1))
    (folder / "queries.jsonl").write_bytes(b'{"id": "\xff"}\n')
    with pytest.raises(InputError, match=r"line 1: not valid UTF-8"):
        read_run(folder)
    (folder / "run.json").write_text("[1]")
    with pytest.raises(InputError, match="expected a JSON object"):
        read_run(folder)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no run in"):
        read_run(tmp_path / "nowhere")
    folder = write_run(tmp_path / "run", made_run(questions=1))
    (folder / "queries.jsonl").unlink()
    with pytest.raises(SourceError, match=r"queries\.jsonl cannot be read"):
        read_run(folder)


def test_a_run_full_of_hostile_text_is_written_and_read(tmp_path: Path) -> None:
    run = hostile_run()

    folder = write_run(tmp_path / "run", run)

    assert read_run(folder) == run
    assert HOSTILE not in (folder / "report.html").read_text("utf-8")
    assert "<img" not in (folder / "summary.md").read_text("utf-8")
