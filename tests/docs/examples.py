"""How examples run: every page of the documentation is one test that works through its blocks from top to bottom.

A page's blocks share one folder, which holds copies of README.md and docs/ and nothing else. ``python`` blocks run in
this process and share their names; ``console`` blocks run through the command's entry point in this process, where
torch is loaded once, and those of the README through the installed command. What a block shows after a command is what
it must print on standard output, with ``...`` for anything. ``sh`` blocks are for the reader.
"""

from __future__ import annotations

import doctest
import io
import re
import shlex
import subprocess
import sys
import sysconfig
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

from tercet.cli.app import main

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


class Done(NamedTuple):
    """What a command did."""

    code: int
    stdout: str
    stderr: str


def run_console(example: Example, page: Path, *, installed: bool = False) -> None:
    """Run each ``$ `` line and compare what it prints.

    Args:
        example: A console block.
        page: Where it stands.
        installed: Through the installed command, in a process of its own.
    """
    for command, expected in _commands(example.code):
        words = shlex.split(command)
        assert words[0] == "tercet", f"{page.name}:{example.line}: only tercet runs in console blocks, not {words[0]!r}"
        done = _run_installed(words[1:]) if installed else _run_here(words[1:])
        assert done.code == 0, f"{page.name}: $ {command}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
        if expected:
            matches = _CHECKER.check_output(expected, done.stdout, doctest.ELLIPSIS)
            assert matches, f"{page.name}: $ {command}\n--- documented\n{expected}--- printed\n{done.stdout}"


def _run_installed(words: list[str]) -> Done:
    done = subprocess.run([tercet(), *words], capture_output=True, text=True, timeout=240, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


def _run_here(words: list[str]) -> Done:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(words)
    return Done(code, out.getvalue(), err.getvalue())


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
