"""How far pseudo-queries may be believed: the doubt in their labels, and whether they rank configurations as people do.

    python benchmarks/golden_noise.py --data ../shared/data [--json benchmarks/results/golden_noise.json]

Where true labels exist, 50 configurations of BM25 (5 values of k1, 5 of b, with and without stemming and stop words)
are ranked by nDCG@10 on pseudo-queries and on true ones. Kendall's tau-b says how well the two orders agree. "ceiling"
is the mean tau between the two halves of 20 random splits of the true queries: half as many true queries agree that
well with the other half. "regret" is what the configuration that the pseudo-queries choose loses on the true queries
against the best. "held out" has the words of the pseudo-queries blanked in the corpus, "in place" has not.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import time
from collections import Counter
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np

from tercet import Document
from tercet.evals.datasets import RetrievalDataset, load_beir, load_spans
from tercet.evals.golden import golden_questions, hold_out, label_doubt
from tercet.models.lexical import Analyzer
from tercet.settings import LexicalConfig

K1 = (0.6, 0.9, 1.2, 1.6, 2.0)
B = (0.2, 0.4, 0.6, 0.75, 0.9)
SETS = {
    "squad_docs": "english",
    "xquad/en": "english",
    "xquad/de": "german",
    "xquad/es": "spanish",
    "xquad/ru": "russian",
    "cookbook_codebase": "english",
    "scifact": "english",
    "nq_oracle": "english",
}
CORPORA = ("fastapi/docs", "rust_book/src", "pydantic/docs", "flask/docs", "drf/docs", "prometheus/docs", "polars/docs")


class Index:
    """Postings of one analysis of a corpus."""

    def __init__(self, documents: list[tuple[str, str]], language: str) -> None:
        self.analyzer = Analyzer(LexicalConfig(language=language))
        self.names = [name for name, _ in documents]
        postings: dict[str, list[tuple[int, int]]] = {}
        lengths = []
        for row, (_, text) in enumerate(documents):
            terms = self.analyzer.terms(text)
            lengths.append(len(terms))
            for term, times in Counter(terms).items():
                postings.setdefault(term, []).append((row, times))
        self.lengths = np.array(lengths, dtype=float)
        self.postings = {
            term: (np.array([row for row, _ in found]), np.array([times for _, times in found], dtype=float))
            for term, found in postings.items()
        }

    def ndcg(self, queries: list[tuple[str, dict[str, int]]], k1: float, b: float) -> np.ndarray:
        """nDCG@10 of each query; equal scores in the order of the corpus."""
        shares = k1 * (1 - b + b * self.lengths / max(1.0, self.lengths.mean()))
        count = len(self.names)
        found = np.zeros(len(queries))
        for number, (text, judged) in enumerate(queries):
            scores = np.zeros(count)
            for term, times in Counter(self.analyzer.terms(text)).items():
                if term in self.postings:
                    rows, frequency = self.postings[term]
                    weight = np.log(1 + (count - len(rows) + 0.5) / (len(rows) + 0.5))
                    scores[rows] += times * weight * frequency * (k1 + 1) / (frequency + shares[rows])
            top = np.argpartition(-scores, min(30, count - 1))[:30]
            best = [row for row in top[np.lexsort((top, -scores[top]))] if scores[row] > 0][:10]
            gain = sum(judged.get(self.names[row], 0) / np.log2(2 + rank) for rank, row in enumerate(best))
            ideal = sorted(judged.values(), reverse=True)[:10]
            found[number] = gain / sum(grade / np.log2(2 + rank) for rank, grade in enumerate(ideal))
        return found


def measured(documents: tuple[Document, ...], queries: list[tuple[str, dict[str, int]]], language: str) -> np.ndarray:
    """nDCG@10 by configuration and query."""
    texts = [(one.uri, f"{one.title}\n{one.text}") for one in documents]
    indexes = [Index(texts, named) for named in (language, "none")]
    return np.array([index.ndcg(queries, k1, b) for index, k1, b in product(indexes, K1, B)])


def kendall(one: np.ndarray, other: np.ndarray) -> float:
    """Kendall's tau-b; 0 where one of the two orders nothing."""
    pairs = [
        (np.sign(round(one[i] - one[j], 10)), np.sign(round(other[i] - other[j], 10)))
        for i, j in combinations(range(len(one)), 2)
    ]
    agreement = sum(a * b for a, b in pairs)
    untied = [sum(pair[side] != 0 for pair in pairs) for side in (0, 1)]
    return float(agreement / np.sqrt(untied[0] * untied[1])) if all(untied) else 0.0


