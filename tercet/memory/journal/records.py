"""Records of the journal and the Protocol of what keeps them.

The journal knows nothing of agents: an event is a kind and a text, which ``agents.events`` gives their meaning. Texts
come back byte for byte as they were given.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from tercet.records import AnyScope, Scope

RunStatus = Literal["running", "suspended", "finished", "failed", "cancelled"]
"""``running``: a process works on it, or died doing so. ``suspended``: it waits for a person."""

EffectState = Literal["started", "done", "failed", "in_doubt"]
"""``started`` by a process that is gone is *in doubt*: nobody knows whether it happened."""

ApprovalState = Literal["pending", "approved", "denied", "expired", "used"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """A run that begins."""

    id: str
    scope: Scope
    """On whose behalf."""
    agent: str
    task: str = ""
    """Kind of task, for reports; empty: none was named."""
    parent: str = ""
    """Run that this one is a part of; empty: none."""
    root: str = ""
    """First of the tree; empty: the run itself."""
    replays: str = ""
    """Run that this one repeats; empty: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A run as the journal has it."""

    id: str
    scope: Scope
    agent: str
    task: str
    parent: str
    root: str
    replays: str
    status: RunStatus
    began_at: datetime
    changed_at: datetime
    events: int
    """How many there are."""
    hash: str
    """Of the last event, hexadecimal; the whole chain hangs on it."""
    erased_at: datetime | None = None
    """When its bodies and texts were removed, and of its scope all but the tenant; None: they were not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """Something that happened, not yet written down."""

    kind: str
    body: str
    """JSON, small."""
    texts: tuple[str, ...] = ()
    """Large parts, such as the messages of a request. The same text is kept once for each run."""
    span: str = ""
    """Id of the step or call that it belongs to."""
    parent: str = ""
    """Span that this span is a part of."""
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """An event in the journal."""

    run: str
    number: int
    """From 1, without gaps."""
    kind: str
    body: str | None
    """None: erased. The chain still verifies."""
    texts: tuple[str | None, ...]
    """None: erased, each."""
    span: str
    parent: str
    at: datetime
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Whether a run's chain is as it was written."""

    run: str
    events: int
    erased: int
    """Bodies and texts that were erased."""
    broken_at: int | None
    """Number of the first event that is not as it was written; None: all are. 0: the run's own row is not."""
    reason: str = ""

    @property
    def intact(self) -> bool:
        """Whether nothing was changed, left out or added."""
        return self.broken_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """What the effects of a window may add up to."""

    name: str
    """Of the threshold, for messages, such as ``"pay: value"``."""
    measure: str
    """Which amount is added up, such as ``"value"``."""
    limit: Decimal
    window: timedelta
    tools: tuple[str, ...]
    """Whose effects count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEffect:
    """A tool is about to change something outside."""

    key: str
    """Idempotency key: one for each effect that is wanted once."""
    run: str
    call: str
    """Id of the tool call."""
    agent: str
    tool: str
    scope: Scope
    arguments_hash: str
    amounts: Mapping[str, Decimal]
    """By measure, such as ``{"value": Decimal("999.00"), "targets": Decimal(1)}``; from 0, nine decimal places."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectRecord:
    """An effect as the ledger has it."""

    key: str
    run: str
    call: str
    agent: str
    tool: str
    scope: Scope
    arguments_hash: str
    amounts: Mapping[str, Decimal]
    state: EffectState
    result: str | None
    """JSON of what the tool gave; None: nothing yet, or erased."""
    started_at: datetime
    finished_at: datetime | None
    reason: str = ""
    """Why it failed, or how a person settled a doubt."""
    erased_at: datetime | None = None
    """When result, reason and arguments hash were removed. It still counts towards ceilings, and keeps its key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """What came of the wish to have an effect."""

    effect: EffectRecord | None
    """Reserved now (``new``), or there before under the same key; None: a ceiling stands in the way."""
    new: bool = False
    exceeded: Ceiling | None = None
    total: Decimal = Decimal(0)
    """What the window of the ceiling that was exceeded would have come to; else the window of the last one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApproval:
    """A call that a person shall decide on."""

    id: str
    run: str
    call: str
    agent: str
    tool: str
    scope: Scope
    arguments: str
    """JSON."""
    arguments_hash: str
    policy_version: str
    reason: str
    evidence: str
    """JSON: what the person should know, such as the failed attempts before."""
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRecord:
    """An approval as the journal has it."""

    id: str
    run: str
    call: str
    agent: str
    tool: str
    scope: Scope
    arguments: str | None
    """JSON of what was asked for; None: erased."""
    edited_arguments: str | None
    """JSON of what the approver allows instead; None: as asked for."""
    arguments_hash: str
    policy_version: str
    reason: str
    evidence: str | None
    state: ApprovalState
    asked_at: datetime
    expires_at: datetime
    approver: str = ""
    decided_at: datetime | None = None
    answer: str = ""
    """What the approver says to it."""
    erased_at: datetime | None = None
    """When arguments, evidence, reason and answer were removed; what was not used by then has expired."""


