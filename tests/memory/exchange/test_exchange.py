"""Export and import (part of S2.12): the same bytes again, everything or nothing, and nobody else's records."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tercet import Memory, Scope, Turn
from tercet.errors import ImportRefusedError, InputError
from tercet.memory.exchange import FORMAT
from tercet.testing import HashEmbedder
from tests.memory.exchange.histories import EVERYBODY, SCOPES, START, Plan, exported, fill, imported

ADA = Scope(tenant="acme", user="ada")


def lines_of(data: bytes) -> list[dict]:
    return [json.loads(line) for line in data.splitlines()]


def sealed(lines: list[dict]) -> bytes:
    """A file with a right seal, whatever its lines say."""
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    end = {"type": "end", "lines": len(lines), "sha256": hashlib.sha256(body).hexdigest()}
    return body + json.dumps(end).encode() + b"\n"


def assert_same(one: Memory, other: Memory) -> None:
    """Both answer alike, and what is derived is what it should be."""
    for scope in SCOPES:
        for reader in (scope, EVERYBODY):
            assert one.episodic.timeline(reader, include_superseded=True) == other.episodic.timeline(
                reader, include_superseded=True
            )
        assert [(r.first.id, r.second.id) for r in one.episodic.reviews(scope)] == [
            (r.first.id, r.second.id) for r in other.episodic.reviews(scope)
        ]
        assert other.episodic._changes.settle(scope) == 0
        documents = [memory.working.documents(scope, newest_first=False) for memory in (one, other)]
        assert documents[0] == documents[1]
        for document in documents[0]:
            place = {"key": document.key, "scope": document.scope}
            assert [change.hash for change in one.working.history(**place)] == [
                change.hash for change in other.working.history(**place)
            ]
    selections = [memory.episodic.select(EVERYBODY) for memory in (one, other)]
    terms = dict.fromkeys(one.episodic.analyzer.terms("printer Oslo turn"), 1)
    scores = [
        [(hit.id, hit.score) for hit in memory.episodic.lexical_candidates(terms, selection, limit=50).candidates]
        for memory, selection in zip((one, other), selections, strict=True)
    ]
    assert scores[0] == scores[1]


@pytest.mark.parametrize(
    ("source", "target"), [("sqlite", "sqlite"), ("sqlite", "postgresql"), ("postgresql", "sqlite")]
)
def test_export_import_export_is_byte_identical(opened, source, target):
    first, second = opened(source), opened(target)
    fill(first, seed=1, size=80)
    first.episodic.embed_missing()

    data = exported(first)
    report = imported(second, data)

    assert exported(second) == data
    assert_same(first, second)
    assert report.episodes == sum(line["type"] == "episode" for line in lines_of(data)) > 0
    assert exported(second, vectors=True) == exported(first, vectors=True)
    assert second.episodic.missing_vectors() == 0


@pytest.mark.parametrize("examples", [4, pytest.param(40, marks=pytest.mark.slow)])
def test_any_memory_comes_back_as_it_was(tmp_path_factory, examples):
    @settings(max_examples=examples)
    @given(seed=st.integers(0, 10**6), size=st.integers(0, 50))
    def compare(seed, size):
        folder = tmp_path_factory.mktemp("memories")
        with (
            Memory.open(folder / "one", embedder=HashEmbedder(8)) as one,
            Memory.open(folder / "two", embedder=HashEmbedder(8)) as two,
        ):
            fill(one, seed, size)
            data = exported(one)
            imported(two, data)
            assert exported(two) == data
            assert_same(one, two)

    compare()


def test_what_is_there_already_is_recognised(opened):
    memory = opened("sqlite")
    fill(memory, seed=2)
    data = exported(memory)

    report = imported(memory, data)

    assert (report.episodes, report.working_documents) == (0, 0)
    assert report.known == sum(line["type"] in {"episode", "working_document"} for line in lines_of(data))
    assert exported(memory) == data


def test_a_longer_history_carries_a_shorter_one_on_and_is_not_cut_by_it(opened):
    memory, copy = opened("sqlite"), opened("sqlite")
    key = memory.episodic.record("Ada lives in Oslo", scope=ADA, actor="ada", kind="fact").id
    plan = memory.working.create(Plan(goal="g"), key="plan", scope=ADA, actor="planner")
    before = exported(memory)
    event = memory.episodic.retract(key, scope=ADA)
    memory.episodic.undo(event, scope=ADA)
    memory.working.replace(Plan(goal="g", budget=2), key="plan", scope=ADA, read_version=plan.version, actor="planner")
    after = exported(memory)
    assert after != before

    imported(copy, before)
    report = imported(copy, after)
    assert (report.working_documents, report.episodes) == (1, 0)
    assert exported(copy) == after
    imported(copy, before)
    assert exported(copy) == after


def test_a_conflict_is_named_and_nothing_is_imported(opened):
    memory, other = opened("sqlite"), opened("sqlite")
    for one, importance, goal in ((memory, 0.2, "north"), (other, 0.9, "south")):
        one.episodic.record("Ada lives in Oslo", scope=ADA, actor="ada", occurred_at=START, importance=importance)
        one.working.create(Plan(goal=goal), key="plan", scope=ADA, actor="planner")
    memory.episodic.record("new", scope=ADA, actor="ada")
    before = exported(other)

    with pytest.raises(ImportRefusedError, match="importance") as refused:
        imported(other, exported(memory))

    named = "; ".join(refused.value.conflicts)
    assert "working document 'plan' (tenant=acme, user=ada)" in named
    assert memory.episodic.timeline(ADA)[0].id in named
    assert exported(other) == before


def test_another_turn_at_the_same_place_is_a_conflict(opened):
    memory, other = opened("sqlite"), opened("sqlite")
    for one, text in ((memory, "hello"), (other, "goodbye")):
        one.episodic.record_turns([Turn(actor="ada", text=text)], scope=ADA, conversation="c")

    with pytest.raises(ImportRefusedError, match="'c' has another turn at position 0"):
        imported(other, exported(memory))


def test_a_document_that_was_deleted_here_does_not_come_back(opened):
    memory = opened("sqlite")
    plan = memory.working.create(Plan(goal="g"), key="plan", scope=ADA, actor="planner")
    data = exported(memory)
    memory.working.delete(key="plan", scope=ADA, read_version=plan.version, actor="planner")

    with pytest.raises(ImportRefusedError, match="deleted here at version 1"):
        imported(memory, data)


DAMAGES = {
    "a byte": lambda data: data.replace(b"Oslo", b"Osla", 1),
    "a cut": lambda data: data[: len(data) // 2],
    "the last line": lambda data: data[: data[:-1].rfind(b"\n") + 1],
    "the last newline": lambda data: data[:-1],
    "a line gone": lambda data: b"\n".join(data.split(b"\n")[:3] + data.split(b"\n")[4:]),
    "something after the end": lambda data: data + b"{}\n",
    "another version": lambda data: data.replace(b'"version":1}', b'"version":99}', 1),
    "something else": lambda data: b"hello\n",
    "nothing": lambda data: b"",
    "deep nesting": lambda data: b"[" * 100_000 + b"\n",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_refused_before_anything_is_written(opened, damage):
    memory, target = opened("sqlite"), opened("sqlite")
    fill(memory, seed=3, size=30)
    memory.episodic.record("Ada lives in Oslo", scope=ADA, actor="ada")
    data = DAMAGES[damage](exported(memory))
    before = exported(target)

    with pytest.raises(ImportRefusedError):
        imported(target, data)

    assert exported(target) == before


FORGERIES = {
    "text": lambda line: line | {"text": "Ada lives in Rome"},
    "scope": lambda line: line | {"tenant": "globex"},
    "field": lambda line: line | {"colour": "blue"},
    "type": lambda line: line | {"importance": "high"},
    "range": lambda line: line | {"importance": 7},
    "empty": lambda line: line | {"text": " "},
    "source": lambda line: line | {"derived_from": ["0" * 32]},
    "time": lambda line: line | {"occurred_at": 10**30},
    "event": lambda line: (
        line
        | {
            "events": [
                {"kind": "undone", "at": 0, "effective": 0, "actor": "", "reason": "", "other": None, "undoes": 5}
            ]
        }
    ),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_record_is_refused_although_the_seal_is_right(opened, forgery):
    memory, target = opened("sqlite"), opened("sqlite")
    memory.episodic.record("Ada lives in Oslo", scope=ADA, actor="ada")
    lines = [FORGERIES[forgery](line) if line["type"] == "episode" else line for line in lines_of(exported(memory))]

    with pytest.raises(ImportRefusedError):
        imported(target, sealed(lines[:-1]))

    assert target.episodic.timeline(EVERYBODY) == []


def test_vectors_travel_on_request_and_only_to_the_same_model(opened, tmp_path):
    memory, same = opened("sqlite"), opened("sqlite")
    fill(memory, seed=4)
    memory.episodic.embed_missing()
    data = exported(memory, vectors=True)

    assert lines_of(data)[0]["format"] == FORMAT
    taken = imported(same, data)
    assert (taken.vectors > 0, taken.embedded, same.episodic.missing_vectors()) == (True, 0, 0)
    with Memory.open(tmp_path / "words", embedder="none") as words:
        assert imported(words, data).vectors == 0
    with Memory.open(tmp_path / "other", embedder=HashEmbedder(32)) as other:
        report = imported(other, data)
        assert (report.vectors, report.embedded > 0) == (0, True)


@pytest.mark.parametrize("scope", [*SCOPES, Scope.any(tenant="acme"), Scope.any(user="ada")], ids=str)
def test_an_export_holds_the_records_of_its_scope_and_nothing_of_anybody_else(opened, scope):
    """Part of S2.12: conversation and working memory of each scope are addressed and handed over alone."""
    memory = opened("sqlite")
    for number, owner in enumerate(SCOPES):
        memory.episodic.record(f"secret {number}", scope=owner, actor=f"a{number}", entities=[f"name {number}"])
        memory.working.create(Plan(goal=f"aim {number}"), key=f"key {number}", scope=owner, actor="planner")

    text = exported(memory, scope, vectors=True).decode()

    for number, owner in enumerate(SCOPES):
        mine = scope == owner if isinstance(scope, Scope) else scope.sees(owner)
        for word in (f"secret {number}", f"aim {number}", f"key {number}", f"name {number}"):
            assert (word in text) == mine


def test_sources_of_other_scopes_are_counted_and_left_out(opened, tmp_path):
    memory, copy = opened("sqlite"), opened("sqlite")
    session = Scope(tenant="acme", user="ada", session="s1")
    said = memory.episodic.record("I moved to Oslo", scope=session, actor="ada").id
    memory.episodic.record("Ada lives in Oslo", scope=ADA, actor="ada", kind="fact", derived_from=[said])

    report = memory.export(tmp_path / "ada.jsonl", scope=ADA)

    assert report.sources_left_out == 1
    copy.import_(tmp_path / "ada.jsonl", scope=ADA)
    assert exported(copy) == (tmp_path / "ada.jsonl").read_bytes()


def test_an_import_takes_only_what_it_was_told_to_take(opened):
    memory, target = opened("sqlite"), opened("sqlite")
    memory.episodic.record("theirs", scope=Scope(tenant="globex"), actor="eve")

    with pytest.raises(ImportRefusedError, match="records of tenant=globex"):
        imported(target, exported(memory), Scope.any(tenant="acme"))
    assert imported(target, exported(memory), Scope(tenant="globex")).episodes == 1


def test_a_file_is_not_replaced_unless_asked_and_is_private(opened, tmp_path):
    memory = opened("sqlite")
    path = tmp_path / "all.jsonl"
    memory.export(path, scope=EVERYBODY)

    with pytest.raises(InputError, match="exists"):
        memory.export(path, scope=EVERYBODY)
    memory.export(path, scope=EVERYBODY, overwrite=True)
    assert path.stat().st_mode & 0o077 == 0


def test_an_export_works_beside_a_process_that_holds_the_folder(tmp_path):
    with Memory.open(tmp_path / "memory", embedder="none") as holder:
        holder.episodic.record("held", scope=ADA, actor="ada")
        with Memory.open(tmp_path / "memory", read_only=True) as reader:
            assert exported(reader) == exported(holder)
