"""Rules for where a block may be cut, by kind, from coarse to fine."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from tercet.models.sentences import sentence_starts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tercet.records import BlockKind


class Cut(NamedTuple):
    """A place where a span may be cut, how good a place it is, and by what rules to cut on."""

    start: int
    strength: int
    rules: tuple[Rule, ...] | None = None
    """Finer rules for what begins here; None: the ones that follow in the chain."""


Rule = Callable[[str, int, int], list[Cut]]
"""Cuts of ``text[start:end]``, ascending, the first at ``start``."""

BLOCK, _ITEM, _PARAGRAPH, _SENTENCE, LINE, INTRODUCED, _CLAUSE, _WORD, _CLUSTER = 7, 6, 5, 4, 3, 2, 1, 0, -1
"""How good a place the beginning of each is for a cut; introduced: a block after a paragraph that ends in a colon."""

FENCE = re.compile(r"[ \t>]*+(?:(?:[-*+]|\d{1,9}[.)])[ \t]++)?(`{3,}+|~{3,}+)")
_MARKER = re.compile(r"([ \t]*+)(?:[-*+•‣◦]|\d{1,9}[.)]|#\.)[ \t]")
_BLANK_LINES = re.compile(r"\n[ \t]*+\n\s*+")
_CLAUSES = re.compile(r"[,;:،؛—–][\"'”’»)\]]*+\s++|[，；：、][”’」』）】]*+")  # noqa: RUF001  # marks of Chinese
_SPACES = re.compile(r"\s++")
_CELLS = re.compile(r"(?<!\\)\||\t")
_DEFINITION = re.compile(
    r"@\w|(?:async +def|def|class|func|fn|pub|impl|function|export|public|private|struct|enum|trait|interface)\b"
)
_CONTINUES = re.compile(r"[)\]}]|(?:else|elif|except|finally|catch|end)\b")


def rules_for(kind: BlockKind, room: int) -> tuple[Rule, ...]:
    """The rules for a kind of block, coarse ones first; the last ones cut anything.

    Args:
        kind: Of the block.
        room: Tokens that a piece may have; words too long for it are cut into runs of about a quarter of it.
    """
    letters: tuple[Rule, ...] = (partial(_clusters, max(1, room // 4)), partial(_clusters, 1), _points)
    words: tuple[Rule, ...] = (partial(_after, _CLAUSES, _CLAUSE), partial(_after, _SPACES, _WORD), *letters)
    prose: tuple[Rule, ...] = (partial(_after, _BLANK_LINES, _PARAGRAPH), _sentences, _line_starts, *words)
    code: tuple[Rule, ...] = (_code_lines, *words)
    table: tuple[Rule, ...] = (_line_starts, partial(_after, _CELLS, _CLAUSE), *words)
    if kind == "code":
        return code
    if kind == "table":
        return table
    if kind in ("list", "admonition"):
        return (_outer_items, _items, partial(_regions, {"prose": prose, "code": code, "row": table}), *prose)
    return prose


def _after(pattern: re.Pattern[str], strength: int, text: str, start: int, end: int) -> list[Cut]:
    ends = (match.end() for match in pattern.finditer(text, start, end))
    return [Cut(start, strength), *(Cut(cut, strength) for cut in ends if start < cut < end)]


def _sentences(text: str, start: int, end: int) -> list[Cut]:
    return [Cut(offset, _SENTENCE) for offset in sentence_starts(text, start, end)]


def _line_starts(text: str, start: int, end: int) -> list[Cut]:
    return [Cut(line, LINE) for line, _ in _lines(text, start, end)]


def _lines(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while start < end:
        stop = text.find("\n", start, end) + 1 or end
        yield start, stop
        start = stop


def _marked_lines(text: str, start: int, end: int) -> Iterator[tuple[int, int, str]]:
    """Lines with what they are: ``code`` (a fence and all within), ``row`` (of a table) or ``prose``."""
    fence = ""
    for line, stop in _lines(text, start, end):
        found = FENCE.match(text, line, stop)
        if fence:
            yield line, stop, "code"
            if found and found.group(1).startswith(fence) and not text[found.end() : stop].strip():
                fence = ""
        elif found:
            fence = found.group(1)
            yield line, stop, "code"
        else:
            yield line, stop, "row" if text[line:stop].lstrip(" \t>").startswith("|") else "prose"


def _items(text: str, start: int, end: int, *, outer: bool = False) -> list[Cut]:
    cuts = [Cut(start, _ITEM)]
    indent = None
    for line, stop, what in _marked_lines(text, start, end):
        marker = _MARKER.match(text, line, stop)
        # A fence may open on the line of its item: "- ```python"; the fence itself is no marker.
        if marker is None or (what == "code" and not FENCE.match(text, line, stop)):
            continue
        width = len(marker.group(1).expandtabs(4))
        indent = width if indent is None else indent
        if line > start and (not outer or width <= indent + 1):
            cuts.append(Cut(line, _ITEM if outer else _PARAGRAPH))
    return cuts


_outer_items = partial(_items, outer=True)


def _regions(rules: Mapping[str, tuple[Rule, ...]], text: str, start: int, end: int) -> list[Cut]:
    """Separate code and tables from the prose around them, so that each is cut in its own way."""
    cuts: list[Cut] = []
    before = ""
    for line, _, what in _marked_lines(text, start, end):
        if what != before:
            cuts.append(Cut(line, _PARAGRAPH, rules[what]))
        before = what
    return cuts


def _code_lines(text: str, start: int, end: int) -> list[Cut]:
    lines = [(line, text[line:stop].strip()) for line, stop in _lines(text, start, end)]
    indents = [len(text[line : line + 400]) - len(text[line : line + 400].lstrip(" \t")) for line, _ in lines]
    base = min((indent for indent, (_, body) in zip(indents, lines, strict=True) if body), default=0)
    cuts = []
    above = ""
    for indent, (line, body) in zip(indents, lines, strict=True):
        cuts.append(Cut(line, _code_strength(body, above, outer=indent <= base)))
        above = body
    return cuts


def _code_strength(body: str, above: str, *, outer: bool) -> int:
    if not body or _CONTINUES.match(body) or above.startswith("@"):
        return _CLAUSE
    if outer and (not above or _DEFINITION.match(body)):
        return _ITEM
    if not above or _DEFINITION.match(body):
        return _PARAGRAPH
    return LINE if outer else _CLAUSE


def _clusters(stride: int, text: str, start: int, end: int) -> list[Cut]:
    cuts = [Cut(start, _CLUSTER)]
    position = start + stride
    while position < end:
        # A cluster of more than 32 code points is no letter: Unicode's stream-safe text (UAX 15) stops at 30 marks.
        stop = next((at for at in range(position, min(position + 32, end)) if _separable(text, at)), position + 32)
        if stop >= end:
            break
        cuts.append(Cut(stop, _CLUSTER))
        position = stop + stride
    return cuts


def _points(_text: str, start: int, end: int) -> list[Cut]:
    return [Cut(offset, _CLUSTER) for offset in range(start, end)]


def _separable(text: str, at: int) -> bool:
    """Whether a reader sees two characters around an offset (the frequent rules of UAX 29, no tables needed)."""
    before, after = text[at - 1], text[at]
    if before < "\u0300" and after < "\u0300":
        return not (before == "\r" and after == "\n")
    if _flag(before) and _flag(after):
        return _flags_before(text, at) % 2 == 0
    extends = (
        unicodedata.category(after).startswith("M")
        or "\u200d" in (before, after)
        or "\U0001f3fb" <= after <= "\U0001f3ff"  # skin tones
        or "\U000e0020" <= after <= "\U000e007f"  # tags of subdivision flags
        or ("\ud800" <= before <= "\udbff" and "\udc00" <= after <= "\udfff")
        or unicodedata.combining(before) == 9  # virama: the consonants on both sides are one sign
        or ("\u1100" <= before <= "\u11ff" and "\u1160" <= after <= "\u11ff")  # jamo of one syllable
    )
    return not extends


def _flag(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _flags_before(text: str, at: int) -> int:
    """Regional indicators in a row before an offset, counted back 64 at most (an even number)."""
    count = 0
    while count < min(at, 64) and _flag(text[at - 1 - count]):
        count += 1
    return count
