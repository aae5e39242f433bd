"""Seconds of ``tercet eval run`` from the start of the process, with a warm embedding cache, queries included.

The first run fills the cache and is not timed. ``cpu_s`` is processor time of the process and its children, which says
more than the clock on a busy machine.

    python benchmarks/eval_run.py --data DIR --cache FILE            # DIR holds scifact_mini/
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

BAR_S = 3.0
RUN = """
import sys
from tercet.cli import main
code = main({words!r})
print("torch" in sys.modules, file=sys.stderr)
sys.exit(code)
"""


def once(data: Path, cache: Path, out: Path) -> dict[str, object]:
    """One run in a process of its own."""
    words = ["eval", "run", "--dataset", str(data / "scifact_mini"), "--out", str(out), "--embedding-cache", str(cache)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", RUN.format(words=[*words, "--json", "--overwrite"])],
        capture_output=True,
        text=True,
        check=True,
    )
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    document = json.loads(done.stdout)
    return {
        "wall_s": round(wall, 2),
        "cpu_s": round(cpu, 2),
        "torch": done.stderr.split()[-1] == "True",
        "nDCG@10": round(document["measures"]["nDCG@10"]["mean"], 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("TERCET_DATA", beside)))
    parser.add_argument("--cache", type=Path, help="file of vectors; default: a temporary one")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "eval_run.json")
    options = parser.parse_args()
    load = os.getloadavg()
    with tempfile.TemporaryDirectory() as scratch:
        cache = options.cache or Path(scratch) / "vectors.sqlite3"
        once(options.data, cache, Path(scratch) / "run")
        rows = [once(options.data, cache, Path(scratch) / "run") for _ in range(options.runs)]
    median = {name: statistics.median(row[name] for row in rows) for name in ("wall_s", "cpu_s")}
    result = {
        "command": f"python benchmarks/eval_run.py --data DIR --cache FILE --runs {options.runs}",
        "tercet": version("tercet"),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load at start": [round(one, 2) for one in load],
        "bar_s": BAR_S,
        "median": median,
        "torch imported": any(row["torch"] for row in rows),
        "runs": rows,
    }
    print(f"{median['wall_s']} s wall, {median['cpu_s']} s of processor time; torch: {result['torch imported']}")
    options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
