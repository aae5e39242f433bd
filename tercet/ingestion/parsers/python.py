"""Python source: code blocks under the names of the classes and functions they define.

The text is the source. A heading block for a symbol is empty (``start == end``), placed where its code begins,
decorators and the comments above included: the code stays in the block that follows, and its heading path becomes
``("Class", "method")``. Level 1 is a symbol of the module. Code of the module after a symbol stands under the heading
``module``, as no heading can end another.
"""

from __future__ import annotations

import ast
import re
import warnings
from typing import TYPE_CHECKING

from tercet.ingestion.parsers.text import paragraphs
from tercet.records import Block, Finding, ParsedDocument

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LARGE_CLASS_LINES = 40
_QUOTES = re.compile(r"[rRuU]?(\"\"\"|'''|\"|')")
_Symbol = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def parse(text: str) -> ParsedDocument:
    """Cut sanitized Python source along its symbols.

    The module docstring is a paragraph and its first line the title. A class longer than 40 lines is cut into its
    methods. Source that this Python cannot parse is cut at blank lines, with a finding ``syntax-error``.

    Example:
        >>> [(block.kind, block.title) for block in parse("class Key:\\n    def rotate(self): ...\\n").blocks]
        [('heading', 'Key'), ('code', '')]
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        detail = f"line {error.lineno}: {error.msg}" if isinstance(error, SyntaxError) else type(error).__name__
        blocks = tuple(paragraphs(text, kind="code"))
        return ParsedDocument(text=text, blocks=blocks, findings=(Finding(kind="syntax-error", detail=detail),))
    source = _Source(text)
    docstring = ast.get_docstring(module)
    title = " ".join(docstring.strip().split("\n\n", 1)[0].split()) if docstring else ""
    return ParsedDocument(text=text, blocks=tuple(source.blocks(module)), title=title[:200])


class _Source:
    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line) + 1)

    def blocks(self, module: ast.Module) -> Iterator[Block]:
        body: Sequence[ast.stmt] = module.body
        first = 1
        if body and ast.get_docstring(module, clean=False) is not None:
            statement = body[0]
            last = statement.end_lineno or statement.lineno
            yield from self._code(1, statement.lineno - 1)
            yield from self._docstring(statement)
            first, body = last + 1, body[1:]
        yield from self._body(body, first, len(self._lines), level=1, outer="module")

    def _body(self, body: Sequence[ast.stmt], first: int, last: int, *, level: int, outer: str) -> Iterator[Block]:
        """Blocks for lines ``first`` to ``last``, which hold the statements of a module or class."""
        cursor, inside = first, False
        for statement in body:
            if not isinstance(statement, _Symbol):
                continue
            begin = self._with_comments(statement, cursor)
            end = statement.end_lineno or statement.lineno
            if begin < cursor:
                continue  # a second statement on the line of the one before
            yield from self._between(cursor, begin - 1, inside, level, outer)
            yield self._heading(begin, level, statement.name)
            if isinstance(statement, ast.ClassDef) and end - begin >= _LARGE_CLASS_LINES and level < 6:
                yield from self._body(statement.body, begin, end, level=level + 1, outer=statement.name)
            else:
                yield from self._code(begin, end)
            cursor, inside = end + 1, True
        yield from self._between(cursor, last, inside, level, outer)

    def _between(self, first: int, last: int, inside: bool, level: int, outer: str) -> Iterator[Block]:
        code = list(self._code(first, last))
        if code and inside:
            yield self._heading(code[0].line, max(level - 1, 1), outer)
        yield from code

    def _with_comments(self, statement: _Symbol, cursor: int) -> int:
        line = min([statement.lineno, *(decorator.lineno for decorator in statement.decorator_list)])
        while line > cursor and self._lines[line - 2].lstrip().startswith("#"):
            line -= 1
        return line

    def _heading(self, line: int, level: int, title: str) -> Block:
        start = self._starts[line - 1]
        return Block(kind="heading", start=start, end=start, level=level, title=title, line=line)

    def _code(self, first: int, last: int) -> Iterator[Block]:
        while first <= last and not self._lines[first - 1].strip():
            first += 1
        while first <= last and not self._lines[last - 1].strip():
            last -= 1
        if first <= last:
            start = self._starts[first - 1]
            yield Block(kind="code", start=start, end=self._starts[last] - 1, lead_end=start, line=first)

    def _docstring(self, statement: ast.stmt) -> Iterator[Block]:
        last = statement.end_lineno or statement.lineno
        start, end = self._starts[statement.lineno - 1], self._starts[last] - 1
        source = "\n".join(self._lines[statement.lineno - 1 : last])
        quote = _QUOTES.match(source)
        if quote and source.rstrip().endswith(quote[1]):
            end = start + len(source.rstrip()) - len(quote[1])
            start += quote.end()
            inner = source[quote.end() : len(source.rstrip()) - len(quote[1])]
            for block in paragraphs(inner, line=statement.lineno):
                yield Block(kind="paragraph", start=start + block.start, end=start + block.end, line=block.line)
        else:
            yield Block(kind="code", start=start, end=end, lead_end=start, line=statement.lineno)
