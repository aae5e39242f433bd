"""Seconds of ``tercet eval run`` from the start of the process, with a warm embedding cache, queries included.

The first run fills the cache and is not timed. It also makes Python's bytecode, in a folder of its own, which an
installed package has: without it, every run would compile 170 modules. ``cpu_s`` is processor time of the process and
its children, which says more than the clock on a busy machine.

    python benchmarks/eval_run.py --data DIR --cache FILE            # DIR holds scifact_mini/

With ``--beside ROOT``, another checkout is measured too, a run of each in turn, so that both meet the same load.
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


def once(data: Path, cache: Path, scratch: Path, root: Path) -> dict[str, object]:
    """One run of the package in ``root``, in a process of its own."""
    out = scratch / "run"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"PYTHONPATH": str(root), "PYTHONPYCACHEPREFIX": str(scratch / "bytecode")}
    words = ["eval", "run", "--dataset", str(data / "scifact_mini"), "--out", str(out), "--embedding-cache", str(cache)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", RUN.format(words=[*words, "--json", "--overwrite"])],
        capture_output=True,
        text=True,
        env=environment,
        cwd=scratch,
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


def medians(rows: list[dict[str, object]]) -> dict[str, float]:
    return {name: statistics.median(row[name] for row in rows) for name in ("wall_s", "cpu_s")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("TERCET_DATA", beside)))
    parser.add_argument("--cache", type=Path, help="file of vectors; default: a temporary one")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--beside", type=Path, metavar="ROOT", help="another checkout, measured in turn")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "eval_run.json")
    options = parser.parse_args()
    load = os.getloadavg()
    roots = [Path(__file__).resolve().parents[1], *([options.beside.resolve()] if options.beside else [])]
    found: dict[Path, list[dict[str, object]]] = {root: [] for root in roots}
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        cache = (options.cache or scratch / "vectors.sqlite3").resolve()
        data = options.data.resolve()
        for number in range(options.runs + 1):
            for root in roots:
                row = once(data, cache, scratch, root)
                if number:
                    found[root].append(row)
    rows, *others = found.values()
    median = medians(rows)
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
        **({"the other checkout": {"median": medians(others[0]), "runs": others[0]}} if others else {}),
    }
    print(f"{median['wall_s']} s wall, {median['cpu_s']} s of processor time; torch: {result['torch imported']}")
    if others:
        other = medians(others[0])
        print(f"the other checkout: {other['wall_s']} s wall, {other['cpu_s']} s of processor time")
    options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
