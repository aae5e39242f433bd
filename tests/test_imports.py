"""What starting up may cost: heavy libraries stay out until something needs them."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

HEAVY = (
    "torch",
    "transformers",
    "sentence_transformers",
    "qdrant_edge",
    "qdrant_client",
    "sqlalchemy",
    "anthropic",
    "docutils",
)
REPORT = f"""
import sys
print(",".join(name for name in {HEAVY!r} if name in sys.modules))
"""


def loaded_by(code: str) -> str:
    """The heavy libraries in memory after running `code` in a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", code + REPORT], capture_output=True, text=True, check=True)
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


def cpu_seconds(code: str) -> float:
    """CPU time of `code` beyond that of an empty interpreter, the best of five runs each."""

    def best(program: str) -> float:
        measured = f"import time; _start = time.process_time()\n{program}\nprint(time.process_time() - _start)"
        runs = [
            subprocess.run([sys.executable, "-c", measured], capture_output=True, text=True, check=True)
            for _ in range(5)
        ]
        return min(float(run.stdout.split()[-1]) for run in runs)

    return best(code)


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import tercet", id="package"),
        pytest.param("from tercet import Scope, Document, DocumentFilter, RetrievalConfig", id="records"),
        pytest.param("import tercet; tercet.__version__; dir(tercet)", id="version"),
    ],
)
def test_light_names_load_no_heavy_library(code: str) -> None:
    assert loaded_by(code) == ""


def test_help_loads_no_heavy_library() -> None:
    code = """
import contextlib, io
from tercet.cli import main
with contextlib.redirect_stdout(io.StringIO()):
    assert main(["--help"]) == 0
    assert main(["search", "--help"]) == 0
"""
    assert loaded_by(code) == ""


def test_memory_and_ingest_load_no_torch() -> None:
    loaded = loaded_by("from tercet import Memory, SemanticRetriever, ingest")

    assert not {"torch", "transformers", "sentence_transformers", "anthropic"} & set(loaded.split(","))


def test_importing_the_package_takes_at_most_50_ms_of_cpu() -> None:
    assert cpu_seconds("import tercet") <= 0.05


def test_a_first_use_of_memory_takes_at_most_400_ms_of_cpu() -> None:
    assert cpu_seconds("from tercet import Memory") <= 0.4


def test_help_takes_at_most_half_a_second_of_cpu() -> None:
    command = [sys.executable, "-c", "import sys; from tercet.cli import main; sys.exit(main(['--help']))"]
    best = min(_children_cpu(command) for _ in range(5))

    assert best <= 0.5


def _children_cpu(command: list[str]) -> float:
    if sys.platform == "win32":  # no resource module: wall time is the upper bound
        start = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        return time.perf_counter() - start
    import resource  # noqa: PLC0415 -- not on Windows

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
