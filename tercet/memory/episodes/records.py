"""What goes into episodic memory and what comes back."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Literal, NamedTuple

from tercet.records import Metadata, Scope, Trust

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tercet.memory.vectors import VectorFilter
    from tercet.models.lexical import TermCounts

EpisodeKind = Literal["turn", "fact", "outcome", "event", "summary"]
"""What a record is: something said, something held true, how a task ended, something else that happened, or a text
derived from others. Only facts and summaries are ever merged or superseded by subject: things that happened twice
happened twice."""

KINDS: tuple[EpisodeKind, ...] = ("turn", "fact", "outcome", "event", "summary")
"""Their positions are what the vector index keeps; only ever add to the end."""


class State(IntEnum):
    """What became of a record. Only live ones take a slot; what is decided first here is last in the order."""

    LIVE = 1
    MERGED = 2
    """It says the same as another record, which stands for both."""
    EXPIRED = 3
    SUPERSEDED = 4
    RETRACTED = 5


class Doubt(IntEnum):
    """Whether what a record was derived from still stands."""

    NONE = 0
    SOURCE_SUPERSEDED = 1
    SOURCE_RETRACTED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class DateMention:
    """A date or a span of days that a text names: ``text[start:end]`` means ``first`` to ``last``, both included."""

    start: int
    end: int
    first: date
    last: date

    def __str__(self) -> str:
        return f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One turn of a conversation, as ``record_turns`` takes it."""

    actor: str
    text: str
    occurred_at: datetime | None = None
    """With a time zone; None: unknown."""
    outcome: str = ""
    importance: float = 0.5
    entities: tuple[str, ...] = ()
    trust: Trust = "user"
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """A record of episodic memory: what it was when it came, which never changes, and what became of it."""

    id: str
    """32 hex digits from scope, place, time and text: the same record has the same id on every arrival."""
    scope: Scope
    kind: EpisodeKind
    actor: str
    text: str
    occurred_at: datetime | None
    """When it happened, in UTC; None: unknown."""
    recorded_at: datetime
    """When this memory learned of it, in UTC."""
    subject: str = ""
    outcome: str = ""
    importance: float = 0.5
    entities: tuple[str, ...] = ()
    conversation: str = ""
    ordinal: int = 0
    """Position in the conversation, from 0."""
    derived_from: tuple[str, ...] = ()
    trust: Trust = "user"
    expires_at: datetime | None = None
    metadata: Metadata = field(default_factory=dict)
    dates: tuple[DateMention, ...] = ()
    state: State = State.LIVE
    state_by: str = ""
    """Id of the record that superseded it, or into which it was merged."""
    doubt: Doubt = Doubt.NONE
    pinned: bool = False

    @property
    def happened(self) -> datetime:
        """The event time, or the recorded time where that is unknown."""
        return self.occurred_at or self.recorded_at

    @property
    def dated_text(self) -> str:
        """The text with each relative date followed by what it means: ``yesterday [2024-05-06]``."""
        text = self.text
        for mention in sorted(self.dates, key=lambda one: one.start, reverse=True):
            text = f"{text[: mention.end]} [{mention}]{text[mention.end :]}"
        return text


RecordStatus = Literal["added", "known", "merged", "recalled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordResult:
    """What became of one ``record`` call."""

    id: str
    """Of the record; where nothing was added, of the one that already says it."""
    status: RecordStatus
    """``added``; ``known``: the very same record was there; ``merged``: kept, but another record, which says the same,
    stands for it; ``recalled``: nothing was kept, because the text repeats what was recalled."""
    state: State = State.LIVE
    """What it is now. A fact may be superseded or retracted from the start: by one that is known and happened later,
    or because what it says was retracted."""
    duplicate_of: str = ""
    """The record that stands for it."""
    event: int | None = None
    """Of a merge; ``undo`` takes it."""
    reviews: tuple[int, ...] = ()
    """Reviews opened because other records may say the same."""
    supersedes: tuple[str, ...] = ()
    """Records that no longer take a slot because of this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """Two records that may say the same, for someone to decide."""

    id: int
    first: Episode
    second: Episode
    similarity: float
    """Jaccard similarity of their character 4-grams."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """Something that happened to a record."""

    id: int
    episode: str
    kind: str
    at: datetime
    other: str = ""
    """The other record: the one that superseded it, or into which it was merged."""
    undoes: int | None = None
    active: bool = True
    """False when it was undone."""
    actor: str = ""
    reason: str = ""


class EpisodeCandidate(NamedTuple):
    """A record that one leg found."""

    row: int
    id: str
    score: float
    has_vector: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeCandidates:
    """What the lexical leg found, and the inverse document frequency of each query term that occurs at all."""

    candidates: list[EpisodeCandidate]
    idf: Mapping[str, float]


class EpisodePlace(NamedTuple):
    """What ranking needs to know of a record besides its scores."""

    row: int
    id: str
    actor: str
    occurred_at: int | None
    """Microseconds; None: unknown."""
    importance: float
    outcome: str
    scope: int
    conversation: str
    """Empty outside of one."""
    ordinal: int
    has_vector: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeSelection:
    """Which records may be found, resolved against the database. Valid for one search."""

    scopes: tuple[int, ...]
    where: VectorFilter
    """Without the states: those are looked at when what was found is read."""
    states: frozenset[int]
    now: int
    """Microseconds; what expires before it is not found."""
    since: int | None = None
    until: int | None = None
    undated: bool = False
    rows: Mapping[int, State] | None = None
    """For ``as_of``: the rows believed in then, with their state then; None: those of now."""
    total: int = 0
    """Episodes in the scopes, before other conditions."""
    empty: bool = False
    places: dict[int, EpisodePlace] = field(default_factory=dict, repr=False, compare=False)
    """By row: what was read of the records that the search has found so far. Each is read and judged once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEpisode:
    """A record with what a search needs to explain it."""

    row: int
    episode: Episode
    terms: TermCounts
    average_length: float
    """The length that its BM25 weights were made with."""
