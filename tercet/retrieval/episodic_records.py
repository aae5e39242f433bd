"""What a search in episodic memory returns."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, overload

if TYPE_CHECKING:
    from tercet.memory.episodes.records import Episode
    from tercet.records import LegExplanation, Provenance

Boost = Literal["actor", "day", "recency", "importance", "outcome"]
Nothing = Literal["", "nothing recorded", "nothing found", "below the floor", "in the window"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeExplanation:
    """Why a record has its score: ``(own + context) * product of boosts``."""

    legs: tuple[LegExplanation, ...]
    """``normalized`` is the share of the greatest BM25 sum that any text could have for the query, and the cosine."""
    own: float
    """``sum(weight * normalized) / sum(weight)`` over the available legs: how far the record itself fits."""
    context: float
    """What the better one of the turns next to it adds."""
    boosts: Mapping[Boost, float]
    """Factors, each from 1 to 1 + its bound."""
    names: tuple[str, ...] = ()
    """Identifiers of the query that the record holds as they are; they lift ``normalized`` of the lexical leg."""

    @property
    def relevance(self) -> float:
        """How far the record fits the query, before boosts: what the floor is compared with."""
        return self.own + self.context

    @property
    def score(self) -> float:
        """The score, recombined from the parts."""
        return self.relevance * math.prod(self.boosts.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodicHit:
    """One record with its score and where it came from."""

    episode: Episode
    score: float
    relevance: float
    """Before boosts, from 0 to 1, on one scale for all queries."""
    provenance: Provenance
    neighbours: tuple[Episode, ...] = ()
    """The turns around it, in order, itself left out; empty unless asked for."""
    explanation: EpisodeExplanation | None = None

    @property
    def text(self) -> str:
        """What was said or happened."""
        return self.episode.text

    @property
    def when(self) -> str:
        """The event time in ISO 8601, or ``"unknown"``."""
        return "unknown" if self.episode.occurred_at is None else self.episode.occurred_at.isoformat()


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodicResult(Sequence[EpisodicHit]):
    """Hits, best first; a sequence of them. Without hits it says why."""

    query: str
    hits: tuple[EpisodicHit, ...]
    reason: Nothing = ""
    """Why there are no hits: nothing lies in scope, time and filters; no record shares anything with the query; all
    have less relevance than the floor; all that have enough are in the window already. Empty when there are hits."""
    best: float = 0.0
    """Greatest relevance of any record, those below the floor and in the window included."""
    degraded: tuple[str, ...] = ()
    """Empty when both legs were complete; else such as ``("dense",)`` or ``("dense 43 %",)``."""
    actors: tuple[str, ...] = field(default=())
    """Actors that the query was found to name."""

    @property
    def nothing_relevant(self) -> bool:
        """True when no record fits the query; False when there are hits, or the window holds what fits."""
        return self.reason not in {"", "in the window"}

    def __len__(self) -> int:
        return len(self.hits)

    def __iter__(self) -> Iterator[EpisodicHit]:
        return iter(self.hits)

    @overload
    def __getitem__(self, index: int) -> EpisodicHit: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[EpisodicHit, ...]: ...
    def __getitem__(self, index: int | slice) -> EpisodicHit | tuple[EpisodicHit, ...]:
        return self.hits[index]
