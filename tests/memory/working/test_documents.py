"""Working documents are what was written, for whom it was written, until their time is over. On both databases."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from typing import ClassVar

import pytest
from pydantic import BaseModel, ConfigDict, Field, RootModel, TypeAdapter, computed_field, field_serializer

from tercet import Reference, Scope
from tercet.errors import (
    ConfigurationError,
    DocumentExistsError,
    DocumentNotFoundError,
    HashMismatchError,
    InputError,
    OwnershipError,
    SchemaError,
    SizeLimitError,
    StoreError,
)
from tercet.memory.database import Database
from tercet.memory.schema import working_changes, working_documents, working_requests, working_retired
from tercet.memory.working.memory import WorkingMemory
from tests.memory.working.plans import PLAN, TASK, Plan, Step, rows

# -- what is kept ----------------------------------------------------------------------------------------------------


def test_a_typed_value_is_read_back_as_it_was_written(working, plan, clock):
    """S1.28: a typed schema round-trips."""
    read = working.read(Plan, key="plan", scope=TASK)
    assert read == plan
    assert read.value == PLAN
    assert type(read.value.steps[0].due) is date
    assert (read.version, read.schema, read.schema_version) == (1, "Plan", 1)
    assert (read.created_by, read.updated_by, read.created_at, read.updated_at) == (
        "planner",
        "planner",
        clock(),
        clock(),
    )
    assert read.owners == {"goal": "planner", "budget": "planner", "steps": "planner", "notes": "writer"}
    assert read.constraints == ("budget", "goal")


def test_what_is_read_is_the_readers_own(working, plan):
    plan.value.steps.append(Step(name="mine"))
    read = working.read(Plan, key="plan", scope=TASK)
    read.value.notes["x"] = "y"
    working.read(None, key="plan", scope=TASK).value["steps"].clear()
    working.documents(TASK)[0].value.clear()
    assert working.read(Plan, key="plan", scope=TASK).value == PLAN


def test_a_value_that_would_come_back_different_is_refused(working):
    class Forgetful(BaseModel):
        secret: str = Field(default="", exclude=True)

    class Rounded(BaseModel):
        share: float

        @field_serializer("share")
        def _round(self, value: float) -> float:
            return value / 2

    class Number(RootModel[int]): ...

    class Loose(BaseModel):
        model_config = ConfigDict(allow_inf_nan=True)
        share: float

    with pytest.raises(SchemaError, match="share"):
        working.create(Rounded(share=0.5), key="k", scope=TASK, actor="a")
    with pytest.raises(SchemaError, match="not an object"):
        working.create(Number(3), key="k", scope=TASK, actor="a")
    with pytest.raises(SchemaError, match="no pydantic model"):
        working.create({"goal": "x"}, key="k", scope=TASK, actor="a")
    with pytest.raises(InputError, match="JSON"):
        working.create(Loose(share=float("nan")), key="k", scope=TASK, actor="a")
    with pytest.raises(InputError):
        working.create(Plan(goal="\ud800", budget=1), key="k", scope=TASK, actor="a")
    broken = Plan(goal="x", budget=1)
    broken.budget = "much"
    with pytest.raises(SchemaError, match="/budget"):
        working.create(broken, key="k", scope=TASK, actor="a")
    assert working.documents(TASK) == []
    # Left out by the model's own wish: what is kept is all there is to it.
    assert working.create(Forgetful(secret="x"), key="k", scope=TASK, actor="a").value == Forgetful()


def test_odd_but_honest_values_are_kept(working):
    class Odd(BaseModel):
        model_config = ConfigDict(extra="allow")
        given: str = Field(alias="the name")
        big: int = 2**80
        text: str = "NUL \0, é, \U0001f600, \u2028"

        @computed_field
        def length(self) -> int:
            return len(self.text)

    value = Odd.model_validate({"the name": "n", "a/b": 1, "~": [None, 1.0, True]})
    made = working.create(value, key="odd", scope=TASK, actor="a", owners={"a/b": "b"})
    assert made.value == value
    assert json.loads(made.text)["~"] == [None, 1.0, True]
    changed = working.patch(
        Odd, [{"op": "replace", "path": "/a~1b", "value": 2}], key="odd", scope=TASK, read_version=1, actor="b"
    )
    assert changed.value.model_extra == {"a/b": 2, "~": [None, 1.0, True]}


@pytest.mark.parametrize("name", ["", "  ", "k" * 201, 7, "nul\0"])
def test_names_are_checked(working, name):
    with pytest.raises(InputError):
        working.create(PLAN, key=name, scope=TASK, actor="a")
    with pytest.raises(InputError):
        working.create(PLAN, key="k", scope=TASK, actor=name)


def test_owners_and_constraints_name_fields_that_are_there(working):
    with pytest.raises(InputError, match="no top-level field 'price'"):
        working.create(PLAN, key="k", scope=TASK, actor="a", owners={"price": "b"})
    with pytest.raises(InputError, match="'limit'"):
        working.create(PLAN, key="k", scope=TASK, actor="a", constraints=["limit"])
    with pytest.raises(InputError, match="one text"):
        working.create(PLAN, key="k", scope=TASK, actor="a", constraints="budget")
    with pytest.raises(InputError, match="one scope"):
        working.create(PLAN, key="k", scope=Scope.any(tenant="acme"), actor="a")


def test_a_document_is_made_once(working, plan):
    with pytest.raises(DocumentExistsError):
        working.create(PLAN, key="plan", scope=TASK, actor="other")
    assert working.read(Plan, key="plan", scope=TASK) == plan


def test_sizes_are_limited(database):
    working = WorkingMemory(database, max_characters=200, max_documents=2)
    with pytest.raises(SizeLimitError, match="more than 200"):
        working.create(Plan(goal="x" * 200, budget=1), key="k", scope=TASK, actor="a")
    working.create(Plan(goal="x", budget=1), key="k", scope=TASK, actor="a")
    long = [{"op": "add", "path": "/notes/n", "value": "x" * 180}]
    with pytest.raises(SizeLimitError):
        working.patch(Plan, long, key="k", scope=TASK, read_version=1, actor="a")
    doubling = [{"op": "copy", "from": "/notes", "path": f"/notes/{n}"} for n in range(50)]
    with pytest.raises(SizeLimitError):
        working.patch(Plan, doubling, key="k", scope=TASK, read_version=1, actor="a")
    with pytest.raises(SizeLimitError, match="1,000"):
        working.patch(Plan, doubling * 21, key="k", scope=TASK, read_version=1, actor="a")
    working.create(Plan(goal="x", budget=1), key="k2", scope=TASK, actor="a")
    with pytest.raises(SizeLimitError, match="holds 2"):
        working.create(Plan(goal="x", budget=1), key="k3", scope=TASK, actor="a")
    working.create(Plan(goal="x", budget=1), key="k3", scope=Scope(tenant="globex"), actor="a")


# -- scopes and references -------------------------------------------------------------------------------------------


def test_a_reader_sees_the_closest_document_of_its_own_or_an_ancestors_scope(working):
    scopes = [Scope(), Scope(tenant="acme"), Scope(tenant="acme", user="ada"), TASK]
    for number, scope in enumerate(scopes):
        working.create(Plan(goal=str(number), budget=1), key="plan", scope=scope, actor="a")
        for depth, reader in enumerate(scopes):
            assert working.read(Plan, key="plan", scope=reader).value.goal == str(min(depth, number))
    assert working.read(Plan, key="plan", scope=Scope(tenant="acme", user="bob")).value.goal == "1"
    assert [one.value["goal"] for one in working.documents(Scope(tenant="acme"), newest_first=False)] == ["0", "1"]
    assert len(working.documents(Scope.any(tenant="acme"))) == 3
    with pytest.raises(InputError, match="one scope"):
        working.read(Plan, key="plan", scope=Scope.any())
    with pytest.raises(DocumentNotFoundError):  # writes name the scope of the document itself
        working.replace(PLAN, key="plan", scope=Scope(tenant="acme", user="bob"), read_version=1, actor="a")


def test_a_handed_over_reference_gives_exactly_what_the_sender_saw(working, plan):
    """S1.29: the hash of what the receiver reads equals that of the sender's state; nothing is retold."""
    payload = TypeAdapter(Reference).dump_json(plan.reference)
    working.update(Plan, lambda value: value.model_copy(update={"steps": []}), key="plan", scope=TASK, actor="planner")
    received = TypeAdapter(Reference).validate_json(payload)
    got = working.resolve(Plan, received, scope=TASK)
    assert (got.hash, got.text, got.value) == (plan.hash, plan.text, plan.value)
    assert got.reference == plan.reference
    assert working.resolve(None, received, scope=TASK).value == json.loads(plan.text)


