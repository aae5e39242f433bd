"""A virtual environment a peer, made from its pinned requirements; Tercet runs where run.py runs."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

PEERS = ("llama_index", "langchain", "haystack", "txtai")
VARIANTS = {"txtai_exact": "txtai"}
"""Peers with another index than their default, for the part ``query`` alone, and whose environment they run in."""
SYSTEMS = ("tercet", *PEERS, *VARIANTS)
REQUIREMENTS = Path(__file__).parent / "requirements"


def python_of(system: str, folder: Path) -> Path:
    """The Python that runs a system; makes its environment first where it is missing or its requirements changed.

    Raises:
        RuntimeError: Packages cannot be installed; says where pip's words are.
    """
    if system == "tercet":
        return Path(sys.executable)
    system = VARIANTS.get(system, system)
    requirements = REQUIREMENTS / f"{system}.txt"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    home = folder / system
    python, mark, log = home / "bin" / "python", home / "requirements.sha256", folder / f"{system}.pip.log"
    if mark.is_file() and mark.read_text("ascii") == wanted:
        return python
    print(f"{system}: installing {requirements.name} into {home}", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as output:
        for command in (
            [sys.executable, "-m", "venv", str(home)],
            [str(python), "-m", "pip", "install", "--no-input", "--only-binary", ":all:", "-r", str(requirements)],
        ):
            if subprocess.run(command, stdout=output, stderr=output, check=False).returncode:
                raise RuntimeError(f"the environment of {system} cannot be made; see {log}")
    mark.write_text(wanted, "ascii")
    return python