class Journal(Protocol):
    """Keeps runs, effects and approvals; safe to use from several threads and, on a database, processes.

    Each method is one transaction: when it returns, what it did survives a kill. Texts that hold NUL or lone
    surrogates, and times without a zone, are an ``InputError`` everywhere.
    """

    @property
    def durable(self) -> bool:
        """Whether it outlives the process, and so is written in a worker thread."""
        ...

    # -- runs ----------------------------------------------------------------------------------------------------

    def begin(self, run: NewRun, events: Sequence[NewEvent] = ()) -> RunRecord:
        """Start a run, with its first events.

        Raises:
            InputError: There is a run of this id.
        """
        ...

    def append(
        self, run: str, events: Sequence[NewEvent], *, after: int, status: RunStatus = "running"
    ) -> tuple[EventRecord, ...]:
        """Add events behind the ``after``-th, all or none.

        Raises:
            ClaimLostError: There are more or fewer than ``after`` events: another process goes on with the run.
            StateError: The run was erased.
            InputError: There is no such run.
        """
        ...

    def run(self, run: str) -> RunRecord:
        """One run.

        Raises:
            InputError: There is no such run.
        """
        ...

    def runs(
        self,
        *,
        scope: Scope | AnyScope,
        status: RunStatus | None = None,
        agent: str | None = None,
        root: str | None = None,
        limit: int = 100,
    ) -> list[RunRecord]:
        """The runs on behalf of what the scope sees, the latest first; erased ones for who sees all of a tenant."""
        ...

    def events(self, run: str, *, after: int = 0) -> list[EventRecord]:
        """Its events in order, those behind the ``after``-th.

        Raises:
            InputError: There is no such run.
        """
        ...

    def verify(self, run: str) -> Verification:
        """Compute the chain anew and compare.

        Raises:
            InputError: There is no such run.
        """
        ...

    def erase(self, runs: Sequence[str], *, at: datetime) -> Mapping[str, int]:
        """Remove what runs said: bodies and texts, and of their effects and approvals what could tell it.

        What is left of each says that it was, and its chain verifies. Nothing is added to such a run any more.

        Returns:
            How many ``runs``, ``run_events``, ``run_texts``, ``effects`` and ``approvals`` were erased now.

        Raises:
            InputError: There is no such run; nothing was erased.
        """
        ...

    # -- effects ---------------------------------------------------------------------------------------------------

    def reserve(self, effect: NewEffect, *, ceilings: Sequence[Ceiling], at: datetime) -> Reservation:
        """Put an effect down as started, unless its key is there or a ceiling would be passed.

        Started, done and in-doubt effects of the same tenant and agent count towards a ceiling, failed ones do not.
        A failed effect under the same key is started anew. Calls take turns, so that together they pass no ceiling.
        """
        ...

    def settle(self, key: str, *, state: EffectState, result: str | None, reason: str = "", at: datetime) -> None:
        """Say how an effect ended, or that nobody knows (``in_doubt``).

        Raises:
            StateError: It is not open (``started`` or ``in_doubt``).
            InputError: There is no such effect.
        """
        ...

    def effect(self, key: str) -> EffectRecord | None:
        """The effect of that key."""
        ...

    def effects(
        self, *, scope: Scope | AnyScope, state: EffectState | None = None, run: str | None = None
    ) -> list[EffectRecord]:
        """The effects that the scope sees, in the order in which they were started."""
        ...

    # -- approvals ---------------------------------------------------------------------------------------------------

    def ask(self, approval: NewApproval, *, at: datetime) -> ApprovalRecord:
        """Put a call before a person. Asked again under the same id, it gives the record that is there."""
        ...

    def decide(
        self,
        approval: str,
        *,
        approved: bool,
        approver: str,
        edited_arguments: str | None = None,
        answer: str = "",
        at: datetime,
    ) -> ApprovalRecord:
        """Write a person's decision down.

        Raises:
            StateError: It was decided before, or has expired.
            InputError: There is no such approval.
        """
        ...

    def use(self, approval: str, *, at: datetime) -> bool:
        """Spend an approval: True once, for whoever comes first, and only before it expires.

        Raises:
            InputError: There is no such approval.
        """
        ...

    def approval(self, approval: str, *, at: datetime | None = None) -> ApprovalRecord:
        """One approval; what was not used in time has ``expired``, decided or not.

        Args:
            approval: Its id.
            at: As of when; None: now, by the journal's clock.

        Raises:
            InputError: There is no such approval.
        """
        ...

    def approvals(
        self, *, scope: Scope | AnyScope, state: ApprovalState | None = None, at: datetime
    ) -> list[ApprovalRecord]:
        """The approvals that the scope sees, the oldest first."""
        ...
