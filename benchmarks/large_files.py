"""Large single files: seconds and memory of everything but embedding, and whether both grow in line with the size.

    python benchmarks/large_files.py [--html 3.5 7 14] [--markdown 25 50 100] [--json PATH]

Files are generated (sections of prose, code, lists and tables) and ingested by a process of its own with the default
limits; peaks are those of the ingesting process and of its parser process. For PDF see ``pdf_pages.py``.
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
WORDS = (
    "the of a to and in is for that with as it on be by are this from or which memory search document query index"
    " vector token chunk agent budget context store write read lock queue retry limit error reason value setting option"
    " default folder file path name version release change update remove create open close start stop wait run check"
)
INGEST = """
import json, resource, sys
from tercet import Memory, ParsingLimits, ingest
with Memory.open(sys.argv[1], embedder="none") as memory:
    report = ingest(sys.argv[2], into=memory, limits=ParsingLimits(max_file_mb=float(sys.argv[3])))
own, parsers = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(json.dumps({
    "s": round(report.total_s, 2), "CPU s": round(own.ru_utime + own.ru_stime + parsers.ru_utime + parsers.ru_stime, 2),
    "chunks": report.chunks, "peak MB": round(own.ru_maxrss / 1024),
    "peak of the parser MB": round(parsers.ru_maxrss / 1024),
    "failed": [failure.reason for failure in report.failed],
}))
"""


def section(number: int, words: random.Random, *, html: bool) -> str:
    """About 2 kB of documentation."""
    vocabulary = WORDS.split()
    prose = [" ".join(words.choice(vocabulary) for _ in range(60)) + "." for _ in range(5)]
    rows = [(f"option_{words.randrange(999)}", str(words.random())) for _ in range(8)]
    if html:
        cells = "".join(f"<tr><td>{name}</td><td>{value}</td></tr>" for name, value in rows)
        paragraphs = "".join(f"<p>{text}</p>\n" for text in prose)
        code = f"<pre>run({number})\nstop()</pre>\n"
        return f"<h2 id=s{number}>Section {number}</h2>\n{paragraphs}{code}<table>{cells}</table>\n"
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    return (
        f"## Section {number}\n\n" + "\n\n".join(prose) + f"\n\n```python\nrun({number})\nstop()\n```\n\n"
        f"| name | value |\n|---|---|\n{table}\n\n"
    )


def write(path: Path, megabytes: float, *, html: bool) -> None:
    words, written, number = random.Random(1), 0, 0
    with path.open("w", encoding="utf-8") as file:
        if html:
            file.write("<!doctype html><title>Reference</title><main>")
        while written < megabytes * 1e6:
            number += 1
            written += file.write(section(number, words, html=html))


def measured(kind: str, megabytes: float) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "docs", f"big.{'html' if kind == 'html' else 'md'}")
        path.parent.mkdir()
        write(path, megabytes, html=kind == "html")
        limit = str(megabytes + 10)
        done = subprocess.run(
            [sys.executable, "-c", INGEST, str(Path(folder, "memory")), str(path.parent), limit],
            capture_output=True,
            text=True,
            check=True,
        )
    return {"MB": megabytes, **json.loads(done.stdout)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--html", nargs="*", type=float, default=[3.5, 7, 14])
    parser.add_argument("--markdown", nargs="*", type=float, default=[25, 50, 100])
    parser.add_argument("--json", type=Path, default=HERE / "results" / "large_files.json")
    options = parser.parse_args()
    result: dict[str, object] = {
        "command": "python benchmarks/large_files.py",
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "load at start": round(os.getloadavg()[0], 1),
    }
    for kind, sizes in (("html", options.html), ("markdown", options.markdown)):
        runs = []
        for size in sizes:
            runs.append(measured(kind, size))
            print(kind, runs[-1], flush=True)
        result[kind] = runs
    options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
