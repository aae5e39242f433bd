"""Runs, events, effects and approvals for tests of journals."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tercet.memory.journal.records import Ceiling, NewApproval, NewEffect, NewEvent, NewRun
from tercet.records import Scope

NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)
ACME = Scope(tenant="acme")
ADA = Scope(tenant="acme", user="ada")
BOB = Scope(tenant="acme", user="bob")
DAY = timedelta(days=1)


def later(seconds: float) -> datetime:
    """Some seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def new_run(run: str = "run-1", *, scope: Scope = ADA, agent: str = "helper", **rest: str) -> NewRun:
    """A run on behalf of Ada."""
    return NewRun(id=run, scope=scope, agent=agent, **rest)


def said(*texts: str, body: str = "{}", kind: str = "said", span: str = "s1", seconds: float = 0) -> NewEvent:
    """An event with texts."""
    return NewEvent(kind=kind, body=body, texts=texts, span=span, parent="s0", at=later(seconds))


def payment(key: str = "pay-1", value: str = "999.00", **fields: Any) -> NewEffect:  # noqa: ANN401  # of NewEffect
    """An effect of the tool ``pay`` on behalf of Ada."""
    given: dict[str, Any] = {
        "run": "run-1",
        "call": "call-1",
        "agent": "helper",
        "tool": "pay",
        "scope": ADA,
        "arguments_hash": "ab",
    }
    return NewEffect(key=key, amounts={"value": Decimal(value)}, **given | fields)


def ceiling(limit: str = "1000.00", *, window: timedelta = DAY, **fields: Any) -> Ceiling:  # noqa: ANN401  # of Ceiling
    """A threshold on what the tool ``pay`` spends."""
    given: dict[str, Any] = {"name": "pay: value", "measure": "value", "tools": ("pay",)}
    return Ceiling(limit=Decimal(limit), window=window, **given | fields)


def question(approval: str = "approval-1", **fields: Any) -> NewApproval:  # noqa: ANN401  # of NewApproval
    """A call that waits for a person for an hour after noon."""
    given: dict[str, Any] = {
        "run": "run-1",
        "call": "call-1",
        "agent": "helper",
        "tool": "pay",
        "scope": ADA,
        "arguments": '{"to":"bob"}',
        "arguments_hash": "ab",
        "policy_version": "3",
        "reason": "above 1,000.00",
        "evidence": '["tried twice"]',
        "expires_at": later(3600),
    }
    return NewApproval(id=approval, **given | fields)
