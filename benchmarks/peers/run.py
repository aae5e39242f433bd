"""Tercet beside llama-index, langchain + chroma, haystack and txtai: ingest, query and quality on the same inputs.

    python benchmarks/peers/run.py --data DIR --environments FOLDER [--runs 3]
    python benchmarks/peers/run.py --data DIR --environments FOLDER --parts query --systems tercet txtai --quick

Run it with the Python that has Tercet and its test requirements (ir-measures). Each peer gets a virtual environment of
its own below ``--environments``, made from the pinned versions in ``requirements/`` on first use; all pin
``torch==2.13.0``, so name an index or folder with its CPU wheel to pip (``PIP_FIND_LINKS``,
``PIP_EXTRA_INDEX_URL``) where the default one would bring the CUDA libraries. After that nothing uses a network. All
systems load the same folder of weights, the one Tercet finds as all-MiniLM-L6-v2.

A worker is one process for one system and one task. Systems take turns, ``--runs`` times; reported are medians. Memory
is the largest sum of resident memory of the worker and all its children, looked at every 50 ms.

``ingest``
    The same folder of documentation with each system's documented reader, splitter and store. *Searchable* is when a
    query over everything was first answered: for Tercet by words, before any vector exists; peers have nothing to ask
    before they have embedded all. Imports are not in it and stand beside it; loading the weights is, where a system
    needs them by then. Tokens are those the model really reads of the texts given to it. Peers are float32 as they
    come; their rows in bfloat16 use a few files only where the processor has no bfloat16, as it is emulated there.
``query``
    Synthetic records with precomputed vectors, stored by each system's documented way; the embedding of a query is
    looked up. Recall@10 is against brute force; ``txtai_exact`` is txtai with an index that compares every vector.
    *Source found*: the record that a query was made from is among its ten hits. A search is asked 100 queries, fewer
    when they take longer than ``--seconds`` together (at least 10).
``quality``
    nDCG@10 of each peer's default retriever, which is dense, against Tercet's default, which is hybrid.
    A document counts as its best chunk, from 50 chunks in every system. Vectors of equal texts from the same weights
    are computed once and kept below ``--environments``; txtai reads 512 tokens where the others read 256, and keeps
    its own.

Each part writes ``peers_<part>.json`` with the machine, the versions and the load each process met.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import inputs
import verdicts
from environments import PEERS, SYSTEMS, VARIANTS, python_of
from processes import run_worker

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PARTS = ("ingest", "query", "quality")
CORPORA = ("fastapi", "flask", "pydantic")
ALL_CORPORA = (*CORPORA, "drf", "polars", "prometheus", "rust_book")
SIZES = (10_000, 100_000)
DATASETS = ("cookbook_codebase", "scifact")
SAMPLE = 3
"""Files embedded in bfloat16 where that is emulated."""
RESAMPLES = 10_000
INGEST_COLUMNS = (
    "searchable s",
    "total s",
    "searchable, CPU s",
    "total, CPU s",
    "imports s",
    "tokens/s in the embedder",
    "tokens/s of the whole run",
    "peak MB",
    "chunks",
    "tokens",
    "share of tokens read",
)
QUERY_COLUMNS = ("p50 ms", "p95 ms", "p50 CPU ms", "recall@10", "source found", "fewest hits", "queries")
QUALITY_COLUMNS = ("nDCG@10", "tercet minus this", "index s")

Facts = dict[str, Any]


class Workers:
    """Starts workers with the Python of their system."""

    def __init__(self, pythons: Mapping[str, Path | str], model: Path, logs: Path, limit_s: float) -> None:
        self._pythons, self._model, self._logs, self._limit_s = pythons, model, logs, limit_s

    def ask(self, system: str, task: str, arguments: Sequence[object]) -> Facts:
        """What a worker said, or why it failed."""
        python = self._pythons[system]
        if isinstance(python, str):
            return {"failed": python}
        print(f"  {task}: {system} …", end=" ", file=sys.stderr, flush=True)
        given = ["--model", str(self._model), *map(str, arguments)]
        said = run_worker(python, system, task, given, limit_s=self._limit_s, log=self._logs / f"{system}.{task}.log")
        print(f"{said['wall s']} s", said.get("failed", ""), file=sys.stderr, flush=True)
        return said


def ingest(options: argparse.Namespace, workers: Workers, folder: Path) -> Facts:
    corpora = options.corpora or (ALL_CORPORA if options.all else CORPORA)
    root, sample = folder / "docs", folder / "sample"
    facts: Facts = {"given": inputs.copy_corpora(options.data, corpora, root)}
    if options.quick:
        root = inputs.sample(root, folder / "quick", 4 * SAMPLE)
    native = computes_bfloat16()
    facts["bfloat16"] = (
        "computed by the processor" if native else f"emulated on this processor; rows of {SAMPLE} files, rates only"
    )
    facts["not shown"] = ["2.2 times the peers' tokens/s with the fastest extra backend: Tercet has no extra backend"]
    if not native:
        facts["not shown"].append("Tercet in bfloat16, its default where the processor computes it: it does not here")
    in_bfloat16 = root if native else inputs.sample(root, sample, SAMPLE)
    runs: dict[str, list[Facts]] = {}
    for _ in range(options.runs):
        for system in _as_they_come(options.systems):
            runs.setdefault(system, []).append(workers.ask(system, "ingest", ["--input", root]))
        for system in options.systems if options.bfloat16 else ():
            if system in PEERS:
                arguments = ["--input", in_bfloat16, "--dtype", "bfloat16"]
                runs.setdefault(f"{system}, bfloat16", []).append(workers.ask(system, "ingest", arguments))
    rows = {name: verdicts.with_rates(verdicts.median_of(each)) for name, each in runs.items()}
    bars = verdicts.ingest_bars(rows)
    shown = [verdicts.table(rows, INGEST_COLUMNS), verdicts.bars_table(bars), *facts["not shown"]]
    print(f"bfloat16: {facts['bfloat16']}", *shown, sep="\n\n", flush=True)
    return facts | {"rows": rows, "bars": bars, "runs": runs}


def query(options: argparse.Namespace, workers: Workers, folder: Path) -> Facts:
    facts: Facts = {"sizes": {}}
    for size in options.sizes:
        given = folder / f"records-{size}"
        truth = inputs.write_records(given, size, options.queries)
        arguments = ["--input", given, "--queries", options.queries, "--seconds", options.seconds]
        runs: dict[str, list[Facts]] = {}
        for _ in range(options.runs):
            for system in options.systems:
                said = workers.ask(system, "query", arguments)
                runs.setdefault(system, []).append(verdicts.with_recall(said, truth))
        shutil.rmtree(given)
        rows = {name: verdicts.median_of(each) for name, each in runs.items()}
        bars = verdicts.query_bars(rows, size)
        shown = {
            f"{size:,}, {name}, {case}": figures
            for name, row in rows.items()
            for case, figures in row.get("cases", {"": row}).items()
        }
        print(verdicts.table(shown, QUERY_COLUMNS), verdicts.bars_table(bars), sep="\n\n", flush=True)
        facts["sizes"][str(size)] = {"rows": rows, "bars": bars, "runs": runs}
    return facts


def quality(options: argparse.Namespace, workers: Workers, folder: Path) -> Facts:
    import numpy as np

    sys.path.append(str(Path(__file__).resolve().parents[1]))
    from retrieval_quality import interval  # needs the test requirements

    from tercet.evals.datasets import load_beir
    from tercet.evals.measures import parse_measure

    measure = parse_measure("nDCG@10")
    facts: Facts = {"interval": f"95 % percentile bootstrap over queries, {RESAMPLES} resamples, paired", "sets": {}}
    for name in options.sets:
        dataset = load_beir(options.data / name)
        given = folder / name
        inputs.write_dataset(dataset, given)
        picks = np.random.default_rng(0).integers(0, len(dataset.queries), (RESAMPLES, len(dataset.queries)))
        rows: dict[str, Facts] = {}
        values = {}
        for system in _as_they_come(options.systems):
            kept = options.environments / ("vectors-512-tokens.npz" if system == "txtai" else "vectors.npz")
            said = workers.ask(system, "quality", ["--input", given, "--vectors", kept])
            if "failed" not in said:
                run = {
                    key: {uri: 1.0 / rank for rank, uri in enumerate(uris[:10], start=1)}
                    for key, uris in said.pop("run").items()
                }
                found = measure.per_query(dataset.qrels, run)
                values[system] = np.array([found[query] for query in dataset.queries])
                said["nDCG@10"] = interval(values[system], picks)
            rows[system] = said
        for system in values.keys() - {"tercet"} if "tercet" in values else ():
            rows[system]["tercet minus this"] = interval(values["tercet"] - values[system], picks)
        bars = verdicts.quality_bars(rows, name) if "tercet" in values else []
        shown = {f"{name}, {system}": row for system, row in rows.items()}
        print(verdicts.table(shown, QUALITY_COLUMNS), verdicts.bars_table(bars), sep="\n\n", flush=True)
        counts = {"documents": len(dataset.documents), "queries": len(dataset.queries)}
        facts["sets"][name] = {**counts, "rows": rows, "bars": bars}
    return facts


def _as_they_come(systems: Sequence[str]) -> list[str]:
    return [system for system in systems if system not in VARIANTS]


def computes_bfloat16() -> bool:
    from tercet.models.sentence_transformers import computes_bfloat16 as computes

    return computes()


def machine() -> Facts:
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load at start": [round(value, 2) for value in os.getloadavg()],
    }


def arguments_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("TERCET_DATA", "../shared/data")))
    parser.add_argument("--environments", type=Path, required=True, help="folder for the peers, outside the repository")
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS)
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS), choices=SYSTEMS)
    parser.add_argument("--runs", type=int, default=1, help="of ingest and query; medians are reported")
    parser.add_argument("--corpora", nargs="+", choices=ALL_CORPORA)
    parser.add_argument("--all", action="store_true", help="ingest all seven corpora")
    parser.add_argument("--no-bfloat16", dest="bfloat16", action="store_false", help="leave the rows in bfloat16 out")
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES))
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=20.0, help="that the queries of one kind of search may take")
    parser.add_argument("--sets", nargs="+", default=list(DATASETS))
    parser.add_argument("--limit", type=float, default=1200.0, help="seconds that one worker may take")
    parser.add_argument("--quick", action="store_true", help="small inputs: to try it, not to report")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "results", help="folder of the JSON")
    return parser


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The options; ``--quick`` replaces the sizes, and its results go nowhere near those that are reported."""
    options = arguments_parser().parse_args(words)
    options.environments = options.environments.resolve()
    options.data = options.data.resolve()
    if options.quick:
        options.sizes, options.queries, options.seconds = [2_000], 20, 5.0
        options.sets = [f"{name}_mini" for name in DATASETS]
        options.out = options.environments / "quick"
    return options


def main() -> None:
    from tercet.models.weights import locate

    options = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the worker is ended too
    model = locate("all-MiniLM-L6-v2", use_hub=False)
    pythons: dict[str, Path | str] = {}
    for system in options.systems:
        try:
            pythons[system] = python_of(system, options.environments)
        except RuntimeError as error:
            pythons[system] = str(error)
    logs = options.environments / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    options.out.mkdir(parents=True, exist_ok=True)
    workers = Workers(pythons, model.path, logs, options.limit)
    measure = {"ingest": ingest, "query": query, "quality": quality}
    for part in options.parts:
        print(f"\n## {part}\n", flush=True)
        facts: Facts = {"machine": machine(), "weights": model.weights_hash, "number of runs": options.runs}
        with tempfile.TemporaryDirectory() as folder:
            facts |= measure[part](options, workers, Path(folder))
        path = options.out / f"peers_{part}.json"
        path.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
