"""Documents that travel and are stored in parts: the same as in one piece, and whole or not at all."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tercet.ingestion import ingest, parts
from tercet.ingestion import pool as pool_module
from tercet.ingestion.parsers import parse
from tercet.ingestion.pool import ParserPool, ParseTask, Unparsed
from tercet.memory.health import check
from tercet.memory.memory import Memory
from tercet.records import Chunk, DocumentFilter, IngestReport
from tercet.settings import ChunkingConfig, LexicalConfig, ParsingConfig, ParsingLimits

PAGE = "# Page\n\n" + "\n\n".join(f"## Part {n}\n\nThe words of part number{n} 🔑." for n in range(60))

MKDOCS = """\
site_name: Shop
markdown_extensions: [attr_list, toc, pymdownx.snippets]
"""

# Runs the real worker, but what comes after the third part of a document is as its text asks for.
MISBEHAVING = """
import os, sys
import tercet.ingestion.worker as worker
honest = worker.parts_of
def parts_of(text, chunks, **options):
    for number, part in enumerate(honest(text, chunks, **options)):
        if number == 3 and "raise late" in text: raise ZeroDivisionError("deep inside")
        if number == 3 and "end late" in text: os._exit(3)
        if number == 3 and "allocate late" in text: bytearray(1 << 42)
        while number == 3 and "hang late" in text: pass
        yield part
