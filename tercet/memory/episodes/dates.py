"""Dates that a text names relative to when it was said."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from tercet.memory.episodes.records import DateMention


def resolve_dates(text: str, said_at: datetime | None) -> tuple[DateMention, ...]:
    """The relative dates in a text, resolved against the time at which it was said."""
    return ()
