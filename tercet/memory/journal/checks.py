"""What every journal asks of what it is given, and of whoever reads it. No database here."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import TYPE_CHECKING, cast, get_args

from tercet.errors import ClaimLostError, InputError, StateError
from tercet.memory.journal.records import RunStatus
from tercet.memory.working.records import to_microseconds
from tercet.records import AnyScope, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from tercet.memory.journal.records import ApprovalState, Ceiling, NewApproval, NewEffect, NewRun

MAX_NAME = 1_000
MAX_AMOUNT = Decimal(10**15)
BILLION = 10**9
_EXACT = Context(prec=60)
_LONG_AGO = -(2**62)
"""Microseconds before the epoch: older than any effect."""


def checked_texts(**texts: str) -> None:
    """Texts that both databases can keep, and UTF-8 can say.

    Raises:
        InputError: One holds NUL or a lone surrogate, or is no text.
    """
    for what, text in texts.items():
        if not isinstance(text, str):
            raise InputError(f"The {what} of a journal's record must be a text, got {type(text).__name__}.")
        if "\0" in text:
            raise nul(what, text)
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise surrogate(what, error) from None


def checked_names(**names: str) -> None:
    """Names and ids: texts that are not empty, nor long."""
    checked_texts(**names)
    for what, name in names.items():
        if not name or len(name) > MAX_NAME:
            raise InputError(f"The {what} must be a text of 1 to {MAX_NAME} characters, got {name[:60]!r}.")


def checked_scope(scope: Scope) -> None:
    """Records are written in one scope; ``Scope.any`` names many."""
    if not isinstance(scope, Scope):
        raise InputError(f"A record is in one scope, and {scope} is not one.", remedy="Give a Scope(tenant=…, user=…).")
    checked_texts(**{f"scope's {name}": part for name, part in zip(FIELDS, parts(scope), strict=True)})


FIELDS = ("tenant", "user", "agent", "session")


def parts(scope: Scope) -> tuple[str, str, str, str]:
    """The fields of a scope as they are kept: empty where they are not set."""
    return scope.tenant or "", scope.user or "", scope.agent or "", scope.session or ""


def nul(what: str, text: str) -> InputError:
    """What is said of a text that holds NUL."""
    return InputError(
        f"The {what} holds a NUL character: {text[:60]!r}.", remedy="Remove it; databases cannot keep it in text."
    )


def surrogate(what: str, error: UnicodeEncodeError) -> InputError:
    """What is said of a text that is not Unicode."""
    return InputError(
        f"The {what} holds a lone surrogate at character {error.start}.",
        remedy="Decode its source with errors='replace'.",
    )


def microseconds(moment: datetime) -> int:
    """Microseconds since the epoch.

    Raises:
        InputError: The moment does not know its time zone.
    """
    try:
        return to_microseconds(moment)
    except TypeError:
        raise InputError(f"The time {moment} has no time zone.", remedy="Use datetime.now(UTC).") from None


def sees(reader: Scope | AnyScope, owner: Scope, *, erased: bool) -> bool:
    """Whether a reader sees a record; what is left of an erased one only who sees all of its tenant."""
    if erased and (isinstance(reader, Scope) or reader.user or reader.agent or reader.session):
        return False
    return reader.sees(owner)


# -- runs --------------------------------------------------------------------------------------------------------------


def checked_run(run: NewRun) -> None:
    """A run that can be kept."""
    checked_names(id=run.id, agent=run.agent)
    checked_texts(task=run.task, parent=run.parent, root=run.root, replays=run.replays)
    checked_scope(run.scope)


def checked_status(status: str) -> None:
    """One of the states that a run can be in."""
    if status not in get_args(RunStatus):
        raise InputError(f"A run is never {status!r}.", remedy=f"It is one of {', '.join(get_args(RunStatus))}.")


def checked_limit(limit: int) -> None:
    """How many runs are wanted."""
    if limit < 1:
        raise InputError(f"limit must be at least 1, got {limit}.")


def unknown_run(run: str) -> InputError:
    """There is no such run."""
    return InputError(f"The journal has no run {run!r}.", remedy="Check the id, and the memory.")


def known_run(run: str) -> InputError:
    """There is one already."""
    return InputError(f"The journal has a run {run!r} already.", remedy="Give each run an id of its own.")


def not_appended(run: str, after: int, events: int, *, erased: bool) -> StateError | ClaimLostError:
    """Why nothing was added to a run."""
    if erased:
        return StateError(f"The run {run!r} was erased; nothing is added to it any more.", remedy="Begin another run.")
    return ClaimLostError(
        f"The run {run!r} has {events} events, not {after}: another process goes on with it; nothing was written.",
        remedy="Leave it to the other process, or read the run again and resume from there.",
    )


# -- effects -----------------------------------------------------------------------------------------------------------


def in_billionths(amount: Decimal, what: str) -> int:
    """An amount as an integer that adds up exactly.

    Raises:
        InputError: It is no Decimal, negative, not finite, too large, or has more than nine decimal places.
    """
    if not isinstance(amount, Decimal) or not amount.is_finite():
        raise InputError(f"The amount {what!r} must be a finite Decimal, got {amount!r}.")
    exponent = amount.as_tuple().exponent
    if not 0 <= amount < MAX_AMOUNT or not isinstance(exponent, int) or exponent < -9:
        raise InputError(
            f"The amount {what!r} must lie between 0 and {MAX_AMOUNT:,} and have at most nine decimal places, "
            f"got {amount}.",
            remedy="Round it; a refund is no negative amount, but an effect of another tool.",
        )
    return int(amount.scaleb(9, _EXACT))


def from_billionths(value: int) -> Decimal:
    """The amount, without zeros at its end.

    Example:
        >>> from_billionths(1_000_010_000_000)
        Decimal('1000.01')
    """
    whole, rest = divmod(value, BILLION)
    return Decimal(f"{whole}.{rest:09}".rstrip("0").rstrip("."))


def window_start(ceiling: Ceiling, at: int) -> int:
    """Effects count that started later than this."""
    return max(at - ceiling.window // ceiling.window.resolution, _LONG_AGO)


def first_exceeded(
    ceilings: Sequence[Ceiling], effect: NewEffect, spent: Callable[[Ceiling], int]
) -> tuple[Ceiling | None, Decimal]:
    """The first ceiling that an effect would pass, and what its window would come to; else the last window's total.

    Args:
        ceilings: In the order in which they are looked at.
        effect: What is wanted.
        spent: What a window adds up to already, in billionths.
    """
    total = Decimal(0)
    for ceiling in ceilings:
        own = in_billionths(effect.amounts.get(ceiling.measure, Decimal(0)), ceiling.measure)
        total = from_billionths(spent(ceiling) + own)
        if total > ceiling.limit:
            return ceiling, total
    return None, total


def checked_effect(effect: NewEffect, ceilings: Sequence[Ceiling]) -> dict[str, int]:
    """An effect that can be kept; returns its amounts in billionths."""
    checked_names(key=effect.key, run=effect.run, agent=effect.agent, tool=effect.tool)
    checked_texts(call=effect.call, arguments_hash=effect.arguments_hash)
    checked_scope(effect.scope)
    for ceiling in ceilings:
        if not ceiling.limit.is_finite():
            raise InputError(f"The limit of {ceiling.name!r} must be a finite Decimal, got {ceiling.limit}.")
    for measure in effect.amounts:
        checked_names(measure=measure)
    return {measure: in_billionths(amount, measure) for measure, amount in effect.amounts.items()}


def checked_settlement(state: str, result: str | None, reason: str) -> None:
    """An end of an effect that can be kept."""
    if state not in ("done", "failed", "in_doubt"):
        raise InputError(f"An effect does not end {state!r}.", remedy="It is done, failed or in_doubt.")
    checked_texts(result=result or "", reason=reason)


def unsettled(key: str, state: str | None) -> InputError | StateError:
    """Why the end of an effect was not written down."""
    if state is None:
        return InputError(f"The ledger has no effect {key!r}.", remedy="Reserve it first.")
    return StateError(
        f"The effect {key!r} is {state}, no longer open; nothing was changed.", remedy="Look at it with effect()."
    )


# -- approvals ---------------------------------------------------------------------------------------------------------


def checked_approval(approval: NewApproval) -> None:
    """A question to a person that can be kept."""
    checked_names(id=approval.id, run=approval.run, agent=approval.agent, tool=approval.tool)
    checked_texts(
        call=approval.call,
        arguments=approval.arguments,
        arguments_hash=approval.arguments_hash,
        policy_version=approval.policy_version,
        reason=approval.reason,
        evidence=approval.evidence,
    )
    checked_scope(approval.scope)


def state_at(state: str, expires_at: int, at: int) -> ApprovalState:
    """The state of an approval at some time: what was not used in time has expired.

    Example:
        >>> state_at("approved", 5, 4), state_at("approved", 5, 5), state_at("denied", 5, 6)
        ('approved', 'expired', 'denied')
    """
    return "expired" if state in ("pending", "approved") and expires_at <= at else cast("ApprovalState", state)


def unknown_approval(approval: str) -> InputError:
    """There is no such approval."""
    return InputError(f"There is no approval {approval!r}.", remedy="List them with `tercet approvals list`.")


def undecided(approval: str, state: str) -> StateError:
    """Why a decision was not written down."""
    return StateError(
        f"The approval {approval!r} is {state}, no longer pending; nothing was changed.",
        remedy="Ask again if the call is still wanted.",
    )


def checked_decision(approver: str, edited_arguments: str | None, answer: str, *, approved: bool) -> None:
    """A decision that can be kept."""
    checked_names(approver=approver)
    checked_texts(answer=answer, edited_arguments=edited_arguments or "")
    if edited_arguments is not None and not approved:
        raise InputError(
            "A call that is denied has no edited arguments.", remedy="Approve it with them, or leave them."
        )
