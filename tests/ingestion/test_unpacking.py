from __future__ import annotations

import tarfile
import tempfile
import unicodedata
from pathlib import Path

import pytest

from tercet.errors import ConfigurationError, ParseError, SourceError
from tercet.ingestion.ignore import GlobFilter
from tercet.ingestion.unpacking import Unpacker, archive_name, checked_path
from tercet.ingestion.zip_archives import unpack_zip
from tercet.settings import UnpackingLimits
from tests.ingestion.unpacked_archives import make_tar, make_zip, special, unpack

ESCAPES = {
    "../escape.md": "..",
    "guide/../../escape.md": "..",
    "guide/..": "..",
    "/etc/escape.md": "absolute",
    "//host/escape.md": "absolute",
    "C:escape.md": "drive",
    "c:/escape.md": "drive",
    "line\nbreak.md": "control characters",
    "bell\x07.md": "control characters",
}
PLAIN = {"a.md": b"# A\n\nalpha\n", "guide/b.txt": b"beta\n"}


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that things are unpacked into."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def unpacker(top: Path, **options) -> Unpacker:
    options = {"source": "docs.zip", "limits": UnpackingLimits(), "max_file_bytes": 1000} | options
    return Unpacker(top, **options)


def everything_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize("name", ESCAPES)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_name_that_could_lead_outside_is_refused_and_the_others_are_taken(tmp_path, kind, name):
    hostile = PLAIN | {name: b"# Escaped\n"}
    if kind == "zip":
        path = make_zip(tmp_path / "docs.zip", hostile)
    else:
        path = make_tar(tmp_path / "docs.tar", hostile.items())
    before = everything_below(tmp_path)
    outcome = unpack(path)
    assert outcome.files == PLAIN
    assert len(outcome.failures) == 1
    ((shown, reason),) = outcome.failures.items()
    assert ESCAPES[name] in reason
    assert shown.isprintable()
    assert everything_below(tmp_path) == before
    assert not Path("/etc/escape.md").exists()


def test_a_backslash_is_a_separator_in_zip_and_refused_in_tar(tmp_path):
    zipped = unpack(make_zip(tmp_path / "docs.zip", {"guide\\a.md": b"a", "..\\b.md": b"b"}))
    assert (list(zipped.files), list(zipped.failures)) == (["guide/a.md"], ["../b.md"])
    tarred = unpack(make_tar(tmp_path / "docs.tar", [("..\\a.md", b"a")]))
    assert (tarred.files, list(tarred.failures)) == ({}, ["..\\a.md"])


@pytest.mark.parametrize("name", ["./guide/./a.md", "guide//a.md", "guide/a.md"])
def test_names_that_mean_the_same_path_are_that_path(name):
    assert checked_path(name, max_depth=2) == ("guide/a.md", "")


def test_depth_is_limited(tmp_path):
    outcome = unpack(make_zip(tmp_path / "d.zip", {"1/2/a.md": b"a", "1/2/3/b.md": b"b"}), max_depth=2)
    assert (list(outcome.files), list(outcome.failures)) == (["1/2/a.md"], ["1/2/3/b.md"])
    assert "2 folders deep" in outcome.failures["1/2/3/b.md"]


def test_folders_that_names_imply_are_limited_too(tmp_path):
    members = {f"{number}/x/y/z/a.md": b"a" for number in range(5)}
    with pytest.raises(SourceError, match=r"more than 19 folders"):
        unpack(make_zip(tmp_path / "d.zip", members), max_members=19)
    assert len(unpack(tmp_path / "d.zip", max_members=20).files) == 5


def test_a_name_too_long_for_the_file_system_fails_alone(tmp_path):
    name = "x" * 300 + ".md"
    outcome = unpack(make_zip(tmp_path / "d.zip", {name: b"a"} | PLAIN))
    assert outcome.files == PLAIN
    assert "cannot be unpacked under its name" in outcome.failures[name]


def test_a_member_below_another_member_fails_alone(tmp_path):
    outcome = unpack(make_zip(tmp_path / "d.zip", {"a.md": b"a", "a.md/b.md": b"b"}))
    assert (outcome.files, list(outcome.failures)) == ({"a.md": b"a"}, ["a.md/b.md"])


def test_archives_inside_are_listed_and_not_opened(tmp_path):
    inner = make_zip(tmp_path / "inner.zip", PLAIN).read_bytes()
    path = make_zip(tmp_path / "docs.zip", PLAIN | {"more/inner.zip": inner, "x.tar.gz": b"?", ".hidden.zip": b"?"})
    outcome = unpack(path)
    assert outcome.files == PLAIN
    assert list(outcome.failures) == ["more/inner.zip", "x.tar.gz"]
    assert "not opened" in outcome.failures["more/inner.zip"]
    assert unpack(path, globs=GlobFilter(exclude=["*.zip", "*.tar.gz"])).failures == {}


