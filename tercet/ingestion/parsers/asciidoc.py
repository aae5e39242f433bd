"""AsciiDoc: headings, delimited blocks, tables, lists and admonitions over the source, one pass over the lines.

Inline markup stays as it is written. What readers never see (comments, attribute entries, block attributes,
preprocessor directives) is in no block. Included files are documents of their own.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import TYPE_CHECKING

from tercet.ingestion.parsers.headings import LONGEST_TITLE, title_of
from tercet.records import Block, BlockKind, Finding, ParsedDocument

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADING = re.compile(r"(={1,6}|#{1,6})[ \t]+(\S.*)$")
_ATTRIBUTE = re.compile(r":!?([\w-]+)!?:(?:[ \t]+(.*))?$")
_BLOCK_ATTRIBUTES = re.compile(r"\[(?:\[([\w:.-]+)[^\]]*\]|([^\[\]]*))\]$")
_BLOCK_ID = re.compile(r"(?:^|[\w.%-])#([\w:.-]+)")
_DIRECTIVE = re.compile(r"(include|ifdef|ifndef|ifeval|endif|toc|image|video|audio)::?[^ ]*\[.*\]$")
_VERBATIM = re.compile(r"(-{4,}|\.{4,}|\+{4,}|`{3,}[\w+#-]*)$")
_TABLE = re.compile(r"[|,:!]={3,}$")
_CONTAINER = re.compile(r"(={4,}|\*{4,}|_{4,}|--)$")
_LIST = re.compile(r"[ \t]*(?:[*-]+|\.+|\d+\.|<\d+>)[ \t]+\S|[^\s:][^\n]*?:{2,4}(?:[ \t]|$)")
_ADMONITIONS = ("NOTE", "TIP", "IMPORTANT", "WARNING", "CAUTION")
_ADMONITION = re.compile(rf"(?:{'|'.join(_ADMONITIONS)}):[ \t]+\S")
_INLINE = re.compile(r"\[\[[^\]]*\]\]|\[#[^\]]*\]|[`*_]{1,2}(?=\S)|(?<=\S)[`*_]{1,2}")
_INLINE_ID = re.compile(r"\[\[([\w:.-]+)[^\]]*\]\]|\[#([\w:.-]+)[^\]]*\]")
_NOT_IN_ID = re.compile(r"[^\w]+")
_SHOWN_ATTRIBUTES = {"author": "author", "keywords": "keywords", "description": "description", "lang": "lang"}


def parse(text: str) -> ParsedDocument:
    """Cut sanitized AsciiDoc into blocks.

    Example:
        >>> [(block.kind, block.title) for block in parse("= Keys\\n\\n== Rotate\\n\\n----\\n== no\\n----\\n").blocks]
        [('heading', 'Keys'), ('heading', 'Rotate'), ('code', '')]
    """
    page = _Page(text)
    blocks = tuple(page.blocks())
    findings = (Finding(kind="include", count=page.includes),) if page.includes else ()
    return ParsedDocument(text=text, blocks=blocks, title=title_of(blocks), metadata=page.metadata, findings=findings)


class _Page:
    """One pass over the lines of a page."""

    def __init__(self, text: str) -> None:
        self.metadata: dict[str, str] = {}
        self.includes = 0
        self._lines = [line.rstrip() for line in text.split("\n")]
        self._starts = [0, *accumulate(len(line) + 1 for line in text.split("\n"))]
        self._anchors: dict[str, int] = {}
        self._open: list[tuple[str, bool]] = []
        """Delimiters of open containers, and whether each is an admonition."""
        self._attributes: list[str] = []
        """What stood in brackets above the next block."""
        self._id = ""

    def blocks(self) -> Iterator[Block]:
        """The blocks of the page, in order."""
        number, count = 0, len(self._lines)
        while number < count:
            line = self._lines[number]
            if not line or self._skips(line):
                number += 1
                continue
            if line.startswith("//"):
                number = self._closing(number) + 1 if re.fullmatch("/{4,}", line) else number + 1
            elif (heading := _HEADING.match(line)) and len(heading[2]) <= LONGEST_TITLE:
                yield self._heading(heading, number)
                number += 1
            elif _VERBATIM.match(line):
                last = self._closing(number)
                yield self._block("code", number, last, lead=1)
                number = last + 1
            elif _TABLE.match(line):
                last = self._closing(number)
                if last - number > 1:
                    yield self._table(number + 1, last - 1)
                number = last + 1
            elif _CONTAINER.match(line):
                self._enter_or_leave(line)
                number += 1
            else:
                last = self._paragraph_end(number)
                yield self._block(self._kind(line), number, last)
                number = last + 1
            self._attributes, self._id = [], ""

    def _skips(self, line: str) -> bool:
        """Take note of a line that is no text; False when it is text."""
        if attribute := _ATTRIBUTE.match(line):
            name = _SHOWN_ATTRIBUTES.get(attribute[1].lower())
            if name and attribute[2]:
                self.metadata.setdefault(name, attribute[2].strip())
            return True
        if attributes := _BLOCK_ATTRIBUTES.match(line):
            inside = attributes[2] or ""
            found = _BLOCK_ID.search(inside)
            self._id = attributes[1] or (found[1] if found else self._id)
            self._attributes.append(inside.partition(",")[0].strip())
            return True
        if directive := _DIRECTIVE.match(line):
            self.includes += directive[1] == "include"
            return True
        return line in ("+", "'''", "<<<")

    def _heading(self, match: re.Match[str], number: int) -> Block:
        inside = _INLINE_ID.search(match[2])
        self._id = self._id or (inside[1] or inside[2] if inside else "")
        title = " ".join(_INLINE.sub("", match[2]).split())
        return Block(
            kind="heading",
            start=self._starts[number],
            end=self._starts[number] + len(self._lines[number]),
            level=len(match[1]),
            title=title,
            anchor=self._anchor(title),
            line=number + 1,
        )

    def _anchor(self, title: str) -> str:
        """The id that Asciidoctor gives a section."""
        anchor = self._id or "_" + _NOT_IN_ID.sub("_", title.lower()).strip("_")
        self._anchors[anchor] = self._anchors.get(anchor, 0) + 1
        return anchor if self._anchors[anchor] == 1 else f"{anchor}_{self._anchors[anchor]}"

    def _closing(self, number: int) -> int:
        """The line that closes the delimited block opened at a line, or the last line of the page."""
        opening = self._lines[number]
        delimiter = "`" * (len(opening) - len(opening.lstrip("`"))) or opening
        for later in range(number + 1, len(self._lines)):
            if self._lines[later] == delimiter:
                return later
        return len(self._lines) - 1

    def _enter_or_leave(self, delimiter: str) -> None:
        if any(delimiter == opened for opened, _ in self._open):
            while self._open and self._open.pop()[0] != delimiter:
                pass
        else:
            self._open.append((delimiter, any(attribute in _ADMONITIONS for attribute in self._attributes)))

    def _paragraph_end(self, number: int) -> int:
        last = number
        while last + 1 < len(self._lines):
            line = self._lines[last + 1]
            joins = line == "+" and last + 2 < len(self._lines) and bool(self._lines[last + 2])
            if not line or (_starts_block(line) and not joins):
                break
            last += 1
        return last

    def _kind(self, line: str) -> BlockKind:
        admonition = _ADMONITION.match(line) or any(attribute in _ADMONITIONS for attribute in self._attributes)
        if admonition or any(is_admonition for _, is_admonition in self._open):
            return "admonition"
        return "list" if _LIST.match(line) else "paragraph"

    def _table(self, first: int, last: int) -> Block:
        while first < last and not self._lines[first]:
            first += 1
        has_header = first < last and not self._lines[first + 1]
        return self._block("table", first, last, lead=1 if has_header else 0)

    def _block(self, kind: BlockKind, first: int, last: int, *, lead: int = 0) -> Block:
        start = self._starts[first]
        lead_end = start + (len(self._lines[first]) if lead else 0)
        return Block(
            kind=kind,
            start=start,
            end=self._starts[last] + len(self._lines[last]),
            lead_end=lead_end if kind in ("code", "table") else 0,
            line=first + 1,
        )


def _starts_block(line: str) -> bool:
    return bool(
        _VERBATIM.match(line)
        or _TABLE.match(line)
        or _CONTAINER.match(line)
        or _HEADING.match(line)
        or _BLOCK_ATTRIBUTES.match(line)
        or _DIRECTIVE.match(line)
        or _ATTRIBUTE.match(line)
        or line.startswith("//")
    )
