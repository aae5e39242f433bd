from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from tercet.errors import ConfigurationError, SourceError
from tercet.ingestion import ingest
from tercet.ingestion import pool as pool_module
from tercet.memory.memory import Memory
from tercet.models.lexical import Analyzer
from tercet.records import Chunk, DocumentFilter, IngestReport, ParsedDocument, Progress
from tercet.settings import ParsingLimits
from tercet.testing import HashEmbedder

ONE = ParsingLimits(workers=1)
GOOD = {"a.md": "# Alpha\n\nFirst words.\n", "b.md": "# Beta\n\nSecond words.\n"}
FAILING_PARSER = """
import sys, tercet.ingestion.parsers.text as text
honest = text.parse
def parse(content):
    if "poison" in content: raise ValueError("cannot digest this")
    return honest(content)
text.parse = parse
from tercet.ingestion.worker import main
sys.exit(main())
"""


def run(root: Path, memory: Memory, **options) -> IngestReport:
    return ingest(root, into=memory, **{"limits": ONE, **options})


def texts(memory: Memory, query: str) -> list[str]:
    terms = dict.fromkeys(Analyzer(memory.lexical).terms(query), 1)
    candidates = memory.semantic.lexical_candidates(
        terms, memory.semantic.select(DocumentFilter()), limit=50
    ).candidates
    return sorted(stored.chunk.text for stored in memory.semantic.load([c.row for c in candidates]).values())


def failures(report: IngestReport) -> dict[str, str]:
    return {failure.path: failure.reason for failure in report.failed}


@pytest.fixture
def failing_parser(monkeypatch):
    monkeypatch.setattr(pool_module, "_COMMAND", ("-c", FAILING_PARSER))


def test_a_folder_becomes_searchable_documents(memory, write, embedder):
    root = write(
        {**GOOD, "sub/c.rst": "Gamma\n=====\n\nThird words.\n", "d.html": "<h1>Delta</h1><p>Fourth words.</p>"}
    )
    write({"e.py": '"""Epsilon words."""\n\ndef f():\n    """Return one."""\n    return 1\n', "f.txt": "Zeta words.\n"})
    report = run(root, memory)
    assert report.added == ("docs/a.md", "docs/b.md", "docs/d.html", "docs/e.py", "docs/f.txt", "docs/sub/c.rst")
    assert report.ok
    assert report.chunks == report.embedded == embedder.embedded > 5
    assert report.vectors_missing == 0
    assert 0 < report.searchable_s <= report.total_s
    titles = {info.uri: info.title for info in memory.semantic.documents()}
    assert titles["docs/a.md"] == "Alpha"
    assert titles["docs/sub/c.rst"] == "Gamma"
    assert texts(memory, "third") == ["Third words."]


def test_workers_in_any_number_give_the_same_memory(write, tmp_path):
    root = write({f"{n}.md": f"# Title {n}\n\n" + "Some words follow. " * n for n in range(30)})
    kept = []
    for workers in (1, 3):
        with Memory.open(tmp_path / f"m{workers}", embedder=HashEmbedder(dimension=8)) as memory:
            run(root, memory, limits=ParsingLimits(workers=workers))
            with memory.database.read() as connection:
                kept.append(connection.exec_driver_sql("SELECT id, chunk_id, terms FROM chunks ORDER BY id").all())
    assert kept[0] == kept[1]


def test_one_bad_file_fails_alone_and_is_listed_until_it_is_retried(memory, write, failing_parser, monkeypatch):
    root = write({**GOOD, "bad.txt": "poison", "binary.txt": "\x00\x01"})
    report = run(root, memory)
    assert report.added == ("docs/a.md", "docs/b.md")
    assert set(failures(report)) == {"docs/bad.txt", "docs/binary.txt"}
    assert failures(report)["docs/bad.txt"] == "could not be parsed: ValueError: cannot digest this"
    assert failures(report)["docs/binary.txt"].startswith("the content is binary")
    assert not report.ok
    assert dict(memory.ledger.failures()) == failures(report)

    monkeypatch.undo()  # the parser works now, yet nothing is tried that did not change
    again = run(root, memory)
    assert failures(again) == failures(report)
    assert again.unchanged == 2
    retried = run(root, memory, retry_failed=True)
    assert retried.added == ("docs/bad.txt",)
    assert set(failures(retried)) == {"docs/binary.txt"}


