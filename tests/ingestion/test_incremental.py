from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from tercet.errors import DeletionRefusedError, SourceError
from tercet.ingestion import ingest
from tercet.ingestion import pool as pool_module
from tercet.memory.memory import Memory
from tercet.models.lexical import Analyzer
from tercet.records import DocumentFilter, IngestReport
from tercet.settings import ChunkingConfig, ParsingLimits
from tercet.testing import HashEmbedder
from tests.ingestion.conftest import LONG_AGO_NS

ONE = ParsingLimits(workers=1)
FILES = {
    "keys.md": "# Keys\n\nRotate the API key every ninety days.\n\n## Lost keys\n\nRevoke a lost key at once.\n",
    "guide/start.md": "# Start\n\nInstall the command, then log in.\n",
    "guide/limits.txt": "Requests are limited to sixty a minute.\n",
    "notes.txt": "The office is closed on Sundays.\n",
    "index.md": "# Welcome\n\nThis is the manual.\n",
}


@pytest.fixture
def no_parser(monkeypatch):
    """Makes any attempt to start a parser process fail."""

    def switch_off():
        monkeypatch.setattr(pool_module, "_COMMAND", ("-c", "import sys; sys.exit('a parser process was started')"))

    return switch_off


def run(root: Path, memory: Memory, **options) -> IngestReport:
    return ingest(root, into=memory, limits=ONE, **options)


def uris(memory: Memory) -> list[str]:
    return [info.uri for info in memory.semantic.documents()]


def found(memory: Memory, query: str) -> list[str]:
    terms = dict.fromkeys(Analyzer(memory.lexical).terms(query), 1)
    candidates = memory.semantic.lexical_candidates(
        terms, memory.semantic.select(DocumentFilter()), limit=50
    ).candidates
    return sorted({stored.uri for stored in memory.semantic.load([c.row for c in candidates]).values()})


def settle(memory: Memory, root: Path) -> None:
    """Run once more, as if ten seconds later: files written just before a run are looked at again by the next one."""
    now = time.time_ns
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time_ns", lambda: now() + 10_000_000_000)
        run(root, memory)


def test_an_unchanged_folder_costs_neither_parse_nor_embedding_nor_write(memory, write, embedder, no_parser):
    root = write(FILES)
    assert len(run(root, memory).added) == 5
    settle(memory, root)
    embedded = embedder.embedded
    no_parser()
    before = (Path(memory.path) / "memory.db").stat(), (Path(memory.path) / "memory.db-wal").stat()
    report = run(root, memory)
    after = (Path(memory.path) / "memory.db").stat(), (Path(memory.path) / "memory.db-wal").stat()
    assert (report.unchanged, report.added, report.updated, report.chunks, report.embedded) == (5, (), (), 0, 0)
    assert embedder.embedded == embedded
    assert [(s.st_size, s.st_mtime_ns) for s in before] == [(s.st_size, s.st_mtime_ns) for s in after]


def test_a_changed_paragraph_embeds_only_itself(memory, write, embedder):
    root = write(FILES)
    run(root, memory)
    embedded = embedder.embedded
    write({"keys.md": FILES["keys.md"].replace("ninety", "thirty")})
    report = run(root, memory)
    assert (report.updated, report.added, report.unchanged) == (("docs/keys.md",), (), 4)
    assert report.embedded == embedder.embedded - embedded == 1
    assert found(memory, "thirty") == ["docs/keys.md"]
    assert found(memory, "ninety") == []


def test_touching_a_file_does_nothing(memory, write, embedder, no_parser):
    root = write(FILES)
    run(root, memory)
    embedded = embedder.embedded
    no_parser()
    os.utime(root / "keys.md", ns=(LONG_AGO_NS + 5, LONG_AGO_NS + 5))
    report = run(root, memory)
    assert (report.unchanged, report.updated) == (5, ())
    assert embedder.embedded == embedded


def test_a_change_that_keeps_size_and_time_is_seen(memory, write):
    root = write({"a.txt": "colour", "b.txt": "b"})
    run(root, memory)
    write({"a.txt": "flavor"})
    assert run(root, memory).updated == ("docs/a.txt",)


