"""Where evidence went missing: not stored, stored but not found, found but not kept in the context."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from tercet.evals.records import Loss, Span

DEFAULT_BUDGETS = (128, 256, 512, 1024, 2048, 4096)
"""Tokens at which contexts are measured where the evidence is spans."""


def loss_of(
    evidence: Collection[str], *, stored: Collection[str], found: Collection[str], kept: Collection[str] | None
) -> Loss:
    """The first stage that lost a piece of evidence.

    Args:
        evidence: Ids of all pieces.
        stored: What the memory holds of them, at least.
        found: What was among the candidates of a context.
        kept: What was in the context; None: none was built.

    Example:
        >>> loss_of({"a", "b"}, stored={"a", "b"}, found={"a"}, kept={"a"})
        'read'
    """
    wanted = set(evidence)
    if not wanted <= set(stored):
        return "write"
    if not wanted <= set(found):
        return "read"
    if kept is not None and not wanted <= set(kept):
        return "compression"
    return "none"


def by_document(spans: Iterable[Span]) -> dict[str, list[tuple[int, int]]]:
    """Spans by document, sorted, those that touch or overlap joined.

    Example:
        >>> from tercet.evals.records import Span
        >>> by_document([Span(uri="a", start=5, end=9), Span(uri="a", start=0, end=5)])
        {'a': [(0, 9)]}
    """
    joined: dict[str, list[tuple[int, int]]] = {}
    for span in sorted(spans):
        held = joined.setdefault(span.uri, [])
        if held and span.start <= held[-1][1]:
            held[-1] = (held[-1][0], max(held[-1][1], span.end))
        else:
            held.append((span.start, span.end))
    return joined


def covers(found: Mapping[str, Sequence[tuple[int, int]]], span: Span, text: str) -> bool:
    """Whether all of a span was found, white space aside: it lies between chunks and sentences and says nothing.

    Args:
        found: As ``by_document`` gives it.
        span: What should be there.
        text: What stands at the span.
    """
    missing = [True] * (span.end - span.start)
    for start, end in found.get(span.uri, ()):
        for place in range(max(start, span.start), min(end, span.end)):
            missing[place - span.start] = False
    return not any(gone and not sign.isspace() for gone, sign in zip(missing, text, strict=False))
