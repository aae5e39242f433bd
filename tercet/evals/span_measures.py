"""Measures of retrieved text: how much of the evidence it holds, and how much else, counted in characters.

Source: Smith and Troynikov, "Evaluating Chunking Strategies for Retrieval" (Chroma, 2024), with characters in place of
tokens, as its program has it. Unlike ranking measures these do not depend on where documents were cut, so that two ways
of cutting can be compared.

Text of the evidence counts once, however often it was marked or retrieved. Retrieved text counts as often as it was
retrieved: chunks that overlap repeat characters, those repetitions take room in a prompt, and they lower precision and
IoU. Spans of different documents never overlap.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from tercet.errors import InputError
from tercet.evals.records import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanScores:
    """What retrieved spans are worth for one question; each is 0 where its divisor is."""

    recall: float
    """Share of the evidence that was retrieved."""
    precision: float
    """Share of what was retrieved that is evidence."""
    iou: float
    """Intersection over union: what both have, as a share of what was retrieved and of the evidence it lacks."""


def span_scores(evidence: Iterable[Span], retrieved: Iterable[Span]) -> SpanScores:
    """Compare retrieved spans with the spans that answer a question.

    Args:
        evidence: May overlap.
        retrieved: In any order; may overlap, and then repeats what it holds.

    Raises:
        InputError: A span starts below 0 or ends before it starts.

    Example:
        >>> evidence = [Span(uri="a", start=10, end=20)]
        >>> span_scores(evidence, [Span(uri="a", start=0, end=15), Span(uri="a", start=5, end=30)])
        SpanScores(recall=1.0, precision=0.25, iou=0.25)
    """
    wanted, found = _union(evidence), list(retrieved)
    both = _shared(wanted, _union(found))
    evidence_length, retrieved_length = _length(wanted), _length(found)
    return SpanScores(
        recall=_share(both, evidence_length),
        precision=_share(both, retrieved_length),
        iou=_share(both, retrieved_length + evidence_length - both),
    )


def precision_omega(evidence: Iterable[Span], chunks: Iterable[Span]) -> float:
    """Precision of perfect retrieval: of exactly the chunks that hold a piece of the evidence.

    It depends on the cutting alone, and says what no retriever can improve.

    Args:
        evidence: May overlap.
        chunks: All chunks of the corpus.

    Raises:
        InputError: A span starts below 0 or ends before it starts.

    Example:
        >>> chunks = [Span(uri="a", start=0, end=10), Span(uri="a", start=10, end=40)]
        >>> precision_omega([Span(uri="a", start=5, end=9)], chunks)
        0.4
    """
    wanted = _union(evidence)
    documents = {span.uri for span in wanted}
    holding = [chunk for chunk in chunks if chunk.uri in documents and _shared(wanted, _union([chunk]))]
    return span_scores(wanted, holding).precision


def evidence_kept(evidence: Iterable[Span], retrieved: Sequence[Span], tokens: Sequence[int], *, budget: int) -> float:
    """Share of the evidence that stays when only the first spans within a token budget are kept.

    Spans are kept whole and in order, up to the first that no longer fits; so a larger budget never keeps less.

    Args:
        evidence: May overlap.
        retrieved: Best first.
        tokens: Of each retrieved span.
        budget: Tokens that all kept spans may have together.

    Raises:
        InputError: A span starts below 0 or ends before it starts, tokens are negative, or their number is not that
            of the spans.

    Example:
        >>> evidence = [Span(uri="a", start=0, end=10), Span(uri="b", start=0, end=30)]
        >>> evidence_kept(evidence, evidence, [3, 8], budget=10)
        0.25
    """
    if len(retrieved) != len(tokens):
        raise InputError(
            f"{len(retrieved)} spans have {len(tokens)} token counts.", remedy="Give one count for each span."
        )
    if any(count < 0 for count in tokens):
        raise InputError(f"a span has {min(tokens)} tokens.", remedy="Token counts are 0 or more.")
    kept: list[Span] = []
    left = budget
    for span, count in zip(retrieved, tokens, strict=True):
        left -= count
        if left < 0:
            break
        kept.append(span)
    return span_scores(evidence, kept).recall


def _union(spans: Iterable[Span]) -> list[Span]:
    """The same characters as spans that neither overlap nor touch, in order of document and place."""
    merged: list[Span] = []
    for span in sorted(spans):
        if not 0 <= span.start <= span.end:
            raise InputError(
                f"the span of {span.uri!r} from {span.start} to {span.end} is no stretch of text.",
                remedy="A span starts at 0 or later and ends no earlier than it starts.",
            )
        if merged and merged[-1].uri == span.uri and span.start <= merged[-1].end:
            merged[-1] = Span(uri=span.uri, start=merged[-1].start, end=max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return merged


def _shared(left: Sequence[Span], right: Sequence[Span]) -> int:
    """Characters that two unions have in common."""
    changes: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for span in (*left, *right):
        changes[span.uri] += [(span.start, 1), (span.end, -1)]
    shared = 0
    for places in changes.values():
        depth = 0
        for (place, change), (following, _) in pairwise(sorted(places)):
            depth += change
            shared += following - place if depth == 2 else 0
    return shared


def _length(spans: Iterable[Span]) -> int:
    return sum(span.end - span.start for span in spans)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
