"""MDX: Markdown with imports, exports, JSX and expressions, which are blanked; then it is Markdown.

What a component shows is known only to the site's JavaScript; what is written between its tags stays. Of the tags
themselves the labels of tabs and the titles of boxes are kept, because readers see them. Lines stay where they are.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from tercet.errors import ParseError
from tercet.ingestion.parsers import markdown
from tercet.ingestion.parsers.front_matter import front_matter
from tercet.ingestion.parsers.markdown_hidden import Closers
from tercet.records import Finding, ParsedDocument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tercet.ingestion.parsers.anchors import SlugRule

_FENCE = re.compile(r"[ \t>]*(`{3,}|~{3,})")
_MODULE = re.compile(r"(?:import|export)\b(?=[ \t]*[\w{*\"'])")
_INTERESTING = re.compile(r"`+|<(?=[A-Za-z/>])|\{(?!#)|\\[<{`]")
_TAG_PART = re.compile(r"[\"'`{}>]")
_BLANK_LINE = re.compile(r"\n[ \t]*(?:\n|$)")
_STRING_END = {quote: re.compile(rf"(?:[^\\{quote}]|\\.)*{quote}", re.DOTALL) for quote in "\"'`"}
_SHOWN = re.compile(r"""\s(?:label|title|summary)=(?:"([^"\n]*)"|'([^'\n]*)'|\{\s*["']([^"'\n{}]*)["']\s*\})""")
_VALUE = re.compile(r"""\svalue=(?:"([^"\n]*)"|'([^'\n]*)'|\{\s*["']([^"'\n{}]*)["']\s*\})""")
"""What a tab without a label is called."""
_NAME = re.compile(r"<([A-Za-z][\w.:-]*)")
_HIDES = re.compile(r"""\shidden(?=[\s/>]|=\{true\})|display\s*:\s*["']?none|visibility\s*:\s*["']?hidden""")
_RAW = frozenset({"script", "style", "template"})
LONGEST_TAG = 20_000
"""Characters; what is not closed by then is text that happens to hold the sign."""
_PATIENCE = 10
"""Times the length of the text that may be read in search of brackets that are never closed."""


def parse(text: str, *, slugs: SlugRule = "github") -> ParsedDocument:
    """Parse sanitized MDX.

    Args:
        text: The page.
        slugs: How anchors are made of headings.

    Example:
        >>> document = parse("import T from 't';\\n\\n# Keys\\n\\n<Tabs>\\n  Rotate <b>them</b>.\\n</Tabs>")
        >>> document.title, [document.text[block.start : block.end].strip() for block in document.blocks]
        ('Keys', ['# Keys', 'Rotate them.'])
    """
    body, _, _ = front_matter(text)
    blanked, hidden = _blanked(text, body)
    document = markdown.parse(blanked, indented_code=False, slugs=slugs)
    if hidden:
        document = replace(document, findings=(*document.findings, Finding(kind="hidden-html", count=hidden)))
    return document


def _blanked(text: str, body: int) -> tuple[str, int]:
    """The text without what is not prose, and how many elements held hidden text."""
    pieces, cursor, hidden = [text[:body]], body, 0
    for start, end, kept, is_hidden in _Scanner(text).stretches(body):
        if start < cursor:
            continue
        pieces += [text[cursor:start], kept, "\n" * (text.count("\n", start, end) - kept.count("\n"))]
        cursor = end
        hidden += is_hidden
    pieces.append(text[cursor:])
    return "".join(pieces), hidden


def _first(pattern: re.Pattern[str], tag: str) -> str:
    return next((group for groups in pattern.findall(tag) for group in groups if group), "")


class _Scanner:
    """Finds the stretches to be taken out of one page, in linear time."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._closers = Closers(text)
        self._patience = _PATIENCE * len(text) + LONGEST_TAG

    def stretches(self, body: int) -> Iterator[tuple[int, int, str, bool]]:
        """Start, end and what stays in place, of each stretch; whether it is a hidden element."""
        fence, after_blank = "", True
        passed = position = body
        for line in self._text[body:].splitlines(keepends=True):
            start, position = position, position + len(line)
            if start < passed:
                continue
            mark = _FENCE.match(line)
            if fence:
                if mark and mark[1].startswith(fence) and not line[mark.end() :].strip():
                    fence = ""
                continue
            if mark and (mark[1][0] == "~" or "`" not in line[mark.end() :]):
                fence = mark[1]
                continue
            if after_blank and _MODULE.match(line):
                blank = _BLANK_LINE.search(self._text, start)
                passed = blank.start() + 1 if blank else len(self._text)
                yield start, passed, "", False
                continue
            after_blank = not line.strip()
            for stretch in self._inline(start, position):
                yield stretch
                passed = max(passed, stretch[1])

    def _inline(self, start: int, end: int) -> Iterator[tuple[int, int, str, bool]]:
        """The stretches that begin on one line."""
        text, position = self._text, start
        while (match := _INTERESTING.search(text, position, end)) is not None:
            position = match.end()
            mark = match[0]
            if mark[0] == "\\":
                continue
            if mark[0] == "`":
                position = self._code_span_end(mark, position, end)
                continue
            close = self._closed(match.start(), ">" if mark == "<" else "}")
            if close is None:
                continue
            position = close
            if mark == "{":
                yield match.start(), close, "", False
                continue
            tag = text[match.start() : close]
            name = _NAME.match(tag)
            if name and not tag.endswith("/>") and (name[1] in _RAW or _HIDES.search(tag)):
                position = self._closers.after(f"</{name[1].lower()}", close) or close
                yield match.start(), position, "", name[1] not in _RAW
            else:
                shown = _first(_SHOWN, tag)
                if name and name[1] == "TabItem":
                    shown = shown or _first(_VALUE, tag)
                yield match.start(), close, shown, False

    def _code_span_end(self, ticks: str, position: int, end: int) -> int:
        """The offset after the run of backticks that closes a code span on this line, or where it began."""
        closing = self._text.find(ticks, position, end)
        while closing >= 0:
            after = closing + len(ticks)
            if not self._text.startswith("`", after):
                return after
            while self._text.startswith("`", after):
                after += 1
            closing = self._text.find(ticks, after, end)
        self._spend(end - position)
        return position

    def _closed(self, start: int, closer: str) -> int | None:
        """The offset after the bracket that closes the one at ``start``, strings and nested braces passed over."""
        text, depth, position = self._text, 0, start + 1
        limit = min(len(text), start + LONGEST_TAG)
        while (match := _TAG_PART.search(text, position, limit)) is not None:
            position = match.end()
            sign = match[0]
            if sign in _STRING_END:
                if closer == ">" or depth or sign != "'":  # an apostrophe in prose opens no string
                    string = _STRING_END[sign].match(text, position, limit)
                    if string is None:
                        self._spend(limit - position)
                    position = string.end() if string else position
            elif sign == "{":
                depth += 1
            elif sign == "}":
                if depth == 0:
                    return position if closer == "}" else None
                depth -= 1
            elif depth == 0 and closer == ">" and not text.startswith("=>", position - 2):
                return position
        self._spend(limit - start)
        return None

    def _spend(self, characters: int) -> None:
        """Count what was read for nothing."""
        self._patience -= characters
        if self._patience < 0:
            raise ParseError(
                "too many brackets, quotes or backticks are never closed.",
                remedy="Close or escape them as \\{ and \\<.",
            )
