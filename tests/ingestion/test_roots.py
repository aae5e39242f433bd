from __future__ import annotations

import os
from pathlib import Path

import pytest

from tercet.errors import SourceError
from tercet.ingestion.roots import find_files, resolve_source
from tercet.memory.ledger import Root


def make(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("text")
    return folder


def uris(source) -> list[str]:
    located = [source.locate(file.path) for file in find_files(source).files]
    return [place.uri(path) for place, path in located]


def test_a_new_folder_gives_its_name_to_the_uris_below_it(tmp_path):
    source = resolve_source(make(tmp_path / "guide", "a.md", "sub/b.md"), [])
    assert uris(source) == ["guide/a.md", "guide/sub/b.md"]
    assert source.place.root is None


def test_a_single_file_outside_known_roots_is_named_by_itself(tmp_path):
    assert uris(resolve_source(make(tmp_path, "a.md") / "a.md", [])) == ["a.md"]


def test_a_part_of_a_known_root_keeps_its_uris(tmp_path):
    root = Root(1, 1, "docs", str(make(tmp_path / "docs", "a.md", "sub/b.md", "subway/c.md")))
    folder = resolve_source(tmp_path / "docs/sub", [root])
    assert uris(folder) == ["docs/sub/b.md"]
    assert [folder.place.holds(path) for path in ("a.md", "sub/b.md", "subway/c.md")] == [False, True, False]
    file = resolve_source(tmp_path / "docs/sub/b.md", [root])
    assert uris(file) == ["docs/sub/b.md"]
    assert [file.place.holds(path) for path in ("sub/b.md", "sub/b.md.txt")] == [True, False]
    assert all(resolve_source(tmp_path / "docs", [root]).place.holds(path) for path in ("a.md", "sub/b.md"))


def test_the_deepest_root_wins_and_roots_inside_a_folder_keep_theirs(tmp_path):
    docs = make(tmp_path / "docs", "a.md", "api/b.md", "api/deep/c.md", "one.md")
    api = Root(1, 1, "api", str(docs / "api"))
    one = Root(2, 1, "one.md", str(docs / "one.md"))
    assert uris(resolve_source(docs / "api/deep", [api])) == ["api/deep/c.md"]
    source = resolve_source(docs, [api, one])
    assert uris(source) == ["docs/a.md", "api/b.md", "api/deep/c.md", "one.md"]
    assert {place.name for place in source.places()} == {"docs", "api", "one.md"}


def test_a_name_taken_by_another_folder_is_refused(tmp_path):
    mine = make(tmp_path / "mine/docs", "a.md")
    theirs = make(tmp_path / "theirs/docs", "a.md")
    with pytest.raises(SourceError, match=r"already has a root named 'docs'.*another corpus"):
        resolve_source(mine, [Root(1, 1, "docs", str(theirs))])


def test_a_root_that_is_gone_has_moved(tmp_path):
    source = resolve_source(make(tmp_path / "new/docs", "a.md"), [Root(7, 1, "docs", str(tmp_path / "old/docs"))])
    assert source.moved
    assert source.place.root is not None
    assert (source.place.root.id, source.place.path) == (7, str(tmp_path / "new/docs"))


@pytest.mark.skipif(os.name != "posix", reason="needs links")
def test_a_link_in_front_does_not_make_one_place_two(tmp_path):
    make(tmp_path / "real/docs", "sub/a.md")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    root = Root(1, 1, "docs", str(tmp_path / "real/docs"))
    assert uris(resolve_source(tmp_path / "link/docs/sub", [root])) == ["docs/sub/a.md"]
    other = Root(1, 1, "docs", str(tmp_path / "link/docs"))
    assert uris(resolve_source(tmp_path / "real/docs", [other])) == ["docs/sub/a.md"]


def test_the_working_folder_has_a_name_too(tmp_path, monkeypatch):
    monkeypatch.chdir(make(tmp_path / "handbook", "a.md"))
    assert uris(resolve_source(".", [])) == ["handbook/a.md"]


@pytest.mark.parametrize(
    ("source", "reason"), [("absent", "There is no file or folder"), ("/", "has no name"), ("logo.png", "no format")]
)
def test_sources_that_cannot_be_ingested_are_refused(tmp_path, monkeypatch, source, reason):
    monkeypatch.chdir(make(tmp_path, "logo.png"))
    with pytest.raises(SourceError, match=reason):
        find_files(resolve_source(source, []))


def test_a_memory_is_no_source(tmp_path):
    make(tmp_path / "kept", "memory.db", "a.md")
    with pytest.raises(SourceError, match="is a memory"):
        find_files(resolve_source(tmp_path / "kept", []), memory_marker="memory.db")
