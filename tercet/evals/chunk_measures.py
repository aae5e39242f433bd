"""Span measures by name: what the first so many chunks of a ranking hold of the evidence."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tercet.errors import ConfigurationError
from tercet.evals.span_measures import SpanScores, span_scores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tercet.evals.records import Span

PARTS = {"SpanRecall": "recall", "SpanPrecision": "precision", "SpanIoU": "iou"}
"""Names of the measures, and what ``SpanScores`` calls them."""

_WRITTEN = re.compile(r"(?P<name>[A-Za-z]+)@(?P<chunks>[0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class ChunkMeasure:
    """A span measure of the first ``chunks`` chunks.

    Example:
        >>> str(ChunkMeasure("SpanIoU", 5))
        'SpanIoU@5'
    """

    name: str
    """One of ``PARTS``."""
    chunks: int

    def __post_init__(self) -> None:
        if self.name not in PARTS or self.chunks < 1:
            raise ConfigurationError(
                f"there is no span measure {self}.", remedy=f"There are {', '.join(PARTS)}, as in SpanRecall@5."
            )

    def __str__(self) -> str:
        return f"{self.name}@{self.chunks}"

    def of(self, scores: SpanScores) -> float:
        """Its part of the scores of so many chunks."""
        return float(getattr(scores, PARTS[self.name]))


def parse_chunk_measures(text: str) -> tuple[ChunkMeasure, ...]:
    """Read span measures separated by commas or blanks, each once.

    Raises:
        ConfigurationError: There is none, or one of them cannot be read.

    Example:
        >>> [str(one) for one in parse_chunk_measures("SpanRecall@5, SpanIoU@5")]
        ['SpanRecall@5', 'SpanIoU@5']
    """
    found: dict[ChunkMeasure, None] = {}
    for word in re.split(r"[,\s]+", text.strip()):
        written = _WRITTEN.fullmatch(word)
        if written is None:
            raise ConfigurationError(
                f"{word!r} is not how a span measure is written.",
                remedy=f"There are {', '.join(PARTS)}, as in SpanRecall@5.",
            )
        found[ChunkMeasure(written["name"], int(written["chunks"]))] = None
    return tuple(found)


def chunk_values(
    measures: Sequence[ChunkMeasure], evidence: Sequence[Span], chunks: Sequence[Span]
) -> dict[str, float]:
    """The value of each measure for one question; measures of equally many chunks are computed together."""
    scores: dict[int, SpanScores] = {}
    for measure in measures:
        if measure.chunks not in scores:
            scores[measure.chunks] = span_scores(evidence, chunks[: measure.chunks])
    return {str(measure): measure.of(scores[measure.chunks]) for measure in measures}
