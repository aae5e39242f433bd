from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path

import pytest

from tercet.errors import ConfigurationError, SourceError
from tercet.ingestion.ignore import GlobFilter
from tercet.ingestion.sources import Scan, scan_folder, stat_file
from tercet.memory.stored import FileStamp

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX files")
unprivileged = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")


def readable(name: str) -> bool:
    return name.endswith((".md", ".txt"))


def make(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return root


def scan(root: Path, **options) -> Scan:
    return scan_folder(root, readable=readable, **options)


def paths(result: Scan) -> list[str]:
    return [file.path for file in result.files]


def test_lists_readable_files_below_a_folder_in_order_of_their_paths(tmp_path):
    make(tmp_path, "b.md", "a/z.txt", "a/b/c.md", "a.md", "B.md")
    assert paths(scan(tmp_path)) == ["B.md", "a.md", "a/b/c.md", "a/z.txt", "b.md"]


def test_stamps_tell_size_times_and_inode(tmp_path):
    make(tmp_path, "a.md")
    status = (tmp_path / "a.md").stat()
    expected = FileStamp(4, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    assert scan(tmp_path).files[0].stamp == expected
    assert stat_file(tmp_path / "a.md").stamp == expected


def test_counts_files_of_other_formats_as_skipped_not_failed(tmp_path):
    make(tmp_path, "a.md", "logo.png", "b/data.bin", "Makefile")
    result = scan(tmp_path)
    assert result.skipped == 3
    assert result.failures == ()


def test_passes_over_hidden_entries_and_folders_of_tools(tmp_path):
    make(tmp_path, "a.md", ".hidden.md", ".git/x.md", ".tercet/x.md", ".tercet-old/x.md", "node_modules/p/README.md")
    make(tmp_path, "sub/node_modules/x.md", "sub/.venv/x.md", "__pycache__/x.md")
    assert paths(scan(tmp_path)) == ["a.md"]


def test_passes_over_the_memory_it_ingests_into_and_any_other_memory(tmp_path):
    make(tmp_path, "a.md", "mine/vectors.md", "other/memory.db", "other/notes.md", "third/x.md")
    result = scan(tmp_path, memories=[tmp_path / "mine", tmp_path / "absent"], memory_marker="memory.db")
    assert paths(result) == ["a.md", "third/x.md"]


def test_obeys_ignore_files_at_every_level_the_deeper_one_first(tmp_path):
    make(
        tmp_path, "a.md", "draft.md", "build/x.md", "sub/draft.md", "sub/keep.md", "sub/deep/draft.md", "sub/build/y.md"
    )
    (tmp_path / ".gitignore").write_text("draft.md\nbuild/\n# a comment\n\n")
    (tmp_path / "sub/.gitignore").write_text("!draft.md\n/keep.md\n")
    assert paths(scan(tmp_path)) == ["a.md", "sub/deep/draft.md", "sub/draft.md"]


def test_negated_and_anchored_patterns_mean_what_git_means(tmp_path):
    make(tmp_path, "top.md", "sub/top.md", "logs/a.txt", "logs/keep.txt", "x/logs/b.txt")
    (tmp_path / ".gitignore").write_text("/top.md\n*.txt\n!keep.txt\n")
    assert paths(scan(tmp_path)) == ["logs/keep.txt", "sub/top.md"]


def test_ignore_files_above_the_folder_hold_up_to_the_repository(tmp_path):
    make(tmp_path, "repo/docs/a.md", "repo/docs/_build/b.md")
    (tmp_path / "repo/.git").mkdir()
    (tmp_path / "repo/.gitignore").write_text("docs/_build/\n")
    (tmp_path / ".gitignore").write_text("*.md\n")
    assert paths(scan(tmp_path / "repo/docs")) == ["a.md"]


def test_an_ignored_folder_is_walked_when_it_is_named(tmp_path):
    make(tmp_path, "docs/_build/b.md")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("_build/\n")
    assert paths(scan(tmp_path / "docs/_build")) == ["b.md"]


def test_lines_that_are_no_pattern_do_not_disable_the_others(tmp_path):
    make(tmp_path, "a.md", "b.md")
    (tmp_path / ".gitignore").write_bytes(b"\xef\xbb\xbfb.md\r\n!\n\xff\xfe\n[z-\n")
    assert paths(scan(tmp_path)) == ["a.md"]


def test_include_and_exclude_globs(tmp_path):
    make(tmp_path, "a.md", "a.txt", "sub/b.md", "sub/drafts/c.md", "drafts/d.md")
    assert paths(scan(tmp_path, globs=GlobFilter(include=["*.md"]))) == [
        "a.md",
        "drafts/d.md",
        "sub/b.md",
        "sub/drafts/c.md",
    ]
    assert paths(scan(tmp_path, globs=GlobFilter(exclude=["drafts/"]))) == ["a.md", "a.txt", "sub/b.md"]
    assert paths(scan(tmp_path, globs=GlobFilter(include=["/sub/**"], exclude=["drafts/"]))) == ["sub/b.md"]


@pytest.mark.parametrize(("include", "named"), [("*.md", r"include=\['\*.md'\]"), (["a", "!"], "include glob '!'")])
def test_globs_that_cannot_be_meant_are_refused(include, named):
    with pytest.raises(ConfigurationError, match=named):
        GlobFilter(include=include)


@posix
def test_follows_links_to_files_inside_the_root_only(tmp_path):
    make(tmp_path, "outside.md", "root/a.md", "root/sub/b.md")
    root = tmp_path / "root"
    (root / "inside.md").symlink_to(root / "a.md")
    (root / "escape.md").symlink_to(tmp_path / "outside.md")
    (root / "folder").symlink_to(root / "sub")
    (root / "folder.md").symlink_to(root / "sub")
    (root / "loop").symlink_to(root)
    result = scan(root)
    assert paths(result) == ["a.md", "inside.md", "sub/b.md"]
    assert result.failures == ()


@posix
def test_a_link_that_leads_nowhere_is_a_failure(tmp_path):
    (tmp_path / "gone.md").symlink_to(tmp_path / "missing.md")
    (tmp_path / "round.md").symlink_to(tmp_path / "round.md")
    result = scan(tmp_path)
    assert [failure.path for failure in result.failures] == ["gone.md", "round.md"]
    assert all("cannot be read" in failure.reason for failure in result.failures)
    assert result.files == ()


@posix
def test_pipes_and_sockets_are_listed_and_never_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.md")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(tmp_path)  # the path of a socket may be short only
        try:
            server.bind("socket.md")
        finally:
            os.chdir(here)
        result = scan(tmp_path)
    reasons = {failure.path: failure.reason for failure in result.failures}
    assert reasons == {
        "pipe.md": "is a named pipe, not a regular file",
        "socket.md": "is a socket, not a regular file",
    }


@posix
@unprivileged
def test_a_folder_that_cannot_be_listed_is_a_failure_and_its_content_unknown(tmp_path):
    make(tmp_path, "a.md", "closed/b.md")
    (tmp_path / "closed").chmod(0)
    try:
        result = scan(tmp_path)
    finally:
        (tmp_path / "closed").chmod(0o700)
    assert paths(result) == ["a.md"]
    assert result.unread == ("closed/",)
    assert "permission denied" in result.failures[0].reason


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such names")
@pytest.mark.parametrize("name", [b"caf\xe9.md", b"line\nbreak.md", b"escape\x1b[31m.md"])
def test_names_that_cannot_be_stored_or_shown_fail_alone(tmp_path, name):
    make(tmp_path, "a.md")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_text("x")
    result = scan(tmp_path)
    assert paths(result) == ["a.md"]
    assert "rename it" in result.failures[0].reason
    assert result.failures[0].path.isprintable()


def test_a_folder_that_is_missing_is_refused_by_name(tmp_path):
    with pytest.raises(SourceError, match=r"absent cannot be listed: no such file"):
        scan(tmp_path / "absent")


@posix
def test_a_single_file_must_be_regular(tmp_path):
    os.mkfifo(tmp_path / "pipe.md")
    with pytest.raises(SourceError, match="a named pipe"):
        stat_file(tmp_path / "pipe.md")


def test_ten_thousand_files_are_walked_well_within_a_second(tmp_path):
    for folder in range(100):
        inside = tmp_path / f"d{folder}"
        inside.mkdir()
        for number in range(100):
            (inside / f"{number}.md").touch()
    started = time.process_time()
    assert len(scan(tmp_path).files) == 10_000
    assert time.process_time() - started < 1
