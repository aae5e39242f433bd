"""Plain text: paragraphs between blank lines. Nothing is guessed to be a heading."""

from __future__ import annotations

import re

from tercet.records import Block, BlockKind, ParsedDocument

_LINE = re.compile(r"[^\n]*+\n?")


def parse(text: str) -> ParsedDocument:
    """Cut sanitized text into paragraphs.

    Example:
        >>> [text_block.line for text_block in parse("one\\ntwo\\n\\nthree").blocks]
        [1, 4]
    """
    return ParsedDocument(text=text, blocks=tuple(paragraphs(text)))


def paragraphs(
    text: str, start: int = 0, end: int | None = None, *, line: int = 1, kind: BlockKind = "paragraph"
) -> list[Block]:
    """Blocks for the runs of non-blank lines in ``text[start:end]``; ``line`` is the number of the first line."""
    blocks: list[Block] = []
    first, last, first_line = -1, start, line

    def add() -> None:
        lead_end = first if kind == "code" else 0
        blocks.append(Block(kind=kind, start=first, end=last, lead_end=lead_end, line=first_line))

    stop = len(text) if end is None else min(end, len(text))
    for number, match in enumerate(_LINE.finditer(text, start, stop), line):
        content = match.group().removesuffix("\n")
        if content and not content.isspace():
            if first < 0:
                first, first_line = match.start(), number
            last = match.start() + len(content)
        elif first >= 0:
            add()
            first = -1
    if first >= 0:
        add()
    return blocks
