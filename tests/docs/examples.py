"""How examples run: every page of the documentation is one test that works through its blocks from top to bottom.

A page's blocks share one folder, which holds copies of README.md and part of docs/ and nothing else. ``python`` blocks run in
this process and share their names; ``console`` blocks run through the installed command, and what they show after a
command is what it must print on standard output, with ``...`` for anything. ``sh`` blocks are for the reader.
"""

from __future__ import annotations

import doctest
import re
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("**/*.md")))
LANGUAGES = {"python", "console", "sh", "json", "toml", "text", ""}

_FENCE = re.compile(r"^```(?P<language>[a-z]*)(?: (?P<label>[^\n]*))?\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
_CHECKER = doctest.OutputChecker()


class Example(NamedTuple):
    """A fenced block of a page."""

    language: str
    label: str
    code: str
    line: int


def examples(page: Path) -> list[Example]:
    """All fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Example(found["language"], found["label"] or "", found["code"], text.count("\n", 0, found.start("code")) + 1)
        for found in _FENCE.finditer(text)
    ]


def run_python(example: Example, page: Path, names: dict[str, object]) -> None:
    """Run a block as if it stood in the page's file, so that a traceback points there."""
    padded = "\n" * (example.line - 1) + example.code
    exec(compile(padded, str(page), "exec", dont_inherit=True), names)


def run_console(example: Example, page: Path) -> None:
    """Run each ``$ `` line and compare what it prints."""
    for command, expected in _commands(example.code):
        words = shlex.split(command)
        assert words[0] == "tercet", f"{page.name}:{example.line}: only tercet runs in console blocks, not {words[0]!r}"
        done = subprocess.run([tercet(), *words[1:]], capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, f"{page.name}: $ {command}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
        if expected:
            matches = _CHECKER.check_output(expected, done.stdout, doctest.ELLIPSIS)
            assert matches, f"{page.name}: $ {command}\n--- documented\n{expected}--- printed\n{done.stdout}"


def _commands(code: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for line in code.splitlines(keepends=True):
        if line.startswith("$ "):
            found.append((line[2:].strip(), ""))
        else:
            command, expected = found[-1]
            found[-1] = (command, expected + line)
    return found


def tercet() -> str:
    """The installed command of this environment."""
    name = "tercet.exe" if sys.platform == "win32" else "tercet"
    return str(Path(sysconfig.get_path("scripts")) / name)
