"""What every system is given: the same files, the same vectors with texts, the same data sets; and what is right."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
from measuring import GROUPS, HITS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tercet.evals.datasets import RetrievalDataset

DIMENSION = 384
CENTRES = 500
VOCABULARY = 50_000


def copy_corpora(data: Path, corpora: Sequence[str], folder: Path) -> dict[str, Any]:
    """Copy documentation into one folder; returns what it holds."""
    for corpus in corpora:
        shutil.copytree(data / "docs_corpora" / corpus, folder / corpus)
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return {"corpora": list(corpora), "files": len(sizes), "MB": round(sum(sizes) / 1e6, 2)}


def sample(root: Path, folder: Path, count: int) -> Path:
    """Copy some files, spread evenly over a folder, into another; returns that."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    for path in files[:: max(1, len(files) // count)][:count]:
        copy = folder / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    return folder


def write_records(folder: Path, count: int, queries: int) -> dict[str, Any]:
    """Write synthetic records and queries; returns the exact answers.

    Vectors lie around random centres, as texts of a topic lie together; texts are words drawn by Zipf's law. A query is
    made from one record: words out of its text, and its vector with noise, so that both legs have something to find.

    Returns:
        By case, the ids that a search must find: the ten nearest records, the ten nearest of the query's group, and the
        record that the query was made from.
    """
    random = np.random.default_rng(7)
    centres = random.normal(size=(CENTRES, DIMENSION)).astype(np.float32)
    vectors = centres[random.integers(CENTRES, size=count)]
    vectors += 1.5 * random.standard_normal((count, DIMENSION), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    texts = [words(random, int(random.integers(60, 140))) for _ in range(count)]
    ids = [f"r{number:06}" for number in range(count)]
    groups = random.integers(GROUPS, size=count)
    sources = random.choice(count, queries, replace=False)
    asked = vectors[sources] + 0.05 * random.standard_normal((queries, DIMENSION), np.float32)
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "vectors.npy", vectors)
    np.save(folder / "query_vectors.npy", asked)
    records = zip(ids, texts, groups.tolist(), strict=True)
    write_lines(folder / "records.jsonl", ({"id": key, "text": text, "group": group} for key, text, group in records))
    lines = []
    for number, source in enumerate(sources.tolist()):
        chosen = random.choice(texts[source].split(), 6, replace=False)
        lines.append({"text": f"{' '.join(chosen)} q{number}", "group": int(groups[source])})
    write_lines(folder / "queries.jsonl", lines)
    return {
        "dense": nearest(asked, vectors, ids),
        "filtered dense": [
            nearest(asked[[number]], vectors[groups == groups[source]], np.array(ids)[groups == groups[source]])[0]
            for number, source in enumerate(sources)
        ],
        "source": [ids[source] for source in sources],
    }


def nearest(queries: NDArray[np.float32], vectors: NDArray[np.float32], ids: Sequence[str]) -> list[list[str]]:
    """Ids of the ten nearest by inner product, by brute force."""
    return [[str(ids[place]) for place in np.argsort(-row, kind="stable")[:HITS]] for row in queries @ vectors.T]


def words(random: np.random.Generator, count: int) -> str:
    """Words by Zipf's law."""
    ranks = np.minimum(random.zipf(1.2, count), VOCABULARY)
    return " ".join(f"w{rank}x" if rank % 3 else f"word{rank}" for rank in ranks.tolist())


def write_dataset(dataset: RetrievalDataset, folder: Path) -> None:
    """Write a data set for workers, which cannot import Tercet."""
    folder.mkdir(parents=True, exist_ok=True)
    write_lines(
        folder / "documents.jsonl",
        ({"id": document.uri, "title": document.title, "text": document.text} for document in dataset.documents),
    )
    write_lines(folder / "queries.jsonl", ({"id": key, "text": text} for key, text in dataset.queries.items()))


def write_lines(path: Path, lines: Iterable[Mapping[str, object]]) -> None:
    """Write objects as JSON lines."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
