"""``tercet forget``: whose records and which documents go, and which words are refused because they mix the two."""

from __future__ import annotations

from pathlib import Path

import pytest

from tercet import Memory, Scope, ingest
from tercet.records import Document
from tests.cli.test_json import assert_documented

WHO = ("--tenant", "acme", "--user", "ada")


@pytest.fixture
def everything(people, tmp_path: Path):
    """``people``, beside a document of a tenant and one of nobody, and a record of one of Ada's sessions."""
    with Memory.open(tmp_path / ".tercet") as memory:
        ingest(documents=[Document(uri="acme.md", text="Acme rotates keys.")], into=memory, tenant="acme", corpus="own")
        ingest(documents=[Document(uri="all.md", text="Everybody rotates keys.")], into=memory, corpus="shared")
        session = Scope(tenant="acme", user="ada", session="s1")
        memory.episodic.record("Ada asked about keys", scope=session, actor="ada")
    return people


def left(run) -> tuple[int, int, list[str]]:
    """Episodes, working documents and corpora that are still there."""
    scopes = run("memory", "list", "--any", "--json").json["scopes"]
    corpora = [one["name"] for one in run("status", "--json").json["corpora"] if one["documents"]]
    return sum(one["episodes"] for one in scopes), sum(one["working"] for one in scopes), corpora


@pytest.mark.parametrize(
    ("words", "stays"),
    [
        pytest.param(WHO, (2, 1, ["own", "shared"]), id="very-scope"),
        pytest.param((*WHO, "--any"), (1, 1, ["own", "shared"]), id="wider"),
        pytest.param((*WHO, "--working", "plan"), (4, 1, ["own", "shared"]), id="key"),
        pytest.param(("--any",), (0, 0, ["own", "shared"]), id="everybody"),
        pytest.param(("--tenant", "acme", "--all"), (4, 2, ["shared"]), id="documents-of-a-tenant"),
        pytest.param(("--corpus", "shared"), (4, 2, ["own"]), id="shared-documents"),
        pytest.param(("--tenant", "acme", "--any", "--all"), (1, 1, ["shared"]), id="all-of-a-tenant"),
    ],
)
def test_what_is_named_goes_and_nothing_else(everything, words: tuple[str, ...], stays: tuple) -> None:
    planned = everything("forget", *words, "--dry-run", "--json")
    assert left(everything) == (4, 2, ["own", "shared"])
    done = everything("forget", *words, "--yes", "--json")

    assert_documented("forget", planned.json)
    assert_documented("forget", done.json)
    removed = {name: number for name, number in planned.json["receipt"]["removed"].items() if number}
    assert removed.items() <= done.json["receipt"]["removed"].items()
    assert left(everything) == stays


def test_an_episode_is_named_by_its_id_alone_but_not_from_another_scope(everything) -> None:
    (theirs,) = everything("memory", "timeline", "--tenant", "globex", "--user", "eve", "--json").json["episodes"]

    assert everything("forget", "--episode", theirs["id"], *WHO, "--yes").code == 2
    assert left(everything)[0] == 4
    assert everything("forget", "--episode", theirs["id"], "--yes").code == 0
    assert left(everything)[0] == 3


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("--yes",), id="nothing-named"),
        pytest.param(("--working", "plan", "--yes"), id="key-of-nobody"),
        pytest.param(("--tenant", "", "--yes"), id="empty-name"),
        pytest.param(WHO, id="no-confirmation"),
        pytest.param((*WHO, "--all", "--yes"), id="all-of-a-person"),
        pytest.param((*WHO, "--corpus", "own", "--yes"), id="documents-of-a-person"),
        pytest.param(("--tenant", "acme", "--any", "--corpus", "own", "--yes"), id="filter-of-any-scope"),
        pytest.param(("--any", "--all", "--working", "plan", "--yes"), id="all-documents-and-a-key"),
        pytest.param(("--finish", *WHO), id="finish-and-more"),
    ],
)
def test_what_is_not_clear_is_refused_and_nothing_goes(everything, words: tuple[str, ...]) -> None:
    outcome = everything("forget", *words)

    assert outcome.code == 2
    assert outcome.err.startswith("Error: ")
    assert "defect" not in outcome.err
    assert left(everything) == (4, 2, ["own", "shared"])
