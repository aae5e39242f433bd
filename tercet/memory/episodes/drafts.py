"""A record on its way in: checked, named, and turned into the row that is stored."""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from tercet.errors import InputError
from tercet.memory.episodes.dates import resolve_dates
from tercet.memory.episodes.duplicates import same_key
from tercet.memory.episodes.records import KINDS, State
from tercet.memory.writing import embed_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tercet.memory.episodes.records import EpisodeKind, Turn
    from tercet.models.lexical import TermCounts
    from tercet.records import Metadata, Scope, Trust

TRUST_ORDER: tuple[Trust, ...] = ("system", "user", "internal", "external")
MERGEABLE = frozenset({"fact", "summary"})
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a caller wants recorded."""

    text: str
    kind: EpisodeKind
    actor: str
    occurred_at: datetime | None = None
    subject: str = ""
    outcome: str = ""
    conversation: str = ""
    ordinal: int = 0
    importance: float = 0.5
    trust: Trust = "user"
    entities: Sequence[str] = ()
    metadata: Metadata = field(default_factory=dict)
    expires_at: datetime | None = None
    pinned: bool = False

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise InputError("The text of an episode is empty.", remedy="Record only what says something.")
        if not self.actor:
            raise InputError("An episode needs an actor.", remedy="Say who said or did it.")
        if self.kind not in KINDS:
            raise InputError(f"{self.kind!r} is not a kind of episode.", remedy=f"Use one of: {', '.join(KINDS)}.")
        if self.trust not in TRUST_ORDER:
            raise InputError(f"{self.trust!r} is not a trust.", remedy=f"Use one of: {', '.join(TRUST_ORDER)}.")
        if not 0 <= self.importance <= 1:
            raise InputError(f"importance is {self.importance}.", remedy="It lies between 0 and 1.")
        if isinstance(self.entities, str) or not all(name.strip() for name in self.entities):
            raise InputError(f"entities is {self.entities!r}.", remedy="Give a tuple of names, none of them empty.")
        if self.subject and self.kind != "fact":
            raise InputError(f"A {self.kind} has no subject.", remedy='Only kind="fact" has one.')


def drafts_of(turns: Sequence[Turn], *, conversation: str, first: int) -> list[Draft]:
    """The turns of a conversation as drafts, at positions from ``first`` on."""
    return [
        Draft(
            text=turn.text,
            kind="turn",
            actor=turn.actor,
            occurred_at=turn.occurred_at,
            outcome=turn.outcome,
            conversation=conversation,
            ordinal=first + position,
            importance=turn.importance,
            trust=turn.trust,
            entities=turn.entities,
            metadata=turn.metadata,
        )
        for position, turn in enumerate(turns)
    ]


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970-01-01 UTC.

    Raises:
        InputError: The time has no time zone.
    """
    if moment.tzinfo is None:
        raise InputError(f"{moment} has no time zone.", remedy="Use datetime(…, tzinfo=UTC) or the zone of the place.")
    return (moment - EPOCH) // _MICROSECOND


def moment_of(number: int | None) -> datetime | None:
    """The time that ``microseconds`` made a number of; None stays None."""
    return None if number is None else EPOCH + timedelta(microseconds=number)


def episode_id(scope: Scope, draft: Draft) -> str:
    """The id of a record: the same for the same record, whenever and however often it arrives."""
    when = None if draft.occurred_at is None else microseconds(draft.occurred_at)
    named = [*astuple(scope), draft.kind, draft.actor, draft.subject, draft.outcome, draft.conversation]
    named += [draft.ordinal, when, draft.text]
    said = json.dumps(named, ensure_ascii=True, separators=(",", ":"))
    return blake2b(said.encode("ascii"), digest_size=16).hexdigest()


def row_of(draft: Draft, key: str, scope_row: int, now: int, terms: TermCounts) -> dict[str, Any]:
    """The columns of a record as it is first stored."""
    mergeable = draft.kind in MERGEABLE
    return {
        "episode_id": key,
        "scope_id": scope_row,
        "kind": draft.kind,
        "actor": draft.actor,
        "text": draft.text,
        "subject": draft.subject,
        "outcome": draft.outcome,
        "conversation": draft.conversation,
        "ordinal": draft.ordinal,
        "occurred_at": None if draft.occurred_at is None else microseconds(draft.occurred_at),
        "recorded_at": now,
        "expires_at": None if draft.expires_at is None else microseconds(draft.expires_at),
        "importance": draft.importance,
        "trust": draft.trust,
        "metadata": _metadata(draft.metadata),
        "dates": json.dumps(
            [
                [one.start, one.end, str(one.first), str(one.last)]
                for one in resolve_dates(draft.text, draft.occurred_at)
            ]
        ),
        "same_key": same_key(draft.text, draft.kind, draft.actor, draft.outcome) if mergeable else None,
        "length": terms.length,
        "terms": terms.to_bytes(),
        "embed_key": embed_key(draft.text),
        "state": int(State.LIVE),
        "state_by": None,
        "doubt": 0,
        "pinned": draft.pinned,
        "embedded": False,
    }


def _metadata(metadata: Metadata) -> str:
    try:
        return json.dumps(dict(metadata), ensure_ascii=False, sort_keys=True, default=list, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"The metadata cannot be stored: {error}.",
            remedy="Use strings, finite numbers, booleans and lists of them.",
        ) from None