def test_a_rename_costs_no_embedding_and_moves_the_document(memory, write, embedder):
    root = write(FILES)
    run(root, memory)
    embedded = embedder.embedded
    (root / "guide").rename(root / "handbook")
    report = run(root, memory)
    assert report.renamed == (
        ("docs/guide/limits.txt", "docs/handbook/limits.txt"),
        ("docs/guide/start.md", "docs/handbook/start.md"),
    )
    assert (report.added, report.deleted, report.embedded) == ((), (), 0)
    assert embedder.embedded == embedded
    assert found(memory, "sixty") == ["docs/handbook/limits.txt"]
    assert memory.semantic.missing_vectors() == 0


def test_a_vanished_file_leaves_no_row_and_no_point(memory, write):
    root = write(FILES | {"extra.txt": "An extraordinary paragraph.\n"})
    run(root, memory)
    (root / "extra.txt").unlink()
    report = run(root, memory)
    assert report.deleted == ("docs/extra.txt",)
    assert found(memory, "extraordinary") == []
    assert "docs/extra.txt" not in uris(memory)
    with memory.database.read() as connection:
        texts = connection.exec_driver_sql("SELECT count(*) FROM chunks WHERE text LIKE '%extraordinary%'").scalar_one()
        rows = connection.exec_driver_sql("SELECT count(*) FROM files WHERE path = 'extra.txt'").scalar_one()
        chunks = connection.exec_driver_sql("SELECT count(*) FROM chunks").scalar_one()
        vectors = connection.exec_driver_sql("SELECT count(*) FROM embeddings").scalar_one()
    assert (texts, rows, chunks) == (0, 0, vectors)
    assert memory._indexes.open("semantic").count() == chunks


def test_a_single_file_or_a_part_of_the_folder_deletes_nothing_outside_itself(memory, write):
    root = write(FILES)
    run(root, memory)
    (root / "notes.txt").unlink()
    assert run(root / "keys.md", memory).deleted == ()
    assert run(root / "guide", memory).deleted == ()
    assert "docs/notes.txt" in uris(memory)
    (root / "guide/limits.txt").unlink()
    assert run(root / "guide", memory, allow_delete=True).deleted == ("docs/guide/limits.txt",)
    assert "docs/notes.txt" in uris(memory)


def test_a_run_for_one_corpus_deletes_nothing_in_another(memory, write, tmp_path):
    root = write(FILES)
    run(root, memory, corpus="manual")
    run(root, memory, corpus="manual", tenant="acme")
    run(root, memory, corpus="manual", version="2")
    (root / "notes.txt").unlink()
    report = run(root, memory, corpus="manual")
    assert report.deleted == ("docs/notes.txt",)
    kept = memory.semantic.documents(DocumentFilter(corpus=("manual",), tenant="acme"))
    assert sum(info.uri == "docs/notes.txt" for info in kept) == 2


def test_an_empty_folder_is_refused_before_anything_is_written(memory, write):
    root = write(FILES)
    run(root, memory)
    settle(memory, root)
    shutil.rmtree(root)
    root.mkdir()
    database = Path(memory.path) / "memory.db-wal"
    before = database.stat().st_mtime_ns
    with pytest.raises(DeletionRefusedError, match=r"5 documents would be deleted.*--allow-delete"):
        run(root, memory)
    assert database.stat().st_mtime_ns == before
    assert len(uris(memory)) == 5
    assert len(run(root, memory, allow_delete=True).deleted) == 5
    assert uris(memory) == []
    assert run(root, memory).unchanged == 0


