"""``InMemoryJournal``: the journal of agents without a memory, and of tests. It ends with its process."""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tercet.memory.journal.checks import (
    checked_approval,
    checked_decision,
    checked_effect,
    checked_settlement,
    first_exceeded,
    microseconds,
    sees,
    state_at,
    undecided,
    unknown_approval,
    unsettled,
    window_start,
)
from tercet.memory.journal.in_memory_runs import InMemoryRuns
from tercet.memory.journal.records import ApprovalRecord, EffectRecord, Reservation
from tercet.memory.working.records import from_microseconds
from tercet.records import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tercet.memory.journal.records import (
        ApprovalState,
        Ceiling,
        EffectState,
        NewApproval,
        NewEffect,
    )
    from tercet.records import AnyScope

_OPEN = ("started", "in_doubt")


class InMemoryJournal(InMemoryRuns):
    """Keeps runs, effects and approvals as long as this object lives; the same contract as ``SqlJournal``.

    Args:
        clock: The time, with its zone, for what has no event that says it.

    Example:
        >>> from datetime import UTC, datetime
        >>> from tercet.memory.journal.records import NewEvent, NewRun
        >>> journal = InMemoryJournal()
        >>> said = NewEvent(kind="said", body="{}", texts=("What is new?",), at=datetime.now(UTC))
        >>> journal.begin(NewRun(id="run-1", scope=Scope(tenant="acme"), agent="helper"), [said]).events
        1
    """

    def __init__(self, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        super().__init__(threading.RLock(), clock=clock)
        self._effects: dict[str, EffectRecord] = {}
        """By key; what starts anew moves to the end."""
        self._spending: dict[tuple[str | None, str, str], dict[str, tuple[int, dict[str, int]]]] = defaultdict(dict)
        """What counts towards ceilings: by tenant, agent and tool, then by key, time and amounts in billionths."""
        self._approvals: dict[str, ApprovalRecord] = {}

    @property
    def durable(self) -> bool:
        """False: it ends with the process."""
        return False

    # -- effects -----------------------------------------------------------------------------------------------------

    def reserve(self, effect: NewEffect, *, ceilings: Sequence[Ceiling], at: datetime) -> Reservation:
        """See ``Journal.reserve``."""
        amounts = checked_effect(effect, ceilings)
        moment = microseconds(at)
        with self._lock:
            known = self._effects.get(effect.key)
            if known is not None and known.state != "failed":
                return Reservation(effect=known)
            exceeded, total = first_exceeded(ceilings, effect, lambda ceiling: self._spent(ceiling, effect, moment))
            if exceeded is not None:
                return Reservation(effect=None, exceeded=exceeded, total=total)
            record = EffectRecord(
                key=effect.key,
                run=effect.run,
                call=effect.call,
                agent=effect.agent,
                tool=effect.tool,
                scope=effect.scope,
                arguments_hash=effect.arguments_hash,
                amounts=dict(effect.amounts),
                state="started",
                result=None,
                started_at=from_microseconds(moment),
                finished_at=None,
            )
            self._effects.pop(effect.key, None)
            self._effects[effect.key] = record
            self._spending[_spender(record)][effect.key] = moment, amounts
        return Reservation(effect=record, new=True, total=total)

    def _spent(self, ceiling: Ceiling, effect: NewEffect, at: int) -> int:
        since = window_start(ceiling, at)
        return sum(
            amounts.get(ceiling.measure, 0)
            for tool in dict.fromkeys(ceiling.tools)
            for began, amounts in self._spending.get((effect.scope.tenant, effect.agent, tool), {}).values()
            if began > since
        )

    def settle(self, key: str, *, state: EffectState, result: str | None, reason: str = "", at: datetime) -> None:
        """See ``Journal.settle``."""
        checked_settlement(state, result, reason)
        moment = from_microseconds(microseconds(at))
        with self._lock:
            known = self._effects.get(key)
            if known is None or known.state not in _OPEN:
                raise unsettled(key, None if known is None else known.state)
            if known.erased_at is not None:
                result, reason = None, ""
            self._effects[key] = replace(known, state=state, result=result, reason=reason, finished_at=moment)
            if state == "failed":
                del self._spending[_spender(known)][key]

    def effect(self, key: str) -> EffectRecord | None:
        """See ``Journal.effect``."""
        with self._lock:
            return self._effects.get(key)

    def effects(
        self, *, scope: Scope | AnyScope, state: EffectState | None = None, run: str | None = None
    ) -> list[EffectRecord]:
        """See ``Journal.effects``."""
        with self._lock:
            found = [
                one
                for one in self._effects.values()
                if sees(scope, one.scope, erased=one.erased_at is not None)
                and state in (None, one.state)
                and run in (None, one.run)
            ]
        return sorted(found, key=lambda one: one.started_at)

    # -- approvals ---------------------------------------------------------------------------------------------------

    def ask(self, approval: NewApproval, *, at: datetime) -> ApprovalRecord:
        """See ``Journal.ask``."""
        checked_approval(approval)
        moment = microseconds(at)
        with self._lock:
            if approval.id not in self._approvals:
                self._approvals[approval.id] = ApprovalRecord(
                    id=approval.id,
                    run=approval.run,
                    call=approval.call,
                    agent=approval.agent,
                    tool=approval.tool,
                    scope=approval.scope,
                    arguments=approval.arguments,
                    edited_arguments=None,
                    arguments_hash=approval.arguments_hash,
                    policy_version=approval.policy_version,
                    reason=approval.reason,
                    evidence=approval.evidence,
                    state="pending",
                    asked_at=from_microseconds(moment),
                    expires_at=from_microseconds(microseconds(approval.expires_at)),
                )
            return self._approval(approval.id, moment)

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
        """See ``Journal.decide``."""
        checked_decision(approver, edited_arguments, answer, approved=approved)
        moment = microseconds(at)
        with self._lock:
            found = self._approval(approval, moment)
            if found.state != "pending":
                raise undecided(approval, found.state)
            decided = self._approvals[approval] = replace(
                found,
                state="approved" if approved else "denied",
                approver=approver,
                decided_at=from_microseconds(moment),
                edited_arguments=edited_arguments,
                answer=answer,
            )
        return decided

    def use(self, approval: str, *, at: datetime) -> bool:
        """See ``Journal.use``."""
        with self._lock:
            found = self._approval(approval, microseconds(at))
            if found.state != "approved":
                return False
            self._approvals[approval] = replace(found, state="used")
        return True

    def approval(self, approval: str, *, at: datetime | None = None) -> ApprovalRecord:
        """See ``Journal.approval``."""
        with self._lock:
            return self._approval(approval, microseconds(at or self._clock()))

    def approvals(
        self, *, scope: Scope | AnyScope, state: ApprovalState | None = None, at: datetime
    ) -> list[ApprovalRecord]:
        """See ``Journal.approvals``."""
        moment = microseconds(at)
        with self._lock:
            found = [
                self._approval(one.id, moment)
                for one in self._approvals.values()
                if sees(scope, one.scope, erased=one.erased_at is not None)
            ]
        return sorted((one for one in found if state in (None, one.state)), key=lambda one: one.asked_at)

    def _approval(self, approval: str, at: int) -> ApprovalRecord:
        found = self._approvals.get(approval)
        if found is None:
            raise unknown_approval(approval)
        return replace(found, state=state_at(found.state, microseconds(found.expires_at), at))

    # -- erasing -----------------------------------------------------------------------------------------------------

    def erase(self, runs: Sequence[str], *, at: datetime) -> Mapping[str, int]:
        """See ``Journal.erase``."""
        moment = from_microseconds(microseconds(at))
        with self._lock:
            counts = self._erase_runs(runs, moment)
            names = set(runs)
            mine = [one for one in self._effects.values() if one.run in names and one.erased_at is None]
            for one in mine:
                self._effects[one.key] = replace(
                    one,
                    arguments_hash="",
                    result=None,
                    reason="",
                    scope=Scope(tenant=one.scope.tenant),
                    erased_at=moment,
                )
            asked = [one for one in self._approvals.values() if one.run in names and one.erased_at is None]
            for approval in asked:
                self._approvals[approval.id] = replace(
                    approval,
                    arguments=None,
                    edited_arguments=None,
                    arguments_hash="",
                    reason="",
                    evidence=None,
                    answer="",
                    scope=Scope(tenant=approval.scope.tenant),
                    expires_at=min(approval.expires_at, moment),
                    erased_at=moment,
                )
        return counts | {"effects": len(mine), "approvals": len(asked)}


def _spender(effect: EffectRecord) -> tuple[str | None, str, str]:
    """Whose ceilings an effect counts towards; an erased one too."""
    return effect.scope.tenant, effect.agent, effect.tool