def test_a_reference_that_was_altered_or_is_not_for_the_reader_opens_nothing(working, plan):
    with pytest.raises(HashMismatchError, match="not what its sender saw"):
        working.resolve(Plan, replace(plan.reference, hash="0" * 64), scope=TASK)
    for reader in (Scope(), Scope(tenant="globex"), Scope(tenant="acme", user="ada", session="s2")):
        with pytest.raises(DocumentNotFoundError) as hidden:
            working.resolve(Plan, plan.reference, scope=reader)
        with pytest.raises(DocumentNotFoundError) as missing:
            working.resolve(Plan, replace(plan.reference, key="other"), scope=reader)
        assert str(hidden.value) == str(missing.value).replace("other", "plan")
    with pytest.raises(DocumentNotFoundError):
        working.resolve(Plan, replace(plan.reference, version=2), scope=TASK)


# -- schemas ---------------------------------------------------------------------------------------------------------


class Budget1(BaseModel):
    schema_name: ClassVar[str] = "Budget"
    euros: int
    spent: int = 0


class Budget2(BaseModel):
    schema_name: ClassVar[str] = "Budget"
    schema_version: ClassVar[int] = 2
    euros: int
    spent_cents: int
    currency: str = "EUR"


def upgrade(old: dict) -> dict:
    return {"euros": old["euros"], "spent_cents": old["spent"] * 100}