def test_a_document_whose_new_text_fails_keeps_its_old_one(memory, write, failing_parser):
    root = write({"a.txt": "wholesome words", "b.txt": "others", "c.txt": "more", "d.txt": "still", "e.txt": "yet"})
    run(root, memory)
    write({"a.txt": "poison words"})
    report = run(root, memory)
    assert list(failures(report)) == ["docs/a.txt"]
    assert texts(memory, "wholesome") == ["wholesome words"]
    (root / "a.txt").unlink()
    assert run(root, memory).deleted == ("docs/a.txt",)
    assert texts(memory, "wholesome") == []
    assert dict(memory.ledger.failures()) == {}


def test_a_vanished_file_that_always_failed_is_forgotten(memory, write, failing_parser):
    root = write({**GOOD, "bad.txt": "poison"})
    run(root, memory)
    (root / "bad.txt").unlink()
    report = run(root, memory)
    assert (report.ok, report.deleted) == (True, ())
    assert dict(memory.ledger.failures()) == {}


@pytest.mark.parametrize(
    ("front_matter", "reason"),
    [
        ("effective_from: soon", "which is no date"),
        ("effective_from: 2026-02-01\neffective_to: 2026-01-01", "no longer on"),
    ],
)
def test_front_matter_that_cannot_be_kept_fails_the_file(memory, write, front_matter, reason):
    root = write({**GOOD, "dated.md": f"---\n{front_matter}\n---\n# Policy\n\nWords.\n"})
    report = run(root, memory)
    assert reason in failures(report)["docs/dated.md"]
    assert len(report.added) == 2


def test_front_matter_dates_decide_when_a_document_is_found(memory, write):
    root = write(
        {"policy.md": "---\neffective_from: 2026-01-01\neffective_to: '2026-07-01'\n---\n# Policy\n\nWords.\n"}
    )
    assert run(root, memory).ok
    for day, there in ((date(2025, 12, 31), 0), (date(2026, 1, 1), 1), (date(2026, 6, 30), 1), (date(2026, 7, 1), 0)):
        assert len(list(memory.semantic.documents(DocumentFilter(as_of=day)))) == there


def test_metadata_from_front_matter_can_be_filtered_by(memory, write):
    run(
        write({"a.md": "---\nteam: [security, ops]\nlevel: 3\n---\n# A\n\nWords.\n", "b.md": "# B\n\nWords.\n"}), memory
    )
    chosen = memory.semantic.documents(DocumentFilter(equals={"team": "ops"}, ranges={"level": (2, None)}))
    assert [info.uri for info in chosen] == ["docs/a.md"]


def test_what_was_cleaned_is_reported_by_file(memory, write):
    report = run(write({**GOOD, "c.md": "# C\n\nzero\u200bwidth words\n"}), memory)
    assert list(report.findings) == ["docs/c.md"]
    assert report.findings["docs/c.md"][0].count == 1


def test_vectors_may_come_later(memory, write, embedder):
    report = run(write(GOOD), memory, embed="later")
    assert (report.embedded, report.vectors_missing, embedder.embedded) == (0, 2, 0)
    assert texts(memory, "second") == ["Second words."]
    report = run(write({}), memory)
    assert (report.unchanged, report.embedded, report.vectors_missing) == (2, 2, 0)


def test_a_memory_without_embedder_is_searched_by_words(write, tmp_path):
    with Memory.open(tmp_path / "m", embedder="none") as memory:
        report = run(write(GOOD), memory)
        assert (report.embedded, report.vectors_missing) == (0, 2)
        assert texts(memory, "first") == ["First words."]


