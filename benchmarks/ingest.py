"""Ingestion: what a run without changes costs, and how long real documentation takes until it can be searched.

    python benchmarks/ingest.py noop [--files 10000] [--json benchmarks/results/ingest_noop.json]
    python benchmarks/ingest.py site-noop [--files 10000] [--json benchmarks/results/ingest_site_noop.json]
    python benchmarks/ingest.py docs --data ../shared/data [--runs 3] [--json benchmarks/results/ingest_docs.json]

``noop`` ingests generated files, then once more in a fresh process, and checks what that process did: no parser, no
embedding, no write, no vector engine, no weights. ``site-noop`` does so with two sites of as many pages, one with the
conventions of MkDocs and one with those of Sphinx: a navigation over all pages, and other files included in half of
them. ``docs`` ingests the fastapi, flask and pydantic documentation with
all-MiniLM-L6-v2 and sets the whole run against the time spent inside the embedder. CPU time stands beside wall time
(parser processes included), for machines that are busy with something else.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tercet import Embedder, Memory, ingest
from tercet.models.embedding import resolve_embedder

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

SHARED = 50
"""Files that pages of a generated site include."""

NOOP = """
import json, sys, time
started = time.perf_counter()
from tercet import Memory, ingest
with Memory.open(sys.argv[1]) as memory:
    report = ingest(sys.argv[2], into=memory)
loaded = [name for name in ("torch", "sentence_transformers", "qdrant_edge", "qdrant_client") if name in sys.modules]
print(json.dumps({
    "unchanged": report.unchanged, "added": len(report.added), "updated": len(report.updated),
    "chunks written": report.chunks, "texts embedded": report.embedded, "vectors missing": report.vectors_missing,
    "engines loaded": loaded, "ingest() s": round(report.total_s, 3),
}))
"""


def machine() -> dict[str, object]:
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load at start": [round(value, 2) for value in os.getloadavg()],
    }


def cpu_s(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def digest(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def generate(root: Path, files: int) -> None:
    for number in range(files):
        path = root / f"part{number // 100:03}" / f"page{number:05}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            f"# Page {number}\n\nThe setting {number} is described here, with value {number * 7919 % 10007}.\n"
        )


def generate_mkdocs(root: Path, pages: int) -> None:
    """A site with a navigation that names every page, and a snippet in every other page."""
    (root / "docs").mkdir(parents=True)
    (root / "snippets").mkdir()
    for number in range(SHARED):
        (root / "snippets" / f"note{number}.md").write_text(f"Note {number}: this is said on many pages.\n")
    lines = ["site_name: Handbook", "site_url: https://example.org/handbook/"]
    lines += ["markdown_extensions:", "  - pymdownx.snippets:", "      base_path: [snippets]", "nav:"]
    for number in range(pages):
        folder = f"part{number // 100:03}"
        if number % 100 == 0:
            (root / "docs" / folder).mkdir()
            lines.append(f"  - Part {number // 100}:")
        lines.append(f"      - The page {number}: {folder}/page{number:05}.md")
        asks = f'--8<-- "note{number % SHARED}.md"\n' if number % 2 else ""
        text = f"# Page {number}\n\nThe setting {number} is described here.\n\n{asks}"
        (root / "docs" / folder / f"page{number:05}.md").write_text(text)
    (root / "mkdocs.yml").write_text("\n".join(lines) + "\n")


def generate_sphinx(root: Path, pages: int) -> None:
    """A site whose navigation is a tree of toctrees, and an include in every other page."""
    (root / "shared").mkdir(parents=True)
    (root / "conf.py").write_text('project = "Handbook"\nhtml_baseurl = "https://example.org/handbook/"\n')
    for number in range(SHARED):
        (root / "shared" / f"note{number}.txt").write_text(f"Note {number}: this is said on many pages.\n")
    parts = [f"part{number:03}" for number in range((pages + 99) // 100)]
    _write_rst(root / "index.rst", "Handbook", toctree([f"{part}/index" for part in parts]))
    for number in range(pages):
        folder = root / parts[number // 100]
        if number % 100 == 0:
            folder.mkdir()
            below = [f"page{one:05}" for one in range(number, min(number + 100, pages))]
            _write_rst(folder / "index.rst", f"Part {number // 100}", toctree(below))
        asks = f".. include:: ../shared/note{number % SHARED}.txt\n" if number % 2 else ""
        text = f"The setting {number} is described here.\n\n{asks}"
        _write_rst(folder / f"page{number:05}.rst", f"Page {number}", text)


def toctree(pages: Sequence[str]) -> str:
    return ".. toctree::\n\n" + "".join(f"   {page}\n" for page in pages)


def _write_rst(path: Path, title: str, text: str) -> None:
    path.write_text(f"{title}\n{'=' * len(title)}\n\n{text}")


GENERATORS = {"files": generate, "mkdocs": generate_mkdocs, "sphinx": generate_sphinx}


def noop(files: int, kind: str = "files") -> dict[str, object]:
    facts: dict[str, object] = {"machine": machine(), "files": files}
    with tempfile.TemporaryDirectory() as folder:
        root, kept = Path(folder, "docs"), Path(folder, "memory")
        GENERATORS[kind](root, files)
        time.sleep(2.5)  # files younger than two seconds are looked into once more by the next run
        with Memory.open(kept) as memory:
            first = ingest(root, into=memory)
        assert first.ok
        facts["first run"] = {
            "searchable s": round(first.searchable_s, 2),
            "total s": round(first.total_s, 2),
            "chunks": first.chunks,
        }
        runs = []
        for _ in range(3):
            before, used, started = digest(kept), cpu_s(resource.RUSAGE_CHILDREN), time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-c", NOOP, str(kept), str(root)], capture_output=True, text=True, check=True
            )
            wall = time.perf_counter() - started
            after = digest(kept)
            runs.append(
                {
                    "wall s, process start included": round(wall, 3),
                    "CPU s": round(cpu_s(resource.RUSAGE_CHILDREN) - used, 3),
                    "files of the memory that changed": sorted(
                        name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
                    ),
                    **json.loads(done.stdout),
                }
            )
            print(runs[-1], flush=True)
        facts["runs without changes"] = runs
    return facts


class Timed:
    """An embedder that adds up the time spent in it."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.wall = self.cpu = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._embedder, name)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        return self._embedder.embed_query(text)

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        started, used = time.perf_counter(), time.process_time()
        try:
            return self._embedder.embed_documents(texts)
        finally:
            self.wall += time.perf_counter() - started
            self.cpu += time.process_time() - used


