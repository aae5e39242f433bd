"""Speed and memory of the PDF parser for files of growing length.

    python benchmarks/pdf_pages.py [--pages 100 1000 5000] [--json PATH]

Each file is made here: pages of a running header, a heading, about 400 words of prose, a table of six rows and a page
number, some 3,200 characters in all. Each is parsed in a process of its own; the peak is that process's largest
resident set, the file and the result included.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import resource
import shlex
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))  # the writer of PDF files is that of the tests

from tercet.ingestion.parsers import parse  # noqa: E402 - after the path is set
from tests.ingestion.parsers.pdf_files import lines, pdf, text  # noqa: E402 - after the path is set

SYLLABLES = ["ra", "to", "mi", "ken", "sol", "da", "ver", "lin", "os", "par", "ti", "mo", "gra", "ne", "bel"]


def made(pages: int) -> bytes:
    chance = random.Random(7)
    vocabulary = ["".join(chance.choices(SYLLABLES, k=chance.randint(1, 4))) for _ in range(5000)]
    content = []
    for number in range(1, pages + 1):
        prose = [" ".join(chance.choices(vocabulary, k=12)) for _ in range(34)]
        table = [
            text(72 + 120 * column, 160 - 14 * row, f"{chance.choice(vocabulary)} {chance.randint(1, 999)}", size=9)
            for row in range(6)
            for column in range(4)
        ]
        content.append(
            [
                text(72, 760, "Handbook of made-up words", size=8),
                text(72, 720, f"{number} {' '.join(chance.choices(vocabulary, k=4)).capitalize()}", size=16, bold=True),
                lines(72, 690, prose, leading=14),
                *table,
                text(300, 30, f"Page {number} of {pages}", size=8),
            ]
        )
    return pdf(content)


def one(path: Path) -> None:
    data = path.read_bytes()
    begin = time.perf_counter()
    document = parse(data, name=path.name)
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    figures = {"seconds": seconds, "characters": len(document.text), "blocks": len(document.blocks), "peak": peak}
    print(json.dumps(figures))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pages", nargs="+", type=int, default=[100, 1000, 5000])
    parser.add_argument("--json", type=Path, default=HERE / "results" / "pdf_pages.json")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        one(arguments.one)
        return
    rows = []
    for pages in arguments.pages:
        file = arguments.json.parent / f"made-{pages}.pdf"
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            file.write_bytes(made(pages))
            command = [sys.executable, str(Path(__file__).resolve()), "--one", str(file)]
            output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=900).stdout
            figures = json.loads(output)
            size = file.stat().st_size
        finally:
            file.unlink(missing_ok=True)
        row = {
            "pages": pages,
            "file_mb": round(size / 1e6, 1),
            "seconds": round(figures["seconds"], 2),
            "pages_per_s": round(pages / figures["seconds"], 1),
            "characters": figures["characters"],
            "blocks": figures["blocks"],
            "peak_mb": round(figures["peak"] / 1e6),
        }
        rows.append(row)
        print(row)
    result = {
        "command": shlex.join(["python", "benchmarks/pdf_pages.py", *sys.argv[1:]]),
        "machine": {"python": platform.python_version(), "system": platform.platform()},
        "files": rows,
    }
    arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
