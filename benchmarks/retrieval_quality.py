"""Retrieval quality on BEIR sets through the public API: nDCG@10 of each leg and each fusion.

Two ways of cutting: ``given``, each document (title and text) as one chunk, and ``default``, the structural chunker,
where a document counts as its best chunk. All settings are the defaults; nothing is fitted to these sets. Intervals
are 95 % percentile bootstrap over queries, the same resamples for every method, so that differences are paired.

    python benchmarks/retrieval_quality.py --data DIR            # DIR holds scifact/ and cookbook_codebase/

``--keep DIR`` keeps the memories there, ``--cache FILE`` the vectors: a second run embeds nothing again.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rank_bm25 import BM25Okapi

from tercet import Embedder, LexicalConfig, Memory, RetrievalConfig, ingest
from tercet.evals.configuration import EvalConfiguration
from tercet.evals.datasets import RetrievalDataset, load_beir
from tercet.evals.embedding_cache import CachedEmbedder
from tercet.evals.measures import parse_measure
from tercet.evals.retrieval import measure_retrieval
from tercet.models.embedding import resolve_embedder
from tercet.models.lexical import Analyzer
from tercet.records import embedded_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

METHODS = {
    "bm25": RetrievalConfig(dense_weight=0),
    "dense": RetrievalConfig(lexical_weight=0),
    "rrf": RetrievalConfig(fusion="rrf"),
    "minmax": RetrievalConfig(fusion="minmax"),
    "dbsf": RetrievalConfig(),
}
BARS = {("scifact", "given", "bm25"): 0.675, ("scifact", "given", "dbsf"): 0.730} | {
    ("cookbook_codebase", "given", "dbsf"): 0.70
}
DEPTH = 200
RESAMPLES = 10_000

NDCG = parse_measure("nDCG@10")


def ndcg(dataset: RetrievalDataset, memory: Memory, config: RetrievalConfig) -> tuple[NDArray[np.float64], float]:
    """nDCG@10 a query, in the order of the data set, and the seconds of all searches."""
    configuration = EvalConfiguration(retrieval=config, hits=DEPTH)
    found = measure_retrieval(dataset, memory, configuration, measures=[NDCG])
    assert not found.warnings, found.warnings
    assert not any(one.error for one in found.outcomes)
    seconds = sum(one.seconds or 0.0 for one in found.outcomes)
    return np.array([one.values[str(NDCG)] for one in found.outcomes]), seconds


def reference_bm25(dataset: RetrievalDataset) -> NDArray[np.float64]:
    """nDCG@10 of rank-bm25 over the same terms, as a check of the lexical leg."""
    analyzer = Analyzer(LexicalConfig())
    ids = [document.uri for document in dataset.documents]
    texts = [embedded_text(document.title, (), "", document.text) for document in dataset.documents]
    engine = BM25Okapi([analyzer.terms(text) for text in texts], k1=1.2, b=0.75)
    run: dict[str, dict[str, float]] = {}
    for query, text in dataset.queries.items():
        scores = engine.get_scores(analyzer.terms(text))
        run[query] = {ids[place]: float(scores[place]) for place in np.argsort(-scores)[:DEPTH]}
    found = NDCG.per_query(dataset.qrels, run)
    return np.array([found[query] for query in dataset.queries])


def interval(values: NDArray[np.float64], picks: NDArray[np.int64]) -> dict[str, float]:
    means = values[picks].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return {"mean": round(float(values.mean()), 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def measure(dataset: RetrievalDataset, cut: str, embedder: Embedder, folder: Path) -> dict[str, object]:
    print(f"{dataset.name}, {cut}: {len(dataset.documents)} documents, {len(dataset.queries)} queries", flush=True)
    with Memory.open(folder / f"{dataset.name}-{cut}", embedder=embedder) as memory:
        chunker = None if cut == "given" else "structural"
        report = ingest(documents=dataset.documents, into=memory, chunker=chunker)
        assert report.ok, report.failed[:5]
        chunks = sum(document.chunks for document in memory.semantic.documents())
        values, seconds = {}, {}
        for name, config in METHODS.items():
            values[name], spent = ndcg(dataset, memory, config)
            seconds[name] = round(spent, 2)
    if cut == "given":
        values["rank-bm25"] = reference_bm25(dataset)
    picks = np.random.default_rng(0).integers(0, len(dataset.queries), (RESAMPLES, len(dataset.queries)))
    scores = {name: interval(each, picks) for name, each in values.items()}
    for name, score in scores.items():
        bar = BARS.get((dataset.name, cut, name))
        verdict = "" if bar is None else f"   bar {bar}: {'reached' if score['mean'] >= bar else 'NOT reached'}"
        print(f"  {name:10} {score['mean']:.4f}  [{score['low']:.4f}, {score['high']:.4f}]{verdict}", flush=True)
    return {
        "documents": len(dataset.documents),
        "queries": len(dataset.queries),
        "chunks": chunks,
        "truncated": report.truncated,
        "ingest_s": round(report.total_s, 1),
        "embedded": report.embedded,
        "nDCG@10": scores,
        "dbsf_minus": {
            name: interval(values["dbsf"] - each, picks)
            for name, each in values.items()
            if name in METHODS.keys() - {"dbsf"}
        },
        "bars": {name: bar for (of, way, name), bar in BARS.items() if (of, way) == (dataset.name, cut)},
        "search_s": seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("TERCET_DATA", beside)))
    parser.add_argument("--sets", nargs="+", default=["cookbook_codebase", "scifact"])
    parser.add_argument("--cuts", nargs="+", default=["given", "default"], choices=["given", "default"])
    parser.add_argument("--embedder", default="all-MiniLM-L6-v2")
    parser.add_argument("--keep", type=Path, help="folder for the memories; default: a temporary one")
    parser.add_argument("--cache", type=Path, help="file of vectors; default: a temporary one")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "retrieval_quality.json")
    options = parser.parse_args()
    resolved = resolve_embedder(options.embedder)
    results: dict[str, object] = {
        "command": "python benchmarks/retrieval_quality.py --data DIR "
        f"--sets {' '.join(options.sets)} --cuts {' '.join(options.cuts)} --embedder {options.embedder}",
        "tercet": version("tercet"),
        "python": platform.python_version(),
        "embedder": resolved.fingerprint,
        "dtype": getattr(resolved, "dtype", ""),
        "candidates": RetrievalConfig().candidates,
        "interval": f"95 % percentile bootstrap over queries, {RESAMPLES} resamples, paired",
    }
    sets: dict[str, dict[str, object]] = {}
    with (
        tempfile.TemporaryDirectory() as temporary,
        CachedEmbedder(resolved, options.cache or Path(temporary) / "vectors.sqlite3") as embedder,
    ):
        for name in options.sets:
            dataset = load_beir(options.data / name)
            sets[name] = {}
            for cut in options.cuts:
                sets[name][cut] = measure(dataset, cut, embedder, options.keep or Path(temporary))
                options.out.parent.mkdir(parents=True, exist_ok=True)
                options.out.write_text(json.dumps({**results, "sets": sets}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
