"""Block rules for containers that CommonMark does not know.

One markdown-it rule reads them all: MkDocs admonitions and tabs, whose body is indented (``!!! note``, ``??? tip``,
``=== "Linux"``), and blocks between marker lines: ``:::`` of Docusaurus, VitePress and MyST, ``///`` of pymdownx.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock

ADMONITION = "admonition"
CONTAINER = "container"

UNCLOSED_LINE = "unclosed line"
"""Of the environment: the first line that would open a container if its end were found below."""

_INDENTED = re.compile(r"(?:!!!|\?\?\?\+?)[ \t]+[\w\"]|===[!+]?[ \t]+[\"']")
_FENCED = re.compile(r"(:{3,}|/{3,})[ \t]*\{?([A-Za-z][\w-]*)\}?(?![.\w])")
_CLOSING = re.compile(r"^[^\n:/]*(?::{3,}|/{3,})[ \t]*$", re.MULTILINE)
_CODE_FENCE = re.compile(r"`{3,}|~{3,}")
_NAMES = frozenset(
    (
        "note",
        "tip",
        "hint",
        "info",
        "important",
        "warning",
        "caution",
        "danger",
        "error",
        "attention",
        "abstract",
        "summary",
        "tldr",
        "todo",
        "success",
        "check",
        "done",
        "question",
        "help",
        "faq",
        "failure",
        "fail",
        "missing",
        "bug",
        "example",
        "quote",
        "cite",
        "seealso",
        "admonition",
        "secondary",
        "details",
        "version-added",
        "version-changed",
        "version-deprecated",
        "version-removed",
        "versionadded",
        "versionchanged",
        "deprecated",
        "new",
        "settings",
    )
)


def last_closing_line(text: str) -> int:
    """The offset of the last line that could end a container; 0 when there is none."""
    return max((match.start() for match in _CLOSING.finditer(text)), default=0)


def add_containers(md: MarkdownIt) -> None:
    """Teach a parser the containers; their tokens are ``admonition_open`` and ``container_open`` (all others)."""
    md.block.ruler.before("fence", "container", _container, {"alt": ["paragraph", "reference", "blockquote", "list"]})


def _container(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    position = state.bMarks[start_line] + state.tShift[start_line]
    if position >= state.eMarks[start_line] or state.src[position] not in "!?=:/" or state.is_code_block(start_line):
        return False
    line = state.src[position : state.eMarks[start_line]]
    if line[0] in ":/":
        match = _FENCED.match(line)
        if not match:
            return False
        closer = _closing_line(state, start_line, end_line, match[1])
        if closer is None:
            return False
        if not silent:
            kind = ADMONITION if match[2].lower() in _NAMES else CONTAINER
            _tokenize(state, kind, start_line, closer, indent=0)
            state.line = closer + 1
        return True
    if not _INDENTED.match(line):
        return False
    if not silent:
        after = _end_of_body(state, start_line, end_line)
        _tokenize(state, CONTAINER if line[0] == "=" else ADMONITION, start_line, after, indent=4)
        state.line = after
    return True


def _tokenize(state: StateBlock, kind: str, start_line: int, after: int, *, indent: int) -> None:
    parent, line_max, block_indent = state.parentType, state.lineMax, state.blkIndent
    state.parentType, state.lineMax = kind, after
    token = state.push(f"{kind}_open", "div", 1)
    token.map = [start_line, after]
    # The body is indented against its marker, which itself may stand up to three columns in.
    state.blkIndent = block_indent + indent
    state.md.block.tokenize(state, start_line + 1, after)
    state.push(f"{kind}_close", "div", -1)
    state.parentType, state.lineMax, state.blkIndent = parent, line_max, block_indent


def _end_of_body(state: StateBlock, start_line: int, end_line: int) -> int:
    after = line = start_line + 1
    while line < end_line:
        if not state.isEmpty(line):
            if state.sCount[line] < state.blkIndent + 4:
                break
            after = line + 1
        line += 1
    return after


def _closing_line(state: StateBlock, start_line: int, end_line: int, marker: str) -> int | None:
    """The first line of as many markers, outside code fences; an mkdocstrings ``::: package`` has none and is text."""
    # Where the search failed once it fails for each later opener, which keeps many openers linear.
    hopeless: dict[tuple[str, int], int] = state.env.setdefault("unclosed", {})
    key = (marker[0], end_line)
    if len(marker) >= hopeless.get(key, len(marker) + 1):
        return None
    fence = ""
    for line in range(start_line + 1, end_line):
        if state.sCount[line] < state.blkIndent and not state.isEmpty(line):
            return None
        first = state.bMarks[line] + state.tShift[line]
        if first >= state.eMarks[line] or state.src[first] not in "`~:/":
            continue
        content = state.src[first : state.eMarks[line]].rstrip()
        code = _CODE_FENCE.match(content)
        if code:
            if not fence:
                fence = code[0]
            elif content.startswith(fence) and not content.strip(fence[0]):
                fence = ""
        elif not fence and len(content) >= len(marker) and not content.strip(marker[0]):
            return line
    hopeless[key] = min(len(marker), hopeless.get(key, len(marker)))
    state.env.setdefault(UNCLOSED_LINE, start_line)
    return None