def test_what_a_walk_passes_over_is_not_even_unpacked(tmp_path, temporary):
    names = [".git/a.md", ".hidden.md", "node_modules/p/README.md", "logo.png", "drafts/d.md", "Makefile"]
    archive = make_zip(tmp_path / "docs.zip", dict.fromkeys(names, b"text") | PLAIN)
    seen = []
    into = unpacker(tmp_path / "temporary", globs=GlobFilter(exclude=["drafts/"]), step=seen.append)
    with archive.open("rb") as file:
        unpack_zip(file, into)
    assert sorted(seen) == sorted(PLAIN)
    assert into.failures == ()
    assert {path.name for path in temporary.rglob("*") if path.is_file()} == {"a.md", "b.txt"}


def test_ignore_files_inside_hold_and_those_around_the_temporary_folder_do_not(tmp_path, temporary):
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("*.txt\n")
    (temporary / ".gitignore").write_text("*.md\n")
    members = PLAIN | {".gitignore": b"draft.md\n", "draft.md": b"draft", "guide/draft.md": b"draft"}
    assert unpack(make_zip(tmp_path / "docs.zip", members)).files == PLAIN


def test_of_members_with_one_name_the_last_counts(tmp_path):
    members = [
        ("a.md", b"first"),
        ("./a.md", b"second"),
        ("b.md", b"b"),
        (special("b.md", tarfile.SYMTYPE, "a.md"), b""),
    ]
    tarred = unpack(make_tar(tmp_path / "d.tar", members))
    assert (tarred.files, list(tarred.failures)) == ({"a.md": b"second"}, ["b.md"])
    zipped = unpack(make_zip(tmp_path / "d.zip", {"a.md": b"first", "./a.md": b"second"}))
    assert zipped == ({"a.md": b"second"}, {})


def test_names_that_differ_by_case_are_both_taken_where_the_file_system_keeps_both(tmp_path):
    (tmp_path / "probe").touch()
    if (tmp_path / "PROBE").exists():
        pytest.skip("this file system ignores case")
    members = {"Read.md": b"1", "read.md": b"2", "Guide/a.md": b"3", "guide/a.md": b"4"}
    assert unpack(make_zip(tmp_path / "d.zip", members)) == (members, {})


def test_where_the_file_system_ignores_case_the_later_one_is_refused(tmp_path):
    top = tmp_path / "temporary"
    into = unpacker(top)
    into._spellings = {}
    accented = "caf\u00e9.md"
    names = ["Read.md", "read.md", "Guide/a.md", "guide/b.md", accented, unicodedata.normalize("NFD", accented)]
    assert [into.admit(name) is not None for name in names] == [True, False, True, False, True, False]
    assert [failure.path for failure in into.failures] == sorted([names[1], names[3], names[5]])
    assert "case" in into.failures[0].reason
    assert into.admit("Read.md") == "Read.md"


def test_a_member_that_is_too_large_fails_alone_whatever_its_header_says(tmp_path):
    into = unpacker(tmp_path / "temporary")
    for claimed, path in ((0, "liar.md"), (1001, "honest.md")):
        assert into.admit(path) == path
        into.write(path, iter([b"x" * 600, b"x" * 600]), size=claimed)
    assert [failure.path for failure in into.failures] == ["honest.md", "liar.md"]
    assert all("larger than 0.001 MB, the limit for one file" in failure.reason for failure in into.failures)
    assert everything_below(tmp_path / "temporary") == set()


def test_content_that_breaks_off_leaves_no_half_file(tmp_path):
    def broken():
        yield b"first half"
        raise ParseError("is damaged")

    into = unpacker(tmp_path / "temporary")
    into.write("a.md", broken())
    assert [(failure.path, failure.reason) for failure in into.failures] == [("a.md", "is damaged")]
    assert everything_below(tmp_path / "temporary") == set()


def test_a_folder_that_takes_no_more_stops_the_run_with_a_remedy(tmp_path):
    resource = pytest.importorskip("resource")
    into = unpacker(tmp_path / "temporary", max_file_bytes=1_000_000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(SourceError, match=r"docs.zip cannot be unpacked.*file too large.*TMPDIR"):
            into.write("a.md", iter([b"x" * 100_000]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("field", ["max_total_mb", "max_members", "max_ratio", "max_depth"])
def test_limits_are_above_zero(field):
    with pytest.raises(ConfigurationError, match="above 0"):
        UnpackingLimits(**{field: 0})


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.zip", "a"), ("a.b.TAR.XZ", "a.b"), ("a.tgz", "a"), ("a.tar.zst", "a"), (".zip", None), ("a.gz", None)],
)
def test_the_name_of_an_archive(name, expected):
    assert archive_name(name) == expected
