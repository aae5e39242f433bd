"""Write docs/requirements.md: every requirement, what a test must observe, and the tests that show it.

    python scripts/requirements.py            # writes the page
    python scripts/requirements.py --check    # exit code 1 if the page is not what would be written

The sentences are in tests/requirements.toml. A test shows a requirement by naming its id in its docstring, or in that
of its class or module: ``S1.30``, ``S1.20-23`` for a range, ``part of S1.30`` where it observes less than is asked for.
Tests are read, never imported. An id that does not exist, and one in the docstring of something that is no test, is an
error that names file and line.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

SENTENCES = Path("tests/requirements.toml")
PAGE = Path("docs/requirements.md")
FIELDS = {"title", "requirement", "test"}
# The last group is what is glued to an id and was perhaps meant as another one.
MENTION = re.compile(r"\b([Pp]art\s+of\s+)?S(\d+)\.(\d+)(?:[-–](?:S(\d+)\.)?(\d+))?([-–/]\w+)?")  # noqa: RUF001 - people type it

HEAD = """\
# Requirements

What the project must do, what a test must observe for it to count as done, and the tests that show it. S1 is about
agents in production, S2 about agents that coordinate. A test marked *in part* observes less than is asked for.

This page is written by `python scripts/requirements.py` from the docstrings of the tests; `make check` compares it.
"""


class RequirementsError(Exception):
    """The sentences or the ids in the tests cannot be used: says where and why."""


class Requirement(NamedTuple):
    """One line of the page."""

    id: str
    title: str
    requirement: str
    test: str


class Test(NamedTuple):
    """What names a requirement: a test, or a whole module of them where ``name`` is empty."""

    file: str
    name: str
    in_part: bool


def read_requirements(file: Path) -> dict[str, Requirement]:
    """Read the sentences, in their order.

    Raises:
        RequirementsError: The file is no TOML, or an entry lacks a field or has one too many.
    """
    try:
        chapters = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise RequirementsError(f"{file}: {error}") from error
    found = {}
    for chapter, entries in chapters.items():
        for number, entry in entries.items():
            if not isinstance(entry, dict) or set(entry) != FIELDS or not all(entry.values()):
                raise RequirementsError(f"{file}: {chapter}.{number} needs exactly {', '.join(sorted(FIELDS))}.")
            found[f"{chapter}.{number}"] = Requirement(f"{chapter}.{number}", **entry)
    return found


def tests_by_requirement(root: Path, known: dict[str, Requirement]) -> dict[str, list[Test]]:
    """Read all tests under ``root`` and say which show which requirement.

    Args:
        root: The folder of the repository; its ``tests/`` is read.
        known: The requirements there are.

    Raises:
        RequirementsError: A docstring names an id that does not exist or that cannot be told, or belongs to no test.
    """
    shown: dict[str, list[Test]] = {}
    for path in sorted((root / "tests").rglob("*.py")):
        file = path.relative_to(root).as_posix()
        if file.startswith("tests/fixtures/"):
            continue  # data
        for place, name, is_test, text in _docstrings(ast.parse(path.read_text("utf-8"), str(path)), path.name):
            for line, id_, in_part in _mentions(text, file, place):
                if id_ not in known:
                    raise RequirementsError(f"{file}:{line}: there is no requirement {id_} in {SENTENCES}.")
                if not is_test:
                    raise RequirementsError(
                        f"{file}:{line}: {name or 'this module'} is no test, so it cannot show {id_}. "
                        "Name the id in the docstring of the test."
                    )
                test = Test(file, name, in_part)
                if test not in shown.setdefault(id_, []):
                    shown[id_].append(test)
    return shown


def _docstrings(module: ast.Module, file_name: str) -> Iterator[tuple[int, str, bool, str]]:
    """First line, name, whether it is a test, and text of every docstring of a module."""
    is_tests = file_name.startswith("test_")

    def walk(node: ast.Module | ast.ClassDef, prefix: str) -> Iterator[tuple[int, str, bool, str]]:
        for child in node.body:
            if not isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            name = f"{prefix}{child.name}"
            is_test = is_tests and child.name.startswith("Test" if isinstance(child, ast.ClassDef) else "test_")
            yield from _docstring(child, name, is_test=is_test)
            if isinstance(child, ast.ClassDef):
                yield from walk(child, f"{name}.")

    yield from _docstring(module, "", is_test=is_tests)
    yield from walk(module, "")


def _docstring(
    node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, name: str, *, is_test: bool
) -> Iterator[tuple[int, str, bool, str]]:
    text = ast.get_docstring(node, clean=False)
    if text is not None:
        yield node.body[0].lineno, name, is_test, text


def _mentions(text: str, file: str, first_line: int) -> Iterator[tuple[int, str, bool]]:
    """The line, id and whether in part of each that a docstring names, a range as all of its ids.

    Raises:
        RequirementsError: A range that runs backwards or over chapters, or more behind an id than a range.
    """
    for found in MENTION.finditer(text):
        line = first_line + text.count("\n", 0, found.start())
        part, chapter, first, other_chapter, last, glued = found.groups()
        if glued or (other_chapter or chapter) != chapter or (last and int(last) <= int(first)):
            raise RequirementsError(
                f"{file}:{line}: {found[0]!r} is neither an id nor a range. Write S1.20, S1.20-23 or each id whole."
            )
        for number in range(int(first), int(last or first) + 1):
            yield line, f"S{chapter}.{number:0{len(first)}}", part is not None


def render(requirements: dict[str, Requirement], shown: dict[str, list[Test]]) -> str:
    """The page as Markdown."""
    whole = sum(any(not test.in_part for test in tests) for tests in shown.values())
    lines = [
        HEAD,
        f"Of {len(requirements)} requirements {whole} are shown, {len(shown) - whole} in part, "
        f"{len(requirements) - len(shown)} are open.",
        "",
    ]
    lines += ["| id | requirement | what a test must observe | shown by |", "|---|---|---|---|"]
    for id_, entry in requirements.items():
        links = "<br>".join(_link(test) for test in shown.get(id_, [])) or "open"
        cells = [id_, f"**{entry.title}.** {entry.requirement}", entry.test, links]
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _link(test: Test) -> str:
    link = f"[{test.name or test.file.removeprefix('tests/')}](../{test.file})"
    return f"{link} *in part*" if test.in_part else link


def main(arguments: list[str] | None = None) -> int:
    """Write the page, or compare it; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare the page, write nothing")
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[1], help="the repository")
    options = parser.parse_args(arguments)
    page = options.root / PAGE
    try:
        requirements = read_requirements(options.root / SENTENCES)
        text = render(requirements, tests_by_requirement(options.root, requirements))
    except RequirementsError as error:
        print(error, file=sys.stderr)
        return 2
    if not options.check:
        page.write_text(text, "utf-8")
        return 0
    if page.is_file() and page.read_text("utf-8") == text:
        return 0
    print(f"{PAGE} is not what the tests say: run `python scripts/requirements.py`.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
