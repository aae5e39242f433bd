"""Latency of hybrid search over 100,000 synthetic chunks, without the embedding of the query.

Texts are words drawn by Zipf's law, vectors lie around random centres; the vector of a query is looked up, not
computed. Measured is the whole of ``SemanticRetriever.search``: filter, both legs, fusion, reading the ten hits back.

    python benchmarks/query_latency.py

``--keep DIR`` keeps the memory there for the next run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from functools import partial
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from tercet import DocumentFilter, Memory, RetrievalConfig, SemanticRetriever
from tercet.memory.stored import IndexedChunk, NewVersion
from tercet.models.lexical import Analyzer
from tercet.records import Chunk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

Result = TypeVar("Result")

DIMENSION = 384
CENTRES = 500
VOCABULARY = 50_000
CHUNKS_A_DOCUMENT = 10
GROUPS = 100
BAR = {"p50_ms": 5.0, "p95_ms": 20.0}


class SyntheticEmbedder:
    """Vectors from a hash of the text: a random centre plus noise, as texts of a topic lie together."""

    spec, max_tokens, tokenizer_file, dimension = "synthetic", 256, None, DIMENSION
    fingerprint = f"synthetic:{DIMENSION}:{CENTRES}"

    def __init__(self) -> None:
        self._centres = np.random.default_rng(1).normal(size=(CENTRES, DIMENSION)).astype(np.float32)
        self._queries: dict[str, NDArray[np.float32]] = {}

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = np.empty((len(texts), DIMENSION), np.float32)
        for row, text in zip(rows, texts, strict=True):
            random = np.random.default_rng(int.from_bytes(blake2b(text.encode(), digest_size=8).digest()))
            row[:] = self._centres[random.integers(CENTRES)] + 1.5 * random.standard_normal(DIMENSION, np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        if text not in self._queries:
            self._queries[text] = self.embed_documents([text])[0]
        return self._queries[text]


def words(random: np.random.Generator, count: int) -> str:
    ranks = np.minimum(random.zipf(1.2, count), VOCABULARY)
    return " ".join(f"w{rank}x" if rank % 3 else f"word{rank}" for rank in ranks.tolist())


def versions(count: int, corpus_id: int, analyzer: Analyzer) -> Iterator[list[NewVersion]]:
    random = np.random.default_rng(2)
    batch: list[NewVersion] = []
    for number in range(count // CHUNKS_A_DOCUMENT):
        pieces = [words(random, int(random.integers(60, 140))) for _ in range(CHUNKS_A_DOCUMENT)]
        text, chunks, start = "\n\n".join(pieces), [], 0
        for place, piece in enumerate(pieces):
            key = blake2b(f"{number}/{place}".encode(), digest_size=16).hexdigest()
            chunk = Chunk(id=key, text=piece, start=start, end=start + len(piece))
            chunks.append(IndexedChunk(chunk=chunk, terms=analyzer.count(piece)))
            start += len(piece) + 2
        batch.append(
            NewVersion(
                corpus_id=corpus_id,
                uri=f"d{number:06}",
                content_hash=str(number),
                config_hash="",
                text=text,
                chunks=chunks,
                metadata={"group": number % GROUPS},
            )
        )
        if len(batch) == 100:
            yield batch
            batch = []
    if batch:
        yield batch


def fill(memory: Memory, count: int) -> float:
    started = time.perf_counter()
    corpus_id = memory.ledger.corpus("docs")
    for batch in versions(count, corpus_id, Analyzer(memory.lexical)):
        memory.semantic.put(batch)
    memory.semantic.finish(corpus_id)
    memory.semantic.embed_missing()
    return time.perf_counter() - started


def timed(queries: Sequence[str], search: Callable[[str], Result], check: Callable[[Result], bool]) -> dict[str, float]:
    """Percentiles of the time that a search takes; each result is checked outside of it."""
    taken, on_processor = [], []
    for query in [*queries[:20], *queries]:  # the first ones warm the caches
        started, processor = time.perf_counter(), time.process_time()
        result = search(query)
        taken.append(time.perf_counter() - started)
        on_processor.append(time.process_time() - processor)
        assert check(result), (query, result)
    p50, p95, p99 = np.percentile(np.array(taken[20:]) * 1000, [50, 95, 99])
    return {
        "p50_ms": round(float(p50), 2),
        "p95_ms": round(float(p95), 2),
        "p99_ms": round(float(p99), 2),
        "cpu_p50_ms": round(float(np.median(on_processor[20:])) * 1000, 2),
    }


def write_result(out: Path, command: str, figures: dict[str, object]) -> None:
    """Write figures with what they depend on."""
    surroundings = {
        "command": command,
        "tercet": version("tercet"),
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1),
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(surroundings | figures, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--keep", type=Path, help="folder for the memory; default: a temporary one")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "query_latency.json")
    options = parser.parse_args()
    embedder = SyntheticEmbedder()
    random = np.random.default_rng(3)
    queries = [words(random, int(random.integers(3, 12))) for _ in range(options.queries)]
    for query in queries:
        embedder.embed_query(query)
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.keep or Path(temporary)) / f"latency-{options.chunks}"
        with Memory.open(folder, embedder=embedder) as memory:
            seconds = 0.0 if memory.ledger.find_corpus("docs") else fill(memory, options.chunks)
            print(f"{options.chunks} chunks stored in {seconds:.0f} s", flush=True)
            cases = {
                "hybrid": (RetrievalConfig(), None),
                "hybrid, filter keeps 1 %": (RetrievalConfig(), DocumentFilter(equals={"group": 7})),
                "hybrid, filter keeps 90 %": (RetrievalConfig(), DocumentFilter(ranges={"group": (10, None)})),
                "bm25 leg": (RetrievalConfig(dense_weight=0), None),
                "dense leg": (RetrievalConfig(lexical_weight=0), None),
            }
            measured: dict[str, dict[str, float]] = {}
            for name, (config, where) in cases.items():
                search = partial(SemanticRetriever(memory.semantic, config=config).search, limit=10, where=where)
                measured[name] = timed(queries, search, lambda result: len(result) == 10 and not result.degraded)
                print(f"  {name:26} {measured[name]}", flush=True)
    command = f"python benchmarks/query_latency.py --chunks {options.chunks} --queries {options.queries}"
    figures = {
        "chunks": options.chunks,
        "dimension": DIMENSION,
        "queries": options.queries,
        "store_s": round(seconds, 1),
        "bar, hybrid": BAR,
        "latency": measured,
    }
    write_result(options.out, command, figures)


if __name__ == "__main__":
    main()
