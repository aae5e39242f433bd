"""Archives and git revisions as sources: the same promises as for folders."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest

from tercet.errors import ConfigurationError, DeletionRefusedError, SourceError
from tercet.ingestion import ingest, packed
from tercet.ingestion import pool as pool_module
from tercet.memory.memory import Memory
from tercet.records import IngestReport, Progress
from tercet.settings import ParsingLimits, UnpackingLimits
from tests.ingestion.git_repositories import commit, git, needs_git
from tests.ingestion.unpacked_archives import make_tar, make_zip

ONE = ParsingLimits(workers=1)
FILES = {
    "keys.md": "# Keys\n\nRotate the API key every ninety days.\n\n## Lost keys\n\nRevoke a lost key at once.\n",
    "guide/start.md": "# Start\n\nInstall the command, then log in.\n",
    "guide/limits.txt": "Requests are limited to sixty a minute.\n",
    "notes.txt": "The office is closed on Sundays.\n",
    "index.md": "# Welcome\n\nThis is the manual.\n",
}


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The folder that things are unpacked into; whatever a test does, nothing may be left there."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture
def no_parser(monkeypatch):
    """Makes any attempt to start a parser process fail."""

    def switch_off():
        monkeypatch.setattr(pool_module, "_COMMAND", ("-c", "import sys; sys.exit('a parser process was started')"))

    return switch_off


@pytest.fixture
def no_unpacking(monkeypatch):
    """Makes any attempt to unpack something fail."""

    def refuse(*arguments, **options):
        raise AssertionError("something was unpacked")

    return lambda: monkeypatch.setattr(packed, "Unpacker", refuse)


@pytest.fixture(params=["zip", "tar.gz", "revision"])
def publish(request, tmp_path):
    """Makes the source ``docs`` of one kind hold some files; returns what to call ``ingest`` with."""
    if request.param == "revision" and shutil.which("git") is None:
        pytest.skip("git is not installed")

    def make(files):
        if request.param == "revision":
            if (tmp_path / "docs").exists():
                git(tmp_path / "docs", "rm", "-rq", ".")
            return {"source": tmp_path / "docs", "revision": commit(tmp_path / "docs", files)}
        path = tmp_path / f"docs.{request.param}"
        if request.param == "zip":
            make_zip(path, files)
        else:
            make_tar(path, [(name, text.encode()) for name, text in files.items()], "w:gz")
        return {"source": path}

    return make


def run(source, memory: Memory, **options) -> IngestReport:
    named = source if isinstance(source, dict) else {"source": source}
    return ingest(**named, into=memory, limits=ONE, **options)


def uris(memory: Memory) -> list[str]:
    return [info.uri for info in memory.semantic.documents()]


def later(source, memory: Memory, **options) -> IngestReport:
    """Run as if ten seconds later: what was written just before a run is looked at again by the next one."""
    now = time.time_ns
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time_ns", lambda: now() + 10_000_000_000)
        return run(source, memory, **options)


def database_times(memory: Memory) -> list[tuple[int, int]]:
    files = [(Path(memory.path) / name).stat() for name in ("memory.db", "memory.db-wal")]
    return [(status.st_size, status.st_mtime_ns) for status in files]


def test_uris_are_those_of_a_folder_with_the_name_of_the_source(memory, publish):
    report = run(publish(FILES), memory)
    assert report.added == tuple(sorted(f"docs/{name}" for name in FILES))
    assert (report.failed, report.deleted) == ((), ())


def test_the_hash_of_the_commit_is_in_the_report(memory, publish):
    source = publish(FILES)
    for options in ({}, {"dry_run": True}):
        assert run(source, memory, **options).revision == source.get("revision", "")


def test_an_unchanged_source_costs_neither_unpacking_nor_parse_nor_embedding_nor_write(
    memory, publish, embedder, no_parser, no_unpacking
):
    source = publish(FILES)
    run(source, memory)
    later(source, memory)
    embedded = embedder.embedded
    no_parser()
    no_unpacking()
    before = database_times(memory)
    for options in ({}, {"retry_failed": True}, {"dry_run": True}):
        report = run(source, memory, **options)
        assert (report.unchanged, report.added, report.updated, report.chunks) == (5, (), (), 0)
    assert (database_times(memory), embedder.embedded) == (before, embedded)
    with pytest.raises(AssertionError, match="unpacked"):
        run(source, memory, verify=True)


def test_an_archive_made_again_with_equal_content_is_unchanged(memory, publish, embedder, no_parser):
    run(publish(FILES), memory)
    embedded = embedder.embedded
    no_parser()
    report = run(publish(FILES), memory)
    assert (report.unchanged, report.added, report.updated, report.deleted) == (5, (), (), ())
    assert embedder.embedded == embedded


def test_only_the_changed_file_is_parsed_and_a_vanished_one_deleted(memory, publish):
    run(publish(FILES), memory)
    parsed = []
    changed = FILES | {"keys.md": FILES["keys.md"].replace("ninety", "thirty")}
    changed.pop("notes.txt")
    report = run(publish(changed), memory, progress=lambda step: step.phase == "parse" and parsed.append(step.item))
    assert parsed == ["docs/keys.md"]
    assert (report.updated, report.deleted, report.unchanged) == (("docs/keys.md",), ("docs/notes.txt",), 3)
    assert report.embedded == 1
    assert "docs/notes.txt" not in uris(memory)


def test_a_rename_costs_no_embedding(memory, publish, embedder):
    run(publish(FILES), memory)
    embedded = embedder.embedded
    renamed = {name.replace("guide/", "handbook/"): text for name, text in FILES.items()}
    report = run(publish(renamed), memory)
    assert report.renamed == (
        ("docs/guide/limits.txt", "docs/handbook/limits.txt"),
        ("docs/guide/start.md", "docs/handbook/start.md"),
    )
    assert (report.added, report.deleted, embedder.embedded) == ((), (), embedded)


def test_too_many_vanished_members_need_consent(memory, publish):
    run(publish(FILES), memory)
    source = publish({"index.md": FILES["index.md"]})
    with pytest.raises(DeletionRefusedError, match=r"docs.*lacks 4 of them.*--allow-delete"):
        run(source, memory)
    assert len(uris(memory)) == 5
    assert len(run(source, memory, allow_delete=True).deleted) == 4


def test_a_dry_run_foresees_everything_and_writes_nothing(memory, publish, no_parser):
    no_parser()
    source = publish(FILES)
    assert len(run(source, memory, dry_run=True).added) == 5
    assert memory.ledger.find_corpus("docs") is None


def test_globs_and_their_change_count(memory, publish):
    source = publish(FILES)
    assert len(run(source, memory, exclude=["guide/"]).added) == 3
    later(source, memory, exclude=["guide/"])
    assert run(source, memory).added == ("docs/guide/limits.txt", "docs/guide/start.md")


def test_what_was_forgotten_meanwhile_comes_back(memory, publish):
    source = publish(FILES)
    run(source, memory)
    later(source, memory)
    (row,) = [info.id for info in memory.semantic.documents() if info.uri == "docs/keys.md"]
    memory.semantic.delete([row])
    assert run(source, memory).added == ("docs/keys.md",)


def test_failed_files_are_listed_again_and_retried_on_request(memory, publish, no_unpacking):
    source = publish(FILES | {"binary.md": "\0\1" * 50, "large.md": "x" * 3000})
    tight = {"into": memory, "limits": ParsingLimits(workers=1, max_file_mb=0.002)}
    first = ingest(**source, **tight)
    assert {failure.path for failure in first.failed} == {"docs/binary.md", "docs/large.md"}
    assert run(source, memory).added == ("docs/large.md",)
    later(source, memory)
    no_unpacking()
    again = run(source, memory)
    assert ([failure.path for failure in again.failed], again.unchanged) == (["docs/binary.md"], 6)
    with pytest.raises(AssertionError, match="unpacked"):
        run(source, memory, retry_failed=True)


def test_an_interrupted_run_is_completed_by_the_next_one(memory, publish):
    source = publish(FILES)

    def stop(step: Progress) -> None:
        if step.phase == "parse" and step.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(source, memory, progress=stop)
    run(source, memory)
    assert uris(memory) == sorted(f"docs/{name}" for name in FILES)
    assert run(source, memory).unchanged == 5


@pytest.mark.parametrize("phase", ["scan", "parse"])
def test_nothing_is_left_behind_by_an_interrupt(memory, publish, temporary, phase):
    seen = []

    def stop(step: Progress) -> None:
        if step.phase == phase:
            seen.extend(temporary.iterdir())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(publish(FILES), memory, progress=stop)
    assert len(seen) == 1  # the fixture looks whether it is gone


def test_the_same_files_from_a_folder_are_unchanged_and_back_again(memory, tmp_path, write, no_parser):
    root = write(FILES)
    run(root, memory)
    no_parser()
    archive = make_zip(tmp_path / "docs.zip", FILES)
    with pytest.raises(SourceError, match=r"already has a root named 'docs'"):
        run(archive, memory)
    shutil.rmtree(root)
    assert run(archive, memory).unchanged == 5
    archive.unlink()
    write(FILES)
    report = run(root, memory)
    assert (report.unchanged, report.added, report.deleted) == (5, (), ())


def test_another_archive_of_the_same_name_takes_the_place_of_one_that_is_gone(memory, tmp_path, no_parser):
    make_zip(tmp_path / "docs.zip", FILES)
    run(tmp_path / "docs.zip", memory)
    no_parser()
    (tmp_path / "new").mkdir()
    moved = make_tar(tmp_path / "new/docs.tar.xz", [(name, text.encode()) for name, text in FILES.items()], "w:xz")
    (tmp_path / "docs.zip").unlink()
    assert run(moved, memory).unchanged == 5


def test_a_walk_of_the_folder_around_an_archive_deletes_nothing_of_it(memory, tmp_path):
    around = tmp_path / "around"
    around.mkdir()
    (around / "own.md").write_text("# Own\n\nText.\n")
    run(make_zip(around / "docs.zip", FILES), memory)
    report = run(around, memory, allow_delete=True)
    assert (report.added, report.deleted) == (("around/own.md",), ())
    assert len(uris(memory)) == 6
    later(around / "docs.zip", memory)
    assert run(around / "docs.zip", memory).unchanged == 5


def test_an_archive_inside_a_known_folder_is_a_root_of_its_own(memory, write):
    root = write(FILES)
    run(root, memory)
    make_zip(root / "more.zip", {"a.md": "# More\n\nText.\n"})
    assert run(root / "more.zip", memory).added == ("more/a.md",)
    assert run(root, memory).unchanged == 5


def test_refused_members_are_listed_each_time_and_what_was_stored_of_them_stays(memory, tmp_path):
    path = make_zip(tmp_path / "docs.zip", FILES)
    run(path, memory)
    hostile = {name: text for name, text in FILES.items() if name != "keys.md"}
    make_zip(path, hostile | {"../escape.md": "x", "keys.md": "x" * 5000})
    small = {"into": memory, "limits": ParsingLimits(workers=1, max_file_mb=0.002)}
    for _ in range(2):
        report = ingest(path, **small)
        assert [failure.path for failure in report.failed] == ["docs/../escape.md", "docs/keys.md"]
        assert (report.deleted, report.unchanged) == ((), 4)
    assert "docs/keys.md" in uris(memory)


def test_a_damaged_archive_and_one_beyond_the_limits_change_nothing(memory, tmp_path):
    path = make_zip(tmp_path / "docs.zip", FILES)
    run(path, memory)
    before = uris(memory)
    with pytest.raises(SourceError, match="more than 2 members"):
        ingest(path, into=memory, verify=True, unpacking=UnpackingLimits(max_members=2))
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(SourceError, match="damaged"):
        run(path, memory)
    assert uris(memory) == before


def test_an_archive_that_changes_while_it_is_read_is_refused(memory, tmp_path):
    path = make_zip(tmp_path / "docs.zip", FILES)

    def touch(step: Progress) -> None:
        os.utime(path, ns=(1, 1))

    with pytest.raises(SourceError, match="changed while it was read"):
        run(path, memory, progress=touch)


def test_an_archive_without_documents_is_refused_and_what_was_passed_over_counted(memory, tmp_path):
    with pytest.raises(SourceError, match=r"holds no file.*2 of other formats"):
        run(make_zip(tmp_path / "docs.zip", {"a.png": "x", "b.bin": "x"}), memory)


def test_a_single_archive_of_the_evaluation_data(memory, data_dir):
    report = run(data_dir / "ingestion/unstructured/simple.zip", memory)
    assert report.added == ("simple/ideas-page.html",)
    with pytest.raises(SourceError, match="holds no file"):
        run(data_dir / "ingestion/docling/xbrl/sources/grve-taxonomy/taxonomy_package.zip", memory)
    added = run(data_dir / "ingestion/markitdown/test_files.zip", memory).added
    assert [uri.rpartition(".")[2] for uri in added] == ["docx", "html", "html", "html"]


def test_a_revision_is_for_sources_only(memory):
    with pytest.raises(ConfigurationError, match="no revision"):
        ingest(documents=[], into=memory, revision="v1")


@needs_git
def test_two_revisions_live_side_by_side_as_versions(memory, tmp_path):
    commit(tmp_path / "repo", FILES, tag="v1")
    commit(tmp_path / "repo", {"keys.md": "# Keys\n\nThere are none.\n"}, tag="v2")
    for name in ("v1", "v2"):
        assert len(run(tmp_path / "repo", memory, revision=name, version=name).added) == 5
    assert len(uris(memory)) == 10


@needs_git
def test_a_checkout_and_its_revisions_are_one_root(memory, tmp_path, embedder):
    commit(tmp_path / "repo", FILES, tag="v1")
    commit(tmp_path / "repo", {"keys.md": "# Keys\n\nThere are none.\n"}, tag="v2")
    run(tmp_path / "repo", memory)
    embedded = embedder.embedded
    assert run(tmp_path / "repo", memory, revision="v2").unchanged == 5
    assert embedder.embedded == embedded
    assert run(tmp_path / "repo", memory, revision="v1").updated == ("repo/keys.md",)
    part = run(tmp_path / "repo/guide", memory, revision="v2")
    assert (part.unchanged, part.deleted) == (2, ())
    assert run(tmp_path / "repo", memory).updated == ("repo/keys.md",)
    assert len(uris(memory)) == 5


@needs_git
def test_a_bare_repository_inside_a_walked_folder_keeps_its_documents(memory, tmp_path):
    around = tmp_path / "around"
    commit(around / "repo", FILES)
    git(around, "clone", "-q", "--bare", "repo", "mirror.git")
    assert run(around / "mirror.git", memory, revision="main").added[0] == "mirror/guide/limits.txt"
    assert run(around, memory, allow_delete=True).deleted == ()
    assert len(uris(memory)) == 10
