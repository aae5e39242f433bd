"""What a write did, in the terms of the database and in those of the caller."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tercet.memory.episodes.records import RecordResult, State

if TYPE_CHECKING:
    from collections.abc import Mapping


class Stored(NamedTuple):
    """What became of one draft."""

    id: str
    row: int
    new: bool


class Merge(NamedTuple):
    """A record that says what others say."""

    event: int
    stands_for_it: str


class WriteReport(NamedTuple):
    """What a write did, by row."""

    stored: tuple[Stored, ...] = ()
    changed: tuple[int, ...] = ()
    states: Mapping[int, State] = {}
    """Of facts and summaries; others are live from the start."""
    merges: Mapping[int, Merge] = {}
    reviews: Mapping[int, tuple[int, ...]] = {}
    supersedes: Mapping[int, tuple[str, ...]] = {}

    def result(self) -> RecordResult | None:
        """For a caller who gave one draft; None where it was there already."""
        (stored,) = self.stored
        if not stored.new:
            return None
        merge = self.merges.get(stored.row)
        return RecordResult(
            id=stored.id,
            status="added" if merge is None or not merge.stands_for_it else "merged",
            state=self.states.get(stored.row, State.LIVE),
            duplicate_of="" if merge is None else merge.stands_for_it,
            event=None if merge is None else merge.event,
            reviews=self.reviews.get(stored.row, ()),
            supersedes=self.supersedes.get(stored.row, ()),
        )
