from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from tercet.errors import ConfigurationError, ParseError
from tercet.ingestion import pool as pool_module
from tercet.ingestion.chunking import StructuralChunker
from tercet.ingestion.frames import (
    FrameError,
    ParsedFile,
    document_frame,
    read_document,
    read_frame,
    write_frame,
)
from tercet.ingestion.parsers import parse
from tercet.ingestion.pool import ParserPool, ParseTask, Unparsed
from tercet.ingestion.reading import hash_content, read_file
from tercet.memory.stored import IndexedChunk, Part
from tercet.models.lexical import Analyzer
from tercet.models.tokens import token_counter
from tercet.settings import ChunkingConfig, LexicalConfig, ParsingConfig, ParsingLimits

posix = pytest.mark.skipif(os.name != "posix", reason="needs signals and resource limits")
MARKDOWN = (
    "---\ntitle: Keys\nteam: [security, ops]\n---\n"
    "# Keys\n\nRotate `API_KEY` every 90 days: naïve keys 🔑 leak.\n\n## Why\n\nThey leak.\n"
)

# Runs the real worker around parsers that misbehave as the text of the file asks for.
MISBEHAVING = """
import os, sys, time, signal
import tercet.ingestion.parsers.text as text
honest = text.parse
def parse(content):
    if "print" in content:
        print("noise"); os.write(1, b"more noise"); sys.stdout.flush(); sys.stdin.read()
    if "exit" in content:
        sys.stderr.write("the library gave up\\n"); sys.stderr.flush(); os._exit(3)
    if "abort" in content: os.kill(os.getpid(), signal.SIGSEGV)
    if "hang" in content:
        while True: pass
    if "raise" in content: raise ZeroDivisionError("deep inside")
    if "recurse" in content: return parse(content)
    if "system" in content: raise SystemExit(0)
    if "allocate" in content: bytearray(1 << 42)
    return honest(content)
text.parse = parse
from tercet.ingestion.worker import main
sys.exit(main())
"""


def make_pool(*, chunks: bool = True, **limits) -> ParserPool:
    return ParserPool(
        limits=ParsingLimits(**{"workers": 2, **limits}),
        parsing=ParsingConfig(),
        lexical=LexicalConfig(),
        chunking=ChunkingConfig() if chunks else None,
        tokenizer_file=None,
    )


def tasks(folder: Path, texts: dict[str, str]) -> list[ParseTask]:
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [ParseTask(str(folder / name), f"docs/{name}") for name in texts]


def reason(outcome: ParsedFile | Unparsed) -> str:
    return outcome.reason if isinstance(outcome, Unparsed) else ""


@pytest.fixture
def misbehaving(monkeypatch):
    monkeypatch.setattr(pool_module, "_COMMAND", ("-c", MISBEHAVING))


def test_a_worker_answers_what_parsing_in_process_gives(tmp_path):
    with make_pool() as pool:
        [(index, answer)] = pool.run(tasks(tmp_path, {"keys.md": MARKDOWN}))
    document = parse(MARKDOWN.encode(), name="keys.md")
    chunks = StructuralChunker(ChunkingConfig(), token_counter(None)).chunk(document, uri="docs/keys.md")
    assert index == 0
    assert isinstance(answer, ParsedFile)
    assert answer.content_hash == hash_content(MARKDOWN.encode())
    assert answer.document.text == document.text
    assert answer.document.title == document.title
    assert dict(answer.document.metadata) == json.loads(json.dumps(dict(document.metadata)))
    assert answer.chunks is not None
    assert [item.chunk for item in answer.chunks] == chunks
    analyzer = Analyzer(LexicalConfig())
    for item in answer.chunks:
        assert item.terms.to_bytes() == analyzer.count(item.chunk.embedded_text).to_bytes()


def test_without_chunking_a_worker_answers_with_blocks(tmp_path):
    with make_pool(chunks=False) as pool:
        [(_, answer)] = pool.run(tasks(tmp_path, {"keys.md": MARKDOWN}))
    assert isinstance(answer, ParsedFile)
    assert answer.chunks is None
    assert answer.document.blocks == parse(MARKDOWN.encode(), name="keys.md").blocks