def docs(data: Path, corpora: list[str]) -> dict[str, Any]:
    facts: dict[str, Any] = {"load at start": machine()["load at start"]}
    embedder = Timed(resolve_embedder("all-MiniLM-L6-v2"))
    with tempfile.TemporaryDirectory() as folder, Memory.open(folder, embedder=embedder) as memory:
        files = size = chunks = 0
        phases: dict[str, float] = {"searchable s": 0.0, "searchable, CPU s": 0.0, "dense s": 0.0}
        for corpus in corpora:
            used = cpu_s(resource.RUSAGE_SELF) + cpu_s(resource.RUSAGE_CHILDREN)
            report = ingest(data / "docs_corpora" / corpus, into=memory, embed="later")
            assert report.ok, report.failed
            phases["searchable s"] += report.searchable_s
            phases["searchable, CPU s"] += cpu_s(resource.RUSAGE_SELF) + cpu_s(resource.RUSAGE_CHILDREN) - used
            files += len(report.added)
            chunks += report.chunks
            size += sum(path.stat().st_size for path in (data / "docs_corpora" / corpus).rglob("*") if path.is_file())
        embedder.embed_query("load the weights first")
        started, used = time.perf_counter(), time.process_time()
        embedded = memory.semantic.embed_missing()
        phases["dense s"] = time.perf_counter() - started
        dense_cpu = time.process_time() - used
        facts |= {
            "files": files,
            "MB": round(size / 1e6, 2),
            "chunks": chunks,
            "texts embedded": embedded,
            **{name: round(value, 2) for name, value in phases.items()},
            "inside the embedder s": round(embedder.wall, 2),
            "dense above the embedder's own time": round(phases["dense s"] / embedder.wall - 1, 4),
            "the same by CPU time": round(dense_cpu / embedder.cpu - 1, 4),
            "whole run above the embedder's own time": round(
                (phases["searchable s"] + phases["dense s"]) / embedder.wall - 1, 4
            ),
            "vectors missing": memory.semantic.missing_vectors(),
        }
    return facts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["noop", "site-noop", "docs"])
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("TERCET_DATA", "../shared/data")))
    parser.add_argument("--corpora", nargs="+", default=["fastapi", "flask", "pydantic"])
    parser.add_argument("--runs", type=int, default=3, help="of docs; the median is reported")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.what == "noop":
        facts = noop(arguments.files)
    elif arguments.what == "site-noop":
        facts = {kind: noop(arguments.files, kind) for kind in ("mkdocs", "sphinx")}
    else:
        runs = [docs(arguments.data, arguments.corpora) for _ in range(arguments.runs)]
        figures = [name for name, value in runs[0].items() if isinstance(value, int | float)]
        median = {name: statistics.median(run[name] for run in runs) for name in figures}
        facts = {"machine": machine(), "corpora": arguments.corpora, "median": median, "runs": runs}
    print(json.dumps(facts, indent=1))
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(facts, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
