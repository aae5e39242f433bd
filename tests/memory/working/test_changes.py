"""Working documents change by compare-and-set, by valid patches and by their owners. On both databases."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from pydantic import BaseModel

from tercet.errors import (
    ConflictError,
    ConstraintError,
    DocumentNotFoundError,
    InputError,
    OwnershipError,
    PatchError,
    SchemaError,
)
from tercet.memory.patches import apply, canonical
from tercet.memory.schema import working_changes
from tercet.memory.working.memory import WorkingMemory
from tests.memory.working.plans import PLAN, TASK, Plan, Step

# -- compare and set -------------------------------------------------------------------------------------------------


def test_a_stale_write_is_refused_with_both_versions_and_succeeds_when_read_again(working, plan):
    """S2.14: a write with an old version fails; the writer reads again; no update is lost."""
    mine = working.read(Plan, key="plan", scope=TASK)
    theirs = PLAN.model_copy(update={"steps": [Step(name="theirs")]})
    working.replace(theirs, key="plan", scope=TASK, read_version=1, actor="planner")
    own = mine.value.model_copy(update={"steps": [*mine.value.steps, Step(name="mine")]})
    with pytest.raises(ConflictError, match="version 2, last written by 'planner'") as refused:
        working.replace(own, key="plan", scope=TASK, read_version=mine.version, actor="planner")
    error = refused.value
    assert (error.key, error.read_version, error.current_version) == ("plan", 1, 2)
    assert error.read == json.loads(plan.text)
    assert error.current == theirs.model_dump(mode="json")
    assert error.patch == working.diff(key="plan", scope=TASK, from_version=1, to_version=2)
    again = working.read(Plan, key="plan", scope=TASK)
    again.value.steps.append(Step(name="mine"))
    done = working.replace(again.value, key="plan", scope=TASK, read_version=again.version, actor="planner")
    assert [step.name for step in done.value.steps] == ["theirs", "mine"]


@pytest.mark.parametrize("version", [0, -1, 2, 99])
def test_a_version_that_never_was_is_a_conflict(working, plan, version):
    for write in (
        lambda: working.replace(PLAN, key="plan", scope=TASK, read_version=version, actor="planner"),
        lambda: working.patch(Plan, [], key="plan", scope=TASK, read_version=version, actor="planner"),
        lambda: working.delete(key="plan", scope=TASK, read_version=version, actor="planner"),
    ):
        with pytest.raises(ConflictError) as refused:
            write()
        assert refused.value.read is None


def test_a_write_of_nothing_new_makes_no_version(working, plan):
    same = working.replace(PLAN, key="plan", scope=TASK, read_version=1, actor="stranger")
    assert same == plan
    assert len(working.history(key="plan", scope=TASK)) == 1


def test_a_document_made_anew_never_fits_a_write_to_the_old_one(working, plan):
    working.replace(PLAN.model_copy(update={"steps": []}), key="plan", scope=TASK, read_version=1, actor="planner")
    working.delete(key="plan", scope=TASK, read_version=2, actor="planner")
    with pytest.raises(DocumentNotFoundError):
        working.replace(PLAN, key="plan", scope=TASK, read_version=2, actor="planner")
    again = working.create(PLAN, key="plan", scope=TASK, actor="planner")
    assert again.version == 3
    for version in (1, 2):
        with pytest.raises(ConflictError) as refused:
            working.replace(PLAN, key="plan", scope=TASK, read_version=version, actor="planner")
        assert refused.value.read is None
    with pytest.raises(DocumentNotFoundError, match="no version 1"):
        working.read(Plan, key="plan", scope=TASK, version=1)


def test_update_computes_again_when_somebody_was_faster(working, plan, database):
    seen = []

    def add(value: Plan) -> Plan:
        seen.append(len(value.steps))
        if len(seen) < 3:  # another process writes meanwhile
            other = WorkingMemory(database)
            other.update(Plan, lambda v: v.model_copy(update={"steps": [*v.steps, v.steps[0]]}), **place)
        value.steps.append(Step(name="mine"))
        return value

    place = {"key": "plan", "scope": TASK, "actor": "planner"}
    done = working.update(Plan, add, **place)
    assert seen == [1, 2, 3]
    assert (len(done.value.steps), done.version) == (4, 4)


def test_update_takes_a_function_that_only_computes(working, plan):
    place = {"key": "plan", "scope": TASK, "actor": "planner"}

    def write(value: Plan) -> Plan:
        working.create(value, key="another", scope=TASK, actor="planner")
        return value

    with pytest.raises(InputError, match="inside a function"):
        working.update(Plan, write, **place)
    with pytest.raises(InputError, match="NoneType"):
        working.update(Plan, lambda value: value.steps.clear(), **place)
    with pytest.raises(ZeroDivisionError):
        working.update(Plan, lambda value: 1 / 0, **place)
    assert [one.key for one in working.documents(TASK)] == ["plan"]
    assert working.read(Plan, key="plan", scope=TASK) == plan
    working.create(PLAN, key="another", scope=TASK, actor="planner")  # writing is possible again


# -- patches and versions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operations", "error"),
    [
        ([{"op": "replace", "path": "/steps", "value": "none"}], SchemaError),
        ([{"op": "remove", "path": "/goal"}], SchemaError),
        ([{"op": "add", "path": "/steps/-", "value": {"name": "a"}}, {"op": "remove", "path": "/x"}], PatchError),
        ([{"op": "test", "path": "/budget", "value": 1}], PatchError),
        ([{"op": "add", "path": "/steps/7", "value": {"name": "a"}}], PatchError),
        ([{"op": "add", "path": "steps"}], PatchError),
        ([{"op": "add", "path": "/steps/-"}], PatchError),
        ([{"op": "eval", "path": ""}], PatchError),
        ([{"op": "remove", "path": ""}], PatchError),
        ([{"op": "replace", "path": "", "value": []}], PatchError),
        ([{"op": "move", "from": "/steps", "path": "/steps/0"}], PatchError),
        ([{}], PatchError),
        (["remove"], PatchError),
        ([{"op": "replace", "path": "/budget", "value": 901}], ConstraintError),
        ([{"op": "replace", "path": "/notes", "value": {"a": "b"}}], OwnershipError),
        ([{"op": "add", "path": "/notes/a", "value": float("nan")}], InputError),
    ],
)
def test_an_invalid_patch_leaves_the_document_unchanged(working, plan, operations, error):
    with pytest.raises(error):
        working.patch(Plan, operations, key="plan", scope=TASK, read_version=1, actor="planner")
    assert working.read(Plan, key="plan", scope=TASK) == plan
    assert len(working.history(key="plan", scope=TASK)) == 1


def test_every_version_can_be_read_back_and_any_two_compared(working, plan, clock, database):
    texts = {1: plan.text}
    for number in range(2, 75):
        clock.now += timedelta(seconds=1)
        operations = [{"op": "add", "path": "/steps/-", "value": {"name": f"step {number}"}}]
        if number % 7 == 0:
            operations = [{"op": "replace", "path": "/steps", "value": []}]
        done = working.patch(Plan, operations, key="plan", scope=TASK, read_version=number - 1, actor="planner")
        assert done.version == number
        texts[number] = done.text
    for number, text in texts.items():
        read = working.read(Plan, key="plan", scope=TASK, version=number)
        assert (read.version, read.text) == (number, text)
        assert canonical(read.value.model_dump(mode="json")) == text
        assert read.updated_at == plan.created_at + timedelta(seconds=number - 1)
    history = working.history(key="plan", scope=TASK)
    assert [change.version for change in history] == list(texts)
    assert history[0].patch[0]["op"] == "add"
    for start, end in ((1, 74), (74, 1), (30, 40), (33, 32), (5, 5)):
        patch = working.diff(key="plan", scope=TASK, from_version=start, to_version=end)
        assert canonical(apply(json.loads(texts[start]), patch, max_characters=10**6)) == texts[end]
    for number in (0, 75):
        with pytest.raises(DocumentNotFoundError, match="no version"):
            working.read(Plan, key="plan", scope=TASK, version=number)
    with database.read() as connection:
        kept = connection.execute(working_changes.select()).mappings().all()
    assert sum(row["snapshot"] is not None for row in kept) < 20
    assert all(row["snapshot"] or row["patch"] for row in kept)


def test_large_documents_keep_their_versions(working):
    class Table(BaseModel):
        rows: list[int]
        note: str = ""

    version = working.create(Table(rows=list(range(20_000))), key="t", scope=TASK, actor="a").version
    for rows_ in (list(range(20_000, 0, -1)), [1], list(range(9_000))):
        version = working.replace(Table(rows=rows_), key="t", scope=TASK, read_version=version, actor="a").version
    working.patch(
        Table, [{"op": "replace", "path": "/note", "value": "x"}], key="t", scope=TASK, read_version=4, actor="a"
    )
    lengths = [len(working.read(Table, key="t", scope=TASK, version=one).value.rows) for one in range(1, 6)]
    assert lengths == [20_000, 20_000, 1, 9_000, 9_000]
    assert [len(canonical(list(one.patch))) < 100 for one in working.history(key="t", scope=TASK)][-1]


# -- constraints and owners ------------------------------------------------------------------------------------------


def test_constraints_stay_as_they_were_set_at_the_start(working, plan):
    """S1.28, part of S1.06: constraints are immutable after the start, and byte-identical after a hundred turns."""
    for turn in range(100):
        working.update(
            Plan,
            lambda value, turn=turn: value.model_copy(update={"steps": [Step(name=str(turn))]}),
            key="plan",
            scope=TASK,
            actor="planner",
        )
    with pytest.raises(ConstraintError, match="'budget', 'goal'"):
        working.replace(Plan(goal="rest", budget=0), key="plan", scope=TASK, read_version=101, actor="planner")
    last = working.read(None, key="plan", scope=TASK)
    assert last.version == 101
    for name in ("goal", "budget"):
        assert canonical(last.value[name]) == canonical(json.loads(plan.text)[name])


def test_only_its_owner_changes_a_field(working, plan):
    """S2.05: one owner per piece of state; a non-owner's write is refused."""
    noted = PLAN.model_copy(update={"notes": {"a": "b"}})
    with pytest.raises(OwnershipError, match="'notes' of 'plan' belongs to 'writer'") as refused:
        working.replace(noted, key="plan", scope=TASK, read_version=1, actor="planner")
    assert (refused.value.field, refused.value.owner, refused.value.actor) == ("notes", "writer", "planner")
    assert "request_change" in refused.value.remedy
    assert working.replace(noted, key="plan", scope=TASK, read_version=1, actor="writer").version == 2
    with pytest.raises(OwnershipError, match="may not delete"):
        working.delete(key="plan", scope=TASK, read_version=2, actor="writer")


