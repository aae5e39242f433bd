"""Running a worker in a process of its own, and looking at the memory of it and all its children (Linux)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HAYSTACK_TELEMETRY_ENABLED": "False",
    "ANONYMIZED_TELEMETRY": "False",  # Chroma
    "DO_NOT_TRACK": "1",
    "TOKENIZERS_PARALLELISM": "true",
    "PYTHONDONTWRITEBYTECODE": "1",
}
LOOK_EVERY_S = 0.05
PAGE = os.sysconf("SC_PAGE_SIZE")


class PeakMemory(threading.Thread):
    """The largest sum of resident memory of a process and its descendants; pages they share count in each."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._stopped = threading.Event()
        self.peak = 0

    def run(self) -> None:
        while not self._stopped.wait(LOOK_EVERY_S):
            self.peak = max(self.peak, sum(map(_resident, descendants(self._pid))))

    def stop(self) -> None:
        self._stopped.set()


def descendants(pid: int) -> list[int]:
    """A process and everything below it."""
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        for children in Path(f"/proc/{found[-1]}/task").glob("*/children"):
            try:
                waiting += map(int, children.read_text("ascii").split())
            except OSError:  # the thread ended meanwhile
                continue
    return found


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def run_worker(
    python: Path, system: str, task: str, arguments: Sequence[str], *, limit_s: float, log: Path
) -> dict[str, Any]:
    """What a worker printed last, with its peak memory and the load it met; or ``{"failed": why}``.

    The worker is ended with all its children when it takes longer than ``limit_s``.
    """
    worker = Path(__file__).with_name("worker.py")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | OFFLINE
    if system == "tercet":
        environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
    load = round(os.getloadavg()[0], 2)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, log.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(
            [str(python), str(worker), "--system", system, "--task", task, "--folder", folder, *arguments],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=folder,
            env=environment | {"HF_HOME": folder},
            start_new_session=True,
        )
        memory = PeakMemory(process.pid)
        memory.start()
        stopper = threading.Timer(limit_s, _end, [process])
        stopper.start()
        said: dict[str, Any] = {}
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if line.startswith("{"):
                    said = json.loads(line)
                    memory.stop()
            code = process.wait()
        finally:  # Ctrl-C reaches this process only: the worker is in a session of its own
            late = not stopper.is_alive()
            stopper.cancel()
            _end(process)
            process.stdout.close()
            memory.stop()
            memory.join()
    facts = {"load at start": load, "wall s": round(time.perf_counter() - started, 1)}
    if late:
        return facts | {"failed": f"took longer than {limit_s:.0f} s"}
    if code or not said or "measured" in said:
        words = log.read_text("utf-8", "replace").strip().splitlines()
        return facts | {"failed": words[-1] if words else f"exit code {code}"}
    return said | facts | {"peak MB": round(memory.peak / 1e6)}


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
