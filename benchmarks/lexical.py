"""Ranking quality and speed of the analyzer and BM25, beside rank-bm25 on the same terms.

    python benchmarks/lexical.py --data ../shared/data [--json benchmarks/results/lexical.json]

Documents are title and text as one, k1 and b are the defaults, nDCG@10 is ir-measures'.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
from ir_measures import R, nDCG
from rank_bm25 import BM25Okapi

from tercet.models.lexical import Analyzer, bm25_weights, bucket_length, idf, length_bucket, term_id
from tercet.settings import LexicalConfig

BEIR = ("scifact", "cookbook_codebase", "nq_oracle")


Run = dict[str, dict[str, float]]
Qrels = dict[str, dict[str, int]]


def read_beir(folder: Path) -> tuple[dict[str, str], dict[str, str], Qrels]:
    documents = {}
    for line in (folder / "corpus.jsonl").open(encoding="utf-8"):
        row = json.loads(line)
        documents[row["_id"]] = "\n".join(part for part in (row.get("title", ""), row["text"]) if part)
    qrels = defaultdict(dict)
    for line in (folder / "qrels" / "test.tsv").read_text("utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        qrels[query][document] = int(grade)
    queries = (json.loads(line) for line in (folder / "queries.jsonl").open(encoding="utf-8"))
    return documents, {row["_id"]: row["text"] for row in queries if row["_id"] in qrels}, qrels


def ours(documents: dict[str, str], queries: dict[str, str], config: LexicalConfig) -> Run:
    analyzer = Analyzer(config)
    names = list(documents)
    counted = [analyzer.count(text) for text in documents.values()]
    average = bucket_length(length_bucket(statistics.mean(counts.length for counts in counted)))
    postings = defaultdict(list)
    for row, counts in enumerate(counted):
        weights = bm25_weights(counts, average_length=average, k1=config.k1, b=config.b)
        for term, weight in zip(counts.ids.tolist(), weights.tolist(), strict=True):
            postings[term].append((row, weight))
    run = {}
    for query, text in queries.items():
        scores = defaultdict(float)
        for term, times in Counter(analyzer.terms(text)).items():
            found = postings.get(term_id(term), ())
            for row, weight in found:
                scores[row] += times * idf(len(found), len(names)) * weight
        best = sorted(scores.items(), key=lambda item: (-item[1], names[item[0]]))[:100]
        run[query] = {names[row]: score for row, score in best}
    return run


def reference(documents: dict[str, str], queries: dict[str, str], config: LexicalConfig) -> Run:
    analyzer = Analyzer(config)
    names = list(documents)
    model = BM25Okapi([analyzer.terms(text) for text in documents.values()], k1=config.k1, b=config.b)
    run = {}
    for query, text in queries.items():
        scores = model.get_scores(analyzer.terms(text))
        run[query] = {names[row]: float(scores[row]) for row in np.argsort(-scores, kind="stable")[:100]}
    return run


def quality(qrels: Qrels, run: Run) -> dict[str, float]:
    found = ir_measures.calc_aggregate([nDCG @ 10, R @ 100], qrels, run)
    return {str(measure): round(value, 4) for measure, value in found.items()}


def speed(data: Path) -> dict[str, Any]:
    files = sorted((data / "docs_corpora").rglob("*.md"))
    texts = [file.read_text("utf-8", "replace") for file in files]
    megabytes = sum(len(text.encode("utf-8", "replace")) for text in texts) / 1e6
    seconds = {"cold cache": [], "warm cache": []}
    for _ in range(5):
        analyzer = Analyzer(LexicalConfig())
        for times in seconds.values():
            start = time.process_time()
            for text in texts:
                analyzer.count(text)
            times.append(time.process_time() - start)
    return {"megabytes": round(megabytes, 2)} | {
        f"MB/s, {kind}": round(megabytes / statistics.median(times), 2) for kind, times in seconds.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("TERCET_DATA", "../shared/data")))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sets", nargs="*", default=BEIR)
    parser.add_argument("--no-reference", action="store_true")
    arguments = parser.parse_args()
    config = LexicalConfig()
    results = {"python": platform.python_version(), "analyzer": Analyzer(config).version, "quality": {}}
    for name in arguments.sets:
        documents, queries, qrels = read_beir(arguments.data / name)
        rows = {"tercet": quality(qrels, ours(documents, queries, config))}
        if not arguments.no_reference and len(documents) * len(queries) < 3e6:
            rows["rank-bm25, same terms"] = quality(qrels, reference(documents, queries, config))
        rows["tercet, identifiers not split"] = quality(
            qrels, ours(documents, queries, LexicalConfig(split_identifiers=False))
        )
        results["quality"][name] = rows
        for system, values in rows.items():
            print(f"{name:20} {system:32} {values}", flush=True)
    results["speed"] = speed(arguments.data)
    print(results["speed"])
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
