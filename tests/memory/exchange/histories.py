"""Memories of people, as a person or a generator would make them, in several scopes."""

from __future__ import annotations

import io
import random
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel

from tercet import Memory, Scope, Turn

SCOPES = [
    Scope(),
    Scope(tenant="acme"),
    Scope(tenant="acme", user="ada"),
    Scope(tenant="acme", user="ada", session="s1"),
    Scope(tenant="globex", user="ada"),
]
EVERYBODY = Scope.any()
START = datetime(2024, 5, 6, 8, tzinfo=UTC)
TEXTS = [
    "Ada lives in Oslo",
    "Ada lives in Bergen",
    "ada lives in  Oslo.",
    "The printer on the second floor is broken",
    "The printer on the second floor is broken again",
    "Zug nach Zürich 🚆 um 9:15\nund zurück\u2028gestern",
]


class Plan(BaseModel):
    """A working document."""

    goal: str
    budget: float = 1.0
    steps: list[str] = []


def fill(memory: Memory, seed: int, size: int = 40) -> None:
    """Do ``size`` things, the same ones for the same seed."""
    choose = random.Random(seed)
    made: list[tuple[Scope, str]] = []
    events: list[tuple[Scope, int]] = []
    for number in range(size):
        scope = choose.choice(SCOPES)
        own = [key for owner, key in made if owner == scope]
        what = choose.choice(["fact", "fact", "fact", "turns", "plan", "change", "event", "undo", "delete", "request"])
        if what == "fact":
            when = None if choose.random() < 0.3 else START + timedelta(days=choose.randrange(9))
            result = memory.episodic.record(
                choose.choice(TEXTS),
                scope=scope,
                actor=choose.choice(["ada", "bob"]),
                kind=choose.choice(["fact", "fact", "summary"]),
                occurred_at=when,
                importance=choose.choice([0, 0.3, 1]),
                entities=choose.sample(["Oslo", "oslo", "Ada"], choose.randrange(3)),
                derived_from=choose.sample(own, min(len(own), choose.randrange(3))),
                pinned=choose.random() < 0.2,
                expires_at=None if choose.random() < 0.8 else START + timedelta(days=1),
                metadata={"n": number, "tags": ["a", 1.5, True]} if choose.random() < 0.3 else {},
                embed=choose.random() < 0.5,
            )
            made.append((scope, result.id))
            if result.event is not None:
                events.append((scope, result.event))
        elif what == "turns":
            turns = [Turn(actor="ada", text=f"turn {number} {n} yesterday", occurred_at=START) for n in range(3)]
            made += [
                (scope, key) for key in memory.episodic.record_turns(turns, scope=scope, conversation=f"c{number}")
            ]
        elif what == "event" and own:
            key = choose.choice(own)
            change = choose.choice([memory.episodic.retract, memory.episodic.pin, memory.episodic.unpin])
            events.append((scope, change(key, scope=scope, actor="ada", reason="because")))
        elif what == "undo" and events:
            owner, event = events.pop(choose.randrange(len(events)))
            events.append((owner, memory.episodic.undo(event, scope=owner)))
        else:
            work(memory, what, scope, number, choose)
    for scope in SCOPES:
        for review in memory.episodic.reviews(scope):
            if review.first.scope == scope and choose.random() < 0.5:
                memory.episodic.reject_merge(review.id, scope=scope)


def work(memory: Memory, what: str, scope: Scope, number: int, choose: random.Random) -> None:
    """Do something with a working document."""
    working = memory.working
    mine = [one for one in working.documents(EVERYBODY) if one.scope == scope]
    if what == "plan" or not mine:
        working.create(
            Plan(goal=f"goal {number} é"),
            key=f"plan {number}",
            scope=scope,
            actor="planner",
            owners={"steps": "writer"},
            constraints=["goal"],
            trust=choose.choice(["user", "external"]),
        )
        return
    one = choose.choice(mine)
    place = {"key": one.key, "scope": scope}
    if what == "delete":
        working.delete(**place, read_version=one.version, actor="planner")
    elif what == "request":
        asked = [{"op": "add", "path": "/steps/-", "value": f"step {number}"}]
        request = working.request_change(Plan, asked, **place, read_version=one.version, actor="planner")
        if choose.random() < 0.7:
            working.accept(Plan, request.id, scope=scope, read_version=one.version, actor="writer", answer="yes")
    else:
        working.update(Plan, lambda plan: plan.model_copy(update={"budget": number / 3}), **place, actor="planner")


def exported(memory: Memory, scope=EVERYBODY, **options) -> bytes:
    """The bytes of an export."""
    stream = io.BytesIO()
    memory.export(stream, scope=scope, **options)
    return stream.getvalue()


def imported(memory: Memory, data: bytes, scope=EVERYBODY, **options):
    """Import bytes."""
    return memory.import_(io.BytesIO(data), scope=scope, **options)
