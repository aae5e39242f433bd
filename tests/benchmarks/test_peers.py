"""The peers benchmark without the peers: options, medians, recall, bars, and a worker's memory and failures."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

PEERS = Path(__file__).parents[2] / "benchmarks" / "peers"
pytestmark = pytest.mark.skipif(not PEERS.is_dir(), reason="benchmarks are not part of the wheel's tests")


@pytest.fixture
def load(monkeypatch):
    monkeypatch.syspath_prepend(str(PEERS))
    known = set(sys.modules)
    yield import_module
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(PEERS)):
            del sys.modules[name]


def test_parts_and_systems_can_be_chosen_and_quick_results_stay_away(load, tmp_path):
    run = load("run")

    chosen = run.parse_arguments(
        ["--environments", str(tmp_path), "--parts", "query", "--systems", "tercet", "txtai", "--runs", "2"]
    )
    quick = run.parse_arguments(["--environments", str(tmp_path), "--quick"])

    assert (chosen.parts, chosen.systems, chosen.runs) == (["query"], ["tercet", "txtai"], 2)
    assert chosen.out == PEERS.parent / "results"
    assert quick.parts == ["ingest", "query", "quality"]
    assert quick.systems == ["tercet", "llama_index", "langchain", "haystack", "txtai", "txtai_exact"]
    assert tmp_path in quick.out.parents


def test_a_peer_that_is_unknown_is_refused(load, tmp_path):
    with pytest.raises(SystemExit):
        load("run").parse_arguments(["--environments", str(tmp_path), "--systems", "nobody"])


def test_every_peer_has_pinned_requirements_and_a_module(load):
    for peer in load("environments").PEERS:
        lines = (PEERS / "requirements" / f"{peer}.txt").read_text("utf-8").split()
        assert "torch==2.13.0" in lines
        assert all("==" in line for line in lines)
        assert (PEERS / "systems" / f"{peer}.py").is_file()


def test_medians_are_taken_case_by_case_and_failures_are_not_averaged(load):
    median_of = load("verdicts").median_of

    runs = [
        {"total s": value, "cases": {"dense": {"p50 ms": value * 2}}, "versions": {"a": "1"}} for value in (1, 9, 2)
    ]
    merged = median_of([*runs, {"failed": "out of memory"}])

    assert merged["total s"] == 2
    assert merged["cases"]["dense"]["p50 ms"] == 4
    assert merged["versions"] == {"a": "1"}
    assert merged["runs that failed"] == 1
    assert median_of([{"failed": "out of memory"}]) == {"failed": "out of memory"}


def ingest_row(searchable: float, rate: int, memory: int) -> dict[str, float]:
    return {
        "searchable s": searchable,
        "total s": 9.0,
        "imports s": 1.0,
        "inside the embedder s": 10.0,
        "tokens": rate * 10,
        "tokens beyond what the model reads": 0,
        "peak MB": memory,
    }


def test_ingest_bars_are_judged_against_each_float32_peer(load):
    verdicts = load("verdicts")
    rows = {
        "tercet": ingest_row(1.0, 3000, 700),
        "txtai": ingest_row(20.0, 2000, 700),
        "haystack": ingest_row(19.0, 2001, 699),
        "haystack, bfloat16": ingest_row(1.0, 9000, 1),
        "langchain": {"failed": "no space"},
    }

    bars = verdicts.ingest_bars({name: verdicts.with_rates(row) for name, row in rows.items()})

    judged = {one["what"]: one["verdict"] for one in bars}
    assert judged == {
        "searchable, beside txtai": "met",
        "tokens/s in the embedder, beside txtai": "met",
        "tokens/s of the whole run, beside txtai": "met",
        "peak memory, beside txtai": "met",
        "searchable, beside haystack": "MISSED",
        "tokens/s in the embedder, beside haystack": "MISSED",
        "tokens/s of the whole run, beside haystack": "MISSED",
        "peak memory, beside haystack": "MISSED",
    }


def test_recall_is_counted_and_a_fast_search_that_finds_less_does_not_count(load):
    verdicts = load("verdicts")
    truth = {"dense": [["a", "b"], ["c", "d"]], "filtered dense": [["a"], ["c"]], "source": ["a", "c"]}

    def row(speed: float, found: list[list[str]]) -> dict[str, object]:
        case = {"p50 ms": speed, "queries": 2, "found": found}
        kinds = ("dense", "hybrid", "filtered dense", "filtered hybrid")
        return verdicts.with_recall({"cases": {kind: dict(case) for kind in kinds}}, truth)

    rows = {
        "tercet": row(3.0, [["a", "b"], ["c", "d"]]),
        "exact": row(2.0, [["b", "a"], ["d", "c"]]),
        "careless": row(0.1, [["a", "x"], ["x", "y"]]),
        "without": {"cases": {"dense": {"not offered": "has none"}}},
    }

    assert rows["careless"]["cases"]["dense"]["recall@10"] == 0.25
    assert rows["careless"]["cases"]["dense"]["source found"] == 0.5
    dense = verdicts.query_bars(rows, 10)[0]
    assert dense["verdict"] == "met"
    assert "exact" in dense["measured"]
    hybrid = verdicts.query_bars(rows, 10)[1]  # has no recall of its own
    assert "exact" in hybrid["measured"]
    rows["tercet"]["cases"]["dense"]["p50 ms"] = 4.1
    assert verdicts.query_bars(rows, 10)[0]["verdict"] == "MISSED"


def test_a_lower_score_misses_its_bar(load):
    rows = {
        "tercet": {},
        "txtai": {"tercet minus this": {"mean": 0.02, "low": -0.01, "high": 0.05}},
        "haystack": {"tercet minus this": {"mean": -0.02, "low": -0.03, "high": -0.01}},
    }

    met, missed = load("verdicts").quality_bars(rows, "set")

    assert met["verdict"] == "met"
    assert "the interval holds 0" in met["measured"]
    assert missed["verdict"] == "MISSED"
    assert "-0.0200" in missed["measured"]


def test_tables_say_why_a_row_is_empty(load):
    rows = {"a": {"p50 ms": 1.5}, "b": {"not offered": "no filter"}, "c": {"failed": "out of memory"}}

    shown = load("verdicts").table(rows, ["p50 ms", "p95 ms"])

    assert "| a | 1.5 |  |" in shown
    assert "not offered: no filter" in shown
    assert "failed: out of memory" in shown


def test_exact_answers_respect_the_group(load, tmp_path):
    inputs, measuring = load("inputs"), load("measuring")

    truth = inputs.write_records(tmp_path, 2000, 3)
    records = measuring.Records.read(tmp_path)

    groups = dict(zip(records.ids, records.groups, strict=True))
    for query, nearest, filtered, source in zip(
        records.queries, truth["dense"], truth["filtered dense"], truth["source"], strict=True
    ):
        assert nearest[0] == filtered[0] == source
        assert {groups[key] for key in filtered} == {query.group}
        np.testing.assert_array_equal(records.known[query.text], query.vector)


def test_known_vectors_are_not_computed_again(load, tmp_path):
    measuring = load("measuring")
    asked: list[list[str]] = []

    def embed(model: object, texts: list[str]) -> np.ndarray:
        asked.append(texts)
        return np.array([[float(len(text))] for text in texts], dtype=np.float32)

    first = measuring.Watch(kept=tmp_path / "vectors.npz")
    first.wrap(embed)(None, ["a b", "cc"])
    first.save()
    second = measuring.Watch(kept=tmp_path / "vectors.npz")
    rows = second.wrap(embed)(None, ["cc", "a\nb", "new one"])

    assert asked == [["a b", "cc"], ["new one"]]
    assert rows[:, 0].tolist() == [2, 3, 7]
    assert second.texts == ["cc", "a\nb", "new one"]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_a_worker_that_cannot_start_its_system_says_why(load, tmp_path):
    said = load("processes").run_worker(
        Path(sys.executable),
        "nobody",
        "query",
        ["--input", str(tmp_path), "--model", str(tmp_path)],
        limit_s=60,
        log=tmp_path / "log",
    )

    assert "nobody" in said["failed"]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_a_process_is_its_own_first_descendant(load):
    assert load("processes").descendants(os.getpid())[0] == os.getpid()
