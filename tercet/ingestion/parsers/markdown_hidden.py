"""What a rendered Markdown page does not show: HTML comments, scripts, styles and hidden elements."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING

from tercet.ingestion.parsers.visibility import attributes_of, hides
from tercet.records import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from markdown_it.token import Token

_TAG_OF_INTEREST = re.compile(r"<(!--|[A-Za-z][\w-]*)([^<>]*)")
_NEVER_SHOWN = frozenset({"!--", "script", "style", "template"})
_LINE_END = re.compile("\n")
_BACKTICKS = re.compile(r"`+")


def may_hide(text: str) -> bool:
    """Whether a page holds anything that ``blank_hidden`` would take out, were it not in code."""
    return any(
        match[1].lower() in _NEVER_SHOWN or hides(attributes_of(match[2][:2000]))
        for match in _TAG_OF_INTEREST.finditer(text)
    )


def blank_hidden(text: str, segments: Iterable[Iterable[Token]]) -> tuple[str, tuple[Finding, ...]]:
    """Replace each hidden stretch outside code by a space and its line breaks.

    Args:
        text: The page.
        segments: Its block tokens, which say where HTML is markup rather than code.

    Returns:
        A text with the same number of lines, and findings ``html-comment`` and ``hidden-html`` with counts.
    """
    starts = array("Q", (0, *(match.end() for match in _LINE_END.finditer(text)), len(text) + 1))
    pieces: list[str] = []
    counts: Counter[str] = Counter()
    cursor = 0
    for kind, start, end in _stretches(text, chain.from_iterable(segments), starts):
        if start < cursor:
            continue
        counts[kind] += 1
        pieces.append(text[cursor:start])
        pieces.append(" " + "\n" * text.count("\n", start, end))
        cursor = end
    if not counts:
        return text, ()
    pieces.append(text[cursor:])
    return "".join(pieces), tuple(Finding(kind=kind, count=count) for kind, count in sorted(counts.items()))


def _stretches(text: str, tokens: Iterable[Token], starts: Sequence[int]) -> Iterator[tuple[str, int, int]]:
    passed = 0
    closers = Closers(text)
    for token in tokens:
        if token.type not in ("html_block", "inline") or "<" not in token.content or not token.map:
            continue
        start, end = starts[token.map[0]], min(starts[min(token.map[1], len(starts) - 1)], len(text))
        start = max(start, passed)
        code = _code_spans(text, start, end) if token.type == "inline" else []
        for match in _TAG_OF_INTEREST.finditer(text, start, end):
            opening = match.start()
            if opening < passed or _inside(code, opening):
                continue
            stretch = _stretch(closers, match, end, is_block=token.type == "html_block")
            if stretch:
                yield stretch
                passed = stretch[2]
        passed = max(passed, end) if token.type == "html_block" else passed


class Closers:
    """Finds where elements end. A search that failed is not repeated, which keeps many unclosed ones linear."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._last: dict[str, int] = {}

    def after(self, closer: str, start: int) -> int | None:
        """The offset after the first ``closer`` (an end tag's beginning, or ``-->``) at or after ``start``."""
        if closer not in self._last:
            self._last[closer] = self._text.lower().rfind(closer)
        if start > self._last[closer]:
            return None
        match = re.compile(rf"{re.escape(closer)}(?:\s*>)?", re.IGNORECASE).search(self._text, start)
        return match.end() if match else None


def _stretch(closers: Closers, match: re.Match[str], end: int, *, is_block: bool) -> tuple[str, int, int] | None:
    tag = match[1].lower()
    if tag == "!--":
        close = closers.after("-->", match.start() + 2)
        if close is None or close > end:
            return ("html-comment", match.start(), end) if is_block else None
        return "html-comment", match.start(), close
    if tag not in _NEVER_SHOWN and not hides(attributes_of(match[2][:2000])):
        return None
    # The element may go on through later blocks; without an end tag it hides its own block.
    close = closers.after(f"</{tag}", match.end())
    return "hidden-html", match.start(), close if close is not None else end


def _code_spans(text: str, start: int, end: int) -> list[tuple[int, int]]:
    runs = [(match.start(), match.end()) for match in _BACKTICKS.finditer(text, start, end)]
    by_length: dict[int, list[int]] = {}
    for opening, after in runs:
        by_length.setdefault(after - opening, []).append(opening)
    spans: list[tuple[int, int]] = []
    passed = start
    for opening, after in runs:
        if opening < passed:
            continue
        same = by_length[after - opening]
        index = bisect_right(same, opening)
        if index < len(same):
            passed = same[index] + after - opening
            spans.append((opening, passed))
    return spans


def _inside(spans: list[tuple[int, int]], position: int) -> bool:
    index = bisect_right(spans, (position, 1 << 62)) - 1
    return index >= 0 and spans[index][0] <= position < spans[index][1]