def test_another_schema_or_version_is_refused(working, plan):
    working.create(Budget1(euros=5), key="b", scope=TASK, actor="a")
    with pytest.raises(SchemaError, match="is a Plan, not a Budget"):
        working.read(Budget1, key="plan", scope=TASK)
    with pytest.raises(SchemaError, match="register_upgrade"):
        working.read(Budget2, key="b", scope=TASK)
    with pytest.raises(SchemaError, match="is a Budget, not a Plan"):
        working.replace(Plan(goal="x", budget=1), key="b", scope=TASK, read_version=1, actor="a")
    working.create(Budget2(euros=5, spent_cents=1), key="b2", scope=TASK, actor="a")
    with pytest.raises(SchemaError, match="this program has version 1"):
        working.read(Budget1, key="b2", scope=TASK)
    with pytest.raises(SchemaError, match="this program has version 1"):
        working.replace(Budget1(euros=5), key="b2", scope=TASK, read_version=1, actor="a")

    class Other(Plan): ...

    with pytest.raises(SchemaError, match="Other version 1 cannot replace"):
        working.update(Plan, lambda value: Other(**value.model_dump()), key="plan", scope=TASK, actor="planner")
    with pytest.raises(ConfigurationError):
        working.register_upgrade(Budget2, 2, upgrade)


def test_an_older_version_is_upgraded_when_read_and_kept_new_when_written(working):
    working.create(Budget1(euros=5, spent=3), key="b", scope=TASK, actor="a", owners={"euros": "boss"})
    working.register_upgrade(Budget2, 1, upgrade)
    read = working.read(Budget2, key="b", scope=TASK)
    assert (read.value, read.schema_version) == (Budget2(euros=5, spent_cents=300), 1)
    # What the upgrade changed is nobody's doing: an owner of nothing may write nothing, and the owner only her own.
    with pytest.raises(OwnershipError, match="spent_cents"):
        working.update(Budget2, lambda b: b.model_copy(update={"spent_cents": 1}), key="b", scope=TASK, actor="boss")
    done = working.update(Budget2, lambda b: b.model_copy(update={"euros": 9}), key="b", scope=TASK, actor="boss")
    assert (done.version, done.schema_version, done.value.euros) == (2, 2, 9)
    assert working.read(Budget2, key="b", scope=TASK, version=1).value == read.value
    assert [change.schema_version for change in working.history(key="b", scope=TASK)] == [1, 2]


