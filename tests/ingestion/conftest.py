"""A memory, and folders of small files, for the tests of ingestion."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tercet.memory.memory import Memory
from tercet.testing import HashEmbedder

LONG_AGO_NS = 1_700_000_000_000_000_000

Write = Callable[[Mapping[str, str]], Path]


@pytest.fixture
def embedder() -> HashEmbedder:
    return HashEmbedder(dimension=16)


@pytest.fixture
def memory(tmp_path: Path, embedder: HashEmbedder) -> Iterator[Memory]:
    with Memory.open(tmp_path / "memory", embedder=embedder) as opened:
        yield opened


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes files below ``docs``; each call adds to what is there."""

    def write_files(files: Mapping[str, str]) -> Path:
        root = tmp_path / "docs"
        root.mkdir(exist_ok=True)
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            os.utime(path, ns=(LONG_AGO_NS, LONG_AGO_NS))
        return root

    return write_files
