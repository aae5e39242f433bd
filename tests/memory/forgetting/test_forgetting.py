"""What ``Memory.forget`` takes along, what it leaves, and what its receipt says; in a folder and on servers."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import func, select

from tercet import Document, DocumentFilter, Memory, Scope, Turn, ingest
from tercet.errors import InputError
from tercet.memory.backup import backup, restore
from tercet.memory.episodes.records import State
from tercet.memory.health import check
from tercet.memory.schema import embeddings, schema, scopes
from tests.memory.forgetting.canaries import (
    NOON,
    Canaries,
    Plan,
    fill,
    fill_documents,
    fill_neighbour,
    neighbour,
    open_memory,
)

ADA, BOB = Scope(tenant="acme", user="ada"), Scope(tenant="beta", user="bob")


def rows(memory: Memory) -> dict[str, list[str]]:
    """All that the database holds, as text, by table."""
    with memory.database.read() as connection:
        return {
            name: sorted(str(tuple(row)) for row in connection.execute(select(table)))
            for name, table in schema.tables.items()
        }


def texts(memory: Memory, scope: Scope) -> list[str]:
    return [episode.text for episode in memory.episodic.timeline(scope)]


def record(memory: Memory, text: str, scope: Scope = ADA, **fields) -> str:
    return memory.episodic.record(text, scope=scope, actor="ada", **fields).id


def as_erased(memory: Memory) -> str:
    """The best that can be said: of servers nobody here can see the logs."""
    return "erased" if memory.path else "pending"


def test_no_row_of_any_table_keeps_a_word_and_the_neighbour_is_as_before(memory):
    word = Canaries(7)
    fill_neighbour(memory, "bob")
    before, clean = neighbour(memory, "bob"), rows(memory)
    fill(memory, word, ADA)
    fill_documents(memory, word, "papers", tenant="acme")
    full = str(rows(memory))
    assert all(each in full for place, each in word.words.items() if place not in {"text before", "old goal"})

    receipt = memory.forget(
        scope=Scope.any(tenant="acme", user="ada"), documents=DocumentFilter(corpus=("papers",), tenant="acme")
    )

    left = rows(memory)
    assert [place for place, each in word.words.items() if each in str(left)] == []
    unlike = {name for name in clean if clean[name] != left[name]}
    # The name of the corpus stays for the next ingest, and of the journal that runs, effects and approvals were.
    journal = {"runs", "run_events", "run_texts", "effects", "effect_amounts", "approvals"}
    assert unlike == {"corpora", *journal}
    assert neighbour(memory, "bob") == before
    assert check(memory) == []
    assert receipt.status == as_erased(memory)
    assert receipt.removed["documents"] == 2
    assert receipt.removed["working"] == 1
    assert receipt.removed["versions"] == 4
    assert receipt.removed["requests"] == 1
    assert receipt.removed["scopes"] == 2


def test_servers_are_named_as_what_may_still_hold_it(memory):
    record(memory, "Ada moved to Oslo")
    receipt = memory.forget(scope=ADA)
    if memory.path is None:
        assert "write-ahead log" in receipt.reason
        assert "Qdrant" in receipt.reason
        assert "VACUUM FULL" in receipt.remedy
    assert memory.finish_forgetting() is None  # nothing that could be done here is left


def test_a_dry_run_counts_and_changes_nothing(memory):
    fill(memory, Canaries(1), ADA)
    before = rows(memory)
    planned = memory.forget(scope=Scope.any(tenant="acme"), dry_run=True)
    assert rows(memory) == before
    done = memory.forget(scope=Scope.any(tenant="acme"))
    assert planned.status == "planned"
    assert planned.removed.items() <= done.removed.items()
    assert planned.derived == done.derived


def test_what_was_derived_goes_too_in_any_scope_and_over_several_steps(memory):
    first, other = record(memory, "Ada has a cat"), record(memory, "The sky is blue")
    second = record(memory, "Ada likes animals", derived_from=[first])
    team = Scope(tenant="acme")  # nothing is derived from what another tenant's records say
    third = record(memory, "Send Ada a calendar with cats", team, derived_from=[second, other])
    receipt = memory.forget(scope=ADA, episodes=[first])
    assert set(receipt.derived) == {second, third}
    assert (receipt.removed["episodes"], receipt.removed["derived"]) == (1, 2)
    assert texts(memory, ADA) == ["The sky is blue"]
    assert texts(memory, team) == []


def test_a_summary_is_written_again_from_what_is_left(memory):
    turns = [Turn(actor="ada", text=f"Turn {name}") for name in ("one", "two", "three")]
    ids = memory.episodic.record_turns(turns, scope=ADA, conversation="c")
    memory.episodic.consolidate(ADA, summarize=lambda turns: "Said: " + ", ".join(turn.text for turn in turns))
    [summary] = memory.episodic.timeline(ADA, kinds=["summary"])
    record(memory, "Summary of the week", kind="summary", derived_from=[summary.id])

    receipt = memory.forget(
        scope=ADA,
        episodes=[ids[1]],
        summarize=lambda sources: "Still said: " + "; ".join(source.text for source in sources),
    )

    again = memory.episodic.timeline(ADA, kinds=["summary"])
    assert {one.text for one in again} == {
        "Still said: Turn one; Turn three",
        "Still said: Still said: Turn one; Turn three",
    }
    assert set(receipt.rebuilt) == {one.id for one in again}
    assert receipt.removed["derived"] == 2
    direct = next(one for one in again if one.text.startswith("Still said: Turn"))
    assert set(direct.derived_from) == {ids[0], ids[2]}
    assert direct.metadata == {"conversation": "c"}


def test_a_summary_that_cannot_be_written_again_stays_removed_and_the_receipt_says_so(memory):
    ids = memory.episodic.record_turns(
        [Turn(actor="a", text="x"), Turn(actor="a", text="y")], scope=ADA, conversation="c"
    )
    memory.episodic.consolidate(ADA, summarize=lambda turns: "both")

    def fail(_sources):
        raise RuntimeError("no model")

    receipt = memory.forget(scope=ADA, episodes=[ids[0]], summarize=fail)
    assert receipt.status == as_erased(memory)
    assert any("no model" in said for said in receipt.notes)
    assert texts(memory, ADA) == ["y"]


def test_repetitions_of_a_record_go_with_it(memory):
    first = record(memory, "Ada lives in Oslo", kind="fact", occurred_at=NOON)
    second = record(memory, "Ada lives in Oslo", kind="fact")
    assert memory.episodic.timeline(ADA, kinds=["fact"])[0].id == second
    receipt = memory.forget(scope=ADA, episodes=[first])
    assert receipt.removed["repetitions"] == 1
    assert texts(memory, ADA) == []


def test_what_a_forgotten_record_superseded_stands_again(memory):
    old = record(memory, "Ada lives in Oslo", kind="fact", subject="home", occurred_at=NOON)
    new = record(memory, "Ada lives in Rome", kind="fact", subject="home")
    chosen = record(memory, "Ada has a dog", kind="fact")
    other = record(memory, "Ada has a wolf", kind="fact")
    memory.episodic.supersede(chosen, by=other, scope=ADA, reason="because of a wolf")
    assert texts(memory, ADA) == ["Ada lives in Rome", "Ada has a wolf"]
    memory.forget(scope=ADA, episodes=[new, other])
    assert sorted(texts(memory, ADA)) == ["Ada has a dog", "Ada lives in Oslo"]
    assert [one.state for one in memory.episodic.timeline(ADA)] == [State.LIVE, State.LIVE]
    assert old
    assert "wolf" not in str(rows(memory))


def test_a_vector_stays_while_another_record_has_the_very_same_text(memory):
    record(memory, "Ada likes tea")
    record(memory, "Ada likes tea", BOB)
    memory.forget(scope=ADA)
    with memory.database.read() as connection:
        assert connection.execute(select(func.count()).select_from(embeddings)).scalar_one() == 1
    memory.forget(scope=BOB)
    with memory.database.read() as connection:
        assert connection.execute(select(func.count()).select_from(embeddings)).scalar_one() == 0
        assert connection.execute(select(func.count()).select_from(scopes)).scalar_one() == 0


def test_an_id_of_another_scope_is_refused_and_nothing_is_forgotten(memory):
    mine, theirs = record(memory, "Ada likes tea"), record(memory, "Bob likes tea", BOB)
    with pytest.raises(InputError, match="Nothing is recorded as"):
        memory.forget(scope=ADA, episodes=[mine, theirs])
    with pytest.raises(InputError, match="without their scope"):
        memory.forget(episodes=[mine], documents=DocumentFilter())
    with pytest.raises(InputError, match="not told what"):
        memory.forget()
    assert texts(memory, ADA) + texts(memory, BOB) == ["Ada likes tea", "Bob likes tea"]


def test_a_scope_is_exact_and_the_receipt_says_what_stays_beside_it(memory):
    record(memory, "Ada likes tea")
    record(memory, "In a session", Scope(tenant="acme", user="ada", session="s"))
    ingest(documents=[Document(uri="a", text="Tea")], into=memory, tenant="acme", embed="later")
    receipt = memory.forget(scope=ADA)
    assert texts(memory, Scope(tenant="acme", user="ada", session="s")) == ["In a session"]
    assert any("1 records of narrower scopes stay" in said for said in receipt.notes)
    assert any("1 documents of tenant acme stay" in said for said in receipt.notes)


def test_working_documents_by_key(memory):
    """Part of S2.12: working memory can be deleted by its key."""
    for key in ("plan", "other"):
        memory.working.create(Plan(goal=key), key=key, scope=ADA, actor="a")
    record(memory, "Ada likes tea")
    receipt = memory.forget(scope=ADA, working=["plan"])
    assert receipt.removed["working"] == 1
    assert [one.key for one in memory.working.documents(scope=ADA)] == ["other"]
    assert texts(memory, ADA) == ["Ada likes tea"]
    with pytest.raises(InputError, match="no working document 'plan'"):
        memory.forget(scope=ADA, working=["plan"])


def test_a_tenants_documents_are_forgotten_without_the_shared_ones(memory):
    for tenant in ("", "acme"):
        ingest(documents=[Document(uri="a", text=f"Tea {tenant}")], into=memory, tenant=tenant, embed="later")
    assert memory.forget(documents=DocumentFilter(tenant="acme")).removed["documents"] == 1
    assert [one.tenant for one in memory.semantic.documents(DocumentFilter(tenant="acme"))] == [""]


def test_sources_and_backups_are_named_as_out_of_reach(memory, tmp_path: Path):
    (tmp_path / "guide").mkdir()
    (tmp_path / "guide" / "a.md").write_text("# Tea\n\nPour it slowly.\n")
    ingest(tmp_path / "guide", into=memory, embed="later")
    backup(memory.database, tmp_path / "monday.backup")
    receipt = memory.forget(documents=DocumentFilter())
    assert any(str(tmp_path / "monday.backup") in place for place in receipt.out_of_reach)
    assert any(str(tmp_path / "guide") in place for place in receipt.out_of_reach)


def test_a_backup_made_by_the_name_of_the_folder_is_known_and_so_is_a_restored_one(tmp_path):
    with open_memory(tmp_path / "memory") as memory:
        record(memory, "Ada likes tea")
    backup(tmp_path / "memory", tmp_path / "monday.backup")
    backup(tmp_path / "memory", tmp_path / "tuesday.backup")
    restore(tmp_path / "tuesday.backup", tmp_path / "copy")
    with open_memory(tmp_path / "memory") as memory:
        assert len(memory.forget(scope=ADA).out_of_reach) == 2
    with open_memory(tmp_path / "copy") as memory:
        assert "monday" in memory.forget(scope=ADA).out_of_reach[0]


def test_many_records_in_batches(memory):
    turns = [Turn(actor="ada", text=f"Turn {number}") for number in range(700)]
    memory.episodic.record_turns(turns, scope=ADA, conversation="c", embed=False)
    record(memory, "Bob stays", BOB)
    seen = []
    receipt = memory.forget(scope=ADA, progress=lambda step: seen.append((step.phase, step.done)))
    assert receipt.removed["episodes"] == 700
    assert [done for phase, done in seen if phase == "forget"] == [256, 512, 700]
    assert check(memory) == []
    assert texts(memory, BOB) == ["Bob stays"]
