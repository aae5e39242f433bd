"""Archives and git revisions on the command line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.ingestion.git_repositories import commit, git
from tests.ingestion.unpacked_archives import make_zip


def test_an_archive_is_ingested_like_a_folder(run, corpus: Path) -> None:
    archive = shutil.make_archive("guide", "gztar", root_dir=corpus)

    outcome = run("ingest", archive, "--embedder", "none", "--corpus", "packed")

    assert outcome.code == 0
    assert "+ guide/keys.md" in outcome.out
    assert run("ingest", archive, "--corpus", "packed", "--json").json["unchanged"] == 3


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_revision_is_ingested_and_its_commit_said(run, tmp_path: Path) -> None:
    made = commit(tmp_path / "repo", {"a.md": "# A\n\nFirst.\n"}, tag="v1.2")
    commit(tmp_path / "repo", {"a.md": "# A\n\nSecond.\n"})

    outcome = run("ingest", "repo", "--revision", "v1.2", "--embedder", "none")

    assert outcome.code == 0
    assert f"As of commit {made}" in outcome.out
    assert "First." in run("search", "first").out
    assert git(tmp_path / "repo", "status", "--porcelain") == ""
    assert run("ingest", "repo", "--revision", "v1.2", "--json").json["revision"] == made


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("guide", "--revision", "v1"), "no git repository"),
        (("docs.zip", "--max-unpacked", "0.00001"), "unpacks to more than 1e-05 MB"),
        (("docs.zip", "--revision", "v1"), "no folder"),
        (("broken.tar.gz",), "damaged"),
    ],
)
def test_what_cannot_be_unpacked_is_refused_with_exit_code_2(run, corpus: Path, words, said: str) -> None:
    make_zip(Path("docs.zip"), {"a.md": "# A\n\nText.\n"})
    Path("broken.tar.gz").write_bytes(b"\x1f\x8bbroken")

    outcome = run("ingest", *words, "--embedder", "none")

    assert outcome.code == 2
    assert said in outcome.err


def test_refused_members_are_listed_with_exit_code_1(run) -> None:
    make_zip(Path("docs.zip"), {"a.md": "# A\n\nText.\n", "../b.md": "x"})

    outcome = run("ingest", "docs.zip", "--embedder", "none")

    assert outcome.code == 1
    assert "failed docs/../b.md: has .. in its path" in outcome.out
    assert "+ docs/a.md" in outcome.out