NOTE = [{"op": "add", "path": "/notes/hotel", "value": "booked"}]


def ask(working, operations=NOTE, read_version=1, **more):
    return working.request_change(
        Plan, operations, key="plan", scope=TASK, read_version=read_version, actor="planner", **more
    )


def test_a_change_request_reaches_the_owner_and_is_accepted(working, plan, clock):
    """S2.05: a change request reaches the owner and is answered."""
    request = ask(working, reason="so that we know", trust="external")
    assert (request.owner, request.fields, request.state) == ("writer", ("notes",), "open")
    assert working.read(Plan, key="plan", scope=TASK) == plan
    assert working.requests(TASK, owner="writer") == [request]
    assert working.requests(TASK, owner="planner") == []
    with pytest.raises(OwnershipError, match="for 'writer' to answer"):
        working.accept(Plan, request.id, scope=TASK, read_version=1, actor="planner")
    done = working.accept(Plan, request.id, scope=TASK, read_version=1, actor="writer", answer="good")
    assert (done.version, done.value.notes, done.updated_by) == (2, {"hotel": "booked"}, "writer")
    assert working.history(key="plan", scope=TASK)[-1].request_id == request.id
    assert done.trusts == {"goal": "internal", "budget": "internal", "steps": "internal", "notes": "external"}
    (answered,) = working.requests(TASK, state=None)
    assert (answered.state, answered.answer, answered.answered_at) == ("accepted", "good", clock())
    for answer in (
        lambda: working.accept(Plan, request.id, scope=TASK, read_version=2, actor="writer"),
        lambda: working.reject(request.id, scope=TASK, actor="writer"),
    ):
        with pytest.raises(InputError, match="answered before"):
            answer()
    assert working.read(Plan, key="plan", scope=TASK).version == 2


