"""Git repositories made in tests by the real program."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

_PERSON = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Ada"), ("EMAIL", "ada@example.org"), ("DATE", "2024-01-31T12:00:00Z"))
}


def git(folder: Path, *words: str, stdin: bytes | None = None) -> str:
    environment = os.environ | _PERSON | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(["git", *words], cwd=folder, env=environment, check=True, capture_output=True, input=stdin)
    return done.stdout.decode().strip()


def commit(folder: Path, files: Mapping[str, bytes | str], *, tag: str = "") -> str:
    """Write files into a repository (made where there is none) and commit all there is; returns the hash."""
    if not folder.exists():
        folder.mkdir(parents=True)
        git(folder, "init", "-q", "-b", "main")
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", "A commit")
    if tag:
        git(folder, "tag", tag)
    return git(folder, "rev-parse", "HEAD")


def commit_tree(folder: Path, entries: list[tuple[str, str, bytes]]) -> str:
    """Commit a tree of any names and modes, as no ``git add`` would make it: (mode, name, content or hash)."""
    lines = b""
    for mode, name, content in entries:
        blob = content if mode == "160000" else git(folder, "hash-object", "-w", "--stdin", stdin=content).encode()
        lines += f"{mode} {name}".encode() + b"\0" + bytes.fromhex(blob.decode())
    tree = git(folder, "hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=lines)
    return git(folder, "commit-tree", "-m", "A commit", tree)
