"""What ``tercet doctor`` looks at: the installation, the embedder, the memory."""

from __future__ import annotations

import platform
import shutil
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from tercet.cli.options import open_memory
from tercet.errors import MemoryLockedError, MemoryNotFoundError, TercetError
from tercet.memory.chosen_embedder import DEFAULT_EMBEDDER

if TYPE_CHECKING:
    from tercet.memory.memory import Memory

PACKAGES = (
    "sqlalchemy",
    "qdrant-client",
    "sentence-transformers",
    "torch",
    "PyStemmer",
    "markdown-it-py",
    "docutils",
    "lxml",
)
LOW_SPACE_BYTES = 500_000_000


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


def run_checks(
    memory: Path,
    *,
    repair: bool,
    chains: bool,
    embedder: str | None,
    database: str | None,
    qdrant: str | None,
) -> list[Check]:
    """Look at everything; a check that fails never stops the others."""
    found = [*_installation(needs_engine=qdrant is None)]
    opened: Memory | None = None
    try:
        opened = open_memory(memory, database=database, qdrant=qdrant, create=False)
        found += [_embedder(embedder or opened.embedder_record.spec), *_memory(opened, repair=repair, chains=chains)]
    except MemoryNotFoundError as error:
        found += [_embedder(embedder or DEFAULT_EMBEDDER)]
        found += [Check("memory", True, f"none at {str(memory)!r} yet", error.remedy)]
    except TercetError as error:
        found += [_embedder(embedder or DEFAULT_EMBEDDER), Check("memory", False, error.message, error.remedy)]
    finally:
        if opened is not None:
            opened.close()
    return found


def _installation(*, needs_engine: bool) -> Iterator[Check]:
    yield Check("tercet", True, f"{version('tercet')} on Python {platform.python_version()}, {platform.platform()}")
    missing = [name for name in PACKAGES if _version(name) is None]
    detail = ", ".join(f"{name} {_version(name)}" for name in PACKAGES if name not in missing)
    yield Check(
        "packages",
        not missing,
        detail if not missing else f"not installed: {', '.join(missing)}",
        "pip install --force-reinstall tercet" if missing else "",
    )
    engine = _version("qdrant-edge-py")
    if engine is not None and find_spec("qdrant_edge") is not None:
        yield Check("vector engine", True, f"qdrant-edge-py {engine} (embedded)")
    else:
        yield Check(
            "vector engine",
            not needs_engine,
            f"the embedded engine has no build for {platform.system()} on {platform.machine()}, or is not installed",
            "Use a Qdrant server: --qdrant http://host:6333",
        )


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _embedder(spec: str) -> Check:
    from tercet.models.embedding import describe

    if spec == "none":
        return Check("embedder", True, "none: this memory is searched by words only")
    try:
        facts = describe(spec)
    except TercetError as error:
        return Check("embedder", False, error.message, error.remedy)
    detail = (
        f"{facts.spec} ({facts.dimension} dimensions, {facts.max_tokens} tokens, {facts.dtype}) "
        f"from {facts.source} {facts.path}"
    )
    if facts.weights_ok is False:
        return Check("embedder", False, f"{detail}: the weights are damaged", "Install them again: tercet[offline]")
    return Check("embedder", True, detail + (", weights verified" if facts.weights_ok else ""))


def _memory(memory: Memory, *, repair: bool, chains: bool) -> Iterator[Check]:
    from tercet.memory.health import check

    if memory.path is not None:
        yield from _folder(memory.path)
    try:
        problems = check(memory, repair=repair, chains=chains)
    except MemoryLockedError as error:
        yield Check("memory", True, f"not examined: {error.message}", error.remedy)
        return
    except TercetError as error:
        yield Check("memory", False, error.message, error.remedy)
        return
    if not problems:
        yield Check("memory", True, "database and vectors agree")
    for problem in problems:
        yield Check("memory", False, problem.what, problem.remedy)


def _folder(path: Path) -> Iterator[Check]:
    mode = stat.S_IMODE(path.stat().st_mode)
    if sys.platform != "win32":
        private = not mode & 0o077
        yield Check(
            "privacy",
            private,
            f"{path} has mode {mode:04o} (text is stored unencrypted)",
            "" if private else f"Others on this machine can read it: chmod 700 {path}",
        )
    free = shutil.disk_usage(path).free
    enough = free >= LOW_SPACE_BYTES
    yield Check(
        "disk",
        enough,
        f"{free / 1e9:,.1f} GB free",
        "" if enough else "Writing stops before the disk is full; make room, or move the folder.",
    )
