"""A memory without an embedder, and what its searches cite."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tercet import Hit, Memory, SemanticRetriever, ingest
from tercet.records import IngestReport
from tercet.settings import ParsingLimits

BASE = "https://shop.example/"
Run = Callable[..., IngestReport]
Find = Callable[[str], Hit]


@pytest.fixture
def words(tmp_path: Path) -> Iterator[Memory]:
    with Memory.open(tmp_path / "words", embedder="none") as opened:
        yield opened


@pytest.fixture
def run(words: Memory, tmp_path: Path) -> Run:
    """Ingests the folder that ``write`` writes to."""

    def ingest_docs(path: str = "docs", **options: Any) -> IngestReport:
        options = {"base_url": BASE, "limits": ParsingLimits(workers=1)} | options
        return ingest(tmp_path / path, into=words, **options)

    return ingest_docs


@pytest.fixture
def find(words: Memory) -> Find:
    """The best hit for a word."""

    def search(query: str) -> Hit:
        return SemanticRetriever(words.semantic).search(query, limit=1)[0]

    return search
