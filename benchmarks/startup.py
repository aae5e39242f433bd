"""CPU seconds of starting up: imports, the first use of a memory, ``tercet --help``, and a cold ``tercet search``.

    python benchmarks/startup.py [--json PATH]

Each figure is a whole process, its children included; the time of an interpreter that does nothing is taken off all but
the search. Medians of five runs after one that warms the file cache.
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
from pathlib import Path

RUNS = 5
SNIPPETS = {
    "import tercet": "import tercet",
    "from tercet import Memory": "from tercet import Memory",
    "from tercet import Agent, Memory, Scope, ingest": "from tercet import Agent, Memory, Scope, ingest",
    "Memory.open, new folder": (
        "import tempfile; from tercet import Memory; Memory.open(tempfile.mkdtemp(), embedder='none').close()"
    ),
    "tercet --help": "import sys; from tercet.cli import main; sys.exit(main(['--help']))",
}
BARS = {"import tercet": 0.05, "from tercet import Memory": 0.4, "Memory.open, new folder": 0.4, "tercet --help": 0.5}


def cost(command: list[str]) -> tuple[float, float]:
    """CPU and wall seconds of a process."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def median_cost(command: list[str]) -> tuple[float, float]:
    cost(command)
    taken = [cost(command) for _ in range(RUNS)]
    return statistics.median(cpu for cpu, _ in taken), statistics.median(wall for _, wall in taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "results" / "startup.json")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    nothing, _ = median_cost([sys.executable, "-c", "pass"])
    figures = {}
    for name, code in SNIPPETS.items():
        cpu, _ = median_cost([sys.executable, "-c", code])
        figures[name] = {"cpu_s": round(max(cpu - nothing, 0), 3), "bar_s": BARS.get(name)}
        print(f"{name:<50} {figures[name]['cpu_s']:.3f} s of CPU (bar {BARS.get(name, '-')})")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "keys.md").write_text("# Keys\n\nRotate keys every 90 days.\n", encoding="utf-8")
        tercet = [sys.executable, "-m", "tercet"]
        subprocess.run([*tercet, "ingest", f"{folder}/keys.md", "--memory", f"{folder}/m"], check=True)
        cpu, wall = median_cost([*tercet, "search", "rotate a key", "--memory", f"{folder}/m"])
    figures["tercet search, cold"] = {"cpu_s": round(cpu, 2), "wall_s": round(wall, 2)}
    print(f"{'tercet search, cold':<50} {cpu:.2f} s of CPU, {wall:.2f} s")
    machine = {"processors": os.cpu_count(), "load": load, "python": platform.python_version()}
    options.json.write_text(json.dumps({"machine": machine, "startup": figures}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
