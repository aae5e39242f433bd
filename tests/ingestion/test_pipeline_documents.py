from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from tercet.errors import InputError
from tercet.ingestion import ingest
from tercet.ingestion import pool as pool_module
from tercet.memory.memory import Memory
from tercet.records import Chunk, Document, DocumentFilter, IngestReport
from tercet.settings import ChunkingConfig
from tercet.testing import HashEmbedder

KEYS = Document(uri="keys", title="Keys", text="Rotate keys every 90 days.", metadata={"team": "ops"})
LIMITS = Document(uri="limits", text="Sixty requests a minute.\n\nThen wait.")


@pytest.fixture(autouse=True)
def _no_parser_process(monkeypatch):
    monkeypatch.setattr(pool_module, "_COMMAND", ("-c", "import sys; sys.exit('a parser process was started')"))


def run(memory: Memory, *documents: Document, **options) -> IngestReport:
    return ingest(documents=documents, into=memory, **options)


def chunks(memory: Memory, uri: str) -> list[Chunk]:
    with memory.database.read() as connection:
        rows = connection.exec_driver_sql("SELECT id FROM chunks ORDER BY version_id, ordinal").scalars().all()
    return [stored.chunk for stored in memory.semantic.load(rows).values() if stored.uri == uri]


def test_documents_are_stored_and_found_by_uri(memory, embedder):
    report = run(memory, KEYS, LIMITS)
    assert (report.added, report.chunks, report.embedded) == (("keys", "limits"), 2, 2)
    infos = {info.uri: info for info in memory.semantic.documents()}
    assert (infos["keys"].title, dict(infos["keys"].metadata)) == ("Keys", {"team": "ops"})


def test_an_unchanged_document_costs_nothing(memory, embedder):
    run(memory, KEYS, LIMITS)
    embedded = embedder.embedded
    report = run(memory, KEYS, LIMITS)
    assert (report.unchanged, report.added, report.updated, report.chunks) == (2, (), (), 0)
    assert embedder.embedded == embedded


@pytest.mark.parametrize(
    "change",
    [
        {"text": "Rotate keys every 30 days."},
        {"title": "API keys"},
        {"metadata": {"team": "security"}},
        {"effective_from": date(2026, 1, 1)},
        {"effective_to": date(2026, 1, 1)},
    ],
)
def test_any_change_updates_the_document(memory, change):
    run(memory, KEYS)
    assert run(memory, replace(KEYS, **change)).updated == ("keys",)
    assert len(list(memory.semantic.documents())) == 1


def test_another_chunk_size_or_chunker_updates_the_document(tmp_path):
    embedder = HashEmbedder(dimension=8)
    with Memory.open(tmp_path / "m", embedder=embedder) as memory:
        run(memory, KEYS)
        assert run(memory, KEYS, chunker=None).updated == ("keys",)
    with Memory.open(tmp_path / "m", embedder=embedder, chunking=ChunkingConfig(max_tokens=64)) as memory:
        assert run(memory, KEYS).updated == ("keys",)


def test_documents_that_are_not_given_stay(memory):
    run(memory, KEYS, LIMITS)
    report = run(memory, KEYS)
    assert report.deleted == ()
    assert len(list(memory.semantic.documents())) == 2


def test_a_document_as_given_is_one_chunk_and_long_ones_are_counted(memory):
    long = Document(uri="long", text="word " * 2000)
    report = run(memory, LIMITS, long, chunker=None)
    assert (report.chunks, report.truncated) == (2, 1)
    [chunk] = chunks(memory, "limits")
    assert (chunk.text, chunk.start, chunk.end) == (LIMITS.text, 0, len(LIMITS.text))


def test_text_is_markdown_where_the_uri_says_so_and_paragraphs_elsewhere(memory):
    text = "# Keys\n\nRotate them.\n"
    run(memory, Document(uri="guide.md", text=text), Document(uri="guide", text=text))
    assert [(chunk.title, chunk.text) for chunk in chunks(memory, "guide.md")] == [("Keys", "Rotate them.")]
    assert {chunk.title for chunk in chunks(memory, "guide")} == {""}
    assert all(text[chunk.start : chunk.end] == chunk.text for chunk in chunks(memory, "guide"))


