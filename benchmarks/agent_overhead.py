"""What a framework itself takes for a step of an agent, with a model that is scripted: Tercet beside others.

    python benchmarks/agent_overhead.py --environments FOLDER [--runs 15] [--steps 20]

A step is one model call and one call of a tool that adds two numbers; a run is ``--steps`` of them and a last model
call for the answer, and its time is divided by the number of steps. The model is a class of each framework's own
public kind that answers at once, so nothing is measured but the framework.

``durable``
    LangGraph with ``SqliteSaver`` (``durability="sync"``; once with a chat model and ``ToolNode``, once with plain
    functions for nodes), the OpenAI Agents SDK with ``SQLiteSession``, Tercet with the journal of a memory folder: all
    with a file on the same disk, in write-ahead logging, at the same ``synchronous``.
``in memory``
    Pydantic AI, which writes nothing, and Tercet with the journal in memory.

Tracing and telemetry of the others are off, as their documentation says how. Each system is a process of its own that
lives through the whole benchmark; in every round each makes one run, in an order that rotates. The first rounds are not
counted; figures are medians of the rest. What each system writes is counted in a process that is not timed.

Run it with the Python that has Tercet. The others get a virtual environment below ``--environments``, made on first use
from ``peers/requirements/agents.txt``; after that nothing uses a network.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = Path(__file__).parent
sys.path.append(str(HERE / "peers"))

from environments import python_of  # noqa: E402 -- beside this file, in the folder that was just named
from processes import OFFLINE  # noqa: E402

QUIET = OFFLINE | {
    "LANGSMITH_TRACING": "false",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "LOGFIRE_SEND_TO_LOGFIRE": "false",
}
DURABLE = ("langgraph", "langgraph_bare", "openai_agents")
IN_MEMORY = ("pydantic_ai",)
GROUPS = {"durable": ("tercet", *DURABLE), "in memory": ("tercet_in_memory", *IN_MEMORY)}
LEVELS = ("NORMAL", "FULL")
WARM = 15
"""Rounds that are not counted: as long as a write-ahead log grows, each sync of it costs more than later."""
TIMES_FASTER, NOT_SLOWER = 3.0, 0.7

Facts = dict[str, Any]


class System:
    """A process that makes a run whenever it is told to."""

    def __init__(self, name: str, level: str, steps: int, folder: Path, python: Path, *, count: bool = False) -> None:
        folder.mkdir()
        self.log = folder / "log"
        given = ["--system", name, "--synchronous", level, "--steps", str(steps), "--folder", str(folder)]
        with self.log.open("w", encoding="utf-8") as errors:
            self.process = subprocess.Popen(
                [str(python), str(HERE / "peers" / "agent_worker.py"), *given, *(["--count"] if count else [])],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=_environment(name),
            )
        self.about = self._read()

    def run(self) -> Facts:
        """Make one run."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # its last words are in the log
        return self._read()

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(timeout=60)
        self.process.stdout.close()

    def _read(self) -> Facts:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.wait(timeout=60)
            raise RuntimeError(self.log.read_text("utf-8", "replace")[-2000:])
        return dict(json.loads(line))