def ceiling(true: np.ndarray) -> float:
    generator = random.Random(0)
    found = []
    for _ in range(20):
        order = list(range(true.shape[1]))
        generator.shuffle(order)
        half = len(order) // 2
        found.append(kendall(true[:, order[:half]].mean(axis=1), true[:, order[half:]].mean(axis=1)))
    return float(np.mean(found))


def load(data: Path, name: str) -> RetrievalDataset:
    """A set whose documents are passages; the suffix of a uri tells source code from prose."""
    if name == "squad_docs":
        return squad_passages(data / name)
    dataset = load_beir(data / name)
    suffix = ".rs" if name == "cookbook_codebase" else ""
    if not suffix:
        return dataset
    return RetrievalDataset(
        name=name,
        documents=tuple(Document(uri=f"{one.uri}{suffix}", text=one.text) for one in dataset.documents),
        queries=dataset.queries,
        qrels={query: {f"{key}{suffix}": grade for key, grade in one.items()} for query, one in dataset.qrels.items()},
    )


def squad_passages(folder: Path) -> RetrievalDataset:
    """The paragraphs of the articles as documents, and the one that holds the answer as the relevant one."""
    dataset = load_spans(folder)
    documents, starts = [], {}
    for article in dataset.documents:
        position = 0
        for paragraph in article.text.split("\n"):
            if paragraph.strip():
                starts.setdefault(article.uri, []).append(position)
                documents.append(Document(uri=f"{article.uri}:{position}", text=paragraph))
            position += len(paragraph) + 1
    qrels = {}
    for question in dataset.questions:
        (span,) = question.spans
        start = max(one for one in starts[span.uri] if one <= span.start)
        qrels[question.id] = {f"{span.uri}:{start}": 1}
    queries = {question.id: question.text for question in dataset.questions}
    return RetrievalDataset(name="squad_docs", documents=tuple(documents), queries=queries, qrels=qrels)


def agreement(data: Path, name: str, language: str, limit: int) -> dict[str, Any]:
    started = time.monotonic()
    dataset = load(data, name)
    questions = golden_questions(dataset.documents, seed=0, limit=limit)
    judged = [(dataset.queries[key], dict(one)) for key, one in dataset.qrels.items() if any(one.values())]
    true = measured(dataset.documents, judged, language)
    asked = [(one.query, dict.fromkeys(one.relevant, 1)) for one in questions]
    held = measured(hold_out(dataset.documents, questions).documents, asked, language)
    in_place = measured(dataset.documents, asked, language)
    means = true.mean(axis=1)
    doubt = label_doubt(questions)
    sure = [number for number, one in enumerate(questions) if not one.alternatives]
    groups = {"all": list(range(len(questions))), "without doubt": sure}
    for kind in doubt:
        groups[kind] = [number for number, one in enumerate(questions) if one.slices["kind"] == kind]
    rows = {}
    for group, numbers in groups.items():
        rows[group] = {"questions": len(numbers)}
        for label, scores in (("held out", held), ("in place", in_place)):
            ours = scores[:, numbers].mean(axis=1)
            rows[group][label] = {
                "tau": round(kendall(ours, means), 3),
                "regret": round(float(means.max() - means[ours.argmax()]), 4),
                "nDCG@10": round(float(ours.max()), 4),
            }
    return {
        "documents": len(dataset.documents),
        "true queries": len(judged),
        "true nDCG@10, best and worst configuration": [round(float(means.max()), 4), round(float(means.min()), 4)],
        "ceiling": round(ceiling(true), 3),
        "pseudo-queries": rows,
        "doubtful labels": {kind: [one.doubtful, one.questions] for kind, one in doubt.items()},
        "seconds": round(time.monotonic() - started, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("TERCET_DATA", "../shared/data")))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sets", nargs="*", default=list(SETS))
    parser.add_argument("--limit", type=int, default=600, help="pseudo-queries a set")
    options = parser.parse_args()
    results: dict[str, Any] = {"python": platform.python_version(), "agreement": {}, "doubtful labels": {}}
    for name in options.sets:
        results["agreement"][name] = agreement(options.data, name, SETS[name], options.limit)
        print(name, json.dumps(results["agreement"][name]), flush=True)
    for name in CORPORA:
        questions = golden_questions(options.data / "docs_corpora" / name)
        doubt = {kind: [one.doubtful, one.questions] for kind, one in label_doubt(questions).items()}
        results["doubtful labels"][name] = doubt
        print(name, json.dumps(doubt), flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
