"""How pages write that they include another file: one reader of lines for each way."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, NamedTuple

from tercet.ingestion.publishing import excerpts
from tercet.ingestion.publishing.excerpts import Excerpt, everything

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tercet.ingestion.publishing.rules import Syntax

LONGEST_LINE = 4_000
"""Characters; a longer line holds no directive."""


class Request(NamedTuple):
    """A file that a page asks for."""

    path: str
    """As it is written; one that begins with ``/`` is relative to the site's folder."""
    excerpt: Excerpt = everything
    relative: bool = True
    """To the folder of the page that asks; else to the bases."""
    code: str | None = None
    """Language, where the file becomes a block of code; None: it is taken as markup."""
    caption: str = ""
    indent: str = ""
    partial: bool = False
    """A page of its own kind, whose front matter is left out."""


class Replacement(NamedTuple):
    """Lines that stand for files."""

    first: int
    after: int
    pieces: tuple[str | Request, ...]


_SNIPPET = re.compile(r"([ \t]*)-{1,}8<-{1,}(?:[ \t]+(?:\"([^\"\n]+)\"|'([^'\n]+)'))?[ \t]*$")
_SPECIFIED = re.compile(r"([^:]*)(?::(-?\d*(?::-?\d*)?(?:,-?\d*(?::-?\d*)?)*)|:([A-Za-z][\w-]*))?")
_BRACES = re.compile(r"\{!\s*([^!\s|\[\]]+)\s*(?:\[[^\]!]*\]\s*)?(?:\|[^!]*)?!\s*(?:lines=([\d\s-]+?))?\s*\}")
_VARIANT = re.compile(r"([ \t]*)\{\*[ \t]+([^\s*]+)([^*\n]*)\*\}[ \t]*$")
_LINES_OF_VARIANT = re.compile(r"\bln\[([\d:,\s]+)\]")
_MDBOOK = re.compile(r"(\\?)\{\{\s*#(include|rustdoc_include|playground|playpen)\s+([^{}\s]+)[^{}]*\}\}")
_RST = re.compile(r"([ \t]*)\.\. (include|literalinclude)::[ \t]+(\S.*)$")
_RST_OPTION = re.compile(r"[ \t]+:([\w-]+):(.*)$")
_RST_CODE = re.compile(r"[ \t]*\.\. (?:code|code-block|code-cell|sourcecode|prompt|console|parsed-literal|literal)::")
_MYST = re.compile(r"([ \t]*)(`{3,}|:{3,})\{(include|literalinclude)\}[ \t]+(\S.*)$")
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})")
_IMPORT = re.compile(r"import[ \t]+([A-Z]\w*)[ \t]+from[ \t]+['\"]([^'\"\n]+\.mdx?)['\"]")
_COMPONENT = re.compile(r"([ \t]*)<([A-Z]\w*)(?:[ \t][^<>]*)?/>[ \t]*$")
_LANGUAGES = {".py": "python", ".js": "javascript", ".ts": "typescript", ".rs": "rust", ".sh": "bash", ".yml": "yaml"}


def language_of(path: str) -> str:
    """The language of a fence, by the suffix of a file.

    Example:
        >>> language_of("a/b.py"), language_of("x.toml"), language_of("Makefile")
        ('python', 'toml', '')
    """
    suffix = posixpath.splitext(path)[1].lower()
    return _LANGUAGES.get(suffix, suffix[1:])


def replacements(lines: list[str], syntax: Syntax) -> Iterator[Replacement]:
    """What is to be replaced in a page, in order and without overlaps."""
    return _READERS[syntax](lines)


def mentions(text: str, syntax: Syntax) -> bool:
    """Whether a page can hold such a directive at all: most hold none, and are not looked at line by line."""
    return _HINTS[syntax] in text


def _snippets(lines: list[str]) -> Iterator[Replacement]:
    opened: int | None = None
    pieces: list[str | Request] = []
    for number, line in enumerate(lines):
        found = _SNIPPET.match(line) if "8<" in line and len(line) <= LONGEST_LINE else None
        if opened is not None and not found:
            if line.strip() and not line.strip().startswith(";"):
                pieces.append(_snippet(line.strip(), lines[opened][: len(line) - len(line.lstrip())]))
        elif found and (found[2] or found[3]):
            if opened is None:
                yield Replacement(number, number + 1, (_snippet(found[2] or found[3], found[1]),))
        elif found and opened is None:
            opened, pieces = number, []
        elif found and opened is not None:
            yield Replacement(opened, number + 1, tuple(pieces))
            opened = None


def _snippet(written: str, indent: str) -> Request:
    found = _SPECIFIED.fullmatch(written)
    if found is None:
        return Request(written, relative=False, indent=indent)
    excerpt: Excerpt = excerpts.without_snippet_markers
    if found[3]:
        excerpt = excerpts.snippet_section(found[3])
    elif found[2]:
        excerpt = excerpts.numbered_without_markers(found[2])
    return Request(found[1], excerpt, relative=False, indent=indent)


def _braces(lines: list[str]) -> Iterator[Replacement]:
    def request(found: re.Match[str]) -> Request:
        excerpt = excerpts.ranges(",".join(found[2].split()), single=True) if found[2] else everything
        return Request(found[1], excerpt, relative=False)

    return _inline(lines, "{!", _BRACES, request)


