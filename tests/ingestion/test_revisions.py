from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tercet.errors import SourceError
from tercet.ingestion import revisions
from tercet.ingestion.ignore import GlobFilter
from tercet.ingestion.revisions import Revision
from tests.ingestion.git_repositories import commit, commit_tree, git, needs_git
from tests.ingestion.unpacked_archives import stamps, unpack

pytestmark = needs_git
FILES = {"README.md": "# Readme\n", "docs/a.md": "# A\n", "docs/deep/b.txt": "b\n", "logo.png": "x", ".hidden.md": "h"}
TAKEN = {"README.md": b"# Readme\n", "docs/a.md": b"# A\n", "docs/deep/b.txt": b"b\n"}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    commit(tmp_path / "repo", FILES, tag="v1")
    return tmp_path / "repo"


def test_files_are_as_they_were_whatever_is_checked_out(repository):
    first = git(repository, "rev-parse", "v1")
    second = commit(repository, {"docs/a.md": "# Another\n", "new.md": "new"})
    (repository / "README.md").write_text("not committed")
    for revision in ("v1", first, first[:10], "main~1", "HEAD^", "refs/tags/v1"):
        assert unpack(repository, revision=revision) == (TAKEN, {})
        assert Revision(repository, revision).commit == first
    latest = unpack(repository, revision="main")
    assert latest.files == TAKEN | {"docs/a.md": b"# Another\n", "new.md": b"new"}
    assert Revision(repository, "HEAD").commit == second


def test_an_annotated_tag_names_its_commit(repository):
    git(repository, "tag", "-a", "-m", "release", "v1-annotated", "v1")
    assert Revision(repository, "v1-annotated").commit == git(repository, "rev-parse", "v1")


def test_a_folder_below_is_taken_by_itself(repository):
    assert unpack(repository / "docs", revision="v1").files == {"a.md": b"# A\n", "deep/b.txt": b"b\n"}
    (repository / "later").mkdir()
    with pytest.raises(SourceError, match=r"no folder later/ at 'v1'"):
        unpack(repository / "later", revision="v1")


def test_a_bare_repository_has_its_name_without_suffix(repository, tmp_path):
    git(tmp_path, "clone", "-q", "--bare", str(repository), "mirror.git")
    assert unpack(tmp_path / "mirror.git", revision="main").files == TAKEN
    assert Revision(tmp_path / "mirror.git", "main").name == "mirror"


def test_globs_and_ignore_files_of_the_revision_hold(repository):
    commit(repository, {".gitignore": "*.tmp.md\n"})
    (repository / "x.tmp.md").write_text("ignored")
    git(repository, "add", "-f", "x.tmp.md")
    commit(repository, {})
    assert unpack(repository, revision="HEAD").files == TAKEN
    assert set(unpack(repository, revision="HEAD", globs=GlobFilter(exclude=["docs/"])).files) == {"README.md"}


def test_the_same_content_has_the_same_stamp_in_every_commit(repository):
    commit(repository, {"README.md": "# Changed\n"}, tag="v2")
    first, second = (stamps(repository, revision=name) for name in ("v1", "v2"))
    assert {path for path in TAKEN if first[path] == second[path]} == {"docs/a.md", "docs/deep/b.txt"}
    assert Revision(repository, "v1").stamp != Revision(repository, "v2").stamp


@pytest.mark.parametrize("revision", ["nope", "v1:docs", "v1..main", "^main", "", "main^{tree}", ":/A commit\n", "a b"])
def test_what_names_no_commit_is_refused(repository, revision):
    with pytest.raises(SourceError, match=r"no commit|no name of a commit"):
        unpack(repository, revision=revision)


@pytest.mark.parametrize("revision", ["--output=pwned", "-h", "--exec=touch pwned", "--git-dir", "--all"])
def test_a_revision_is_never_an_option(repository, revision, monkeypatch):
    monkeypatch.chdir(repository)
    with pytest.raises(SourceError, match="no name of a commit"):
        unpack(repository, revision=revision)
    assert not (repository / "pwned").exists()


def test_a_folder_that_is_no_repository_and_a_file_are_refused_with_a_remedy(tmp_path, repository):
    (tmp_path / "plain").mkdir()
    with pytest.raises(SourceError, match=r"plain is no git repository.*leave the revision out"):
        unpack(tmp_path / "plain", revision="v1")
    with pytest.raises(SourceError, match=r"README.md is no folder.*'v1'"):
        unpack(repository / "README.md", revision="v1")
    with pytest.raises(SourceError, match="absent is no folder"):
        unpack(tmp_path / "absent", revision="v1")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
def test_a_repository_of_somebody_else_is_left_to_the_users_own_decision(repository, monkeypatch, tmp_path):
    for path in (repository, repository / ".git"):
        os.chown(path, 12345, 12345)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    with pytest.raises(SourceError, match=r"dubious ownership.*safe\.directory"):
        unpack(repository, revision="v1")
    git(tmp_path, "config", "--file", "config", "safe.directory", str(repository))
    assert unpack(repository, revision="v1").files == TAKEN


def test_without_the_git_program_the_error_says_so(repository, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceError, match=r"no git program.*Install git"):
        unpack(repository, revision="v1")


def test_links_and_submodules_are_listed(repository):
    head = git(repository, "rev-parse", "HEAD").encode()
    made = commit_tree(
        repository,
        [
            ("100644", "a.md", b"# A\n"),
            ("160000", "library", head),
            ("120000", "link.md", b"/etc/passwd"),
            ("120000", "x.png", b"y.png"),
        ],
    )
    outcome = unpack(repository, revision=made)
    assert outcome.files == {"a.md": b"# A\n"}
    assert outcome.failures == {
        "library/": "is a submodule; ingest its own repository, or exclude it",
        "link.md": "is a link; links in a revision are not followed",
    }
    assert list(unpack(repository, revision=made, globs=GlobFilter(exclude=["library/"])).failures) == ["link.md"]


