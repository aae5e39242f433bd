"""Which lines of an included file are meant."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Callable, Mapping

Lines = list[str]
Excerpt = Callable[[Lines], Lines | None]
"""The lines that are meant; None where there are none such."""

_RANGE = re.compile(r"\s*(-?\d*)\s*(?:[-:]\s*(\d*))?\s*")
_SECTION = re.compile(r"-{1,}8<-{1,}[ \t]+\[[ \t]*(start|end)[ \t]*:[ \t]*([a-z][\w-]*)[ \t]*\]", re.IGNORECASE)
_ANCHOR = re.compile(r"ANCHOR(_END)?:\s*([\w-]+)")


def everything(lines: Lines) -> Lines | None:
    """All of them."""
    return lines


def ranges(text: str, *, single: bool) -> Excerpt:
    """Lines by number, from 1: ``1,3-5,8-`` or ``3:5``.

    Args:
        text: The numbers.
        single: Whether one number means one line; else it means all from there.

    Example:
        >>> ranges("1,3-", single=True)(["a", "b", "c", "d"])
        ['a', 'c', 'd']
    """

    def excerpt(lines: Lines) -> Lines | None:
        chosen: Lines = []
        for part in text.split(",")[:1000]:
            found = _RANGE.fullmatch(part)
            if found is None or part.strip() in ("", "-", ":"):
                return None
            first = max(1, int(found[1][:9])) if found[1].lstrip("-") else 1
            alone = single and not any(sign in part for sign in "-:")
            last = first if alone else int(found[2][:9]) if found[2] else len(lines)
            chosen += lines[first - 1 : last]
        return chosen

    return excerpt


def snippet_section(name: str) -> Excerpt:
    """The lines between the markers ``--8<-- [start:name]`` and ``--8<-- [end:name]``, markers left out, dedented."""

    def excerpt(lines: Lines) -> Lines | None:
        chosen: Lines | None = None
        for line in lines:
            marker = _SECTION.search(line) if "8<" in line else None
            if marker is None:
                if chosen is not None:
                    chosen.append(line)
            elif marker[2] == name:
                if marker[1].lower() == "end":
                    break
                chosen = chosen or []
        return None if chosen is None else _dedented(chosen)

    return excerpt


def without_snippet_markers(lines: Lines) -> Lines | None:
    """All lines but those that mark sections."""
    return [line for line in lines if "8<" not in line or not _SECTION.search(line)]


def numbered_without_markers(text: str) -> Excerpt:
    """Lines by number, and none of them that marks a section."""

    def excerpt(lines: Lines) -> Lines | None:
        chosen = ranges(text, single=False)(lines)
        return None if chosen is None else without_snippet_markers(chosen)

    return excerpt


def anchored(name: str) -> Excerpt:
    """The lines between ``ANCHOR: name`` and ``ANCHOR_END: name``, lines with any anchor left out."""

    def excerpt(lines: Lines) -> Lines | None:
        chosen: Lines | None = None
        for line in lines:
            marker = _ANCHOR.search(line) if "ANCHOR" in line else None
            if marker is None:
                if chosen is not None:
                    chosen.append(line)
            elif marker[2] == name:
                if marker[1]:
                    break
                chosen = chosen or []
        return chosen

    return excerpt


def docutils_part(options: Mapping[str, str]) -> Excerpt:
    """As the ``include`` directive chooses: ``start-line``, ``end-line``, ``start-after`` and ``end-before``."""

    def excerpt(lines: Lines) -> Lines | None:
        text = "\n".join(lines[_number(options, "start-line") : _number(options, "end-line")])
        after, before = options.get("start-after"), options.get("end-before")
        if after:
            if after not in text:
                return None
            text = text[text.index(after) + len(after) :]
        if before:
            if before not in text:
                return None
            text = text[: text.index(before)]
        return text.split("\n")

    return excerpt


def literal_part(options: Mapping[str, str]) -> Excerpt:
    """As the ``literalinclude`` directive chooses: ``pyobject``, ``lines``, ``start-…``, ``end-…``, ``dedent``."""

    def excerpt(lines: Lines) -> Lines | None:
        chosen: Lines | None = lines
        if "pyobject" in options:
            chosen = _python_object(lines, options["pyobject"])
        if chosen is not None and options.get("lines"):
            chosen = ranges(options["lines"], single=True)(chosen)
        for name, keep in (("start-after", 1), ("start-at", 0)):
            if chosen is not None and options.get(name):
                first = _line_with(chosen, options[name])
                chosen = None if first is None else chosen[first + keep :]
        for name, keep in (("end-before", 0), ("end-at", 1)):
            if chosen is not None and options.get(name):
                last = _line_with(chosen, options[name])
                chosen = None if last is None else chosen[: last + keep]
        return _dedented(chosen) if chosen is not None and "dedent" in options else chosen

    return excerpt


def _number(options: Mapping[str, str], name: str) -> int | None:
    text = options.get(name, "").strip()
    return int(text[:9]) if re.fullmatch(r"-?\d+", text) else None


def _line_with(lines: Lines, text: str) -> int | None:
    return next((number for number, line in enumerate(lines) if text in line), None)


def _dedented(lines: Lines) -> Lines:
    return textwrap.dedent("\n".join(lines)).split("\n")


def _python_object(lines: Lines, name: str) -> Lines | None:
    try:
        body = ast.parse("\n".join(lines)).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    found: ast.stmt | None = None
    for part in name.strip().split("."):
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        found = next((node for node in body if isinstance(node, kinds) and node.name == part), None)
        if not isinstance(found, kinds):
            return None
        body = found.body
    if not isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return None
    first = min([found.lineno, *(decorator.lineno for decorator in found.decorator_list)])
    return lines[first - 1 : found.end_lineno]