def _environment(name: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    own = {"PYTHONPATH": str(HERE.parent)} if name.startswith("tercet") else {}
    return kept | QUIET | own


def measure(names: tuple[str, ...], level: str, options: argparse.Namespace, folder: Path) -> dict[str, Facts]:
    """The systems of one group in turns."""
    pythons = {
        name: Path(sys.executable) if name.startswith("tercet") else python_of("agents", options.environments)
        for name in names
    }
    counted = {}
    for name in names:
        system = System(name, level, options.steps, folder / f"{name}-counted", pythons[name], count=True)
        system.run()
        counted[name] = system.run()["statements"]
        system.close()
    systems = {name: System(name, level, options.steps, folder / name, pythons[name]) for name in names}
    runs: dict[str, list[Facts]] = {name: [] for name in names}
    for turn in range(options.runs + WARM):
        order = names[turn % len(names) :] + names[: turn % len(names)]
        for name in order:
            runs[name].append(systems[name].run())
    rows = {name: _row(runs[name][WARM:], counted[name], systems[name].about, options.steps) for name in names}
    for system in systems.values():
        system.close()
    return rows


def _row(runs: list[Facts], statements: Mapping[str, int], about: Facts, steps: int) -> Facts:
    taken = sorted(run["seconds"] * 1000 / steps for run in runs)
    changes = sum(statements.get(kind, 0) for kind in ("INSERT", "UPDATE", "DELETE", "REPLACE"))
    return {
        "ms a step": round(statistics.median(taken), 3),
        "fastest": round(taken[0], 3),
        "slowest": round(taken[-1], 3),
        "CPU ms a step": round(statistics.median(run["CPU seconds"] * 1000 / steps for run in runs), 3),
        "commits a step": round(statements.get("COMMIT", 0) / steps, 2),
        "statements that write a step": round(changes / steps, 2),
        "files": runs[-1]["modes"],
        "writes": about["writes"],
        "versions": about["versions"],
    }


def bars(groups: Mapping[str, Mapping[str, Facts]]) -> list[Facts]:
    """What was promised, beside what came out. ``langgraph_bare`` is no agent and has no bar; it is compared, too."""
    found = []
    for group, rows in groups.items():
        own = next((name for name in rows if name.startswith("tercet")), None)
        agents = [name for name in rows if name not in (own, "langgraph_bare")]
        if own is None or not agents:
            continue
        taken = {name: row["ms a step"] for name, row in rows.items()}
        peer = min(agents, key=taken.__getitem__)
        bar = NOT_SLOWER if group == "in memory" else TIMES_FASTER
        verdict = {"group": group, "fastest other": peer, "times as fast": round(taken[peer] / taken[own], 2)}
        least = min(rows[name]["CPU ms a step"] for name in agents)
        verdict |= {"by CPU time, beside the fastest by that": round(least / rows[own]["CPU ms a step"], 2)}
        verdict |= {"bar": bar, "met": taken[peer] / taken[own] >= bar}
        if "langgraph_bare" in taken:
            verdict["times as fast as langgraph_bare"] = round(taken["langgraph_bare"] / taken[own], 2)
        found.append(verdict)
    return found


def show(groups: Mapping[str, Mapping[str, Facts]], verdicts: list[Facts]) -> None:
    columns = ("ms a step", "fastest", "slowest", "CPU ms a step", "commits a step", "statements that write a step")
    for group, rows in groups.items():
        print(f"\n{group}\n  {'':18}" + "".join(f"{column:>16}"[:16] for column in columns))
        for name, row in rows.items():
            print(f"  {name:18}" + "".join(f"{row[column]:>16}" for column in columns))
    for verdict in verdicts:
        print(f"\n{verdict}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environments", type=Path, required=True, help="folder for the others' environment")
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--systems", nargs="+", help="only these")
    parser.add_argument("--folder", type=Path, help="where the files are written; default: a temporary folder")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "agent_overhead.json")
    options = parser.parse_args()
    load = round(os.getloadavg()[0], 2)
    cases = [(f"durable, synchronous {level}", level, GROUPS["durable"]) for level in LEVELS]
    groups: dict[str, dict[str, Facts]] = {}
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
        for group, level, names in [*cases, ("in memory", "FULL", GROUPS["in memory"])]:
            wanted = tuple(name for name in names if not options.systems or name in options.systems)
            folder = Path(temporary) / group
            folder.mkdir()
            if wanted:
                groups[group] = measure(wanted, level, options, folder)
    verdicts = bars(groups)
    show(groups, verdicts)
    machine = {"processors": os.cpu_count(), "load": load, "python": platform.python_version()}
    command = "python benchmarks/agent_overhead.py --environments FOLDER"
    facts = {
        "command": f"{command} --runs {options.runs} --steps {options.steps}",
        "machine": machine | {"platform": platform.platform(), "sqlite": sqlite3.sqlite_version},
        "steps": options.steps,
        "runs": options.runs,
        "groups": groups,
        "bars": verdicts,
    }
    options.out.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
