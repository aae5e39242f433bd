"""Runs agents' steps in several threads for ever; says what was acknowledged. Killed by its test.

``journal_writer.py PLACE START``: lines are ``begun RUN``, ``run RUN EVENTS HASH``, ``effect KEY STATE``,
``approval ID STATE``, each said after the journal had it.
"""

from __future__ import annotations

import os
import random
import sys
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tercet import Scope
from tercet.memory.database import Database
from tercet.memory.journal.records import Ceiling, NewApproval, NewEffect, NewEvent, NewRun
from tercet.memory.journal.sql import SqlJournal

THREADS = 4
LIMIT = Decimal("500.00")
SPENDING = Ceiling(name="pay", measure="value", limit=LIMIT, window=timedelta(days=1), tools=("pay",))


def work(journal: SqlJournal, seed: int) -> None:
    """Begin runs, and take steps with an effect and an approval each."""
    choose = random.Random(seed)
    place = {"agent": "helper", "tool": "pay", "scope": Scope(tenant="acme", user=f"user {seed}"), "call": "c"}
    for number in range(10**9):
        run = f"{seed}-{number}"
        journal.begin(NewRun(id=run, scope=place["scope"], agent="helper"), [event("run.started", "task")])
        say(f"begun {run}")
        messages: list[str] = []
        for step in range(choose.randrange(1, 6)):
            messages += [f"{run} {step} " + "x" * choose.choice([5, 500, 9_000]), f"answer {choose.random()}"]
            events = [event("model.requested", *messages), event("model.answered", messages[-1])]
            status = choose.choice(["running", "running", "suspended"])
            added = journal.append(run, events, after=1 + 2 * step, status=status)
            say(f"run {run} {added[-1].number} {added[-1].hash}")
            act(journal, choose, f"{run}-{step}", place | {"run": run, "arguments_hash": "h"})


def act(journal: SqlJournal, choose: random.Random, key: str, place: dict[str, object]) -> None:
    """One effect, and one approval."""
    now = datetime.now(UTC)
    value = {"value": Decimal(choose.randrange(1, 300)) / 100}
    if journal.reserve(NewEffect(key=key, amounts=value, **place), ceilings=[SPENDING], at=now).new:
        say(f"effect {key} started")
        state = choose.choice(["done", "failed", "in_doubt"])
        journal.settle(key, state=state, result=f'"{key}"' if state == "done" else None, at=now)
        say(f"effect {key} {state}")
    expires = now + timedelta(hours=1)
    said = {"arguments": "{}", "policy_version": "1", "reason": "", "evidence": "[]", "expires_at": expires}
    journal.ask(NewApproval(id=key, **place, **said), at=now)
    say(f"approval {key} pending")
    approved = choose.random() < 0.7
    say(f"approval {key} {journal.decide(key, approved=approved, approver='eve', at=now).state}")
    if approved and journal.use(key, at=now):
        say(f"approval {key} used")


def event(kind: str, *texts: str) -> NewEvent:
    return NewEvent(kind=kind, body=f'{{"texts":{len(texts)}}}', texts=texts, at=datetime.now(UTC))


def say(line: str) -> None:
    """One whole line, in one write."""
    os.write(1, line.encode() + b"\n")


def fail(error: threading.ExceptHookArgs) -> None:
    """An error in one thread is an error of the writer."""
    threading.__excepthook__(error)
    os._exit(1)


if __name__ == "__main__":
    threading.excepthook = fail
    shared = SqlJournal(Database.open(sys.argv[1]))
    for offset in range(THREADS):
        threading.Thread(target=work, args=(shared, int(sys.argv[2]) + offset)).start()
