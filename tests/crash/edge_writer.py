"""Writes to an embedded index for ever, and says on standard output what was acknowledged. Killed by its test."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tercet.memory.edge import EdgeIndex, open_edge
from tercet.memory.vectors import IndexSpec, Point, SparseVector

SPEC = IndexSpec(dimension=16, integers=("version",))
Operation = tuple[str, list[int]]


def operations(seed: int) -> Iterator[Operation]:
    """The same endless sequence for the same seed."""
    choose = random.Random(seed)
    while True:
        name = choose.choices(["upsert", "dense", "sparse", "delete", "flush", "clear"], [60, 15, 10, 10, 4, 1])[0]
        size = 0 if name in ("flush", "clear") else choose.choice([1, 20, 300])
        yield name, choose.sample(range(1_000), size)


def dense(key: int, version: int) -> np.ndarray:
    return np.random.default_rng((key, version)).standard_normal(16).astype(np.float32)


def sparse(key: int, version: int) -> SparseVector:
    return SparseVector(np.array([key, 5_000], np.uint32), np.array([version + 1, 1], np.float32))


def apply(index: EdgeIndex, operation: Operation, version: int) -> None:
    name, ids = operation
    if name == "upsert":
        index.upsert(
            [
                Point(id=key, payload={"version": version}, dense=dense(key, version), sparse=sparse(key, version))
                for key in ids
            ]
        )
    elif name == "dense":
        index.set_dense(ids, np.stack([dense(key, version) for key in ids]))
    elif name == "sparse":
        index.set_sparse(ids, [sparse(key, version) for key in ids])
    elif name == "delete":
        index.delete(ids)
    elif name == "flush":
        index.flush()
    else:
        index.clear()


if __name__ == "__main__":
    index = open_edge(Path(sys.argv[1]), SPEC)
    for version, operation in enumerate(operations(int(sys.argv[2]))):
        apply(index, operation, version)
        sys.stdout.write(f"{version}\n")
        sys.stdout.flush()