def test_a_folder_that_cannot_be_listed_loses_nothing(memory, write, monkeypatch):
    root = write(FILES)
    run(root, memory)
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("guide"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    report = run(root, memory)
    assert report.deleted == ()
    assert [(failure.path, failure.reason) for failure in report.failed] == [
        ("docs/guide/", "cannot be listed: permission denied")
    ]
    assert len(uris(memory)) == 5


def test_another_chunk_size_cuts_again_and_keeps_known_vectors(write, tmp_path, embedder):
    root = write(FILES | {"long.md": "# Long\n\n" + "\n\n".join(f"Paragraph {n} of many words." for n in range(40))})
    with Memory.open(tmp_path / "m", embedder=embedder) as memory:
        run(root, memory)
    embedded = embedder.embedded
    with Memory.open(tmp_path / "m", embedder=embedder, chunking=ChunkingConfig(max_tokens=64)) as memory:
        report = run(root, memory)
        assert len(report.updated) == 6
        assert 0 < report.embedded == embedder.embedded - embedded
        assert memory.semantic.missing_vectors() == 0
        assert found(memory, "sixty") == ["docs/guide/limits.txt"]
        assert run(root, memory).unchanged == 6


def test_another_trust_is_stored_without_embedding(memory, write, embedder):
    root = write(FILES)
    run(root, memory, trust="internal")
    embedded = embedder.embedded
    assert len(run(root, memory, trust="external").updated) == 5
    assert {info.trust for info in memory.semantic.documents()} == {"external"}
    assert embedder.embedded == embedded


def test_a_root_that_moved_keeps_its_documents(memory, write, tmp_path, embedder, no_parser):
    root = write(FILES)
    run(root, memory)
    no_parser()
    moved = tmp_path / "elsewhere" / "docs"
    shutil.copytree(root, moved)
    shutil.rmtree(root)
    report = run(moved, memory)
    assert (report.unchanged, report.added, report.deleted) == (5, (), ())
    assert run(moved, memory).unchanged == 5


def test_a_name_taken_by_an_existing_folder_is_refused(memory, write, tmp_path):
    run(write(FILES), memory)
    other = tmp_path / "other/docs"
    other.mkdir(parents=True)
    (other / "a.md").write_text("# Other\n\ntext\n")
    with pytest.raises(SourceError, match="another corpus"):
        run(other, memory)
    assert run(other, memory, corpus="other").added == ("docs/a.md",)


def test_a_dry_run_foresees_everything_and_writes_nothing(memory, write, no_parser):
    root = write(FILES)
    no_parser()
    first = run(root, memory, dry_run=True)
    assert (len(first.added), first.dry_run) == (5, True)
    assert memory.ledger.find_corpus("docs") is None


def test_a_dry_run_tells_updates_renames_and_deletions_apart(memory, write, no_parser):
    root = write(FILES)
    run(root, memory)
    no_parser()
    write({"new.md": "# New\n\nNew.\n", "keys.md": "# Keys\n\nChanged.\n"})
    (root / "index.md").rename(root / "home.md")
    (root / "notes.txt").unlink()
    report = run(root, memory, dry_run=True)
    assert (report.added, report.updated) == (("docs/new.md",), ("docs/keys.md",))
    assert (report.renamed, report.deleted) == ((("docs/index.md", "docs/home.md"),), ("docs/notes.txt",))
    assert report.unchanged == 2
    assert uris(memory) == sorted(f"docs/{name}" for name in FILES)


def test_an_edited_memory_equals_a_clean_build(memory, write, tmp_path):
    root = write(FILES)
    run(root, memory)
    write({"keys.md": "# Keys\n\nAnother text.\n", "new/page.md": "# Page\n\nFresh words here.\n"})
    (root / "notes.txt").unlink()
    (root / "index.md").rename(root / "home.md")
    run(root, memory, allow_delete=True)
    with Memory.open(tmp_path / "clean", embedder=HashEmbedder(dimension=16)) as clean:
        run(root, clean)
        assert state(memory) == state(clean)


def state(memory: Memory) -> list[tuple]:
    query = (
        "SELECT d.uri, c.chunk_id, c.text, c.heading_path, c.terms, c.embedded, e.vector FROM chunks c "
        "JOIN versions v ON v.id = c.version_id JOIN documents d ON d.live_version = v.id "
        "LEFT JOIN embeddings e ON e.embed_key = c.embed_key ORDER BY d.uri, c.ordinal"
    )
    with memory.database.read() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]