def test_an_upgrade_keeps_what_was_fixed_at_creation(working):
    working.create(Budget1(euros=5, spent=3), key="b", scope=TASK, actor="a", constraints=["spent"])
    working.register_upgrade(Budget2, 1, upgrade)
    with pytest.raises(SchemaError, match="fixed at creation: spent"):
        working.read(Budget2, key="b", scope=TASK)


# -- the end ---------------------------------------------------------------------------------------------------------


def test_an_expired_document_is_gone_for_everybody_and_then_erased(working, database, clock):
    working.create(PLAN, key="plan", scope=TASK, actor="a", expires_in=timedelta(hours=1))
    working.create(PLAN, key="stays", scope=TASK, actor="a")
    clock.now += timedelta(minutes=59)
    request = working.request_change(
        Plan, [{"op": "add", "path": "/notes/a", "value": "b"}], key="plan", scope=TASK, read_version=1, actor="x"
    )
    clock.now += timedelta(minutes=1)
    for use in (
        lambda: working.read(Plan, key="plan", scope=TASK),
        lambda: working.update(Plan, lambda value: value, key="plan", scope=TASK, actor="a"),
        lambda: working.history(key="plan", scope=TASK),
        lambda: working.accept(Plan, request.id, scope=TASK, read_version=1, actor="a"),
        lambda: working.delete(key="plan", scope=TASK, read_version=1, actor="a"),
    ):
        with pytest.raises(DocumentNotFoundError):
            use()
    assert [one.key for one in working.documents(TASK)] == ["stays"]
    assert working.requests(TASK) == []
    assert rows(database, working_documents) == 2
    assert (working.expire(), working.expire()) == (1, 0)
    assert (rows(database, working_documents), rows(database, working_changes)) == (1, 1)
    assert rows(database, working_requests) == 0
    assert working.create(PLAN, key="plan", scope=TASK, actor="a").version == 2
    with pytest.raises(InputError, match="longer than nothing"):
        working.create(PLAN, key="never", scope=TASK, actor="a", expires_in=timedelta())


def test_a_key_is_free_again_once_its_document_has_expired(working, clock):
    working.create(PLAN, key="plan", scope=TASK, actor="a", expires_in=timedelta(hours=1))
    clock.now += timedelta(hours=1)
    again = working.create(Plan(goal="x", budget=1), key="plan", scope=TASK, actor="b")
    assert (again.version, again.created_by, again.expires_at) == (2, "b", None)


def test_forgetting_a_scope_leaves_nothing_of_it(working, database):
    ada, bob = Scope(tenant="acme", user="ada"), Scope(tenant="acme", user="bob")
    for scope in (ada, TASK, bob):
        working.create(PLAN, key="plan", scope=scope, actor="a")
        working.create(PLAN, key="gone", scope=scope, actor="a")
        working.delete(key="gone", scope=scope, read_version=1, actor="a")
    assert working.forget(ada) == 1
    assert {one.scope for one in working.documents(Scope.any())} == {bob, TASK}
    assert working.forget(Scope.any(tenant="acme", user="ada")) == 1
    assert [one.scope for one in working.documents(Scope.any())] == [bob]
    assert (rows(database, working_changes), rows(database, working_retired)) == (1, 1)
    assert working.create(PLAN, key="plan", scope=ada, actor="a").version == 1


def test_a_memory_opened_for_reading_only_reads(tmp_path):
    with Database.open(tmp_path / "memory") as database:
        WorkingMemory(database).create(PLAN, key="plan", scope=TASK, actor="a")
    with Database.open(tmp_path / "memory", read_only=True) as database:
        working = WorkingMemory(database)
        assert working.read(Plan, key="plan", scope=TASK).value == PLAN
        with pytest.raises(StoreError, match="reading only"):
            working.delete(key="plan", scope=TASK, read_version=1, actor="a")
