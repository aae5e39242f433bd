"""What raises the score of a record besides fitting the query: bounded factors, so that they never decide alone.

Each factor lies between 1 and 1 + its bound. Reading a record changes nothing, so that results do not depend on who
asked before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tercet.memory.episodes.drafts import moment_of
from tercet.retrieval.days import lies_in

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from tercet.memory.episodes.records import EpisodePlace
    from tercet.retrieval.days import Span
    from tercet.retrieval.episodic_records import Boost
    from tercet.settings import EpisodicConfig

Factors = tuple[float, float, float, float, float]
BOOSTS: tuple[Boost, ...] = ("actor", "day", "recency", "importance", "outcome")
_DAY = 86_400_000_000


def boosts(
    place: EpisodePlace, config: EpisodicConfig, *, now: int, actors: Container[str], days: tuple[Span, ...] = ()
) -> dict[Boost, float]:
    """The factors of a record.

    Args:
        place: What is known of it.
        config: The bounds.
        now: Microseconds since 1970. What happens later counts as happening now.
        actors: Those whom the query names.
        days: Days that the query names.

    Example:
        >>> from tercet.memory.episodes.records import EpisodePlace
        >>> from tercet.settings import EpisodicConfig
        >>> month_ago = EpisodePlace(1, "e1", "ada", 0, 0.5, "", 1, "", 0)
        >>> boosts(month_ago, EpisodicConfig(), now=30 * 86_400_000_000, actors=())
        {'actor': 1.0, 'day': 1.0, 'recency': 1.025, 'importance': 1.05, 'outcome': 1.0}
    """
    return dict(zip(BOOSTS, factors(config, now=now, actors=actors, days=days)(place), strict=True))


def factors(
    config: EpisodicConfig, *, now: int, actors: Container[str], days: tuple[Span, ...] = ()
) -> Callable[[EpisodePlace], Factors]:
    """A function that gives the factors of a record, in the order of ``BOOSTS``; arguments are those of ``boosts``."""
    recency_boost, importance_boost = config.recency_boost, config.importance_boost
    half_life_days = config.recency_half_life_days
    named, dated, ended = 1 + config.actor_boost, 1 + config.day_boost, 1 + config.outcome_boost

    def of(place: EpisodePlace) -> Factors:
        _, _, actor, occurred_at, importance, outcome, *_ = place
        return (
            named if actor in actors else 1.0,
            dated if days and _on(occurred_at, days) else 1.0,
            1 + recency_boost * recency(occurred_at, now, half_life_days),
            1 + importance_boost * (importance if 0 <= importance <= 1 else float(importance > 1)),
            ended if outcome else 1.0,
        )

    return of


def _on(occurred_at: int | None, days: tuple[Span, ...]) -> bool:
    moment = moment_of(occurred_at)
    return moment is not None and lies_in(moment.date(), days)


def recency(occurred_at: int | None, now: int, half_life_days: float) -> float:
    """1 for now, half of it for each half-life that has passed, 0 for an unknown time."""
    if occurred_at is None:
        return 0.0
    age = now - occurred_at if now > occurred_at else 0
    return float(0.5 ** (age / _DAY / half_life_days))
