"""One system, one task, one process: prints one line of JSON. Started by run.py with the Python of the system.

python worker.py --system haystack --task ingest --input DIR --model DIR --folder DIR [--dtype bfloat16]
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import time
import warnings
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from measuring import PROOF, Records, Settings, Watch, count_tokens, processor_s, read_lines, time_queries


def ingest(system: Any, arguments: argparse.Namespace, settings: Settings, imports_s: float) -> dict[str, Any]:
    watch = Watch()
    system.watch(watch)
    ready: list[float] = []
    started, processor = time.perf_counter(), processor_s()
    chunks = system.ingest(settings, arguments.input, PROOF, lambda: ready.extend([time.perf_counter(), processor_s()]))
    total, total_processor = time.perf_counter() - started, processor_s() - processor
    # The parent stops looking at memory here: counting is not part of what is measured.
    print(json.dumps({"measured": True}), flush=True)
    tokens, given = count_tokens(watch.texts, settings.model / "tokenizer.json", system.reads(settings))
    return {
        "searchable s": round(ready[0] - started, 3),
        "total s": round(total, 3),
        "searchable, CPU s": round(ready[1] - processor, 3),
        "total, CPU s": round(total_processor, 3),
        "imports s": round(imports_s, 3),
        "inside the embedder s": round(watch.seconds, 3),
        "chunks": chunks,
        "texts embedded": len(watch.texts),
        "model reads, tokens": system.reads(settings),
        "tokens": tokens,
        "tokens beyond what the model reads": given - tokens,
    }


def query(system: Any, arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    records = Records.read(arguments.input)
    started = time.perf_counter()
    cases = system.load(settings, records)
    loaded = time.perf_counter() - started
    asked = records.queries[: arguments.queries]
    return {
        "load s": round(loaded, 2),
        "cases": {
            name: {"not offered": search}
            if isinstance(search, str)
            else time_queries(search, asked, warm=5, limit_s=arguments.seconds)
            for name, search in cases.items()
        },
    }


def quality(system: Any, arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    watch = Watch(kept=arguments.vectors)
    system.watch(watch)
    documents = [(line["id"], line["text"], line["title"]) for line in read_lines(arguments.input / "documents.jsonl")]
    started = time.perf_counter()
    search = system.index(settings, documents)
    indexed = time.perf_counter() - started
    run = {line["id"]: search(line["text"]) for line in read_lines(arguments.input / "queries.jsonl")}
    watch.save()
    return {"index s": round(indexed, 1), "run": run}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--system", required=True)
    parser.add_argument("--task", required=True, choices=["ingest", "query", "quality"])
    parser.add_argument("--input", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--vectors", type=Path)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger().setLevel(logging.ERROR)
    started = time.perf_counter()
    system = import_module(f"systems.{arguments.system}")
    imports_s = time.perf_counter() - started
    settings = Settings(arguments.model, arguments.dtype, arguments.folder)
    if arguments.task == "ingest":
        result = ingest(system, arguments, settings, imports_s)
    elif arguments.task == "query":
        result = query(system, arguments, settings)
    else:
        result = quality(system, arguments, settings)
    result["versions"] = {name: version(name) for name in system.PACKAGES}
    print(json.dumps(result), flush=True)
    os._exit(0)  # some peers keep threads that would hold the process


if __name__ == "__main__":
    main()
