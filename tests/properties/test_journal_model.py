"""Whatever is done in whatever order, the journal in SQL does what the one in memory does, and its chains verify."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from tercet import Scope
from tercet.errors import TercetError
from tercet.memory.database import Database
from tercet.memory.journal.in_memory import InMemoryJournal
from tercet.memory.journal.records import EventRecord, Journal, RunRecord
from tercet.memory.journal.sql import SqlJournal
from tercet.testing.journal_records import ADA, BOB, ceiling, later, new_run, payment, question, said

RUNS = st.sampled_from(["a", "b", "c"])
NAMES = st.sampled_from(["x", "y", "z"])
SCOPES = st.sampled_from([ADA, BOB, Scope()])
TEXTS = st.lists(st.sampled_from(["", "one", "two", "three", "ü"]) | st.text(max_size=4), max_size=4)
EVENTS = st.lists(st.tuples(TEXTS, st.text(max_size=5)), max_size=3)
SECONDS = st.integers(0, 40)


class JournalModel(RuleBasedStateMachine):
    """Does everything to both journals, and to the one in SQL through two objects, as two processes do."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.database = Database.open(Path(self.folder.name) / "memory")
        self.model = InMemoryJournal(clock=lambda: later(0))
        self.real = [SqlJournal(self.database, clock=lambda: later(0)) for _ in range(2)]
        self.turn = 0

    def teardown(self) -> None:
        self.database.close()
        self.folder.cleanup()

    def same(self, call: Callable[[Journal], object]) -> None:
        self.turn += 1
        assert outcome(call, self.real[self.turn % 2]) == outcome(call, self.model)

    @rule(run=RUNS, scope=SCOPES, events=EVENTS, seconds=SECONDS)
    def begin(self, run, scope, events, seconds):
        self.same(lambda journal: journal.begin(new_run(run, scope=scope), made(events, seconds)))

    @rule(
        run=RUNS,
        events=EVENTS,
        seconds=SECONDS,
        off=st.sampled_from([0, 0, 0, 0, -1, 1]),
        status=st.sampled_from(["running", "running", "suspended", "finished"]),
        skip=st.booleans(),
    )
    def append(self, run, events, seconds, off, status, skip):
        self.turn += skip  # now and then the same object goes on, whose cache is fresh
        after = self.model._runs[run].tail.events + off if run in self.model._runs else off
        self.same(lambda journal: journal.append(run, made(events, seconds), after=after, status=status))

    @rule(run=RUNS, after=st.integers(0, 5))
    def read(self, run, after):
        self.same(lambda journal: journal.events(run, after=after))

    @rule(runs=st.lists(RUNS, max_size=2), seconds=SECONDS)
    @precondition(lambda self: self.turn % 3 == 0)  # else most runs are soon erased
    def erase(self, runs, seconds):
        self.same(lambda journal: journal.erase(runs, at=later(seconds)))

    @rule(key=NAMES, run=RUNS, scope=SCOPES, cents=st.integers(0, 900), limit=st.integers(0, 2_000), seconds=SECONDS)
    def reserve(self, key, run, scope, cents, limit, seconds):
        effect = replace(payment(key, run=run, scope=scope), amounts={"value": Decimal(cents) / 100})
        window = ceiling(str(Decimal(limit) / 100), window=later(20) - later(0))
        self.same(lambda journal: journal.reserve(effect, ceilings=[window], at=later(seconds)))

    @rule(key=NAMES, state=st.sampled_from(["done", "failed", "failed", "in_doubt"]), seconds=SECONDS)
    def settle(self, key, state, seconds):
        self.same(lambda journal: journal.settle(key, state=state, result="{}", reason="why", at=later(seconds)))

    @rule(approval=NAMES, run=RUNS, scope=SCOPES, seconds=SECONDS)
    def ask(self, approval, run, scope, seconds):
        asked = question(approval, run=run, scope=scope, expires_at=later(seconds + 15))
        self.same(lambda journal: journal.ask(asked, at=later(seconds)))

    @rule(approval=NAMES, approved=st.booleans(), edited=st.sampled_from([None, "{}"]), seconds=SECONDS)
    def decide(self, approval, approved, edited, seconds):
        said_so = {"approved": approved, "approver": "eve", "edited_arguments": edited, "at": later(seconds)}
        self.same(lambda journal: journal.decide(approval, **said_so))

    @rule(approval=NAMES, seconds=SECONDS)
    def use(self, approval, seconds):
        self.same(lambda journal: journal.use(approval, at=later(seconds)))

    @rule(reader=SCOPES | st.sampled_from([Scope.any(), Scope.any(tenant="acme"), Scope.any(user="ada")]), at=SECONDS)
    def list_all(self, reader, at):
        self.same(lambda journal: journal.runs(scope=reader))
        self.same(lambda journal: sorted(journal.effects(scope=reader), key=lambda one: one.key))
        self.same(lambda journal: journal.approvals(scope=reader, at=later(at)))
        self.same(lambda journal: journal.approvals(scope=reader, at=later(at), state="expired"))

    @invariant()
    def chains_verify(self):
        for run in self.model._runs:
            assert self.model.verify(run) == self.real[0].verify(run)
            assert self.model.verify(run).intact


def made(events, seconds):
    return [said(*texts, body=body, seconds=seconds + place) for place, (texts, body) in enumerate(events)]


def outcome(call: Callable[[Journal], object], journal: Journal) -> object:
    """What a call gives, without hashes, which are salted; or the error that it raises."""
    try:
        return unsalted(call(journal))
    except TercetError as error:
        return type(error), error.message


def unsalted(value: object) -> object:
    if isinstance(value, list | tuple):
        return [unsalted(one) for one in value]
    return replace(value, hash="") if isinstance(value, EventRecord | RunRecord) else value


TestJournalModel = JournalModel.TestCase
TestJournalModel.settings = settings(max_examples=8, stateful_step_count=25)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_many_more_histories():
    run_state_machine_as_test(JournalModel, settings=settings(max_examples=60, stateful_step_count=50))
