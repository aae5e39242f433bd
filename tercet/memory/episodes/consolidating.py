"""Putting a history in order: what may go expires, and conversations get a summary if someone can write one."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tercet.memory.episodes.records import Doubt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tercet.memory.episodes.records import Episode
    from tercet.memory.episodic import EpisodicMemory
    from tercet.records import Scope

    Summarize = Callable[[Sequence[Episode]], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsolidationReport:
    """What one ``consolidate`` did."""

    settled: int = 0
    """Records whose state was not what their history says; 0 unless something outside changed the database."""
    expired: tuple[str, ...] = ()
    summaries: tuple[str, ...] = ()
    """Ids of new summaries."""
    reviews: int = 0
    """Pairs that wait for a decision."""


def summarize_conversations(
    memory: EpisodicMemory, scope: Scope, summarize: Summarize, *, actor: str, embed: bool
) -> tuple[str, ...]:
    """Write a summary of each conversation that has none, or whose summary is incomplete or in doubt."""
    own = [episode for episode in memory.timeline(scope, kinds=["turn", "summary"]) if episode.scope == scope]
    conversations: dict[str, list[Episode]] = defaultdict(list)
    summaries: dict[str, list[Episode]] = defaultdict(list)
    for episode in own:
        if episode.kind == "summary":
            summaries[str(episode.metadata.get("conversation", ""))].append(episode)
        elif episode.conversation:
            conversations[episode.conversation].append(episode)
    made = []
    for name, turns in sorted(conversations.items()):
        ordered = sorted(turns, key=lambda turn: turn.ordinal)
        before = summaries[name]
        if any(_covers(summary, ordered) for summary in before):
            continue
        text = summarize(ordered)
        if not text.strip():
            continue
        known = [turn.occurred_at for turn in ordered if turn.occurred_at is not None]
        result = memory.record(
            text,
            scope=scope,
            actor=actor,
            kind="summary",
            occurred_at=max(known, default=None),
            importance=max(turn.importance for turn in ordered),
            derived_from=[turn.id for turn in ordered],
            trust="system",  # lowered to the least of the turns
            metadata={"conversation": name},
            embed=embed,
        )
        if result.status == "known":
            continue
        made.append(result.id)
        for old in before:
            memory.supersede(old.id, by=result.id, scope=scope, actor=actor, reason="summarised again")
    return tuple(made)


def _covers(summary: Episode, turns: Iterable[Episode]) -> bool:
    return summary.doubt == Doubt.NONE and {turn.id for turn in turns} <= set(summary.derived_from)
