"""Plain text: paragraphs between blank lines. Nothing is guessed to be a heading."""

from __future__ import annotations

from tercet.records import Block, BlockKind, ParsedDocument


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
    offset, first, last, first_line = start, -1, start, line

    def add() -> None:
        lead_end = first if kind == "code" else 0
        blocks.append(Block(kind=kind, start=first, end=last, lead_end=lead_end, line=first_line))

    for number, content in enumerate(text[start:end].split("\n"), line):
        if content and not content.isspace():
            if first < 0:
                first, first_line = offset, number
            last = offset + len(content)
        elif first >= 0:
            add()
            first = -1
        offset += len(content) + 1
    if first >= 0:
        add()
    return blocks
