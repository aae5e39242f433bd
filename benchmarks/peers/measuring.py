"""What every worker shares, whatever system it measures: settings, inputs, a watch on the embedder, percentiles.

Workers run in the environments of the peers: nothing here imports Tercet, only the standard library, numpy and, for
counting, tokenizers, which every system here has.
"""

from __future__ import annotations

import json
import resource
import time
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

HITS = 10
"""Results a query asks for."""
CHUNKS_FOR_DOCUMENTS = 50
"""Chunks asked for where documents are scored: enough for ten documents, the same for every system."""
GROUPS = 100
PROOF = "How do I declare a path parameter?"
"""Asked to show that a corpus can be searched."""


@dataclass(frozen=True)
class Settings:
    """What a system is set up with."""

    model: Path
    """Folder of the sentence-transformers model, the same for every system."""
    dtype: str
    """``float32`` or ``bfloat16``; Tercet chooses by itself."""
    folder: Path
    """Empty folder for what the system stores."""


@dataclass(frozen=True)
class Query:
    """A query of the latency part, already embedded."""

    text: str
    vector: NDArray[np.float32]
    group: int


@dataclass
class Records:
    """Precomputed vectors with their texts, and the queries."""

    ids: list[str]
    texts: list[str]
    groups: list[int]
    vectors: NDArray[np.float32]
    queries: list[Query]

    @classmethod
    def read(cls, folder: Path) -> Records:
        """Read what ``inputs.write_records`` wrote."""
        lines = list(read_lines(folder / "records.jsonl"))
        asked = list(read_lines(folder / "queries.jsonl"))
        vectors = np.load(folder / "query_vectors.npy")
        return cls(
            ids=[line["id"] for line in lines],
            texts=[line["text"] for line in lines],
            groups=[line["group"] for line in lines],
            vectors=np.load(folder / "vectors.npy"),
            queries=[Query(one["text"], row, one["group"]) for one, row in zip(asked, vectors, strict=True)],
        )

    @cached_property
    def known(self) -> dict[str, NDArray[np.float32]]:
        """The vector of every text, queries included: what stands in for a model."""
        found = dict(zip(self.texts, self.vectors, strict=True))
        return found | {query.text: query.vector for query in self.queries}


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Objects of a JSON-lines file."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


@dataclass
class Watch:
    """Notes what a system gives its model and how long that takes; knows vectors from before if it may.

    The model's tokenizer takes every kind of white space as the same, so texts that differ in it share a vector.
    """

    kept: Path | None = None
    """File of known vectors; None: everything is computed."""
    texts: list[str] = field(default_factory=list)
    seconds: float = 0.0
    _known: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    _computed: int = 0

    def __post_init__(self) -> None:
        if self.kept is not None and self.kept.is_file():
            with np.load(self.kept) as stored:
                self._known = dict(zip(stored["keys"].tolist(), stored["rows"], strict=True))

    def wrap(self, embed: Callable[..., Any]) -> Callable[..., Any]:
        """An ``embed(model, texts, …)`` that is watched; single strings and other inputs pass through."""

        def watched(model: Any, texts: Any, *rest: Any, **options: Any) -> Any:
            if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
                return embed(model, texts, *rest, **options)
            started = time.perf_counter()
            try:
                return self._embed(texts, lambda missing: embed(model, missing, *rest, **options))
            finally:
                self.seconds += time.perf_counter() - started
                self.texts += texts

        return watched

    def _embed(self, texts: list[str], embed: Callable[[list[str]], Any]) -> Any:
        if self.kept is None:
            return embed(texts)
        keys = [blake2b(" ".join(text.split()).encode(), digest_size=16).hexdigest() for text in texts]
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._known}
        if missing:
            rows = np.asarray(embed(list(missing.values())), dtype=np.float32)
            self._known.update(zip(missing, rows, strict=True))
            self._computed += len(missing)
        return np.stack([self._known[key] for key in keys])

    def save(self) -> None:
        """Keep the vectors for the next run."""
        if self.kept is not None and self._computed:
            self.kept.parent.mkdir(parents=True, exist_ok=True)
            np.savez(self.kept, keys=np.array(list(self._known)), rows=np.stack(list(self._known.values())))


def count_tokens(texts: list[str], tokenizer_file: Path, limit: int) -> tuple[int, int]:
    """Tokens that a model of this limit reads of these texts, and all they have; special tokens included."""
    from tokenizers import Tokenizer  # only the ingest part counts

    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    read = total = 0
    for start in range(0, len(texts), 256):
        lengths = [len(one.ids) for one in tokenizer.encode_batch(texts[start : start + 256])]
        read += sum(min(length, limit) for length in lengths)
        total += sum(lengths)
    return read, total


def time_queries(
    search: Callable[[Query], list[str]], queries: list[Query], *, warm: int, limit_s: float
) -> dict[str, Any]:
    """Latencies of a search, and what it found: at least ten queries, then as many as the time allows."""
    for query in queries[:warm]:
        search(query)
    taken: list[float] = []
    on_processor: list[float] = []
    found: list[list[str]] = []
    begun = time.perf_counter()
    for query in queries:
        started, processor = time.perf_counter(), time.process_time()
        hits = search(query)
        taken.append(time.perf_counter() - started)
        on_processor.append(time.process_time() - processor)
        found.append(hits)
        if len(taken) >= 10 and time.perf_counter() - begun > limit_s:
            break
    p50, p95 = np.percentile(np.array(taken) * 1000, [50, 95])
    return {
        "queries": len(taken),
        "p50 ms": round(float(p50), 3),
        "p95 ms": round(float(p95), 3),
        "p50 CPU ms": round(float(np.median(on_processor)) * 1000, 3),
        "found": found,
    }


def processor_s() -> float:
    """Processor seconds used so far by this process, its threads, and its children that have ended."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in spent)
