"""Blocks gathered under their heading path."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from tercet.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tercet.records import Block, ParsedDocument

_WORD = re.compile(r"[^\W_]")


class Section(NamedTuple):
    """Blocks that follow one another under one heading, nothing worth retrieving between them."""

    path: tuple[str, ...]
    """Titles of the headings in force, outermost first, without a first one that equals the document's title."""
    anchor: str
    """Of the nearest heading that has one."""
    blocks: tuple[Block, ...]


def sections(document: ParsedDocument, *, uri: str) -> Iterator[Section]:
    """The sections of a document in order; every block that is neither blank nor a heading is in exactly one.

    A heading that has neither text nor a subsection is a section of its own, whose only block is the heading. Text
    that the parser left out of all blocks (a comment, hidden text) ends a section, so that no chunk spans it;
    bare markup between blocks (a rule, a quote mark) does not.

    Raises:
        ParseError: Blocks overlap, are out of order or lie outside the text.
    """
    blocks = [block for block in _checked(document, uri) if block.kind == "heading" or not _blank(document, block)]
    open_headings: list[Block] = []
    run: list[Block] = []
    for index, block in enumerate(blocks):
        if run and (block.kind == "heading" or _WORD.search(document.text, run[-1].end, block.start)):
            yield _section(document, open_headings, run)
            run = []
        if block.kind != "heading":
            run.append(block)
            continue
        while open_headings and open_headings[-1].level >= block.level:
            open_headings.pop()
        if _bare(document, blocks, index):
            section = _section(document, open_headings, [block])
            yield section._replace(anchor=block.anchor or section.anchor)
        open_headings.append(block)
    if run:
        yield _section(document, open_headings, run)


def _section(document: ParsedDocument, headings: list[Block], blocks: list[Block]) -> Section:
    path = [heading.title for heading in headings if heading.title]
    if path and path[0] == document.title:
        del path[0]
    anchor = next((heading.anchor for heading in reversed(headings) if heading.anchor), "")
    return Section(tuple(path), anchor, tuple(blocks))


def _bare(document: ParsedDocument, blocks: list[Block], index: int) -> bool:
    """Whether a heading is text that nothing stands under; one of zero width is structure, not text."""
    if _blank(document, blocks[index]):
        return False
    following = blocks[index + 1] if index + 1 < len(blocks) else None
    return following is None or (following.kind == "heading" and following.level <= blocks[index].level)


def _blank(document: ParsedDocument, block: Block) -> bool:
    return not document.text[block.start : block.end].strip()


def _checked(document: ParsedDocument, uri: str) -> Iterator[Block]:
    position = 0
    for block in document.blocks:
        if not position <= block.start <= block.end <= len(document.text):
            raise ParseError(
                f"{uri}: the {block.kind} block at {block.start}..{block.end} overlaps another or leaves the text.",
                remedy="A parser must give blocks in order, each within the text.",
            )
        position = block.end
        yield block
