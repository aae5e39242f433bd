"""Blocks cut into atoms: the smallest spans that a chunk may begin with, each within the room of a chunk.

A block that fits is one atom. A larger one is cut by the rules of its kind, coarse ones first, and a finer rule is
applied only to what still does not fit: a line of code is cut only when it alone is too long.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from tercet.ingestion.boundaries import FENCE, LINE, Rule, rules_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tercet.records import Block

Measure = Callable[[int, int], int]
"""Cost of a span of the text, in tokens."""


class Atom(NamedTuple):
    """A span that packing does not cut, and how good a place its beginning is for a cut (higher is better)."""

    start: int
    end: int
    strength: int
    block: Block
    opens: bool
    """True when its block begins with it, so that no lead needs repeating."""


class _Span(NamedTuple):
    start: int
    end: int
    strength: int


def split(text: str, block: Block, *, strength: int, room: int, measure: Measure) -> list[Atom]:
    """Cut a block into atoms that each cost at most ``room``, as far as code points allow.

    The fence or header of a block stays with the line after it, a closing fence with the line before, where both fit.
    """
    if measure(block.start, block.end) <= room:
        return [Atom(block.start, block.end, strength, block, True)]
    chain = rules_for(block.kind, room)
    bounds = sorted({block.start, min(max(block.lead_end, block.start), block.end), block.end})
    spans = [
        span
        for start, end in pairwise(bounds)
        for span in _refine(text, _Span(start, end, LINE), chain, room=room, measure=measure)
    ]
    if len(spans) > 1 and block.lead_end > block.start and measure(spans[0].start, spans[1].end) <= room:
        spans[:2] = [spans[0]._replace(end=spans[1].end)]
    if len(spans) > 1 and _closes(text, spans[-1]) and measure(spans[-2].start, spans[-1].end) <= room:
        spans[-2:] = [spans[-2]._replace(end=spans[-1].end)]
    return [
        Atom(start, end, strength if index == 0 else inner, block, index == 0)
        for index, (start, end, inner) in enumerate(spans)
    ]


def finer(text: str, atom: Atom, *, room: int) -> list[Atom]:
    """Cut an atom that turned out too large at the coarsest places it has; one code point is returned alone."""
    rules = rules_for(atom.block.kind, room)
    cuts = rules[0](text, atom.start, atom.end)
    while len(cuts) == 1 and (rules := rules[1:] if cuts[0].rules is None else cuts[0].rules):
        cuts = rules[0](text, atom.start, atom.end)
    ends = [*(cut.start for cut in cuts[1:]), atom.end]
    parts = [Atom(cut.start, end, cut.strength, atom.block, False) for cut, end in zip(cuts, ends, strict=True)]
    return [parts[0]._replace(strength=atom.strength, opens=atom.opens), *parts[1:]]


def _refine(text: str, span: _Span, rules: tuple[Rule, ...], *, room: int, measure: Measure) -> Iterator[_Span]:
    """Cut a span by the first rule that finds a place, and each part by the rules after it, until all fit."""
    if not rules or measure(span.start, span.end) <= room:
        yield span
        return
    cuts = rules[0](text, span.start, span.end)
    ends = [*(cut.start for cut in cuts[1:]), span.end]
    for cut, end in zip(cuts, ends, strict=True):
        part = _Span(cut.start, end, span.strength if cut.start == span.start else cut.strength)
        finer = rules[1:] if cut.rules is None else cut.rules
        yield from _refine(text, part, finer, room=room, measure=measure)


def _closes(text: str, span: _Span) -> bool:
    return bool(FENCE.match(text, span.start, span.end)) and "\n" not in text[span.start : span.end].strip()
