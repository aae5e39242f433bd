"""What a chunk says before its text, kept short: title and headings, and the lead of a block that was cut."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tercet.records import embedded_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tercet.records import Block

_CHARACTERS_A_TOKEN = 32
_DELIMITER_ROW = re.compile(r"[|+:=\- \t]*\Z")


def shortened(
    title: str, path: Sequence[str], *, budget: int, count: Callable[[str], int]
) -> tuple[str, tuple[str, ...]]:
    """Title and heading path within a budget of tokens.

    The outermost headings go first; when the title and the innermost heading alone are too long, the words at their
    ends go, and then the title itself.

    Example:
        >>> shortened("Guide", ("Part one", "Keys"), budget=4, count=lambda text: len(text.split()))
        ('Guide', ('Keys',))
    """
    return next(
        (kept, tuple(parts))
        for kept, parts in _candidates(title, path, budget, count)
        if not (prefix := embedded_text(kept, parts, "", "")) or count(prefix) <= budget
    )


def _candidates(
    title: str, path: Sequence[str], budget: int, count: Callable[[str], int]
) -> Iterator[tuple[str, Sequence[str]]]:
    yield title, path
    separator = count(" > ")
    # Counted part by part, so that a deep path costs no more than its length.
    costs = [count(part[: budget * _CHARACTERS_A_TOKEN]) + separator for part in path]
    spent = sum(costs) + count(title[: budget * _CHARACTERS_A_TOKEN])
    for index in range(1, len(path)):
        spent -= costs[index - 1]
        if spent <= budget + separator:
            yield title, path[index:]
    last = path[-1] if path else ""
    half = max(1, (budget - separator) // 2)
    short_title = cut_words(title, half if last else budget, count)
    left = budget - separator - count(short_title) if short_title else budget
    short_last = cut_words(last, left, count)
    for kept in (short_title, ""):
        yield kept, [short_last] if short_last else []
    yield "", [shorter] if (shorter := cut_words(last, half, count)) else []
    yield "", []


def repeated_lead(text: str, block: Block, *, budget: int, count: Callable[[str], int]) -> str:
    """What a later piece of a block repeats: a table's header, a code fence, the first line of an admonition.

    A header that is too long goes without its delimiter row, then without the words at its end.
    """
    lead = text[block.start : max(block.lead_end, block.start)].strip("\n").rstrip()
    if not lead and block.kind == "admonition":
        first, newline, _ = text[block.start : block.end].lstrip().partition("\n")
        lead = first.strip() if newline and len(first) <= 120 else ""
        return lead if lead and count(lead) <= budget else ""
    if len(lead) <= budget * _CHARACTERS_A_TOKEN and count(lead) <= budget:
        return lead
    rows = [line.strip() for line in lead[: budget * _CHARACTERS_A_TOKEN].split("\n")]
    return cut_words(" ".join(line for line in rows if not _DELIMITER_ROW.match(line)), budget, count)


def cut_words(text: str, budget: int, count: Callable[[str], int]) -> str:
    """As many whole words as fit, with an ellipsis where some are missing; letters when not even one word fits.

    Example:
        >>> cut_words("rotate the signing keys", 3, lambda text: len(text.split()))
        'rotate the …'
    """
    if budget < 1 or not text:
        return ""
    head = text[: budget * _CHARACTERS_A_TOKEN]
    if head == text and count(text) <= budget:
        return text
    words = head.split()
    kept = _most(len(words), lambda number: count(" ".join(words[:number]) + " …") <= budget)
    if kept:
        return " ".join(words[:kept]) + " …"
    letters = _most(len(head), lambda number: count(head[:number] + "…") <= budget)
    return head[:letters] + "…" if letters else ""


def _most(limit: int, fits: Callable[[int], bool]) -> int:
    """The largest number up to ``limit`` that fits, by bisection; 0 when none does."""
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        if fits(middle):
            low = middle
        else:
            high = middle - 1
    return low
