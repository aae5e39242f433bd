"""Speed of the embedded vector index: reads, writes, filters, growth and opening.

    python benchmarks/vector_index.py [--points 10000 100000] [--out benchmarks/results/vector_index.json]

Synthetic points: 384-d vectors of 500 clusters in a 40-d subspace plus noise (like embeddings), 60 Zipf terms each.
Times are [wall, processor] medians over queries, in milliseconds, of one process with durability "process". On a
machine that is busy with other work, only the processor times mean something.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tercet.memory.edge import EdgeIndex, open_edge
from tercet.memory.vectors import AnyOf, Between, IndexSpec, Point, SparseVector, VectorFilter

if TYPE_CHECKING:
    from collections.abc import Callable

DIMENSION = 384
SPEC = IndexSpec(dimension=DIMENSION, integers=("corpus", "document"))
CHUNKS_A_DOCUMENT = 4


def make_rows(count: int, rng: np.random.Generator) -> np.ndarray:
    basis = np.linalg.qr(rng.standard_normal((DIMENSION, 40)))[0].T.astype(np.float32)
    centres = rng.standard_normal((500, 40)).astype(np.float32)
    inner = centres[rng.integers(0, 500, count)] + 0.6 * rng.standard_normal((count, 40)).astype(np.float32)
    rows = inner @ basis + 0.02 * rng.standard_normal((count, DIMENSION)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def make_sparse(rng: np.random.Generator, terms: int) -> SparseVector:
    indices = np.unique(rng.zipf(1.3, terms) % 50_000).astype(np.uint32)
    return SparseVector(indices, (rng.random(len(indices)) * 3).astype(np.float32))


def clocks() -> np.ndarray:
    return np.array([time.perf_counter(), time.process_time()])


def median_ms(call: Callable[[int], object], rounds: int) -> list[float]:
    times = []
    for step in range(rounds):
        begun = clocks()
        call(step)
        times.append(clocks() - begun)
    return [round(float(value) * 1_000, 3) for value in np.median(times, axis=0)]


def disk_mb(folder: Path) -> float:
    return round(sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file()) / 1e6, 1)


def seconds(call: Callable[[], object]) -> list[float]:
    begun = clocks()
    call()
    return [round(float(value), 3) for value in clocks() - begun]


def measure(count: int, folder: Path) -> dict[str, object]:
    rng = np.random.default_rng(5)
    rows = make_rows(count + 200, rng)
    rows, queries = rows[:count], rows[count:]
    sparse = [make_sparse(rng, 60) for _ in range(count)]
    questions = [make_sparse(rng, 8) for _ in range(200)]
    points = [
        Point(id=key, payload={"corpus": 1, "document": key // CHUNKS_A_DOCUMENT}, sparse=sparse[key])
        for key in range(count)
    ]
    index = open_edge(folder, SPEC)

    def write_sparse() -> None:
        for start in range(0, count, 1_000):
            index.upsert(points[start : start + 1_000])

    def write_dense() -> None:
        for start in range(0, count, 1_000):
            index.set_dense(range(start, min(start + 1_000, count)), rows[start : start + 1_000])

    result: dict[str, object] = {"points": count}
    result["upsert_without_dense_per_s"] = [round(count / value) for value in seconds(write_sparse)]
    result["set_dense_per_s"] = [round(count / value) for value in seconds(write_dense)]
    result["flush_s"] = seconds(index.flush)
    result["close_s"] = seconds(index.close)
    opened: list[EdgeIndex] = []
    result["open_s"] = seconds(lambda: opened.append(open_edge(folder, SPEC)))
    index = opened[0]
    result["disk_mb"] = disk_mb(folder)
    result |= read(index, rows, queries, questions, rng)
    result["delete_and_upsert"] = churn(index, folder, points, rows, queries)
    index.close()
    return result


def read(
    index: EdgeIndex, rows: np.ndarray, queries: np.ndarray, questions: list[SparseVector], rng: np.random.Generator
) -> dict[str, object]:
    count, found = len(rows), []
    result: dict[str, object] = {
        "dense_ms": median_ms(lambda step: index.nearest_dense(queries[step], limit=10), 100),
        "dense_200_ms": median_ms(lambda step: index.nearest_dense(queries[step], limit=200), 100),
        "dense_exact_ms": median_ms(lambda step: index.nearest_dense(queries[step], limit=10, exact=True), 100),
        "sparse_200_ms": median_ms(lambda step: index.nearest_sparse(questions[step], limit=200), 100),
        "get_200_ms": median_ms(lambda step: index.get(range(step, step + 200)), 20),
    }
    for query in queries[:100]:
        best = set(np.argsort(-(rows @ query))[:10].tolist())
        found.append(len(best & {hit.id for hit in index.nearest_dense(query, limit=10)}) / 10)
    result["recall_at_10"] = round(float(np.mean(found)), 4)
    documents = count // CHUNKS_A_DOCUMENT
    for asked in (1, 100, 1_000, 10_000):
        values = rng.choice(documents, min(asked, documents), replace=False).tolist()
        where = VectorFilter(must=(AnyOf("corpus", [1]), AnyOf("document", values)))
        result[f"any_of_{asked}"] = {
            "asked": len(values),
            "dense_ms": median_ms(lambda step, w=where: index.nearest_dense(queries[step], limit=200, where=w), 20),
            "sparse_ms": median_ms(lambda step, w=where: index.nearest_sparse(questions[step], limit=200, where=w), 20),
            "count_ms": median_ms(lambda step, w=where: index.count(w), 10),
        }
    wide = VectorFilter(must=(AnyOf("corpus", [1]),))
    half = VectorFilter(must=(Between("document", 0, documents // 2),))
    result["one_corpus_dense_200_ms"] = median_ms(lambda s: index.nearest_dense(queries[s], limit=200, where=wide), 50)
    result["one_corpus_sparse_200_ms"] = median_ms(
        lambda s: index.nearest_sparse(questions[s], limit=200, where=wide), 50
    )
    result["half_range_dense_200_ms"] = median_ms(lambda s: index.nearest_dense(queries[s], limit=200, where=half), 50)
    return result


def churn(
    index: EdgeIndex, folder: Path, points: list[Point], rows: np.ndarray, queries: np.ndarray
) -> dict[str, object]:
    """Replace 20 % of the points five times by points with new ids, as changed documents do."""
    count, fresh = len(points), len(points)
    share, live = count // 5, list(range(len(points)))
    result: dict[str, object] = {"disk_mb_before": disk_mb(folder)}
    for _ in range(5):
        old, live = live[:share], live[share:]
        new = [
            Point(id=fresh + step, payload=points[step].payload, dense=rows[step], sparse=points[step].sparse)
            for step in range(share)
        ]
        index.upsert(new)
        index.delete(old)
        live += [point.id for point in new]
        fresh += share
    index.flush()
    assert index.ids(limit=count + 1) == sorted(live)
    result["disk_mb_after"] = disk_mb(folder)
    result["dense_ms_after"] = median_ms(lambda step: index.nearest_dense(queries[step], limit=10), 100)
    return result


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--points", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "vector_index.json")
    arguments = parser.parse_args()
    report: dict[str, object] = {
        "engine": f"qdrant-edge-py {version('qdrant-edge-py')}",
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "dimension": DIMENSION,
        "durability": "process",
        "runs": [],
    }
    for count in arguments.points:
        folder = Path(tempfile.mkdtemp(prefix="tercet-bench-"))
        try:
            load = round(os.getloadavg()[0], 1)
            run = {"load_average_before": load} | measure(count, folder / "index")
            report["runs"].append(run)
            print(json.dumps(run, indent=1))
        finally:
            shutil.rmtree(folder)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
