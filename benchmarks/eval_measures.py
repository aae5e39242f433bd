"""Ranking measures beside ir-measures, which asks trec_eval for most of them: the largest difference, and the time.

    python benchmarks/eval_measures.py --data DIR      # DIR holds scifact/, cookbook_codebase/ and mtrag_clapnq/

Agreement is the largest difference of any query in any measure: on BM25 runs of three public sets (1,000 ranks, ties
included: scores of 0 are kept) and on random runs with ties, grades from -1 to 3, missing and unjudged queries. Two
things are done for the oracle's sake alone. A query with negative grades only gets 0 instead, because the binding to
trec_eval hangs on it. And where ir-measures does not ask trec_eval (RR with a cutoff, Judged) it breaks ties the other
way round; there it gets our order as scores without ties.

The time is that of all measures at once on SciFact's 300 queries, medians with the process's own time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import bm25s
import ir_measures
import numpy as np

from tercet import LexicalConfig
from tercet.evals.datasets import RetrievalDataset, load_beir
from tercet.evals.measures import Measure, evaluate, parse_measures
from tercet.models.lexical import Analyzer
from tercet.records import embedded_text

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent
SETS = ("scifact", "cookbook_codebase", "mtrag_clapnq")
DEPTH = 1000
RANDOM_RUNS = 1000
REPEATS = 15
BAR_DIFFERENCE = 1e-4
BAR_SECONDS = 0.1

TREC_EVAL = parse_measures(
    "nDCG nDCG@5 nDCG@10 nDCG@100 R@10 R@100 R@1000 R(rel=2)@10 P@1 P@10 P(rel=2)@5 RR RR(rel=2) AP AP@10 AP@100 "
    "AP(rel=2) Success@1 Success@10 Success(rel=2)@5"
)
OWN_TIE_RULE = parse_measures("RR@10 RR@100 RR(rel=2)@10 Judged Judged@10 Judged@100")
EVIDENCE = parse_measures("any@10 all@10 all@100")
"""Not known to ir-measures; the tests derive them from Success and R. Timed here."""

Qrels = dict[str, dict[str, int]]
Run = dict[str, dict[str, float]]


def bm25_run(dataset: RetrievalDataset) -> Run:
    analyzer = Analyzer(LexicalConfig())
    ids = np.array([document.uri for document in dataset.documents])
    engine = bm25s.BM25(k1=1.2, b=0.75)
    engine.index(
        [analyzer.terms(embedded_text(one.title, (), "", one.text)) for one in dataset.documents], show_progress=False
    )
    run: Run = {}
    for query, text in dataset.queries.items():
        known = [term for term in analyzer.terms(text) if term in engine.vocab_dict]
        if not known:
            continue  # a query that no document shares a word with is missing from the run
        scores = engine.get_scores(known)
        best = np.argsort(-scores, kind="stable")[:DEPTH]
        run[query] = dict(zip(ids[best].tolist(), scores[best].tolist(), strict=True))
    return run


def random_judgements(random: np.random.Generator, documents: list[str]) -> Qrels:
    return {
        f"q{number}": {
            str(document): int(random.integers(-1, 4))
            for document in random.choice(documents, int(random.integers(1, 30)), replace=False)
        }
        for number in range(int(random.integers(1, 8)))
    }


def random_run(random: np.random.Generator, documents: list[str]) -> Run:
    levels = int(random.integers(1, 40))  # few levels are many ties
    return {
        f"q{number}": {
            str(document): float(random.integers(0, levels)) / 7
            for document in random.choice(documents, int(random.integers(1, 120)), replace=False)
        }
        for number in range(8)
        if random.random() < 0.8
    }


def oracle(measures: tuple[Measure, ...], qrels: Qrels, run: Run) -> dict[tuple[str, str], float]:
    parsed = [ir_measures.parse_measure(str(measure)) for measure in measures]
    return {(str(one.measure), one.query_id): one.value for one in ir_measures.iter_calc(parsed, qrels, run)}


def ours(measures: tuple[Measure, ...], qrels: Qrels, run: Run) -> dict[tuple[str, str], float]:
    return {
        (str(measure), query): value
        for measure, by_query in evaluate(measures, qrels, run).items()
        for query, value in by_query.items()
    }


def without_lone_negatives(qrels: Qrels) -> Qrels:
    return {query: judged if max(judged.values()) >= 0 else dict.fromkeys(judged, 0) for query, judged in qrels.items()}


def without_ties(run: Run) -> Run:
    def order(ranking: dict[str, float]) -> list[str]:
        return sorted(ranking, key=lambda document: (np.float32(ranking[document]), document), reverse=True)

    return {query: {d: -float(place) for place, d in enumerate(order(ranking))} for query, ranking in run.items()}


def differences(qrels: Qrels, run: Run) -> dict[str, float]:
    """The largest difference of any query, by measure."""
    expected = oracle(TREC_EVAL, without_lone_negatives(qrels), run) | oracle(OWN_TIE_RULE, qrels, without_ties(run))
    measured = ours(TREC_EVAL + OWN_TIE_RULE, qrels, run)
    assert measured.keys() == expected.keys()
    found = dict.fromkeys(map(str, TREC_EVAL + OWN_TIE_RULE), 0.0)
    for (measure, query), value in expected.items():
        found[measure] = max(found[measure], abs(value - measured[measure, query]))
    return found


def tied(run: Run) -> float:
    """Share of the documents that have the score of another one in their ranking."""
    shared = total = 0
    for ranking in run.values():
        _, counts = np.unique(np.array(list(ranking.values()), dtype=np.float32), return_counts=True)
        shared, total = shared + int(counts[counts > 1].sum()), total + len(ranking)
    return round(shared / total, 3)


def agreement(data: Path) -> tuple[dict[str, object], dict[str, tuple[Qrels, Run]]]:
    result: dict[str, object] = {}
    runs: dict[str, tuple[Qrels, Run]] = {}
    for name in SETS:
        dataset = load_beir(data / name)
        qrels = {query: dict(judged) for query, judged in dataset.qrels.items()}
        run = bm25_run(dataset)
        runs[name] = (qrels, run)
        found = differences(qrels, run)
        result[name] = {
            "queries": len(qrels),
            "ranks": sum(map(len, run.values())),
            "tied": tied(run),
            "measures": len(found),
            "maximum_difference": max(found.values()),
            "mean nDCG@10": round(statistics.fmean(evaluate(TREC_EVAL[2:3], qrels, run)[TREC_EVAL[2]].values()), 4),
        }
        print(name, result[name], flush=True)
    random = np.random.default_rng(11)
    documents = [f"d{number}" for number in range(150)]
    worst, compared, shares = 0.0, 0, []
    for _ in range(RANDOM_RUNS):
        qrels, run = random_judgements(random, documents), random_run(random, documents)
        found = differences(qrels, run)
        worst, compared = max(worst, *found.values()), compared + len(found) * len(qrels)
        shares.append(tied(run) if run else 0.0)
    result["random runs"] = {
        "runs": RANDOM_RUNS,
        "values": compared,
        "tied": round(statistics.fmean(shares), 3),
        "maximum_difference": worst,
    }
    print("random runs", result["random runs"], flush=True)
    return result, runs


def seconds(work: Callable[[], object]) -> dict[str, float]:
    """Medians, after one run that is not counted."""
    work()
    taken = []
    for _ in range(REPEATS):
        started, processor = time.perf_counter(), time.process_time()
        work()
        taken.append((time.perf_counter() - started, time.process_time() - processor))
    return {
        "wall_s": round(statistics.median(wall for wall, _ in taken), 4),
        "cpu_s": round(statistics.median(cpu for _, cpu in taken), 4),
    }


def speed(qrels: Qrels, run: Run) -> dict[str, object]:
    known = [ir_measures.parse_measure(str(measure)) for measure in TREC_EVAL + OWN_TIE_RULE]
    measures = TREC_EVAL + OWN_TIE_RULE + EVIDENCE
    result: dict[str, object] = {}
    for depth in (100, 1000):
        cut = {query: dict(list(ranking.items())[:depth]) for query, ranking in run.items()}
        result[f"{depth} ranks"] = {
            "queries": len(qrels),
            "measures": len(measures),
            "all at once": seconds(lambda cut=cut: evaluate(measures, qrels, cut)),
            "nDCG@10 alone": seconds(lambda cut=cut: measures[2].per_query(qrels, cut)),
            "ir-measures": {
                "measures": len(known),
                **seconds(lambda cut=cut: list(ir_measures.iter_calc(known, qrels, cut))),
            },
        }
        print(depth, "ranks", result[f"{depth} ranks"], flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    beside = HERE.parents[1] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("TERCET_DATA", beside)))
    parser.add_argument("--json", type=Path, default=HERE / "results" / "eval_measures.json")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    compared, runs = agreement(options.data)
    result = {
        "command": "python benchmarks/eval_measures.py --data DIR",
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "ir-measures": version("ir-measures"),
        "load_average": round(load, 1),
        "bars": {"maximum_difference": BAR_DIFFERENCE, "all at once, s": BAR_SECONDS},
        "agreement": compared,
        "time": speed(*runs["scifact"]),
    }
    options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
