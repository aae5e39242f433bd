"""Approvals in SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, or_, update

from tercet.memory.journal.checks import (
    checked_approval,
    checked_decision,
    microseconds,
    state_at,
    undecided,
    unknown_approval,
)
from tercet.memory.journal.records import ApprovalRecord
from tercet.memory.journal.statements import Part, Statement
from tercet.memory.journal.visible import scope_in, visible, with_scope
from tercet.memory.schema import approvals
from tercet.memory.working.records import from_microseconds

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection

    from tercet.memory.database import Database
    from tercet.memory.journal.records import ApprovalState, NewApproval
    from tercet.records import AnyScope, Scope

_UNSET = ("id", "edited_arguments", "decided_at", "erased_at")
"""Columns of an approval that has just been asked for."""


class Approvals(Part):
    """The part of the journal that keeps approvals."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        super().__init__(database, clock=clock)
        columns = approvals.c
        given = [one.name for one in columns if one.name not in _UNSET]
        self._ask = Statement(database, database.upsert(approvals, conflict=["approval_id"]), columns=given)
        mine = (columns.approval_id == bindparam("key"), columns.expires_at > bindparam("moment"))
        decide = update(approvals).where(*mine, columns.state == "pending")
        said = ("state", "approver", "decided_at", "edited_arguments", "answer")
        self._decide = Statement(database, decide.values({name: bindparam(f"new_{name}") for name in said}))
        use = update(approvals).where(*mine, columns.state == bindparam("approved", "approved"))
        self._use = Statement(database, use.values(state=bindparam("used", "used")))
        self._read_approval = Statement(database, with_scope(approvals).where(columns.approval_id == bindparam("key")))

    def ask(self, approval: NewApproval, *, at: datetime) -> ApprovalRecord:
        """See ``Journal.ask``."""
        checked_approval(approval)
        moment, expires = microseconds(at), microseconds(approval.expires_at)
        with self._database.write() as connection:
            self._ask.change(
                connection,
                approval_id=approval.id,
                run=approval.run,
                call=approval.call,
                agent=approval.agent,
                tool=approval.tool,
                scope_id=self._place(connection, approval.scope),
                tenant=approval.scope.tenant or "",
                arguments=approval.arguments,
                arguments_hash=approval.arguments_hash,
                policy_version=approval.policy_version,
                reason=approval.reason,
                evidence=approval.evidence,
                state="pending",
                asked_at=moment,
                expires_at=expires,
                approver="",
                answer="",
            )
            return self._approval(connection, approval.id, moment)

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
        with self._database.write() as connection:
            changed = self._decide.change(
                connection,
                key=approval,
                moment=moment,
                new_state="approved" if approved else "denied",
                new_approver=approver,
                new_decided_at=moment,
                new_edited_arguments=edited_arguments,
                new_answer=answer,
            )
            found = self._approval(connection, approval, moment)
            if changed == 0:
                raise undecided(approval, found.state)
        return found

    def use(self, approval: str, *, at: datetime) -> bool:
        """See ``Journal.use``."""
        moment = microseconds(at)
        with self._database.write() as connection:
            if self._use.change(connection, key=approval, moment=moment) == 1:
                return True
            self._approval(connection, approval, moment)  # or there is none
        return False

    def approval(self, approval: str, *, at: datetime | None = None) -> ApprovalRecord:
        """See ``Journal.approval``."""
        moment = microseconds(at or self._clock())
        with self._database.read() as connection:
            return self._approval(connection, approval, moment)

    def approvals(
        self, *, scope: Scope | AnyScope, state: ApprovalState | None = None, at: datetime
    ) -> list[ApprovalRecord]:
        """See ``Journal.approvals``."""
        moment = microseconds(at)
        query = with_scope(approvals).where(visible(approvals, scope)).order_by(approvals.c.asked_at, approvals.c.id)
        if state is not None:
            query = query.where(_in_state(state, moment))
        with self._database.read() as connection:
            return [_record(row, moment) for row in connection.execute(query)]

    def _approval(self, connection: Connection, approval: str, at: int) -> ApprovalRecord:
        row = self._read_approval.first(connection, key=approval)
        if row is None:
            raise unknown_approval(approval)
        return _record(row, at)


def _in_state(state: ApprovalState, at: int) -> ColumnElement[bool]:
    """The same as ``state_at``, for the database."""
    columns = approvals.c
    open_still = or_(columns.state == "pending", columns.state == "approved")
    if state == "expired":
        return and_(open_still, columns.expires_at <= at)
    return and_(columns.state == state, or_(~open_still, columns.expires_at > at))


def _record(row: Any, at: int) -> ApprovalRecord:  # noqa: ANN401  # a row of with_scope
    return ApprovalRecord(
        id=row.approval_id,
        run=row.run,
        call=row.call,
        agent=row.agent,
        tool=row.tool,
        scope=scope_in(row),
        arguments=row.arguments,
        edited_arguments=row.edited_arguments,
        arguments_hash=row.arguments_hash,
        policy_version=row.policy_version,
        reason=row.reason,
        evidence=row.evidence,
        state=state_at(row.state, row.expires_at, at),
        asked_at=from_microseconds(row.asked_at),
        expires_at=from_microseconds(row.expires_at),
        approver=row.approver,
        decided_at=None if row.decided_at is None else from_microseconds(row.decided_at),
        answer=row.answer,
        erased_at=None if row.erased_at is None else from_microseconds(row.erased_at),
    )