def test_progress_counts_up_to_the_total_in_each_phase(memory, write):
    steps: list[Progress] = []
    run(write(GOOD), memory, progress=steps.append)
    phases = list(dict.fromkeys(step.phase for step in steps))
    assert [phase for phase in phases if phase != "index"] == ["scan", "parse", "embed"]
    assert [(step.done, step.total, step.item) for step in steps if step.phase == "parse"] == [
        (1, 2, "docs/a.md"),
        (2, 2, "docs/b.md"),
    ]
    for phase in phases:
        last = [step for step in steps if step.phase == phase][-1]
        assert last.done == last.total


@pytest.mark.parametrize("phase", ["parse", "embed"])
def test_an_interrupt_leaves_a_usable_memory_and_no_process(memory, write, phase):
    root = write({f"{n}.md": f"# Title {n}\n\nWords number{n}.\n" for n in range(80)})
    started: list[int] = []
    start = pool_module._WorkerProcess.greet

    def interrupt(step: Progress) -> None:
        if step.phase == phase and (phase == "embed" or step.done == 70):
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            pool_module._WorkerProcess, "greet", lambda self, s: (started.append(self._process.pid), start(self, s))
        )
        with pytest.raises(KeyboardInterrupt):
            run(root, memory, progress=interrupt)
    assert started
    for pid in started:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert texts(memory, "number3") == ["Words number3."]
    report = run(root, memory)
    assert report.unchanged + len(report.added) == 80
    assert report.unchanged >= 64
    assert report.vectors_missing == 0


class Lines:
    """A chunker of the caller's: one chunk a line."""

    version = "lines-1"

    def chunk(self, document: ParsedDocument, *, uri: str) -> list[Chunk]:
        chunks, start = [], 0
        for line in document.text.split("\n"):
            if line:
                chunks.append(Chunk(id=f"{start:032x}", text=line, start=start, end=start + len(line)))
            start += len(line) + 1
        return chunks


def test_a_chunker_of_the_callers_cuts_files(memory, write):
    """Part of S1.33: chunking can be exchanged."""
    report = run(write({"a.txt": "one\ntwo\n"}), memory, chunker=Lines())
    assert report.chunks == 2
    assert texts(memory, "two") == ["two"]
    assert run(write({}), memory, chunker=Lines()).unchanged == 1
    assert run(write({}), memory).updated == ("docs/a.txt",)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda text: 1 / 0, "ZeroDivisionError"),
        (lambda text: [Chunk(id="1", text="other", start=0, end=3)], "not the text at 0:3"),
        (lambda text: [Chunk(id="1", text=text, start=0, end=len(text))] * 2, "same id"),
    ],
)
def test_a_chunker_that_misbehaves_fails_its_document(memory, write, make, reason):
    class Bad(Lines):
        def chunk(self, document: ParsedDocument, *, uri: str) -> list[Chunk]:
            return make(document.text) if "bad" in document.text else super().chunk(document, uri=uri)

    report = run(write({"a.txt": "good", "b.txt": "bad"}), memory, chunker=Bad())
    assert report.added == ("docs/a.txt",)
    assert reason in failures(report)["docs/b.txt"]


def test_files_may_be_taken_whole(memory, write):
    report = run(write({"a.txt": "one\n\ntwo\n"}), memory, chunker=None)
    assert (report.chunks, report.truncated) == (1, 0)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({}, "either a source or documents"),
        ({"source": ".", "documents": []}, "either a source or documents"),
        ({"source": ".", "trust": "holy"}, "trust='holy'"),
        ({"source": ".", "embed": "never"}, "embed='never'"),
        ({"source": ".", "corpus": ""}, "needs a name"),
        ({"source": ".", "chunker": "semantic"}, "'semantic' is no chunker"),
        ({"source": ".", "chunker": object()}, "is no chunker"),
        ({"source": ".", "include": "*.md"}, "is one string"),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(memory, options, named):
    with pytest.raises(ConfigurationError, match=named):
        ingest(**options, into=memory)


def test_a_folder_without_anything_to_ingest_is_refused(memory, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/logo.png").write_bytes(b"png")
    with pytest.raises(SourceError, match=r"holds no file that can be ingested \(1 of other formats"):
        run(tmp_path / "empty", memory)
    assert memory.ledger.find_corpus("docs") is None
