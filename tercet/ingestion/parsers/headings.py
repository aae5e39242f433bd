"""Headings of rendered pages: plain titles out of inline markup."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from tercet.sanitize import sanitize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tercet.records import Block

LONGEST_TITLE = 200
"""A longer "heading" is a paragraph that happens to be marked as one; its words must stay in the text."""

_ATTRIBUTES = re.compile(r"[ \t]*\{:?[ \t]*([^{}\n]*)\}[ \t]*$")
_ATTRIBUTE_WORD = re.compile(r"[#.][\w:.-]+|[\w:-]+=(?:\"[^\"]*\"|'[^']*'|\S+)|-")
_CODE = re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)")
_IMAGE_OR_LINK = re.compile(r"!?\[([^\[\]]*)\](?:\([^()]*(?:\([^()]*\)[^()]*)?\)|\[[^\[\]]*\])")
_AUTOLINK = re.compile(r"<((?:https?|mailto):[^<>\s]*)>")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>|<!--.*?-->")
_EMPHASIS = re.compile(r"(?<![\\\w])_{1,3}(?=\S)|(?<=[^\s\\])_{1,3}(?!\w)|(?<!\\)\*+(?=\S)|(?<=[^\s\\])\*+|~~")
_DUNDER = re.compile(r"\b__\w+__\b")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
_KEPT = re.compile(r"\0(\d+)\0")


def split_attributes(title: str) -> tuple[str, str]:
    """Take a trailing attribute list (``{#id .class key=value}``) off a title.

    Returns:
        The title without it, and the id or an empty string.

    Example:
        >>> split_attributes("Keys { #api-keys }")
        ('Keys', 'api-keys')
    """
    match = _ATTRIBUTES.search(title) if title.endswith("}") else None
    words = match[1].split() if match else []
    if not match or not all(_ATTRIBUTE_WORD.fullmatch(word) for word in words):
        return title, ""
    return title[: match.start()], next((word[1:] for word in words if word.startswith("#")), "")


def plain_title(markdown: str) -> str:
    """A heading's text without inline Markdown; code keeps its characters.

    Example:
        >>> plain_title("The **`run_sync`** [method](api.md)")
        'The run_sync method'
    """
    if not any(mark in markdown for mark in "`*_[<\\&~"):
        return " ".join(markdown.split())
    kept: list[str] = []

    def keep(text: str) -> str:
        kept.append(text)
        return f"\0{len(kept) - 1}\0"

    title = _CODE.sub(lambda match: keep(match[2].strip()), markdown)
    title = _ESCAPE.sub(lambda match: keep(match[1]), title)
    title = _IMAGE_OR_LINK.sub(r"\1", title)
    title = _IMAGE_OR_LINK.sub(r"\1", title)
    title = _TAG.sub("", _AUTOLINK.sub(r"\1", title))
    title = _DUNDER.sub(lambda match: keep(match[0]), title)
    title = html.unescape(_EMPHASIS.sub("", title))
    title = _KEPT.sub(lambda match: kept[int(match[1])], title)
    # An entity can stand for a hidden character.
    return " ".join(sanitize(title)[0].split())


def title_of(blocks: Sequence[Block]) -> str:
    """A page's title: its first heading of level 1, or the heading it begins with."""
    for block in blocks:
        if block.kind == "heading" and block.level == 1:
            return block.title
    return blocks[0].title if blocks else ""
