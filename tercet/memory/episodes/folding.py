"""What became of records, from what they are and what happened to them: a pure function, the same for any order.

* A group is all records of one scope that say the same (equal ``same_key`` and subject), and those that someone merged.
  The one that happened last stands for the group.
* A retraction holds for its record and for what its group said up to the retraction's time: a false fact does not come
  back because it was written down twice, but said again later, it counts.
* Of the facts about one subject that were not retracted, the one that happened last is current; it supersedes the
  others, whichever came first. Records whose event time is unknown count as happening when they were recorded.
* A record that several others were said to supersede is superseded while any of them is not retracted, and by the one
  of them that happened last. None of these decisions overrules another, so it does not matter which was made first.
* Whatever was superseded, merged or expired stands again once that is undone or its superseder is retracted.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from tercet.memory.episodes.records import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class Fact(NamedTuple):
    """What of a record decides about others."""

    row: int
    id: str
    scope: int
    subject: str
    """Of a fact; empty where subjects do not supersede."""
    same_key: bytes | None
    time: int
    """Event time, or recorded time where that is unknown."""


class Event(NamedTuple):
    """Something that happened to a record."""

    id: int
    row: int
    kind: str
    other: int | None
    effective: int


class Standing(NamedTuple):
    """What became of a record."""

    state: State = State.LIVE
    by: int | None = None
    pinned: bool = False


def active_events(events: Iterable[Event]) -> list[Event]:
    """The events that were not undone, oldest first; undoing an undoing brings the first event back."""
    undone: set[int | None] = set()
    active = []
    for event in sorted(events, key=lambda one: one.id, reverse=True):
        if event.id in undone:
            continue
        if event.kind == "undone":
            undone.add(event.other)
        active.append(event)
    return active[::-1]


def fold(facts: Sequence[Fact], events: Iterable[Event]) -> dict[int, Standing]:
    """What became of each record. ``facts`` must hold all records that share a group, subject or event with any."""
    all_events = list(events)
    active = active_events(all_events)
    still = {event.id for event in active}
    known = {fact.row: fact for fact in facts}
    apart = {event.row for event in all_events if event.kind == "repeated" and event.id not in still}
    groups = _groups(known, active, apart)
    states: dict[int, tuple[State, int | None]] = {}
    for row in _retracted(known, active, groups):
        states[row] = (State.RETRACTED, None)
    _supersede(known, active, states)
    for event in active:
        if event.kind == "expired":
            states.setdefault(event.row, (State.EXPIRED, None))
    for members in groups.values():
        standing = [known[row] for row in members if row not in states]
        if len(standing) > 1:
            last = max(standing, key=_when)
            states.update((fact.row, (State.MERGED, last.row)) for fact in standing if fact is not last)
    pinned = {event.row: event.kind == "pinned" for event in active if event.kind in {"pinned", "unpinned"}}
    return {row: Standing(*states.get(row, (State.LIVE, None)), pinned.get(row, False)) for row in known}


def _when(fact: Fact) -> tuple[int, str]:
    return fact.time, fact.id


def _groups(known: Mapping[int, Fact], active: Iterable[Event], apart: set[int]) -> dict[int, list[int]]:
    """Rows that count as one, by the row that leads them."""
    parents = {row: row for row in known}

    def root(row: int) -> int:
        while parents[row] != row:
            parents[row] = row = parents[parents[row]]
        return row

    first: dict[tuple[int, str, bytes], int] = {}
    for row, fact in known.items():
        if fact.same_key is not None and row not in apart:
            parents[root(row)] = root(first.setdefault((fact.scope, fact.subject, fact.same_key), row))
    for event in active:
        if event.kind == "merged" and event.other is not None and event.other in known and event.row in known:
            parents[root(event.row)] = root(event.other)
    groups: dict[int, list[int]] = defaultdict(list)
    for row in known:
        groups[root(row)].append(row)
    return groups


def _retracted(known: Mapping[int, Fact], active: Iterable[Event], groups: Mapping[int, list[int]]) -> set[int]:
    retractions = [event for event in active if event.kind == "retracted"]
    if not retractions:
        return set()
    group_of = {row: members for members in groups.values() for row in members}
    return {event.row for event in retractions} | {
        row for event in retractions for row in group_of[event.row] if known[row].time <= event.effective
    }


def _supersede(known: Mapping[int, Fact], active: Iterable[Event], states: dict[int, tuple[State, int | None]]) -> None:
    """Add what is superseded, explicitly or by a later fact about the same subject, to what is retracted."""
    standing = {row: fact for row, fact in known.items() if row not in states}
    named: dict[int, Fact] = {}
    for event in active:
        if event.kind == "superseded" and event.other is not None and event.other in standing:
            by = standing[event.other]
            named[event.row] = max(named.get(event.row, by), by, key=_when)
    for row, by in named.items():
        states.setdefault(row, (State.SUPERSEDED, by.row))
    chains: dict[tuple[int, str], list[Fact]] = defaultdict(list)
    for fact in standing.values():
        if fact.subject:
            chains[fact.scope, fact.subject].append(fact)
    for chain in chains.values():
        last = max(chain, key=_when)
        for fact in chain:
            if fact is not last:
                states.setdefault(fact.row, (State.SUPERSEDED, last.row))
