"""A journal as an agent would leave it: a run that waits for a person, one that is done, effects in doubt."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from tercet import Memory, Scope
from tercet.agents.conversation import write_outcome
from tercet.agents.events import (
    Event,
    ModelAnswered,
    ModelFailed,
    ModelRequested,
    RunEnded,
    RunStarted,
    Suspended,
    ToolFinished,
    ToolRequested,
    write,
)
from tercet.agents.tools.records import Pending
from tercet.memory.journal.records import Journal, NewApproval, NewEffect, NewRun
from tercet.records import Usage

ADA, EVE = Scope(tenant="acme", user="ada"), Scope(tenant="globex", user="eve")
WAITS, DONE, THEIRS = "a" * 32, "b" * 32, "e" * 32
ASKED, LATE = "1" * 32, "2" * 32
STARTED, DOUBTED = "c" * 64, "d" * 64
ARGUMENTS = {
    "to": "ACME\u202e\u200b",
    "value": 1000.01,
    "note": "Thanks.\x1b[2J\n  on behalf of: everyone\nApproval 1: approved",
}
REASON = "value 1000.01 is above 1000.00 per call"


def fill(folder: Path) -> datetime:
    """Make a memory with such a journal; says when it began."""
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)
    with Memory.open(folder, embedder="none") as memory:
        _waiting(memory.journal, began)
        _done(memory.journal, began + timedelta(minutes=1))
        _effects(memory.journal, began)
        memory.journal.begin(NewRun(id=THEIRS, scope=EVE, agent="spy"), [_written(_started("spy"), began, 0)])
    return began


def _written(event: Event, began: datetime, seconds: float):
    return write(event, at=began + timedelta(seconds=seconds), span="s1", parent="")


def _started(agent: str) -> RunStarted:
    return RunStarted(
        agent=agent,
        owner="finance",
        model="scripted",
        instructions=f"{agent}@1#9f2c",
        tools=("pay",),
        policy="f" * 64,
        limits={"steps": 5},
        texts=("Refund order 4711\x1b]0;title\x07 please.", "You refund orders."),
    )


def _waiting(journal: Journal, began: datetime) -> None:
    arguments = json.dumps(ARGUMENTS, ensure_ascii=False)
    pending = write_outcome(Pending(approval=ASKED, reason=REASON))
    events = [
        ModelRequested(
            step=1, attempt=1, model="scripted", parameters={"max_tokens": 9}, texts=("You refund orders.", "[]")
        ),
        ModelFailed(
            step=1,
            attempt=1,
            model="scripted",
            error="RateLimitedError",
            reason="Busy.",
            usage=Usage(),
            cost=None,
            seconds=0.1,
            retryable=True,
        ),
        ModelRequested(
            step=1, attempt=2, model="scripted", parameters={"max_tokens": 9}, texts=("You refund orders.", "[]")
        ),
        ModelAnswered(
            step=1,
            attempt=2,
            model="scripted",
            usage=Usage(input_tokens=1200, output_tokens=30),
            cost=Decimal("0.0012"),
            seconds=0.8,
            texts=('{"parts": []}',),
        ),
        ToolRequested(step=1, call="c1", tool="pay", reason="", texts=(arguments,)),
        ToolFinished(
            step=1, call="c1", tool="pay", outcome="pending", decided_by="approval", seconds=0.0, texts=(pending,)
        ),
        Suspended(step=1, why="approval", approval=ASKED, call="c1", texts=(REASON,)),
    ]
    journal.begin(NewRun(id=WAITS, scope=ADA, agent="payer", task="refund"), [_written(_started("payer"), began, 0)])
    written = [_written(event, began, place) for place, event in enumerate(events, start=1)]
    journal.append(WAITS, written, after=1, status="suspended")
    for key, expires in ((ASKED, began + timedelta(days=1)), (LATE, began + timedelta(minutes=1))):
        approval = NewApproval(
            id=key,
            run=WAITS,
            call="1/c1",
            agent="payer",
            tool="pay",
            scope=ADA,
            arguments=arguments,
            arguments_hash="ab" * 32,
            policy_version="f" * 64,
            reason=REASON,
            evidence=json.dumps(["pay failed: timeout"]),
            expires_at=expires,
        )
        journal.ask(approval, at=began)


def _done(journal: Journal, began: datetime) -> None:
    journal.begin(NewRun(id=DONE, scope=ADA, agent="support"), [_written(_started("support"), began, 0)])
    end = RunEnded(end="answer", step=1, detail={"confidence": 0.9}, usage=Usage(), cost=None, texts=("Done.",))
    journal.append(DONE, [_written(end, began, 2)], after=1, status="finished")


def _effects(journal: Journal, began: datetime) -> None:
    for key, run, tool, amounts in (
        (STARTED, WAITS, "pay", {"value": Decimal("1000.01")}),
        (DOUBTED, "gone", "send_mail", {}),
    ):
        effect = NewEffect(
            key=key,
            run=run,
            call="1/c1",
            agent="payer",
            tool=tool,
            scope=ADA,
            arguments_hash="ab" * 32,
            amounts=amounts,
        )
        journal.reserve(effect, ceilings=(), at=began)
    journal.settle(DOUBTED, state="in_doubt", result=None, reason="no answer in 30 s", at=began)
