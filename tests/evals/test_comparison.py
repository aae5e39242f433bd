"""Two runs compared: on the same data only, question by question, with words for people and files for machines."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tercet.errors import ConfigurationError, InputError
from tercet.evals.comparison import compare_runs
from tercet.evals.comparison_files import COMPARISON_FILES, write_comparison
from tercet.evals.gate import Gate
from tercet.evals.gate_file import GateFile, read_gate_file, store_baseline
from tercet.evals.junit import run_junit
from tercet.evals.records import EvalRun
from tercet.evals.report.comparison_page import comparison_page
from tercet.evals.runs import read_run, write_run
from tercet.evals.summary import comparison_summary, plain, run_summary
from tests.evals.made_runs import HOSTILE, hostile_run, made_run

BEFORE = made_run("before")
WORSE = made_run("worse", skill=0.3)


def test_a_run_against_itself_differs_in_nothing() -> None:
    found = compare_runs(BEFORE, BEFORE, gates=[Gate.parse("nDCG@10>=0")])

    assert [one.difference for one in found.measures] == [0.0] * 5
    assert {one.verdict for one in found.measures} == {"no difference"}
    assert (found.regressions, found.improvements, dict(found.configuration)) == ((), (), {})
    assert found.passed


def test_a_worse_run_is_called_worse_and_fails_its_gate() -> None:
    found = compare_runs(BEFORE, WORSE, measures=["nDCG@10"], gates=[Gate.parse("Recall@10>=-0.01")])

    assert [one.measure for one in found.measures] == ["nDCG@10", "R@10"]  # a gate's measure is compared too
    assert found.main.verdict == "baseline"
    assert found.main.difference == pytest.approx(WORSE.measures["nDCG@10"].mean - BEFORE.measures["nDCG@10"].mean)
    assert not found.passed
    assert str(found.gates[0].gate) == "R@10>=-0.01"
    assert found.configuration == {"retrieval.skill": (0.6, 0.3)}


def test_the_worst_regression_comes_first_and_improvements_the_best_first() -> None:
    found = compare_runs(BEFORE, made_run("other", seed=8))

    differences = [change.difference for change in found.changes]
    assert differences == sorted(differences)
    assert found.regressions[0].difference == differences[0] < 0
    assert found.improvements[0].difference == differences[-1] > 0
    assert len(found.regressions) <= 10


def test_slices_are_compared_by_the_first_measure() -> None:
    found = compare_runs(BEFORE, WORSE, measures=["R@10"])

    assert set(found.slices) == {"language", "kind"}
    assert sum(one.count for one in found.slices["language"].values()) == 60
    assert {one.measure for values in found.slices.values() for one in values.values()} == {"R@10"}


def test_what_is_gated_comes_first_unless_measures_are_named() -> None:
    gates = [Gate.parse("R@10>=-0.01")]

    gated = compare_runs(BEFORE, WORSE, gates=gates)
    named = compare_runs(BEFORE, WORSE, measures=["P@5"], gates=gates)

    assert [one.measure for one in gated.measures] == ["R@10", "nDCG@10", "RR@10", "Success@1", "P@5"]
    assert {change.measure for change in gated.regressions} == {"R@10"}
    assert [one.measure for one in named.measures] == ["P@5", "R@10"]


def costing(name: str, *, seconds: float | None, tokens: int | None) -> EvalRun:
    """The run before, with costs that differ a little from question to question."""
    outcomes = tuple(
        replace(
            outcome,
            seconds=None if seconds is None else seconds + number / 10_000,
            tokens=None if tokens is None else tokens + number,
        )
        for number, outcome in enumerate(BEFORE.outcomes)
    )
    return replace(BEFORE, name=name, outcomes=outcomes)


def test_of_a_cost_less_is_better() -> None:
    slow, fast = costing("slow", seconds=0.05, tokens=900), costing("fast", seconds=0.02, tokens=900)

    better = compare_runs(slow, fast, measures=["latency ms", "context tokens"])
    worse = compare_runs(fast, slow, measures=["latency ms"])

    assert better.main.difference == pytest.approx(-30)
    assert (better.main.verdict, better.main.wins, better.main.losses) == ("candidate", 60, 0)
    assert better.measures[1].verdict == "no difference"
    assert (len(better.improvements), better.regressions) == (10, ())
    assert (worse.main.verdict, worse.main.wins, worse.main.losses) == ("baseline", 0, 60)
    assert "the candidate is worse" in comparison_summary(worse)
    assert "\u25b2 60 better" in comparison_page(better)
    assert "\u25bc 60 worse" in comparison_page(worse)


def test_the_axis_of_a_cost_is_turned_round_and_keeps_its_zeros() -> None:
    many, few = costing("many", seconds=None, tokens=1000), costing("few", seconds=None, tokens=900)

    page = comparison_page(compare_runs(many, few, measures=["context tokens"]))
    highest = page.index('text-anchor="end">\N{MINUS SIGN}100<')

    assert highest < page.index('text-anchor="end">+100<')  # what is saved goes up


def test_a_gate_holds_a_cost_from_above() -> None:
    slow, fast = costing("slow", seconds=0.05, tokens=None), costing("fast", seconds=0.02, tokens=None)
    gates = [Gate.parse("latency ms<=10"), Gate.parse("latency ms<=40")]

    found = compare_runs(fast, slow, gates=gates)

    assert [one.passed for one in found.gates] == [False, True]
    assert found.main.measure == "latency ms"
    assert all(one.passed for one in compare_runs(slow, fast, gates=[Gate.parse("latency ms<=-20")]).gates)


def test_costs_are_compared_only_where_both_runs_have_them() -> None:
    without = costing("without", seconds=0.05, tokens=None)
    gap = replace(without, outcomes=(replace(without.outcomes[0], seconds=None), *without.outcomes[1:]))

    found = compare_runs(gap, without, measures=["latency ms"])

    assert "latency ms" not in {one.measure for one in compare_runs(without, without).measures}
    assert (found.main.count, found.main.difference) == (59, 0.0)
    assert any("1 questions have latency ms in one run only" in one and "left out" in one for one in found.warnings)
    with pytest.raises(InputError, match="no measure 'context tokens'"):
        compare_runs(without, without, measures=["context tokens"])


def test_runs_on_other_data_are_refused_with_the_reason() -> None:
    other = replace(BEFORE, dataset=replace(BEFORE.dataset, fingerprint="beef" * 16, documents=421))

    with pytest.raises(InputError, match=r"different data \(numbers of documents 420 and 421, fingerprints '5f1c"):
        compare_runs(BEFORE, other)
    with pytest.raises(InputError, match="1 questions, such as 'q59', are in one of the runs"):
        compare_runs(BEFORE, replace(BEFORE, outcomes=BEFORE.outcomes[:-1]))
    with pytest.raises(InputError, match="have no questions"):
        compare_runs(replace(BEFORE, outcomes=()), replace(BEFORE, outcomes=()))


def test_an_unknown_measure_is_refused_with_those_there_are() -> None:
    with pytest.raises(InputError, match="no measure 'nDCG@11'") as caught:
        compare_runs(BEFORE, WORSE, measures=["nDCG@11"])
    assert "nDCG@10, R@10" in caught.value.remedy
    with pytest.raises(InputError, match="no measure 'taste'"):
        compare_runs(BEFORE, WORSE, gates=[Gate(measure="taste", margin=0)])


def test_a_value_that_only_one_run_has_counts_as_0_and_is_told() -> None:
    first = BEFORE.outcomes[0]
    partial = replace(first, values={name: value for name, value in first.values.items() if name != "R@10"})

    found = compare_runs(BEFORE, replace(BEFORE, outcomes=(partial, *BEFORE.outcomes[1:])))

    assert found.warnings == ("1 questions have R@10 in one run only, such as 'q0'; the other counts as 0.",)


def test_what_each_run_has_over_its_own_questions_is_not_paired_and_that_is_told() -> None:
    name = "abstention precision"
    estimate = replace(next(iter(BEFORE.measures.values())), count=1)
    before, after = (
        replace(
            BEFORE,
            measures={**BEFORE.measures, name: estimate},
            outcomes=tuple(
                replace(one, values={**one.values, name: 1.0}) if number == abstained else one
                for number, one in enumerate(BEFORE.outcomes)
            ),
        )
        for abstained in (0, 1)
    )

    found = compare_runs(before, after)

    assert name not in [one.measure for one in found.measures]
    assert found.warnings == (
        f"{name} is not compared: each run has it over the questions that it abstained from itself.",
    )
    with pytest.raises(InputError, match="no paired difference") as caught:
        compare_runs(before, after, gates=[Gate(measure=name, margin=0)])
    assert "abstention accuracy" in caught.value.remedy


def test_failed_questions_are_told() -> None:
    failed = replace(BEFORE.outcomes[0], error="timed out", values=dict.fromkeys(BEFORE.outcomes[0].values, 0.0))
    run = replace(BEFORE, outcomes=(failed, *BEFORE.outcomes[1:]))

    assert "1 questions failed in the candidate" in compare_runs(BEFORE, run).warnings[0]
    case = ET.fromstring(run_junit(run)).findall(".//testcase")[-1]
    assert case.find("failure").get("message") == "1 of 60 questions failed and count as 0"
    assert case.find("failure").text == "q0: timed out"


def _schema_problems(document: str) -> list[str]:
    """What the readers of GitLab and the GitHub actions would stumble over."""
    root = ET.fromstring(document)
    problems = [] if root.tag == "testsuites" else [f"root {root.tag}"]
    for suite in root:
        cases = suite.findall("testcase")
        failures = suite.findall("testcase/failure")
        if (suite.get("tests"), suite.get("failures")) != (str(len(cases)), str(len(failures))):
            problems.append("counts differ")
        problems += [
            f"case without {key}" for case in cases for key in ("name", "classname", "time") if not case.get(key)
        ]
        problems += [child.tag for case in cases for child in case if child.tag not in {"failure", "system-out"}]
        problems += ["failure without message" for failure in failures if not failure.get("message")]
    return problems


def test_junit_has_a_case_for_each_measure_and_gate(tmp_path: Path) -> None:
    found = compare_runs(BEFORE, WORSE, gates=[Gate.parse("nDCG@10>=-0.01"), Gate.parse("P@5>=-0.5")])
    write_comparison(tmp_path / "found", found)

    document = (tmp_path / "found" / "junit.xml").read_text("utf-8")
    cases = ET.fromstring(document).findall(".//testcase")

    assert _schema_problems(document) == []
    assert [case.get("name") for case in cases] == [*BEFORE.measures, "nDCG@10>=-0.01", "P@5>=-0.5"]
    assert [case.find("failure") is not None for case in cases] == [False] * 5 + [True, False]
    assert "failed" in cases[5].find("failure").get("message")
    assert _schema_problems(run_junit(hostile_run())) == []


def test_a_comparison_is_four_files_that_replace_an_earlier_one(tmp_path: Path) -> None:
    for _ in range(2):
        write_comparison(tmp_path / "found", compare_runs(BEFORE, WORSE))

    assert sorted(path.name for path in (tmp_path / "found").iterdir()) == sorted(COMPARISON_FILES)
    write_run(tmp_path / "run", BEFORE)
    with pytest.raises(InputError, match="which no eval wrote"):
        write_comparison(tmp_path / "run", compare_runs(BEFORE, WORSE))


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes |= {name for name, _ in attributes}


def test_hostile_text_stays_text_in_every_file(tmp_path: Path) -> None:
    hostile, other = hostile_run(), hostile_run("other")
    found = compare_runs(other, hostile)
    folder = write_comparison(tmp_path / "found", found)

    page = (folder / "report.html").read_text("utf-8")
    parsed = _Tags()
    parsed.feed(page)
    assert parsed.tags["script"] == 1
    assert "img" not in parsed.tags
    assert not [name for name in parsed.attributes if name.startswith("on") or name == "style"]
    assert "&lt;img src=x onerror=" in page
    for summary in (comparison_summary(found), run_summary(hostile)):
        assert "<img" not in summary
        assert "<script" not in summary


def test_markdown_of_data_is_shown_and_not_followed() -> None:
    assert plain("# [x](http://e.x) `a` | b\n> c") == r"\# \[x\](http://e.x) \`a\` \| b > c"


@pytest.mark.parametrize("run", [BEFORE, replace(BEFORE, measures={}, curves={}, slices={}, outcomes=(), warnings=())])
def test_a_run_with_little_in_it_has_its_files_too(tmp_path: Path, run: EvalRun) -> None:
    assert read_run(write_run(tmp_path / "run", run)) == run


def test_a_gate_file_is_a_table_of_pyproject_or_a_file_of_its_own(tmp_path: Path) -> None:
    keys = 'baseline = "evals/base"\ngates = ["nDCG@10>=-0.01"]\nstrict = true\n'
    (tmp_path / "pyproject.toml").write_text(f"[project]\nname = 'x'\n[tool.tercet.eval]\n{keys}")
    (tmp_path / "gate.toml").write_text(keys)

    expected = GateFile(baseline=str(tmp_path / "evals/base"), gates=["nDCG@10>=-0.01"], strict=True)

    assert read_gate_file(tmp_path / "pyproject.toml") == expected
    assert read_gate_file(tmp_path / "gate.toml") == expected
    assert expected.parsed_gates() == (Gate(measure="nDCG@10", margin=-0.01),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gates = 1", "gates: Input should be a valid list"),
        ("gate = ['a']", "gate: Extra inputs"),
        ("gates = [", "not valid TOML"),
        ("strict = 'yes'", "strict: Input should be a valid boolean"),
    ],
)
def test_a_gate_file_that_cannot_be_read_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "gate.toml").write_text(text)

    with pytest.raises(ConfigurationError, match=message):
        read_gate_file(tmp_path / "gate.toml")


def test_a_stored_baseline_compares_as_the_run_did_and_holds_no_texts(tmp_path: Path) -> None:
    folder = store_baseline(tmp_path / "baseline", BEFORE)

    assert compare_runs(read_run(folder), WORSE).measures == compare_runs(BEFORE, WORSE).measures
    assert "open the settings" not in (folder / "queries.jsonl").read_text("utf-8")
    assert HOSTILE not in (folder / "report.html").read_text("utf-8")
