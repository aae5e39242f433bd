"""Retrieval quality on BEIR sets through the public API: nDCG@10 of each leg and each fusion.

Two ways of cutting: ``given``, each document (title and text) as one chunk, and ``default``, the structural chunker,
where a document counts as its best chunk. All settings are the defaults; nothing is fitted to these sets. Intervals
are 95 % percentile bootstrap over queries, the same resamples for every method, so that differences are paired.

    python benchmarks/retrieval_quality.py --data DIR            # DIR holds scifact/ and cookbook_codebase/

``--keep DIR`` keeps the memories there: a second run embeds nothing again.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import ir_measures
import numpy as np
from ir_measures import nDCG
from rank_bm25 import BM25Okapi

from tercet import Embedder, LexicalConfig, Memory, RetrievalConfig, SemanticRetriever, ingest
from tercet.evals.datasets import RetrievalDataset, load_beir
from tercet.models.embedding import resolve_embedder
from tercet.models.lexical import Analyzer
from tercet.records import embedded_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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

Run = dict[str, dict[str, float]]


class QueriesOnce:
    """An embedder that embeds each query once, however many methods ask."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._queries: dict[str, NDArray[np.float32]] = {}
        self.spec, self.fingerprint = embedder.spec, embedder.fingerprint
        self.dimension, self.max_tokens = embedder.dimension, embedder.max_tokens
        self.tokenizer_file = embedder.tokenizer_file

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._embedder.embed_documents(texts)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        if text not in self._queries:
            self._queries[text] = self._embedder.embed_query(text)
        return self._queries[text]


def search_all(memory: Memory, config: RetrievalConfig, queries: Mapping[str, str]) -> Run:
    """Every query's documents, each with the score of its best chunk."""
    retriever = SemanticRetriever(memory.semantic, config=config)
    run: Run = {}
    for query, text in queries.items():
        result = retriever.search(text, limit=DEPTH)
        assert not result.degraded, result.degraded
        best: dict[str, float] = {}
        for hit in result:
            best.setdefault(hit.citation.uri, hit.score)
        run[query] = best
    return run


def reference_bm25(dataset: RetrievalDataset) -> Run:
    """rank-bm25 over the same terms, as a check of the lexical leg."""
    analyzer = Analyzer(LexicalConfig())
    ids = [document.uri for document in dataset.documents]
    texts = [embedded_text(document.title, (), "", document.text) for document in dataset.documents]
    engine = BM25Okapi([analyzer.terms(text) for text in texts], k1=1.2, b=0.75)
    run: Run = {}
    for query, text in dataset.queries.items():
        scores = engine.get_scores(analyzer.terms(text))
        run[query] = {ids[place]: float(scores[place]) for place in np.argsort(-scores)[:DEPTH]}
    return run


def ndcg(dataset: RetrievalDataset, run: Run) -> NDArray[np.float64]:
    """nDCG@10 a query, in the order of the data set; a query without hits counts 0."""
    found = {value.query_id: value.value for value in ir_measures.iter_calc([nDCG @ 10], dataset.qrels, run)}
    return np.array([found.get(query, 0.0) for query in dataset.queries])


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
            started = time.perf_counter()
            values[name] = ndcg(dataset, search_all(memory, config, dataset.queries))
            seconds[name] = round(time.perf_counter() - started, 2)
    if cut == "given":
        values["rank-bm25"] = ndcg(dataset, reference_bm25(dataset))
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
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "retrieval_quality.json")
    options = parser.parse_args()
    resolved = resolve_embedder(options.embedder)
    embedder = QueriesOnce(resolved)
    results: dict[str, object] = {
        "command": "python benchmarks/retrieval_quality.py --data DIR "
        f"--sets {' '.join(options.sets)} --cuts {' '.join(options.cuts)} --embedder {options.embedder}",
        "tercet": version("tercet"),
        "python": platform.python_version(),
        "embedder": embedder.fingerprint,
        "dtype": getattr(resolved, "dtype", ""),
        "candidates": RetrievalConfig().candidates,
        "interval": f"95 % percentile bootstrap over queries, {RESAMPLES} resamples, paired",
    }
    sets: dict[str, dict[str, object]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for name in options.sets:
            dataset = load_beir(options.data / name)
            sets[name] = {}
            for cut in options.cuts:
                sets[name][cut] = measure(dataset, cut, embedder, options.keep or Path(temporary))
                options.out.parent.mkdir(parents=True, exist_ok=True)
                options.out.write_text(json.dumps({**results, "sets": sets}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
