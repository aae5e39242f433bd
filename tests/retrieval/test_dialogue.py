"""Whole conversations: what a context knows at every turn, and what all turns together cost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import BaseModel

from tercet import ContextBuilder, ContextConfig, Memory, Scope
from tercet.testing import HashEmbedder

START = datetime(2026, 5, 10, 8, tzinfo=UTC)
ADA = Scope(tenant="acme", user="ada")


class Rule(BaseModel):
    text: str


class Clock:
    """Moves on by a minute a turn."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def turn(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def memory(tmp_path: Path, clock: Clock) -> Iterator[Memory]:
    with Memory.open(tmp_path / "memory", embedder=HashEmbedder(), clock=clock) as opened:
        yield opened


ANSWERS = {"delivery address": "Oslo", "invoice number": "INV-4711", "preferred colour": "green"}
LATER = {"delivery address": "Bergen", "preferred colour": "blue"}


def test_what_was_answered_is_known_at_every_later_turn_and_the_last_answer_is_the_only_one(
    memory: Memory, clock: Clock
) -> None:
    """S1.26: an agent that asks only for what its context lacks asks for each thing once."""
    builder = ContextBuilder(memory)
    asked: list[str] = []
    current: dict[str, str] = {}

    def answer(subject: str, value: str) -> None:
        said = f"The {subject} of Ada is {value}."
        memory.episodic.record(said, scope=ADA, actor="ada", kind="fact", subject=subject, occurred_at=clock.turn())
        current[subject] = value

    for turn in range(30):
        if turn == 15:  # she changes her mind, unasked
            for subject, value in LATER.items():
                answer(subject, value)
        subject = list(ANSWERS)[turn % len(ANSWERS)]
        context = builder.build(f"What is the {subject} of Ada?", scope=ADA).text
        if f"The {subject} of Ada is" not in context:
            asked.append(subject)
            answer(subject, ANSWERS[subject])
            continue
        assert f"The {subject} of Ada is {current[subject]}." in context
        outdated = {ANSWERS[one] for one in LATER if current.get(one) == LATER[one]}
        assert not [value for value in outdated if value in context]

    assert asked == list(ANSWERS)


def test_the_tokens_of_a_conversation_grow_with_its_length_and_not_with_its_square(
    memory: Memory, clock: Clock
) -> None:
    """S2.42, S1.06: each turn asks with what is relevant, and with the constraints of the start as they were set."""
    rule = Rule(text="  Never order from the first supplier.\n\tAsk  twice above 500 €. ")
    memory.working.create(rule, key="task", scope=ADA, actor="planner", constraints=("text",))
    builder = ContextBuilder(memory, config=ContextConfig(budget=200))
    count = builder.counter.count
    sent, whole, said = [], [], ""
    constraints = builder.build("anything", scope=ADA).prefix
    assert json.dumps(rule.text, ensure_ascii=False) in constraints
    for turn in range(100):
        question = f"Which part did we order for machine {turn % 20}?"
        text = (
            f"For machine {turn % 20} we ordered part {turn}-{turn * 37 % 101} from the second supplier on day {turn}."
        )
        context = builder.build(question, scope=ADA)
        assert context.text.startswith(constraints)
        sent.append(count(context.text) + count(question))
        whole.append(count(f"{said}\n{question}"))
        said = f"{said}\n{question}\n{text}"
        memory.episodic.record(text, scope=ADA, actor="ada", occurred_at=clock.turn())
        if turn >= 20:
            assert f"For machine {turn % 20} we ordered" in context.text

    assert sum(whole) > 3.5 * sum(whole[:50])  # what sending everything costs
    assert sum(sent) < 2.3 * sum(sent[:50])
    assert sum(sent) < 0.25 * sum(whole)
