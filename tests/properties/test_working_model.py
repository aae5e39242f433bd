"""Random histories: working memory on both databases against dictionaries. Nothing is lost, nothing slips through."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from pydantic import BaseModel

from tercet import Scope
from tercet.errors import (
    ConflictError,
    ConstraintError,
    DocumentExistsError,
    DocumentNotFoundError,
    InputError,
    OwnershipError,
)
from tercet.memory.database import Database
from tercet.memory.patches import apply, canonical, text_hash
from tercet.memory.working.memory import WorkingMemory

START = datetime(2024, 5, 1, tzinfo=UTC)
ACTORS = ("ann", "ben", "cleo")
FIELDS = ("fixed", "mine", "table")

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from([0.0, 1.0, -0.5]) | st.text("aé/~\0", max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab/~", max_size=2), inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from(["k1", "k2"])
actors = st.sampled_from(ACTORS)
scopes = st.sampled_from([Scope(), Scope(tenant="acme"), Scope(tenant="acme", session="s")])


class State(BaseModel):
    fixed: int = 0
    mine: Any = None
    table: Any = None


class Model:
    """One document, as a dictionary would have it."""

    def __init__(self, first: int, value: dict, owners: dict[str, str], constraints: set[str], expires: int | None):
        self.first = first
        self.versions = [value]
        self.writers: list[str] = []
        self.owners = owners
        self.constraints = constraints
        self.expires = expires
        self.requests: dict[int, tuple[str, Any, str]] = {}

    @property
    def version(self) -> int:
        return self.first + len(self.versions) - 1

    def at(self, version: int) -> dict | None:
        return self.versions[version - self.first] if self.first <= version <= self.version else None


def changed(before: dict, after: dict) -> set[str]:
    return {name for name in FIELDS if canonical(before[name]) != canonical(after[name])}


class WorkingHistory(RuleBasedStateMachine):
    database: Database

    def __init__(self) -> None:
        super().__init__()
        self.hours = 0
        self.working = WorkingMemory(self.database, clock=lambda: START + timedelta(hours=self.hours))
        self.working.forget(Scope.any())
        self.models: dict[tuple[Scope, str], Model] = {}
        self.last: dict[tuple[Scope, str], int] = {}

    def alive(self, place) -> Model | None:
        model = self.models.get(place)
        return None if model is None or (model.expires is not None and model.expires <= self.hours) else model

    def expected(self, model: Model, read_version: int, after: dict, actor: str) -> type[Exception] | None:
        if read_version != model.version:
            return ConflictError
        differing = changed(model.versions[-1], after)
        if differing & model.constraints:
            return ConstraintError
        if any(model.owners[name] != actor for name in differing):
            return OwnershipError
        return None

    def write(self, place, model: Model | None, error: type[Exception] | None, after: dict, actor: str, call) -> None:
        if model is None:
            with pytest.raises(DocumentNotFoundError):
                call()
        elif error is not None:
            with pytest.raises(error) as raised:
                call()
            if isinstance(raised.value, ConflictError):
                assert canonical(raised.value.current) == canonical(model.versions[-1])
                assert raised.value.current_version == model.version
                read = model.at(raised.value.read_version)
                assert canonical(raised.value.read) == canonical(read)
        else:
            done = call()
            if changed(model.versions[-1], after):
                model.versions.append(after)
                model.writers.append(actor)
            assert (done.version, done.text) == (model.version, canonical(after))

    @rule(
        scope=scopes,
        key=keys,
        value=st.fixed_dictionaries({"fixed": st.integers(0, 3), "mine": json_values, "table": json_values}),
        creator=actors,
        owners=st.dictionaries(st.sampled_from(FIELDS), actors),
        constraints=st.sets(st.just("fixed")),
        lasts=st.none() | st.integers(1, 5),
    )
    def create(self, scope, key, value, creator, owners, constraints, lasts):
        place = (scope, key)

        def call():
            return self.working.create(
                State(**value),
                key=key,
                scope=scope,
                actor=creator,
                owners=owners,
                constraints=constraints,
                expires_in=None if lasts is None else timedelta(hours=lasts),
            )

        if self.alive(place) is not None:
            with pytest.raises(DocumentExistsError):
                call()
            return
        if place in self.models:  # expired, and not swept yet
            self.last[place] = self.models[place].version
        made = call()
        first = self.last.pop(place, 0) + 1
        everybody = dict.fromkeys(FIELDS, creator) | owners
        expires = None if lasts is None else self.hours + lasts
        model = self.models[place] = Model(first, value, everybody, constraints, expires)
        model.writers.append(creator)
        assert (made.version, made.owners) == (first, everybody)

    @rule(
        scope=scopes, key=keys, change=st.dictionaries(st.sampled_from(FIELDS[1:]), json_values), actor=actors,
        fixed=st.integers(0, 3), behind=st.sampled_from([0, 0, 0, 0, 1, 2, -1]), patch=st.booleans(),
    )  # fmt: skip
    def replace_or_patch(self, scope, key, change, actor, fixed, behind, patch):
        place, model = (scope, key), self.alive((scope, key))
        now = {"fixed": fixed, "mine": 0, "table": 0} if model is None else model.versions[-1]
        after = now | change | ({"fixed": fixed} if behind == 0 and fixed == 3 else {})
        version = 1 if model is None else model.version - behind
        error = None if model is None else self.expected(model, version, after, actor)
        where = {"key": key, "scope": scope, "read_version": version, "actor": actor}
        operations = [{"op": "replace", "path": f"/{name}", "value": after[name]} for name in after]
        if patch:
            self.write(place, model, error, after, actor, lambda: self.working.patch(State, operations, **where))
        else:
            self.write(place, model, error, after, actor, lambda: self.working.replace(State(**after), **where))

    @rule(scope=scopes, key=keys, item=json_values, actor=actors)
    def update(self, scope, key, item, actor):
        place, model = (scope, key), self.alive((scope, key))
        after = {} if model is None else model.versions[-1] | {"mine": [model.versions[-1]["mine"], item]}
        if len(canonical(after)) > 500:  # keep what is compared small
            return
        error = None if model is None else self.expected(model, model.version, after, actor)

        def grow(state: State) -> State:
            state.mine = [state.mine, item]
            return state

        self.write(
            place, model, error, after, actor,
            lambda: self.working.update(State, grow, key=key, scope=scope, actor=actor),
        )  # fmt: skip

    @rule(scope=scopes, key=keys, value=json_values, name=st.sampled_from(FIELDS[1:]), actor=actors)
    def request(self, scope, key, value, name, actor):
        model = self.alive((scope, key))
        if model is None or canonical(model.versions[-1][name]) == canonical(value):
            return
        operations = [{"op": "replace", "path": f"/{name}", "value": value}]
        made = self.working.request_change(
            State, operations, key=key, scope=scope, read_version=model.version, actor=actor
        )
        assert (made.owner, made.fields) == (model.owners[name], (name,))
        model.requests[made.id] = (name, value, "open")

    @precondition(lambda self: any(model.requests for model in self.models.values()))
    @rule(data=st.data(), actor=actors, accept=st.booleans())
    def answer(self, data, actor, accept):
        asked = [(place, number) for place, model in self.models.items() for number in model.requests]
        (scope, key), number = data.draw(st.sampled_from(asked))
        model = self.alive((scope, key))
        if model is None:
            with pytest.raises(DocumentNotFoundError):
                self.working.reject(number, scope=scope, actor=actor)
            return
        name, value, state = model.requests[number]

        def call():
            if accept:
                return self.working.accept(State, number, scope=scope, read_version=model.version, actor=actor)
            return self.working.reject(number, scope=scope, actor=actor)

        if model.owners[name] != actor:
            with pytest.raises(OwnershipError):
                call()
        elif state != "open":
            with pytest.raises(InputError, match="answered before"):
                call()
        else:
            call()
            model.requests[number] = (name, value, "accepted" if accept else "rejected")
            after = model.versions[-1] | {name: value}
            if accept and changed(model.versions[-1], after):
                model.versions.append(after)
                model.writers.append(actor)

    @rule(scope=scopes, key=keys, actor=actors, behind=st.sampled_from([0, 0, 1]))
    def delete(self, scope, key, actor, behind):
        model = self.alive((scope, key))
        version = 1 if model is None else model.version - behind

        def call():
            self.working.delete(key=key, scope=scope, read_version=version, actor=actor)

        if model is None:
            error: type[Exception] | None = DocumentNotFoundError
        elif behind:
            error = ConflictError
        else:
            error = None if model.writers[0] == actor else OwnershipError
        if error is not None:
            with pytest.raises(error):
                call()
            return
        call()
        self.last[scope, key] = self.models.pop((scope, key)).version

    @rule(hours=st.integers(1, 3), sweep=st.booleans())
    def time_passes(self, hours, sweep):
        self.hours += hours
        if sweep:
            over = [place for place in self.models if self.alive(place) is None]
            assert self.working.expire() == len(over)
            self.last.update((place, self.models.pop(place).version) for place in over)

    @rule(data=st.data())
    @precondition(lambda self: any(self.alive(place) for place in self.models))
    def any_two_versions_differ_by_their_diff(self, data):
        scope, key = data.draw(st.sampled_from([place for place in self.models if self.alive(place)]))
        model = self.models[scope, key]
        numbers = st.integers(model.first, model.version)
        start, end = data.draw(numbers), data.draw(numbers)
        before, after = model.at(start), model.at(end)
        assert before is not None
        patch = self.working.diff(key=key, scope=scope, from_version=start, to_version=end)
        assert canonical(apply(before, patch, max_characters=10**6)) == canonical(after)
        read = self.working.read(State, key=key, scope=scope, version=start)
        assert (read.text, read.hash) == (canonical(before), text_hash(canonical(before)))

    @invariant()
    def everything_is_as_the_model_says(self):
        found = {(one.scope, one.key): one for one in self.working.documents(Scope.any())}
        assert found.keys() == {place for place in self.models if self.alive(place)}
        for place, document in found.items():
            model = self.models[place]
            assert (document.version, document.text) == (model.version, canonical(model.versions[-1]))
            history = self.working.history(key=place[1], scope=place[0])
            assert [change.hash for change in history] == [text_hash(canonical(one)) for one in model.versions]
            assert [change.actor for change in history] == model.writers
            states = {one.id: one.state for one in self.working.requests(place[0], key=place[1], state=None)}
            mine = {number: state for number, (_, _, state) in model.requests.items()}
            assert mine.items() <= states.items()
            value: dict = {}
            for change in history:
                value = apply(json.loads(canonical(value)), change.patch, max_characters=10**6)
            assert canonical(value) == document.text


def check(database: Database, examples: int) -> None:
    machine = type("OneDatabase", (WorkingHistory,), {"database": database})
    run_state_machine_as_test(machine, settings=settings(max_examples=examples, stateful_step_count=25, deadline=None))


@pytest.mark.parametrize("examples", [15, pytest.param(200, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
def test_sqlite_agrees_with_dictionaries(examples):
    with tempfile.TemporaryDirectory() as folder, Database.open(folder + "/memory") as database:
        check(database, examples)


@pytest.mark.parametrize("examples", [10, pytest.param(100, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
def test_postgresql_agrees_with_dictionaries(postgres_url, examples):
    with Database.open(postgres_url) as database:
        check(database, examples)
