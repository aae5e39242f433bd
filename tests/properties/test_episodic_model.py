"""Random histories of episodic memory against a plain model, and the same records in any order.

Part of S1.26 and part of S1.35.

The model states the rules once more, pair by pair and without any index or cache, so that both can only agree when the
cached states equal what the whole history says.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from qdrant_client import QdrantClient

from tercet import Memory, Scope
from tercet.errors import InputError
from tercet.memory.episodes.records import Doubt, State
from tercet.memory.schema import schema
from tercet.testing import HashEmbedder

START = datetime(2024, 5, 1, tzinfo=UTC)
SCOPES = [Scope(), Scope(tenant="a"), Scope(tenant="b")]
TEXTS = ["Ada likes tea", "Ada likes tea.", "ada likes the tea", "Ada likes jam", "Ada rests", "Ada rests!"]
SUBJECTS = ["", "", "tea", "home"]


def core(text: str) -> str:
    """What all spellings of one of the texts share."""
    return text.lower().rstrip(".!").replace("the ", "")


@dataclass
class Event:
    id: int
    kind: str
    target: str
    at: datetime
    other: str | int = ""
    effective: datetime | None = None


@dataclass
class Record:
    id: str
    scope: Scope
    kind: str
    text: str
    subject: str
    time: datetime
    recorded_at: datetime
    expires_at: datetime | None
    sources: tuple[str, ...]
    repeat: int | None = None
    """Event of its merge."""


@dataclass
class Model:
    """Records and events; every answer is worked out from all of them."""

    records: dict[str, Record] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def states(self, moment: datetime) -> dict[str, tuple[State, str]]:
        records = [one for one in self.records.values() if one.recorded_at <= moment]
        events = [one for one in self.events if one.at <= moment]

        def active(event: Event) -> bool:
            return not any(one.kind == "undone" and one.other == event.id and active(one) for one in events)

        alive = [one for one in events if active(one)]

        def apart(one: Record) -> bool:
            return any(event.kind == "repeated" and event.target == one.id and not active(event) for event in events)

        def same(one: Record, other: Record) -> bool:
            fit = (one.scope, one.kind, one.subject, core(one.text)) == (
                other.scope,
                other.kind,
                other.subject,
                core(other.text),
            )
            return one is other or (one.kind == "fact" and fit and not apart(one) and not apart(other))

        states: dict[str, tuple[State, str]] = {}
        for event in alive:
            if event.kind == "retracted":
                said = self.records[event.target]
                for one in records:
                    if one is said or (same(one, said) and one.time <= event.effective):
                        states[one.id] = (State.RETRACTED, "")
        retracted = set(states)
        for one in records:
            named = [event.other for event in alive if event.kind == "superseded" and event.target == one.id]
            standing = [other for other in records if other.id in named and other.id not in retracted]
            if standing:
                last = max(standing, key=lambda other: (other.time, other.id))
                states.setdefault(one.id, (State.SUPERSEDED, last.id))
        for one in records:
            later = [
                other
                for other in records
                if one.subject
                and (one.scope, one.subject) == (other.scope, other.subject)
                and other.id not in retracted
                and (other.time, other.id) > (one.time, one.id)
            ]
            if later:
                states.setdefault(one.id, (State.SUPERSEDED, max(later, key=lambda other: (other.time, other.id)).id))
        for event in alive:
            if event.kind == "expired":
                states.setdefault(event.target, (State.EXPIRED, ""))
        standing = [one for one in records if one.id not in states]
        for one in standing:
            last = max((other for other in standing if same(one, other)), key=lambda other: (other.time, other.id))
            states[one.id] = (State.LIVE, "") if last is one else (State.MERGED, last.id)
        return states

    def doubts(self, moment: datetime) -> dict[str, Doubt]:
        states = self.states(moment)

        def doubt(key: str) -> Doubt:
            found = Doubt.NONE
            for source in self.records[key].sources:
                state = states[source][0]
                own = {State.RETRACTED: Doubt.SOURCE_RETRACTED, State.SUPERSEDED: Doubt.SOURCE_SUPERSEDED}
                found = max(
                    found, own.get(state, Doubt.NONE), Doubt.NONE if state == State.RETRACTED else doubt(source)
                )
            return found

        return {key: doubt(key) for key in self.records}


class History(RuleBasedStateMachine):
    """Applies the same operations to a memory and to the model."""

    def open(self) -> Memory:
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.model = Model()
        self.memory = self.open()

    def tick(self) -> None:
        self.now += timedelta(minutes=1)

    def pick(self, number: int) -> Record:
        return sorted(self.model.records.values(), key=lambda one: one.id)[number % len(self.model.records)]

    @rule(
        scope=st.sampled_from(SCOPES),
        kind=st.sampled_from(["fact", "fact", "event"]),
        text=st.sampled_from(TEXTS),
        subject=st.sampled_from(SUBJECTS),
        day=st.none() | st.integers(-3, 3),
        expires=st.none() | st.integers(1, 30),
        sources=st.lists(st.integers(0, 50), max_size=2),
    )
    def record(self, scope, kind, text, subject, day, expires, sources):
        self.tick()
        subject = subject if kind == "fact" else ""
        occurred_at = None if day is None else START + timedelta(days=day)
        expires_at = None if expires is None else self.now + timedelta(minutes=expires)
        picked = [self.pick(number) for number in sources] if self.model.records else []
        origins = tuple({one.id for one in picked if scope.sees(one.scope) or one.scope.sees(scope)})
        result = self.memory.episodic.record(
            text,
            scope=scope,
            actor="ada",
            kind=kind,
            occurred_at=occurred_at,
            subject=subject,
            expires_at=expires_at,
            derived_from=origins,
        )
        assert (result.status == "known") == (result.id in self.model.records)
        if result.status == "known":
            return
        record = Record(
            result.id, scope, kind, text, subject, occurred_at or self.now, self.now, expires_at, origins, result.event
        )
        self.model.records[result.id] = record
        if result.event is not None:
            self.model.events.append(Event(result.event, "repeated", result.id, self.now))

    @precondition(lambda self: self.model.records)
    @rule(number=st.integers(0, 50), back=st.integers(-4, 4))
    def retract(self, number, back):
        self.tick()
        record = self.pick(number)
        effective = self.now + timedelta(days=back)
        event = self.memory.episodic.retract(record.id, effective=effective, scope=Scope.any())
        if event not in {one.id for one in self.model.events}:
            self.model.events.append(Event(event, "retracted", record.id, self.now, effective=effective))

    @precondition(lambda self: len(self.model.records) > 1)
    @rule(one=st.integers(0, 50), other=st.integers(0, 50))
    def supersede(self, one, other):
        self.tick()
        old, new = self.pick(one), self.pick(other)
        try:
            event = self.memory.episodic.supersede(old.id, by=new.id, scope=Scope.any())
        except InputError:
            return
        assert old.scope == new.scope
        if event not in {one.id for one in self.model.events}:
            self.model.events.append(Event(event, "superseded", old.id, self.now, other=new.id))

    @precondition(lambda self: self.model.events)
    @rule(number=st.integers(0, 50))
    def undo(self, number):
        self.tick()
        event = self.model.events[number % len(self.model.events)]
        try:
            undoing = self.memory.episodic.undo(event.id, scope=Scope.any())
        except InputError:
            return
        self.model.events.append(Event(undoing, "undone", event.target, self.now, other=event.id))

    @rule(scope=st.sampled_from(SCOPES))
    def expire(self, scope):
        self.tick()
        states = self.model.states(self.now)
        due = sorted(
            key
            for key, one in self.model.records.items()
            if one.scope == scope and states[key][0] == State.LIVE and one.expires_at and one.expires_at <= self.now
        )
        assert self.memory.episodic.expire(scope) == due
        for key in due:
            event = self.memory.episodic.history(key, scope=Scope.any())[-1]
            self.model.events.append(Event(event.id, "expired", key, self.now))

    @rule()
    def check_that_nothing_is_left_to_settle(self):
        for scope in SCOPES:
            assert self.memory.episodic.consolidate(scope).settled == 0
            self.sync_expired(scope)

    def sync_expired(self, scope):
        """``consolidate`` expires what is due."""
        known = {one.id for one in self.model.events}
        for key, one in self.model.records.items():
            if one.scope == scope:
                for entry in self.memory.episodic.history(key, scope=Scope.any()):
                    if entry.kind == "expired" and entry.id not in known:
                        self.model.events.append(Event(entry.id, "expired", key, self.now))

    @rule(reader=st.sampled_from([*SCOPES, Scope.any()]), back=st.integers(0, 15))
    def look_back(self, reader, back):
        moment = self.now - timedelta(minutes=back)
        expected = self.expected(reader, moment)
        assert sorted(one.id for one in self.memory.episodic.timeline(reader, as_of=moment)) == expected

    def expected(self, reader, moment: datetime) -> list[str]:
        states = self.model.states(moment)
        return sorted(
            key
            for key, one in self.model.records.items()
            if states.get(key, (None, ""))[0] == State.LIVE
            and reader.sees(one.scope)
            and (one.expires_at is None or one.expires_at > moment)
        )

    @invariant()
    def the_cached_states_are_those_of_the_history(self):
        if not self.model.records:
            return
        states, doubts = self.model.states(self.now), self.model.doubts(self.now)
        for episode in self.memory.episodic.get(sorted(self.model.records), scope=Scope.any()):
            assert (episode.state, episode.state_by) == states[episode.id], episode
            assert episode.doubt == doubts[episode.id], episode

    @invariant()
    def both_legs_find_what_is_live_and_nothing_else(self):
        for reader in (SCOPES[1], Scope.any()):
            expected = self.expected(reader, self.now)
            selection = self.memory.episodic.select(reader)
            terms = {term: 1 for text in TEXTS for term in self.memory.episodic.analyzer.terms(text)}
            vector = self.memory.embedder.embed_query("Ada likes tea")
            words = self.memory.episodic.lexical_candidates(terms, selection, limit=100).candidates
            near = self.memory.episodic.dense_candidates(vector, selection, limit=100)
            assert sorted(one.id for one in words) == expected
            assert sorted(one.id for one in near) == expected


class FolderHistory(History):
    """In a folder, closed and opened again on the way."""

    def open(self) -> Memory:
        self.folder = Path(tempfile.mkdtemp(prefix="tercet-episodic-"))
        return Memory.open(self.folder / "memory", embedder=HashEmbedder(dimension=16), clock=lambda: self.now)

    @rule()
    def reopen(self):
        self.memory.close()
        self.memory = Memory.open(self.folder / "memory", embedder=HashEmbedder(dimension=16), clock=lambda: self.now)

    @rule()
    def reindex(self):
        self.memory.episodic.reindex()

    def teardown(self) -> None:
        self.memory.close()
        shutil.rmtree(self.folder)


@pytest.mark.parametrize("examples", [4, pytest.param(40, marks=pytest.mark.slow)])
def test_in_a_folder(examples: int) -> None:
    run_state_machine_as_test(FolderHistory, settings=settings(max_examples=examples, stateful_step_count=25))


@pytest.mark.filterwarnings("ignore:Payload indexes have no effect")
@pytest.mark.parametrize("examples", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_by_url(postgres_url: str, examples: int) -> None:
    """The same histories on PostgreSQL and the server adapter, one after another in one database."""

    class ServerHistory(History):
        def open(self) -> Memory:
            client = QdrantClient(":memory:")
            memory = Memory.open(
                database=postgres_url, qdrant=client, embedder=HashEmbedder(dimension=16), clock=lambda: self.now
            )
            empty(memory)
            return memory

        def teardown(self) -> None:
            self.memory.close()

    run_state_machine_as_test(ServerHistory, settings=settings(max_examples=examples, stateful_step_count=20))


# -- any order -------------------------------------------------------------------------------------------------------

said = st.tuples(st.sampled_from(TEXTS), st.sampled_from(SUBJECTS), st.integers(0, 4))
"""Text, subject and day of a dated fact."""
TEA = [
    ("Ada likes tea.", "", 2),
    ("Ada likes tea", "home", 3),
    ("Ada likes jam", "home", 1),
    ("Ada likes tea", "home", 0),
    ("Ada likes tea", "tea", 1),
]
"""Two of these supersede the first one in the example: which is named must not depend on which was said first."""
change = st.tuples(st.sampled_from(["retract", "supersede"]), st.integers(0, 7), st.integers(0, 7), st.integers(-1, 5))


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Iterator[Memory]:
    """Emptied between histories: ids depend on nothing but what is recorded."""
    folder = tmp_path_factory.mktemp("order") / "memory"
    with Memory.open(folder, embedder="none", clock=lambda: START) as memory:
        yield memory


def empty(memory: Memory) -> None:
    with memory.database.write() as connection:
        for table in reversed(schema.sorted_tables):
            if table.name.startswith("episode"):
                connection.execute(table.delete())


@pytest.mark.parametrize("examples", [12, pytest.param(120, marks=pytest.mark.slow)])
def test_any_order_of_arrival_gives_the_same_state(shared, examples: int) -> None:
    """Opportunity 10 of the memory survey. What is done to a record comes after it, in any order otherwise."""

    @settings(max_examples=examples)
    @given(
        facts=st.lists(said, min_size=2, max_size=7, unique=True),
        changes=st.lists(change, max_size=3),
        order=st.permutations(range(10)),
    )
    @example(facts=TEA, changes=[("supersede", 0, 3, 0), ("supersede", 0, 2, 0)], order=[0, 1, 2, 3, 4, 6, 5, 7, 8, 9])
    def compare(facts, changes, order):
        changes = [(name, one % len(facts), other % len(facts), day) for name, one, other, day in changes]
        changes = [one for one in changes if one[0] == "retract" or one[1] < one[2]]  # no circles: those are refused
        operations = [("record", number) for number in range(len(facts))] + [("change", n) for n in range(len(changes))]
        in_order = apply(shared, facts, changes, operations)
        shuffled = apply(shared, facts, changes, [operations[place] for place in order if place < len(operations)])

        assert shuffled == in_order

    compare()


def apply(memory: Memory, facts, changes, operations) -> dict:
    """The state of each fact after the operations; those that are too early wait for their records."""
    empty(memory)
    ids: dict[int, str] = {}
    waiting = list(operations)
    while waiting:
        for operation in list(waiting):
            if carry_out(memory, facts, changes, operation, ids):
                waiting.remove(operation)
    return {
        episode.id: (episode.state, episode.state_by, episode.doubt)
        for episode in memory.episodic.get(list(ids.values()), scope=Scope.any())
    }


def carry_out(memory: Memory, facts, changes, operation, ids: dict[int, str]) -> bool:
    kind, number = operation
    if kind == "record":
        text, subject, day = facts[number]
        occurred_at = START + timedelta(days=day)
        result = memory.episodic.record(
            text, scope=SCOPES[1], actor="ada", kind="fact", subject=subject, occurred_at=occurred_at
        )
        ids[number] = result.id
        return True
    name, one, other, day = changes[number]
    if one not in ids or other not in ids:
        return False
    if name == "retract":
        memory.episodic.retract(ids[one], effective=START + timedelta(days=day), scope=Scope.any())
    else:
        memory.episodic.supersede(ids[one], by=ids[other], scope=Scope.any())
    return True