def test_answers_come_in_the_order_of_the_tasks(tmp_path):
    texts = {f"{number}.md": f"# {number}\n\n" + "word " * (3000 if number % 5 == 0 else 3) for number in range(40)}
    with make_pool() as pool:
        answers = list(pool.run(tasks(tmp_path, texts)))
    assert [index for index, _ in answers] == list(range(40))
    assert [answer.document.title for _, answer in answers] == [str(number) for number in range(40)]


def test_no_process_starts_without_a_task():
    with make_pool() as pool:
        assert list(pool.run([])) == []
        assert not pool._workers


@posix
@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        ("exit", "exit code 3: the library gave up"),
        ("abort", "SIGSEGV"),
        ("hang", "longer than 0.5 s"),
        ("raise", "ZeroDivisionError: deep inside"),
        ("recurse", "nested too deeply"),
        ("system", "ended its parser process"),
        ("allocate", "more memory"),
    ],
)
def test_a_hostile_file_fails_alone_with_its_reason(tmp_path, misbehaving, behaviour, expected):
    todo = tasks(tmp_path, {"a.txt": "one", "b.txt": behaviour, "c.txt": "three", "d.txt": "four"})
    with make_pool(workers=1, timeout_s=0.5) as pool:
        answers = [answer for _, answer in pool.run(todo)]
    assert [isinstance(answer, ParsedFile) for answer in answers] == [True, False, True, True]
    assert expected in reason(answers[1])


@posix
def test_what_a_library_prints_or_reads_does_not_disturb_the_frames(tmp_path, misbehaving):
    with make_pool(workers=1) as pool:
        answers = [answer for _, answer in pool.run(tasks(tmp_path, {"a.txt": "print this", "b.txt": "calm"}))]
    assert [answer.document.text for answer in answers] == ["print this", "calm"]


@posix
def test_every_file_may_be_hostile(tmp_path, misbehaving):
    with make_pool(timeout_s=5) as pool:
        answers = [answer for _, answer in pool.run(tasks(tmp_path, {f"{n}.txt": "exit" for n in range(6)}))]
    assert all("gave up" in reason(answer) for answer in answers)


@posix
def test_a_file_that_needs_too_much_memory_fails_alone(tmp_path):
    big = tmp_path / "big.txt"
    big.write_bytes(b"word and another word\n" * 8_000_000)
    small = tasks(tmp_path, {"small.txt": "fine"})
    with make_pool(workers=1, memory_mb=500, max_file_mb=1000) as pool:
        answers = [answer for _, answer in pool.run([ParseTask(str(big), "docs/big.txt"), *small])]
    assert "memory" in reason(answers[0])
    assert isinstance(answers[1], ParsedFile)


@posix
def test_a_worker_killed_between_files_is_replaced(tmp_path):
    todo = tasks(tmp_path, {f"{number}.txt": "text" for number in range(3)})
    with make_pool(workers=1) as pool:
        answers = pool.run(todo[:1])
        next(answers)
        [worker] = pool._workers
        os.kill(worker._process.pid, signal.SIGKILL)
        worker._process.wait()
        assert worker.parse(todo[1], timeout_s=5) is None
        assert list(answers) == []
        assert [reason(answer) for _, answer in pool.run(todo)] == ["", "", ""]


@posix
def test_leaving_early_ends_all_processes(tmp_path, misbehaving):
    todo = tasks(tmp_path, {"a.txt": "one", "b.txt": "hang", "c.txt": "hang"})
    with make_pool() as pool:
        answers = pool.run(todo)
        next(answers)
        processes = [worker._process for worker in pool._workers]
        answers.close()
    assert processes
    assert all(process.poll() is not None for process in processes)


