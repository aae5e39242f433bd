"""Memory of the ingesting process while a corpus grows: does anything in it grow with the chunks?

    python benchmarks/large_corpus.py [--chunks 50000 100000 200000] [--quick] [--json PATH]

One memory is filled in steps from generated Markdown files of some twenty short sections each, without an embedder;
each step is a process of its own that ingests the whole folder so far. The peak is that of the ingesting process.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
SECTIONS = 20
FILES_IN_A_FOLDER = 500
WORDS = [f"word{number}" for number in range(20_000)]
INGEST = """
import json, resource, sys
from tercet import Memory, ingest
with Memory.open(sys.argv[1], embedder="none") as memory:
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report = ingest(sys.argv[2], into=memory)
own, parsers = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(json.dumps({
    "new chunks": report.chunks, "files": len(report.added) + report.unchanged, "s": round(report.total_s, 1),
    "CPU s": round(own.ru_utime + own.ru_stime + parsers.ru_utime + parsers.ru_stime, 1),
    "peak MB": round(own.ru_maxrss / 1024), "peak of parsers MB": round(parsers.ru_maxrss / 1024),
    "at start MB": round(base / 1024), "failed": len(report.failed),
}))
"""


def write(folder: Path, first: int, stop: int) -> None:
    for number in range(first, stop):
        words = random.Random(number)
        path = folder / str(number // FILES_IN_A_FOLDER) / f"{number}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        sections = (
            f"## Section {number}.{place}\n\n{' '.join(words.choices(WORDS, k=25))}.\n" for place in range(SECTIONS)
        )
        path.write_text(f"# Page {number}\n\n" + "\n".join(sections), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", nargs="*", type=int, default=[50_000, 100_000, 200_000])
    parser.add_argument("--quick", action="store_true", help="2,000 and 4,000 chunks, and no result file")
    parser.add_argument("--json", type=Path, default=HERE / "results" / "large_corpus.json")
    options = parser.parse_args()
    result: dict[str, object] = {
        "command": "python benchmarks/large_corpus.py",
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "load at start": round(os.getloadavg()[0], 1),
    }
    steps = []
    with tempfile.TemporaryDirectory() as folder:
        written = 0
        for chunks in [2_000, 4_000] if options.quick else options.chunks:
            files = chunks // SECTIONS
            write(Path(folder, "docs"), written, files)
            written = files
            done = subprocess.run(
                [sys.executable, "-c", INGEST, str(Path(folder, "memory")), str(Path(folder, "docs"))],
                capture_output=True,
                text=True,
                check=True,
            )
            steps.append({"chunks": chunks, **json.loads(done.stdout)})
            print(steps[-1], flush=True)
    if not options.quick:
        options.json.write_text(json.dumps(result | {"steps": steps}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
