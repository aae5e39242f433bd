"""The budget of a context, for any stores, question, budget and counter."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from tercet import ContextBuilder, ContextConfig, Document, Memory, Scope, Turn, ingest
from tercet.errors import BudgetError
from tercet.models.counters import resolve_counter
from tercet.models.tokens import TextCounter
from tercet.retrieval.context_records import STORES
from tercet.testing import HashEmbedder

NOW = datetime(2026, 5, 10, 12, tzinfo=UTC)
WORDS = (
    *("key", "rotate", "queue", "broker", "token", "chunk", "memory", "budget", "agent", "plan", "never"),
    *("42", "E4711", "pl.read_csv", "`code`", "weiß", "記憶", "🔑"),
)
SCOPES = (Scope(), Scope(tenant="acme"), Scope(tenant="acme", user="ada"), Scope(tenant="rival", user="bob"))


class Plan(BaseModel):
    rule: str
    steps: list[str]


class Quarters:
    name = "quarters"

    def count(self, text: str) -> int:
        return -(-len(text) // 4)


class Words:
    name = "words"

    def count(self, text: str) -> int:
        return len(text.split())


class Erratic:
    """Neither additive nor monotone: what a tokenizer must not be, and a budget still has to survive."""

    name = "erratic"

    def count(self, text: str) -> int:
        return len(text) // 3 + crc32(text.encode()) % 40 if text else 0


COUNTERS: tuple[TextCounter, ...] = (Quarters(), Words(), Erratic(), resolve_counter())


def prose(chance: random.Random) -> str:
    sentences = (
        " ".join(chance.choices(WORDS, k=chance.randint(3, 14))).capitalize() + "."
        for _ in range(chance.randint(1, 12))
    )
    return " ".join(sentences)


@pytest.fixture(
    scope="module", params=[pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(3, marks=pytest.mark.slow)]
)
def memory(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Memory]:
    chance = random.Random(request.param)
    folder: Path = tmp_path_factory.mktemp("context")
    with Memory.open(folder / "memory", embedder=HashEmbedder(), clock=lambda: NOW) as opened:
        for tenant in ("", "acme", "rival"):
            count = chance.randint(0, 6)
            documents = [
                Document(uri=f"{tenant}-{n}", text=f"# {chance.choice(WORDS)}\n\n{prose(chance)}") for n in range(count)
            ]
            if documents:
                ingest(documents=documents, into=opened, tenant=tenant, chunker="structural")
        for number, scope in enumerate(SCOPES):
            for place in range(chance.randint(0, 3)):
                plan = Plan(rule=prose(chance), steps=[prose(chance) for _ in range(chance.randint(0, 3))])
                constraints = ("rule",)[: chance.randint(0, 1)]
                opened.working.create(plan, key=f"plan{place}", scope=scope, actor="planner", constraints=constraints)
            turns = [
                Turn(actor=chance.choice(("ada", "bot")), text=prose(chance), occurred_at=NOW - timedelta(hours=n))
                for n in range(chance.randint(0, 8))
            ]
            if turns:
                opened.episodic.record_turns(turns, scope=scope, conversation=f"c{number}")
        yield opened


questions = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join)
shares = st.sampled_from([(0.2, 0.3, 0.5), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1), (0.01, 0.5, 0)])


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_context_never_has_more_tokens_than_its_budget_and_the_report_adds_up(
    memory: Memory, data: st.DataObject
) -> None:
    """Part of S1.09: the contexts of all stores, by any counter; what else a request holds is not in them."""
    working, episodic, semantic = data.draw(shares)
    config = ContextConfig(
        working_share=working, episodic_share=episodic, semantic_share=semantic, expand=data.draw(st.booleans())
    )
    builder = ContextBuilder(memory, counter=data.draw(st.sampled_from(COUNTERS)), config=config)
    scope, question, budget = data.draw(st.sampled_from(SCOPES)), data.draw(questions), data.draw(st.integers(0, 1500))
    try:
        context = builder.build(question, scope=scope, budget=budget)
    except BudgetError:
        smallest = builder.build(question, scope=scope, budget=10**6).prefix
        assert builder.counter.count(smallest) > budget
        return
    assert builder.counter.count(context.text) == context.tokens <= budget
    assert sum(one.tokens for one in context.report.candidates) == context.tokens
    assert context.text == "\n\n".join(f"{item.label}\n{item.text}" for item in context.items)
    assert context == builder.build(question, scope=scope, budget=budget)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_larger_budget_keeps_all_that_a_smaller_one_keeps(memory: Memory, data: st.DataObject) -> None:
    builder = ContextBuilder(memory, counter=data.draw(st.sampled_from(COUNTERS)))
    scope, question = data.draw(st.sampled_from(SCOPES)), data.draw(questions)
    budgets = sorted(data.draw(st.lists(st.integers(0, 1200), min_size=2, max_size=5)))
    before: set[tuple[str, tuple[int, int]]] = set()
    for budget in budgets:
        try:
            context = builder.build(question, scope=scope, budget=budget)
        except BudgetError:
            assert not before
            continue
        kept = {(item.id, span) for item in context.items for span in item.spans}
        assert before <= kept
        before = kept


@settings(max_examples=40, deadline=None)
@given(question=questions, scope=st.sampled_from(SCOPES), budget=st.integers(0, 1200))
def test_what_another_scope_owns_never_enters(memory: Memory, question: str, scope: Scope, budget: int) -> None:
    try:
        context = ContextBuilder(memory, counter=Quarters()).build(question, scope=scope, budget=budget)
    except BudgetError:
        return
    seen = {episode.id for episode in memory.episodic.timeline(scope)}
    for one in context.report.candidates:
        assert one.store in STORES
        if one.store == "episodic":
            assert one.id in seen
        if one.store == "semantic":
            assert one.source.split("-")[0] in {"", scope.tenant}
