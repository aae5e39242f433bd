"""What every ``Journal`` must do, as tests to inherit. Needs pytest."""
# ruff: noqa: D102 - the name of a test says what it shows

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tercet.errors import ClaimLostError, InputError, StateError
from tercet.memory.journal.records import Journal, NewEvent, NewRun
from tercet.records import Scope
from tercet.testing.journal_approvals import ApprovalConformance
from tercet.testing.journal_effects import EffectConformance

NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)
ACME = Scope(tenant="acme")
ADA = Scope(tenant="acme", user="ada")
BOB = Scope(tenant="acme", user="bob")


def event(kind: str = "said", body: str = "{}", *texts: str, seconds: float = 0, **rest: Any) -> NewEvent:  # noqa: ANN401  # fields
    """An event some seconds after noon."""
    return NewEvent(kind=kind, body=body, texts=texts, at=NOON + timedelta(seconds=seconds), **rest)


def new_run(run: str = "run-1", scope: Scope = ADA, **rest: str) -> NewRun:
    """A run of the agent ``helper``."""
    return NewRun(id=run, scope=scope, agent=rest.pop("agent", "helper"), **rest)