def test_a_worker_ends_when_its_parent_closes_the_pipe():
    worker = subprocess.Popen(
        [sys.executable, "-m", "tercet.ingestion.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    settings = {
        "parsing": asdict(ParsingConfig()),
        "lexical": asdict(LexicalConfig()),
        "chunking": None,
        "tokenizer_file": None,
        "memory_mb": 1024,
        "max_bytes": 100,
    }
    assert worker.stdin is not None
    assert worker.stdout is not None
    write_frame(worker.stdin, settings)
    assert read_frame(worker.stdout) == {"ready": worker.pid}
    worker.stdin.close()
    assert worker.wait(timeout=10) == 0
    worker.stdout.close()


def test_a_worker_imports_no_store_and_no_embedder():
    code = (
        "import sys, tercet.ingestion.worker\n"
        "print([name for name in ('torch', 'sqlalchemy', 'qdrant_edge', 'qdrant_client', 'transformers') "
        "if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_nothing_is_imported_from_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "markdown_it.py").write_text("raise SystemExit('hijacked')")
    (tmp_path / "json.py").write_text("raise SystemExit('hijacked')")
    monkeypatch.chdir(tmp_path)
    with make_pool(workers=1) as pool:
        [(_, answer)] = pool.run(tasks(tmp_path, {"a.md": "# A\n\ntext"}))
    assert isinstance(answer, ParsedFile)


def test_a_process_that_cannot_start_is_a_configuration_error(tmp_path, monkeypatch):
    monkeypatch.setattr(pool_module, "_COMMAND", ("-c", "import sys; sys.exit('no such library')"))
    with make_pool() as pool, pytest.raises(ConfigurationError, match="no such library"):
        list(pool.run(tasks(tmp_path, {"a.txt": "text"})))


def test_a_file_beyond_the_size_limit_is_refused_without_reading_it_whole(tmp_path):
    todo = tasks(tmp_path, {"a.txt": "x" * 2000})
    with make_pool(workers=1, max_file_mb=0.001) as pool:
        [(_, answer)] = pool.run(todo)
    assert reason(answer) == "is larger than 0.001 MB, the limit for one file"


def test_a_vanished_file_names_the_reason(tmp_path):
    with make_pool(workers=1) as pool:
        [(_, answer)] = pool.run([ParseTask(str(tmp_path / "gone.md"), "docs/gone.md")])
    assert reason(answer) == "cannot be read: no such file or directory"


@posix
def test_a_pipe_in_place_of_a_file_blocks_nobody(tmp_path):
    os.mkfifo(tmp_path / "pipe.md")
    started = time.monotonic()
    with pytest.raises(ParseError, match="is not a regular file"):
        read_file(tmp_path / "pipe.md", max_bytes=10)
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    "sent",
    [b"\x00\x00", b"\x00\x00\x00\x09{}", b"\xff\xff\xff\xff", b"\x00\x00\x00\x02[]", b"\x00\x00\x00\x03{x}"],
)
def test_what_is_no_frame_is_refused(sent):
    with pytest.raises(FrameError):
        read_frame(io.BytesIO(sent))


def test_half_a_surrogate_pair_is_never_sent():
    stream = io.BytesIO()
    with pytest.raises(ParseError, match="surrogate"):
        write_frame(stream, {"text": "\ud83d"})
    assert stream.getvalue() == b""


@pytest.mark.parametrize(
    "change",
    [
        {"chunks": [["id", -1, 2]]},
        {"text": "short"},
        {"chunks": None},
        {"findings": [["kind"]]},
        {"title": None, "text": 3},
    ],
)
def test_an_answer_of_the_wrong_shape_is_refused(change):
    document = parse(MARKDOWN.encode(), name="keys.md")
    analyzer = Analyzer(LexicalConfig())
    chunks = [
        IndexedChunk(chunk=chunk, terms=analyzer.count(chunk.embedded_text))
        for chunk in StructuralChunker(ChunkingConfig(), token_counter(None)).chunk(document, uri="keys.md")
    ]
    frame = document_frame("hash", document, Part(document.text, chunks))
    assert read_document(frame).document.text == document.text
    with pytest.raises(FrameError):
        read_document(frame | change)


def test_a_pool_serves_several_runs_and_threads_end(tmp_path):
    before = threading.active_count()
    todo = tasks(tmp_path, {"a.txt": "one", "b.txt": "two"})
    with make_pool() as pool:
        assert len(list(pool.run(todo))) == len(list(pool.run(todo))) == 2
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and thread.daemon:
            thread.join(timeout=10)
    assert threading.active_count() <= before
