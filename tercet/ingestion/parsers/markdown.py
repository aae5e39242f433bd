"""Markdown: CommonMark with tables, front matter, admonitions and tabs, parsed to blocks over the source.

Only blocks are parsed, not inline markup: spans and titles are all that chunking needs, at several times the speed.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from functools import cache
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.token import Token

from tercet.ingestion.parsers.anchors import Anchors, SlugRule, identifier
from tercet.ingestion.parsers.front_matter import as_title, front_matter
from tercet.ingestion.parsers.headings import LONGEST_TITLE, plain_title, split_attributes, title_of
from tercet.ingestion.parsers.markdown_containers import UNCLOSED_LINE, add_containers, last_closing_line
from tercet.ingestion.parsers.markdown_hidden import blank_hidden, may_hide
from tercet.records import Block, BlockKind, ParsedDocument

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_ALERTS = ("[!NOTE]", "[!TIP]", "[!IMPORTANT]", "[!WARNING]", "[!CAUTION]")
_OUTER: dict[str, BlockKind] = {
    "bullet_list_open": "list",
    "ordered_list_open": "list",
    "blockquote_open": "paragraph",
    "admonition_open": "admonition",
}
_DEEPEST = 50
_EXPLICIT_ID = re.compile(r"\{:?[ \t]*#([\w:.-]+)[^{}\n]*\}[ \t]*$", re.MULTILINE)
_TARGET = re.compile(r"\(([^()\n]+)\)=")
_TAGS = re.compile(r"<[^<>]*>")
_LINE_END = re.compile("\n")
SEGMENT = 1 << 18
"""Characters whose tokens are held at a time: they take thirty times the room of the text."""


def parse(text: str, *, indented_code: bool = True, slugs: SlugRule = "github") -> ParsedDocument:
    """Parse sanitized Markdown.

    What a rendered page hides (comments, scripts, hidden elements) is blanked, its line breaks kept, and reported.

    Args:
        text: The page.
        indented_code: Whether four spaces make code; in MDX they do not.
        slugs: How anchors are made of headings.

    Example:
        >>> [(block.kind, block.title) for block in parse("# Keys\\n\\n```sh\\n# not a heading\\n```").blocks]
        [('heading', 'Keys'), ('code', '')]
    """
    body, metadata, findings = front_matter(text)
    first = text.count("\n", 0, body)
    if may_hide(text):
        text, hidden = blank_hidden(text, _tokens(_Lines(text), first, indented_code))
        findings += hidden
    lines = _Lines(text)
    blocks = tuple(_Walk(lines, slugs).blocks(_tokens(lines, first, indented_code)))
    title = as_title(metadata) or title_of(blocks)
    return ParsedDocument(text=text, blocks=blocks, title=title, metadata=metadata, findings=findings)


@cache
def _parser(indented_code: bool) -> MarkdownIt:
    md = MarkdownIt("commonmark", {"maxNesting": _DEEPEST}).enable("table")
    if not indented_code:
        md.disable("code")
    add_containers(md)
    return md


class _Lines:
    """The lines of a text, by number, and their offsets."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts = array("Q", (0, *(match.end() for match in _LINE_END.finditer(text)), len(text) + 1))

    def __len__(self) -> int:
        return len(self.starts) - 1

    def blank(self, line: int) -> bool:
        """Whether a line holds nothing but white space."""
        return not self.text[self.starts[line] : self.starts[line + 1] - 1].strip()

    def after(self, offset: int) -> int:
        """The number of the first line that begins at or after an offset."""
        return min(bisect_left(self.starts, offset), len(self))


def _tokens(lines: _Lines, first: int, indented_code: bool) -> Iterator[list[Token]]:
    """The block tokens of a page from a line on, a stretch of whole outermost blocks at a time.

    A block depends on nothing before it, and only the last one of a stretch on what comes after it. So a stretch is
    read up to its last block, and the next begins there; one that is a single block is read again at twice the length.
    """
    md, size, last_end = _parser(indented_code), SEGMENT, -1
    while first < len(lines):
        after = max(lines.after(lines.starts[first] + size), first + 1)
        segment = lines.text[lines.starts[first] : lines.starts[after] - 1]
        tokens, env = list[Token](), dict[str, object]()
        state = StateBlock(segment, md, env, tokens)
        md.block.tokenize(state, 0, state.lineMax)
        last = after == len(lines)
        unclosed = env.get(UNCLOSED_LINE)
        if isinstance(unclosed, int) and last_end < 0:
            last_end = last_closing_line(lines.text)
        certain = unclosed if isinstance(unclosed, int) and last_end >= lines.starts[after] else after - first
        end = len(tokens) if last else _settled(tokens, certain)
        if not end and not last:
            size *= 2
            continue
        stop = after if last else first + _lines(tokens[end])[0]
        del tokens[end:]
        for token in tokens:
            if token.map:
                token.map = [token.map[0] + first, token.map[1] + first]
        yield tokens
        first, size = stop, SEGMENT


