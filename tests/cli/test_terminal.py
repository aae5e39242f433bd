"""What is seen on a terminal, and what a program that reads the output gets instead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tercet import Document, Memory, ingest
from tests.docs.examples import tercet

ESCAPE = b"\x1b"


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TERCET_")}
    return {**kept, "TERM": "xterm-256color", "COLUMNS": "100", **more}


def on_a_terminal(words: list[str], folder: Path) -> tuple[int, bytes]:
    """Run the command with a pseudo terminal as its input, output and error."""
    import pty  # noqa: PLC0415 -- not on Windows

    master, slave = pty.openpty()
    process = subprocess.Popen(
        [tercet(), *words], stdin=slave, stdout=slave, stderr=slave, cwd=folder, env=environment(), close_fds=True
    )
    os.close(slave)
    seen = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:  # Linux says so when the last user of the terminal has gone
            break
        if not piece:
            break
        seen += piece
    os.close(master)
    return process.wait(timeout=60), seen


def piped(words: list[str], folder: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [tercet(), *words], cwd=folder, env=environment(), capture_output=True, timeout=120, check=False
    )


needs_pty = pytest.mark.skipif(sys.platform == "win32", reason="no pseudo terminals")


@needs_pty
def test_a_terminal_gets_bars_and_the_report(corpus: Path, tmp_path: Path) -> None:
    code, seen = on_a_terminal(["ingest", "guide", "--embedder", "none"], tmp_path)

    assert code == 0
    assert "━".encode() in seen
    assert b"Reading files" in seen
    assert b"3 added" in seen


@needs_pty
def test_a_terminal_is_asked_before_anything_is_forgotten(ingested, tmp_path: Path) -> None:
    import pty  # noqa: PLC0415 -- not on Windows

    master, slave = pty.openpty()
    process = subprocess.Popen(
        [tercet(), "forget", "--all"], stdin=slave, stdout=slave, stderr=slave, cwd=tmp_path, env=environment()
    )
    os.close(slave)
    seen = b""
    while b"[y/N]" not in seen:
        seen += os.read(master, 65536)
    os.write(master, b"n\n")
    code = process.wait(timeout=60)
    os.close(master)

    assert code == 2
    assert ingested("status", "--json").json["corpora"][0]["documents"] == 3


def test_a_pipe_gets_plain_lines_on_standard_error_and_results_alone_on_standard_output(
    corpus: Path, tmp_path: Path
) -> None:
    done = piped(["ingest", "guide", "--embedder", "none"], tmp_path)

    assert done.returncode == 0
    assert ESCAPE not in done.stdout + done.stderr
    assert b"Reading files: 3 of 3" in done.stderr
    assert done.stdout.startswith(b"3 added")


def test_json_is_alone_on_standard_output_and_standard_error_is_empty(corpus: Path, tmp_path: Path) -> None:
    done = piped(["ingest", "guide", "--embedder", "none", "--json"], tmp_path)

    assert done.stdout.startswith(b"{")
    assert done.stderr == b""


@needs_pty
def test_control_characters_of_documents_never_reach_a_terminal(run, tmp_path: Path) -> None:
    hostile = "Rotate \x1b]0;owned\x07 keys \x9b31m now"
    with Memory.open(tmp_path / ".tercet", embedder="none") as memory:
        ingest(documents=[Document(uri="a\u202eb", text=hostile, title=hostile)], into=memory)

    code, seen = on_a_terminal(["search", "rotate keys"], tmp_path)

    assert code == 0
    assert b"\x1b]0;" not in seen
    assert b"\x07" not in seen
    assert "\x9b".encode() not in seen


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process")
def test_ctrl_c_is_130_and_says_that_the_memory_is_usable_and_how_to_go_on(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(100):
        (folder / f"{number}.md").write_text(f"# Page {number}\n\nText number {number}.\n", encoding="utf-8")
    # Comes last, and keeps docutils busy for a minute: the command cannot end by itself meanwhile.
    (folder / "slow.rst").write_text("*a " * 40_000, encoding="utf-8")
    process = subprocess.Popen(
        [tercet(), "ingest", "many", "--embedder", "none"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        # A shell that runs the tests in the background has SIGINT ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509  # one call
    )
    assert process.stderr is not None
    before = process.stderr.readline() + process.stderr.readline()
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the command and its workers
    _, after = process.communicate(timeout=60)

    assert b"Reading files" in before
    assert process.returncode == 130
    assert b"The memory is usable" in after
    assert b"run the same ingest command again" in after
    assert b"Traceback" not in after
    (folder / "slow.rst").unlink()
    again = piped(["ingest", "many", "--json"], tmp_path)
    assert again.returncode == 0


def test_a_closed_pipe_is_no_traceback(ingested, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [tercet(), "search", "keys", "--json"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate(timeout=60)

    assert b"Traceback" not in err