worker.parts_of = parts_of
sys.exit(worker.main())
"""


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(parts, "PART_CHUNKS", 5)


@pytest.fixture
def memory(tmp_path):
    with Memory.open(tmp_path / "memory", embedder="none") as opened:
        yield opened


def pool(**limits) -> ParserPool:
    return ParserPool(
        limits=ParsingLimits(**{"workers": 2} | limits),
        parsing=ParsingConfig(),
        lexical=LexicalConfig(),
        chunking=ChunkingConfig(),
        tokenizer_file=None,
    )


def write(folder: Path, texts: dict[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def rows(memory: Memory) -> list[tuple]:
    with memory.database.read() as connection:
        query = 'SELECT chunk_id, ordinal, start, "end", text, line_start, terms FROM chunks ORDER BY ordinal'
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def chunks(memory: Memory) -> list[tuple[Chunk, str]]:
    """All chunks in their order, and the addresses of their pages."""
    with memory.database.read() as connection:
        ids = list(connection.exec_driver_sql("SELECT id FROM chunks ORDER BY ordinal").scalars())
    loaded = memory.semantic.load(ids)
    return [(loaded[row].chunk, loaded[row].url) for row in ids]


def count(memory: Memory, table: str) -> int:
    with memory.database.read() as connection:
        return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())


def test_parts_join_to_the_document(tmp_path):
    folder = write(tmp_path / "docs", {"page.md": PAGE})
    with pool() as parsers:
        for _, answer in parsers.run([ParseTask(str(folder / "page.md"), "docs/page.md")]):
            assert not isinstance(answer, Unparsed)
            assert answer.further is not None
            pieces = [(answer.document.text, answer.chunks), *answer.further]
    text = "".join(piece for piece, _ in pieces)
    assert text == parse(PAGE.encode(), name="page.md").text
    assert len(pieces) > 5
    for _, chunks in pieces:
        for item in chunks:
            assert text[item.chunk.start : item.chunk.end] == item.chunk.text


def test_stored_in_parts_or_in_one_piece_a_document_is_the_same(memory, tmp_path, monkeypatch):
    folder = write(tmp_path / "docs", {"page.md": PAGE})
    report = ingest(folder, into=memory)
    in_parts = rows(memory)
    assert report.chunks == len(in_parts) > 20
    assert count(memory, "text_parts") > 3
    assert check(memory) == []
    monkeypatch.setattr(parts, "PART_CHUNKS", 1000)
    with Memory.open(tmp_path / "other", embedder="none") as other:
        assert ingest(folder, into=other).chunks == report.chunks
        assert count(other, "text_parts") == 0
        assert rows(other) == in_parts
        for row in range(1, len(in_parts) + 1):
            assert memory.semantic.section(row) == other.semantic.section(row)


def test_a_new_version_leaves_nothing_of_the_parts_before(memory, tmp_path):
    folder = write(tmp_path / "docs", {"page.md": PAGE})
    ingest(folder, into=memory)
    write(folder, {"page.md": "# Short\n\nNow."})
    assert ingest(folder, into=memory).chunks == 1
    assert [count(memory, table) for table in ("text_parts", "chunks", "versions")] == [0, 1, 1]
    assert memory.semantic.index.count() == 1
    assert check(memory) == []


def test_a_large_page_of_a_site_has_its_address_its_anchors_and_what_it_includes(memory, tmp_path, monkeypatch):
    same = "".join(f"## Set up\n\nWords of part number{n}.\n\n" for n in range(40))
    before = f"# Large\n\n{same}## Bar {{#set-up_30}}\n\n"
    folder = write(tmp_path / "site", {"mkdocs.yml": MKDOCS, "note.md": "An included hedgehog.\n\nAnd a lynx."})
    write(folder / "docs", {"large.md": f'{before}--8<-- "note.md"\n\n{same}'})

    def bring_up(to: Memory) -> IngestReport:
        return ingest(folder, into=to, base_url="https://shop.example", include=("docs/*.md",))

    report = bring_up(memory)
    assert count(memory, "text_parts") > 10
    found = chunks(memory)
    assert report.chunks == len(found) == 81
    assert {url for _, url in found} == {"https://shop.example/large/"}
    made = ["set-up", *(f"set-up_{n}" for n in range(1, 81) if n != 30)]
    assert [chunk.anchor for chunk, _ in found] == [*made[:40], "set-up_30", *made[40:]]
    page_line = before.count("\n") + 1
    assert [chunk.line_start for chunk, _ in found if "hedgehog" in chunk.text] == [page_line]
    with monkeypatch.context() as patch, Memory.open(tmp_path / "other", embedder="none") as other:
        patch.setattr(parts, "PART_CHUNKS", 1000)
        bring_up(other)
        assert count(other, "text_parts") == 0
        assert chunks(other) == found
    write(folder, {"note.md": "An included pelican, which changed."})
    assert bring_up(memory).updated == ("site/docs/large.md",)
    assert [chunk.line_start for chunk, _ in chunks(memory) if "pelican" in chunk.text] == [page_line]
    assert [count(memory, table) for table in ("versions", "addresses", "file_references")] == [1, 1, 1]
    assert check(memory) == []


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ("raise late", "could not be parsed: ZeroDivisionError"),
        ("end late", "ended its parser process"),
        ("allocate late", "needs more memory"),
        ("hang late", "took longer than 2"),
    ],
)
def test_a_parser_that_fails_midway_leaves_the_version_before(memory, tmp_path, monkeypatch, wish, reason):
    folder = write(tmp_path / "docs", {"a.md": "# A\n\nFirst.", "page.md": "# Page\n\nBefore.", "z.md": "# Z\n\nLast."})
    ingest(folder, into=memory)
    before = rows(memory)
    monkeypatch.setattr(pool_module, "_COMMAND", ("-c", MISBEHAVING))
    write(folder, {"page.md": f"{PAGE}\n\n{wish}", "z.md": "# Z\n\nLast, but changed."})
    report = ingest(folder, into=memory, limits=ParsingLimits(workers=1, timeout_s=2))
    [failure] = report.failed
    assert failure.path == "docs/page.md"
    assert reason in failure.reason
    assert report.updated == ("docs/z.md",)
    assert len(rows(memory)) == len(before)
    assert [info.chunks for info in memory.semantic.documents(DocumentFilter())] == [1, 1, 1]
    assert memory.semantic.index.count() == 3
    assert count(memory, "text_parts") == 0


def test_parts_that_nobody_takes_end_with_the_pool(tmp_path):
    names = [f"{number}.md" for number in range(4)]
    folder = write(tmp_path / "docs", dict.fromkeys(names, PAGE))
    before = threading.active_count()
    with pool() as parsers:
        answers = parsers.run([ParseTask(str(folder / name), name) for name in names])
        next(answers)
        answers.close()
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and thread.daemon:
            thread.join(timeout=20)
    assert threading.active_count() <= before


def test_a_document_that_is_passed_over_does_not_stop_the_next(tmp_path):
    names = [f"{number}.md" for number in range(3)]
    folder = write(tmp_path / "docs", dict.fromkeys(names, PAGE))
    with pool(workers=1) as parsers:
        found = [answer for _, answer in parsers.run([ParseTask(str(folder / name), name) for name in names])]
    assert not any(isinstance(answer, Unparsed) for answer in found)
