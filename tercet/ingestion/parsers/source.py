"""Source code in languages other than Python: code blocks under the names of what they define.

The text is the source, and blocks are whole lines of it. Headings for symbols are empty, as those of the Python parser
are. Without a grammar (the extra ``code`` has them) the code is cut at blank lines, and has no headings.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from tercet.errors import ParseError
from tercet.ingestion.parsers.outline import outline
from tercet.records import Block, Finding, ParsedDocument

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tercet.ingestion.parsers.outline import Outline, Part

_LONG_LINE = 5000
_SHORT_HEAD_LINES = 2
_TITLE_LENGTH = 200
_PACKAGE = re.compile(r"package \w+")
_FILE_TAG = re.compile(r"[@\\]file(?:overview)?(?=\s)")
_CLOSING = (")", "]", "}", "end", "fi", "done", "esac")


def parse(text: str, language: str) -> ParsedDocument:
    """Cut sanitized source along its symbols.

    A class longer than 40 lines is cut into its methods. Comments right above a symbol belong to it. Where the
    grammar finds errors, a finding ``syntax-error`` counts them, and the symbols that could be read are used; a
    finding ``unparsed`` says why a source was cut at blank lines only. A file that is for the most part in lines of
    more than 5,000 characters has no blocks, with a finding ``minified``.

    Args:
        text: The source.
        language: Such as ``"go"``; see ``tercet.ingestion.parsers.SOURCES``.

    Example:
        >>> document = parse("let one = 1;\\n\\nlet two = 2;\\n", "javascript")
        >>> [document.text[block.start : block.end] for block in document.blocks]
        ['let one = 1;', 'let two = 2;']
    """
    lines = text.split("\n")
    long = [len(line) for line in lines if len(line) > _LONG_LINE]
    if sum(long) * 2 > len(text):
        detail = f"lines of up to {max(long)} characters"
        minified = Finding(kind="minified", count=len(long), detail=detail)
        return ParsedDocument(text=text, blocks=(), findings=(minified,))
    found: Outline | None = None
    findings: tuple[Finding, ...] = ()
    try:
        found = outline(text, language)
    except ParseError as error:
        findings = (Finding(kind="unparsed", detail=error.message),)
    if found is not None and found.errors:
        findings = (Finding(kind="syntax-error", count=found.errors, detail=f"line {found.error_line + 1}"),)
    cutter = _Cutter(lines, broken=found is None or found.errors > 0)
    cutter.body(found.parts if found else (), 0, len(lines) - 1, level=1, outer="module")
    return ParsedDocument(text=text, blocks=tuple(cutter.blocks), title=_title(lines, language), findings=findings)


class _Cutter:
    """Collects the blocks of a source; lines are counted from 0, and ``last`` is the last line of a run.

    Args:
        lines: Of the source.
        broken: Not all of it was understood: long runs without a symbol are cut by how they look.
    """

    def __init__(self, lines: Sequence[str], *, broken: bool) -> None:
        self.blocks: list[Block] = []
        self._lines = lines
        self._broken = broken
        self._starts = [0]
        for line in lines:
            self._starts.append(self._starts[-1] + len(line) + 1)

    def body(self, parts: Iterable[Part], first: int, last: int, *, level: int, outer: str, head: bool = False) -> None:
        """Cut lines that hold the parts of a file or symbol.

        Args:
            parts: In order of their first line.
            first: First line of the run.
            last: Last line of the run.
            level: Of the headings for its symbols.
            outer: What code after a symbol stands under.
            head: A first line or two that only open the run go with its first symbol.
        """
        cursor, inside, read = first, False, -1
        begins: list[int] = []  # of statements and what leads up to them, since the last symbol
        lead = lead_end = -1  # the comments and the like right above
        for part in parts:
            if part.kind == "symbol" and part.first >= cursor:
                begin = lead if lead >= cursor and lead_end + 1 >= part.first else part.first
                opening = [line for line in begins if line < begin]
                if head and not inside and not opening and begin - cursor <= _SHORT_HEAD_LINES:
                    begin = cursor
                else:
                    self._between(cursor, begin - 1, opening, inside=inside, level=level, outer=outer)
                self._symbol(part, begin, level)
                cursor, inside, begins = part.last + 1, True, []
            else:
                begins.append(part.first)
            if part.kind != "leading":
                lead, read = -1, part.last
            elif part.first > read:
                lead = part.first if lead < 0 or part.first > lead_end + 1 else lead
                lead_end = part.last
        self._between(cursor, last, begins, inside=inside, level=level, outer=outer)

    def _symbol(self, part: Part, begin: int, level: int) -> None:
        for index, name in enumerate(part.names):
            self._heading(begin, level + index, name)
        if part.members:
            inner = level + len(part.names)
            self.body(part.members, begin, part.last, level=inner, outer=part.names[-1], head=begin == part.first)
        else:
            self._code(begin, part.last)

    def _between(self, first: int, last: int, begins: Sequence[int], *, inside: bool, level: int, outer: str) -> None:
        first, last = self._trimmed(first, last)
        if first > last:
            return
        opened = inside and self.blocks[-1].kind == "code"
        if opened and not any(line >= first for line in begins):  # what closes a symbol is no text of its own
            self.blocks[-1] = replace(self.blocks[-1], end=self._starts[last + 1] - 1)
            return
        if inside:
            self._heading(first, max(level - 1, 1), outer)
        for begin in begins:
            if begin > first and not self._lines[begin - 1].strip():
                self._statements(first, begin - 1)
                first = begin
        self._statements(first, last)

    def _statements(self, first: int, last: int) -> None:
        """Where parsing failed, cut at blank lines that an unindented line follows, unless it closes something."""
        if self._broken:
            for number in range(first + 1, last + 1):
                line = self._lines[number]
                begins = line and not line[0].isspace() and not self._lines[number - 1].strip()
                if begins and not line.startswith(_CLOSING):
                    self._code(first, number - 1)
                    first = number
        self._code(first, last)

    def _trimmed(self, first: int, last: int) -> tuple[int, int]:
        while first <= last and not self._lines[first].strip():
            first += 1
        while first <= last and not self._lines[last].strip():
            last -= 1
        return first, last

    def _heading(self, line: int, level: int, title: str) -> None:
        start = self._starts[line]
        self.blocks.append(Block(kind="heading", start=start, end=start, level=level, title=title, line=line + 1))

    def _code(self, first: int, last: int) -> None:
        first, last = self._trimmed(first, last)
        if first <= last:
            start, end = self._starts[first], self._starts[last + 1] - 1
            self.blocks.append(Block(kind="code", start=start, end=end, lead_end=start, line=first + 1))


def _title(lines: Sequence[str], language: str) -> str:
    """The first sentence about the file, where the language has a place for it."""
    if language == "rust":
        about = _run(lines, 0, "//!")
    elif language == "go":
        about = _package_comment(lines)
    else:
        about = _file_comment("\n".join(lines[:30]).lstrip())
    sentence = re.match(r".*?[.!?](?= |$)", " ".join(about))
    return (sentence[0] if sentence else " ".join(about))[:_TITLE_LENGTH]


def _run(lines: Sequence[str], first: int, mark: str) -> list[str]:
    """The words of the first paragraph of a comment."""
    words: list[str] = []
    for line in lines[first:]:
        content = line.strip().removeprefix(mark).split()
        if not line.strip().startswith(mark) or (words and not content):
            break
        words += content
    return words


def _package_comment(lines: Sequence[str]) -> list[str]:
    package = next((number for number, line in enumerate(lines) if _PACKAGE.match(line)), 0)
    first = package
    while first and lines[first - 1].startswith("//"):
        first -= 1
    about = _run(lines[:package], first, "//")
    return about if about[:1] in (["Package"], ["Command"]) else []


def _file_comment(head: str) -> list[str]:
    """The words after ``@file``, unless they are but the file's name."""
    comment = head.split("*/", 1)[0]
    tag = _FILE_TAG.search(comment)
    if not tag or not comment.startswith("/**"):
        return []
    words: list[str] = []
    for line in comment[tag.end() :].split("\n"):
        content = line.strip(" \t*")
        if not content or content[0] in "@\\":
            break
        words += content.split()
    return words if len(words) > 1 else []