def test_a_change_request_is_rejected_with_a_reason(working, plan):
    request = ask(working)
    with pytest.raises(OwnershipError):
        working.reject(request.id, scope=TASK, actor="planner")
    assert working.reject(request.id, scope=TASK, actor="writer", answer="not yet").answer == "not yet"
    assert working.requests(TASK) == []
    assert [one.state for one in working.requests(TASK, key="plan", state="rejected")] == ["rejected"]
    assert working.read(Plan, key="plan", scope=TASK) == plan


def test_a_request_that_nobody_could_accept_is_not_made(working, plan):
    with pytest.raises(ConstraintError):
        ask(working, [{"op": "replace", "path": "/goal", "value": "x"}])
    with pytest.raises(InputError, match="several owners: planner, writer"):
        ask(working, [*NOTE, {"op": "replace", "path": "/steps", "value": []}])
    with pytest.raises(InputError, match="changes nothing"):
        ask(working, [{"op": "test", "path": "/budget", "value": 900}])
    with pytest.raises(SchemaError):
        ask(working, [{"op": "add", "path": "/notes/hotel", "value": 3}])
    with pytest.raises(ConflictError):
        ask(working, read_version=2)
    assert working.requests(TASK, state=None) == []


def test_a_request_that_no_longer_applies_stays_open(working, plan):
    request = ask(working, [{"op": "test", "path": "/notes", "value": {}}, *NOTE])
    noted = PLAN.model_copy(update={"notes": {"a": "b"}})
    working.replace(noted, key="plan", scope=TASK, read_version=1, actor="writer")
    with pytest.raises(ConflictError):
        working.accept(Plan, request.id, scope=TASK, read_version=1, actor="writer")
    with pytest.raises(PatchError, match="Operation 1"):
        working.accept(Plan, request.id, scope=TASK, read_version=2, actor="writer")
    assert [one.state for one in working.requests(TASK)] == ["open"]
    assert working.read(Plan, key="plan", scope=TASK).value == noted


def test_trust_never_rises(working):
    """Part of S1.39: a field that held words from outside stays marked."""
    made = working.create(PLAN, key="plan", scope=TASK, actor="a", trust="user")
    assert made.trust == "user"
    new = PLAN.model_copy(update={"notes": {"x": "from a page"}})
    low = working.replace(new, key="plan", scope=TASK, read_version=1, actor="a", trust="external")
    assert (low.trust, low.trusts["goal"], low.trusts["notes"]) == ("external", "user", "external")
    high = working.replace(PLAN, key="plan", scope=TASK, read_version=2, actor="a", trust="system")
    assert high.trusts["notes"] == "external"
    assert working.read(Plan, key="plan", scope=TASK, version=1).trusts["notes"] == "external"