def _variants(lines: list[str]) -> Iterator[Replacement]:
    for number, line in enumerate(lines):
        found = _VARIANT.match(line) if "{*" in line and len(line) <= LONGEST_LINE else None
        if found:
            chosen = _LINES_OF_VARIANT.search(found[3])
            excerpt = excerpts.ranges(chosen[1], single=True) if chosen else everything
            request = Request(found[2], excerpt, relative=False, code=language_of(found[2]), indent=found[1])
            yield Replacement(number, number + 1, (request,))


def _mdbook(lines: list[str]) -> Iterator[Replacement]:
    def request(found: re.Match[str]) -> Request | None:
        if found[1]:
            return None  # escaped
        path, _, rest = found[3].partition(":")
        excerpt: Excerpt = everything
        if rest:
            numbers = all(not part or part.isdigit() for part in rest.split(":"))
            excerpt = excerpts.ranges(rest, single=True) if numbers else excerpts.anchored(rest)
        return Request(path, excerpt, code="rust" if found[2].startswith("play") else None)

    return _inline(lines, "{{", _MDBOOK, request)


def _inline(
    lines: list[str], hint: str, pattern: re.Pattern[str], request: Callable[[re.Match[str]], Request | None]
) -> Iterator[Replacement]:
    """Directives that may stand inside a line."""
    for number, line in enumerate(lines):
        if hint not in line or len(line) > LONGEST_LINE:
            continue
        pieces: list[str | Request] = []
        cursor = 0
        for found in pattern.finditer(line):
            asked = request(found)
            if asked is not None:
                before = line[cursor : found.start()]
                pieces += [before, asked._replace(indent=before if not before.strip() else "")]
                cursor = found.end()
        if pieces:
            yield Replacement(number, number + 1, (*pieces, line[cursor:]))


def _rst(lines: list[str]) -> Iterator[Replacement]:
    number = 0
    literal = -1  # the indentation of what introduced literal text
    while number < len(lines):
        line = lines[number]
        number += 1
        indent = len(line) - len(line.lstrip())
        if literal >= 0 and line.strip() and indent <= literal:
            literal = -1
        if literal >= 0 or not line.strip() or len(line) > LONGEST_LINE:
            continue
        found = _RST.match(line) if ".. " in line else None
        if found is None:
            if "::" in line and (_RST_CODE.match(line) or _introduces_literal(line)):
                literal = indent
            continue
        first, options = number - 1, {}
        while number < len(lines) and (option := _RST_OPTION.match(lines[number])) and _deeper(lines[number], indent):
            options[option[1]] = option[2].strip()
            number += 1
        yield Replacement(first, number, (_directive(found[2], found[3].rstrip(), options, found[1]),))


def _introduces_literal(line: str) -> bool:
    stripped = line.strip()
    return stripped.endswith("::") and not (stripped.startswith(".. ") and stripped != ".. ::")


def _deeper(line: str, indent: int) -> bool:
    return len(line) - len(line.lstrip()) > indent


def _directive(name: str, path: str, options: dict[str, str], indent: str) -> Request:
    if name == "include":
        code = options.get("code") if "code" in options else "" if "literal" in options else None
        return Request(path, excerpts.docutils_part(options), code=code, indent=indent)
    language = options.get("language") or language_of(path)
    caption = options.get("caption", "") or (path if "caption" in options else "")
    return Request(path, excerpts.literal_part(options), code=language, caption=caption, indent=indent)


def _myst(lines: list[str]) -> Iterator[Replacement]:
    number, fence = 0, ""
    while number < len(lines):
        line = lines[number]
        number += 1
        if len(line) > LONGEST_LINE:
            continue
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence) and not line[mark.end() :].strip():
                fence = ""
            continue
        found = _MYST.match(line)
        if found is None:
            fence = mark[1] if mark else ""
            continue
        first, options = number - 1, {}
        while number < len(lines) and not lines[number].strip().startswith(found[2]):
            option = _RST_OPTION.match(" " + lines[number].strip())
            if option:
                options[option[1]] = option[2].strip()
            number += 1
        number += 1
        yield Replacement(first, min(number, len(lines)), (_directive(found[3], found[4].rstrip(), options, found[1]),))


def _partials(lines: list[str]) -> Iterator[Replacement]:
    partials: dict[str, str] = {}
    fence = ""
    for number, line in enumerate(lines):
        if len(line) > LONGEST_LINE:
            continue
        mark = _FENCE.match(line)
        if mark:
            if not fence:
                fence = mark[1]
            elif mark[1].startswith(fence) and not line[mark.end() :].strip():
                fence = ""
        if fence or mark:
            continue
        imported = _IMPORT.match(line)
        if imported:
            partials[imported[1]] = imported[2]
        found = _COMPONENT.match(line)
        if found and found[2] in partials:
            path = partials[found[2]]
            relative = not path.startswith("@site/")
            request = Request(path.removeprefix("@site"), relative=relative, indent=found[1], partial=True)
            yield Replacement(number, number + 1, (request,))


_READERS: dict[Syntax, Callable[[list[str]], Iterator[Replacement]]] = {
    "snippets": _snippets,
    "braces": _braces,
    "variants": _variants,
    "mdbook": _mdbook,
    "rst": _rst,
    "myst": _myst,
    "partials": _partials,
}
_HINTS: dict[Syntax, str] = {
    "snippets": "8<",
    "braces": "{!",
    "variants": "{*",
    "mdbook": "{{",
    "rst": "include::",
    "myst": "include}",
    "partials": "import",
}