def _settled(tokens: Sequence[Token], certain: int) -> int:
    """How many tokens stay as they are whatever follows: those before the last outermost block.

    Args:
        tokens: Of a stretch of the page.
        certain: The first line that would open a container if its end were found further on; nothing from there on
            is certain.
    """
    for index in range(len(tokens) - 1, 0, -1):
        token = tokens[index]
        if token.level == 0 and token.nesting >= 0 and token.map and token.map[0] <= certain:
            return index
    return 0


class _Walk:
    """Turns the token stream of one page into blocks."""

    def __init__(self, lines: _Lines, slugs: SlugRule) -> None:
        self._lines = lines
        self._starts = lines.starts
        self._slugs = slugs
        self._anchors = Anchors(slugs, reserved=_EXPLICIT_ID.findall(lines.text) if "{" in lines.text else ())
        self._target = ""

    def blocks(self, segments: Iterable[Sequence[Token]]) -> Iterator[Block]:
        for tokens in segments:
            yield from self._blocks(tokens)

    def _blocks(self, tokens: Sequence[Token]) -> Iterator[Block]:
        index = 0
        while index < len(tokens):
            token = tokens[index]
            kind = _OUTER.get(token.type)
            if kind:
                end = _closing(tokens, index)
                if kind == "paragraph" and _is_alert(tokens, index):
                    kind = "admonition"
                yield from self._around_code(kind, _lines(token), tokens[index + 1 : end])
                index = end
            elif token.type == "container_open":
                first, _ = _lines(token)
                yield from self._span("paragraph", first, first + 1)
            elif token.type == "heading_open":
                yield from self._heading(token, tokens[index + 1].content)
            elif self._is_target(tokens, index):
                pass
            elif token.type == "paragraph_open" or (
                token.type == "html_block" and _TAGS.sub("", token.content).strip()
            ):
                yield from self._span("paragraph", *_lines(token))
            elif token.type in ("fence", "code_block", "table_open"):
                yield from self._code(token)
            index += 1

    def _is_target(self, tokens: Sequence[Token], index: int) -> bool:
        """Whether a paragraph is a label of MyST, such as ``(keys)=``; it names the heading that follows."""
        if self._slugs != "docutils" or tokens[index].type != "paragraph_open":
            return False
        target = _TARGET.fullmatch(tokens[index + 1].content.strip())
        self._target = identifier(target[1]) if target else ""
        return target is not None

    def _heading(self, token: Token, content: str) -> Iterator[Block]:
        content, explicit = split_attributes(content.strip())
        explicit, self._target = explicit or self._target, ""
        title = plain_title(content)
        if len(title) > LONGEST_TITLE:
            yield from self._span("paragraph", *_lines(token))
        elif title:
            level, anchor = int(token.tag[1]), self._anchors.of(title, explicit)
            yield from self._span("heading", *_lines(token), level=level, title=title, anchor=anchor)

    def _code(self, token: Token) -> Iterator[Block]:
        first, after = _lines(token)
        if token.type == "table_open":
            yield from self._span("table", first, after, lead=2)
        else:
            yield from self._span("code", first, after, lead=1 if token.type == "fence" else 0)

    def _around_code(self, kind: BlockKind, lines: tuple[int, int], inner: Sequence[Token]) -> Iterator[Block]:
        cursor, after = lines
        for token in inner:
            if token.type in ("fence", "table_open"):
                first, end = _lines(token)
                yield from self._span(kind, cursor, first)
                yield from self._code(token)
                cursor = end
        yield from self._span(kind, cursor, after)

    def _span(
        self,
        kind: BlockKind,
        first: int,
        after: int,
        *,
        lead: int = 0,
        level: int = 0,
        title: str = "",
        anchor: str = "",
    ) -> Iterator[Block]:
        after = min(after, len(self._lines))
        while first < after and self._lines.blank(first):
            first += 1
        while first < after and self._lines.blank(after - 1):
            after -= 1
        if first >= after:
            return
        lead_end = self._starts[min(first + lead, after)] - 1 if lead else self._starts[first]
        yield Block(
            kind=kind,
            start=self._starts[first],
            end=self._starts[after] - 1,
            level=level,
            title=title,
            anchor=anchor,
            lead_end=lead_end if kind in ("code", "table") else 0,
            line=first + 1,
        )


def _lines(token: Token) -> tuple[int, int]:
    first, after = token.map or (0, 0)
    return first, after


def _closing(tokens: Sequence[Token], index: int) -> int:
    close, level = tokens[index].type.replace("_open", "_close"), tokens[index].level
    end = index + 1
    while tokens[end].type != close or tokens[end].level != level:
        end += 1
    return end


def _is_alert(tokens: Sequence[Token], index: int) -> bool:
    return tokens[index + 1].type == "paragraph_open" and tokens[index + 2].content.upper().startswith(_ALERTS)