def test_names_in_a_forged_tree_cannot_lead_outside(repository, tmp_path):
    before = sorted(str(path) for path in tmp_path.iterdir())
    blob = b"# Escaped\n"
    names = ["../../escape.md", "..\\escape.md", "/escape.md", "bell\x07.md", ".git/hooks/readme.md"]
    made = commit_tree(repository, [("100644", name, blob) for name in sorted(names)] + [("100644", "z.md", b"z")])
    outcome = unpack(repository, revision=made)
    assert outcome.files == {"z.md": b"z"}
    assert len(outcome.failures) == 4
    assert sorted(str(path) for path in tmp_path.iterdir()) == before


def test_limits_hold_for_revisions_too(repository):
    commit(repository, {"large.md": "x" * 200_000})
    with pytest.raises(SourceError, match=r"more than 0\.1 MB"):
        unpack(repository, revision="HEAD", max_total_mb=0.1)
    with pytest.raises(SourceError, match="more than 3 members"):
        unpack(repository, revision="HEAD", max_members=3)
    outcome = unpack(repository, revision="HEAD", max_file_mb=0.1)
    assert (outcome.files, list(outcome.failures)) == (TAKEN, ["large.md"])


def test_content_is_what_was_committed_whatever_attributes_and_filters_say(repository, tmp_path):
    """An archive or checkout made by git would run the filter, and leave out or rewrite files."""
    sentinel = tmp_path / "pwned"
    program = f"touch {sentinel}; cat"
    git(repository, "config", "filter.evil.clean", "cat")
    attributes = "*.md filter=evil diff=evil text eol=crlf ident\ndocs export-ignore\nREADME.md export-subst\n"
    files = {".gitattributes": attributes, "README.md": "$Format:%H$ $Id$\n"}
    made = commit(repository, files)
    for key in ("filter.evil.smudge", "filter.evil.process", "diff.evil.textconv", "core.fsmonitor", "core.pager"):
        git(repository, "config", key, program)
    git(repository, "config", "core.sshCommand", program)
    outcome = unpack(repository, revision=made)
    assert outcome.files == TAKEN | {"README.md": b"$Format:%H$ $Id$\n"}
    assert not sentinel.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="needs shell scripts")
def test_hooks_and_aliases_do_not_run(repository, tmp_path):
    sentinel = tmp_path / "pwned"
    hooks = repository / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-checkout", "reference-transaction", "post-index-change", "pre-auto-gc"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {sentinel}\n")
        (hooks / name).chmod(0o755)
    for name in ("rev-parse", "ls-tree", "cat-file"):
        git(repository, "config", f"alias.{name}", f"!touch {sentinel}")
    assert unpack(repository, revision="HEAD").files == TAKEN
    assert not sentinel.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="needs shell scripts")
@pytest.mark.parametrize("lacks", ["blob", "tree"])
def test_nothing_is_fetched_and_nothing_run_for_a_partial_clone(repository, tmp_path, lacks):
    sentinel = tmp_path / "pwned"
    expression = {"blob": "HEAD:README.md", "tree": "HEAD:docs"}[lacks]
    missing = git(repository, "rev-parse", expression)
    (repository / ".git/objects" / missing[:2] / missing[2:]).unlink()
    for key, value in {
        "core.repositoryformatversion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
        "remote.origin.url": f"ext::sh -c touch% {sentinel}",
        "protocol.ext.allow": "always",
        "protocol.allow": "always",
    }.items():
        git(repository, "config", key, value)
    control = subprocess.run(["git", "cat-file", "-p", missing], cwd=repository, capture_output=True, check=False)
    assert control.returncode != 0
    assert sentinel.exists(), "the trap is no trap"
    sentinel.unlink()
    with pytest.raises(SourceError, match=r"cannot be read at [0-9a-f]{40}.*git fsck"):
        unpack(repository, revision="HEAD")
    assert not sentinel.exists()


def test_the_callers_git_variables_do_not_lead_elsewhere(repository, tmp_path, monkeypatch):
    commit(tmp_path / "other", {"other.md": "other"}, tag="v1")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other/.git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path / "other"))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "false")
    assert unpack(repository, revision="v1").files == TAKEN


def test_replaced_objects_are_not_taken_for_the_commit(repository):
    first = git(repository, "rev-parse", "HEAD")
    second = commit(repository, {"README.md": "# Replaced\n"})
    git(repository, "replace", first, second)
    assert unpack(repository, revision=first).files == TAKEN


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_in_place_of_an_object_does_not_block_for_ever(repository, monkeypatch):
    monkeypatch.setattr(revisions, "TIMEOUT_S", 1.0)
    blob = git(repository, "rev-parse", "HEAD:README.md")
    place = repository / ".git/objects" / blob[:2] / blob[2:]
    place.unlink()
    os.mkfifo(place)
    with pytest.raises(SourceError, match="cannot be read"):
        unpack(repository, revision="HEAD")


def test_objects_named_by_sha256(tmp_path):
    folder = tmp_path / "modern"
    folder.mkdir()
    git(folder, "init", "-q", "--object-format=sha256")
    made = commit(folder, FILES)
    assert len(made) == 64
    assert unpack(folder, revision="HEAD").files == TAKEN