@pytest.mark.parametrize("chunker", ["structural", None])
def test_hidden_characters_are_taken_out_and_reported(memory, chunker):
    report = run(memory, Document(uri="a", text="zero\u200bwidth\ud83d", title="hid\u202eden"), chunker=chunker)
    assert [finding.count for finding in report.findings["a"]] == [1, 1, 1]
    [chunk] = chunks(memory, "a")
    assert "\u200b" not in chunk.embedded_text
    assert "\u202e" not in chunk.embedded_text


def test_documents_belong_to_their_corpus_tenant_and_version(memory):
    run(memory, KEYS)
    assert run(memory, KEYS, corpus="other").added == ("keys",)
    assert run(memory, KEYS, tenant="acme").added == ("keys",)
    assert run(memory, KEYS, version="2").added == ("keys",)
    assert run(memory, KEYS, tenant="acme").unchanged == 1
    assert len(list(memory.semantic.documents())) == 3
    assert len(list(memory.semantic.documents(DocumentFilter(tenant="acme")))) == 4


@pytest.mark.parametrize(
    ("documents", "named"),
    [
        ([KEYS, LIMITS, KEYS], r"uri 'keys' \(the second is documents\[2\]\)"),
        ([KEYS, {"uri": "a", "text": "b"}], r"documents\[1\] is a dict"),
        ([Document(uri="", text="text")], r"documents\[0\] has the uri ''"),
        ([Document(uri="a\nb", text="text")], r"documents\[0\] has the uri"),
        ("text", "is one str"),
        (KEYS, "is one Document"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_written(memory, documents, named):
    with pytest.raises(InputError, match=named):
        ingest(documents=documents, into=memory)
    assert memory.ledger.find_corpus("docs") is None


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"metadata": {"when": date(2026, 1, 1)}}, "metadata 'when'"),
        ({"metadata": {"of": [object()]}}, "metadata 'of' with a object"),
        ({"metadata": {"score": float("nan")}}, "not finite"),
        ({"metadata": {"number": 10**400}}, "beyond 64 bits"),
        ({"metadata": {"name": "nul \0 byte"}}, "NUL"),
        ({"effective_from": date(2026, 2, 1), "effective_to": date(2026, 1, 1)}, "no longer on"),
    ],
)
@pytest.mark.parametrize("chunker", ["structural", None])
def test_a_document_that_cannot_be_stored_fails_alone(memory, bad, reason, chunker):
    documents = [KEYS, replace(Document(uri="bad", text="text"), **bad), LIMITS]
    report = ingest(documents=documents, into=memory, chunker=chunker)
    assert report.added == ("keys", "limits")
    [failure] = report.failed
    assert failure.path == "bad"
    assert reason in failure.reason


def test_a_dry_run_writes_nothing(memory):
    run(memory, KEYS)
    report = run(memory, replace(KEYS, text="new"), LIMITS, dry_run=True)
    assert (report.updated, report.added, report.dry_run) == (("keys",), ("limits",), True)
    assert len(list(memory.semantic.documents())) == 1


def test_documents_and_files_cannot_take_each_others_uris(memory, write, monkeypatch):
    monkeypatch.undo()
    root = write({"a.md": "# A\n\nFrom a file.\n"})
    ingest(root, into=memory)
    with pytest.raises(InputError, match=r"'docs/a.md' belongs to a file"):
        run(memory, Document(uri="docs/a.md", text="given"))
    run(memory, Document(uri="docs/b.md", text="given"))
    write({"b.md": "# B\n\nFrom a file.\n"})
    report = ingest(root, into=memory)
    assert [failure.path for failure in report.failed] == ["docs/b.md"]
    assert "given with documents=" in report.failed[0].reason


def test_many_documents_go_in_batches(memory):
    report = run(memory, *(Document(uri=f"{n:04}", text=f"number{n} and words") for n in range(300)))
    assert (len(report.added), report.chunks, report.vectors_missing) == (300, 300, 0)
