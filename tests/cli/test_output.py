"""Waiting notes, progress lines and counts."""

from __future__ import annotations

import threading
from io import StringIO

import pytest
from rich.console import Console

from tercet.cli import output
from tercet.cli.output import progress_shown, waiting
from tercet.records import Progress


def test_a_wait_beyond_the_patience_says_what_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(output, "PATIENCE_S", 0.0)
    spoken = threading.Event()
    echo = output.typer.echo

    def heard(*words: object, **options: object) -> None:
        echo(*words, **options)
        spoken.set()

    monkeypatch.setattr(output.typer, "echo", heard)
    with waiting("Loading the model", quiet=False):
        assert spoken.wait(10)

    assert "Loading the model …" in capsys.readouterr().err


def test_a_short_wait_and_json_are_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with waiting("Loading the model", quiet=False):
        pass
    with waiting("Loading the model", quiet=True):
        pass

    assert capsys.readouterr() == ("", "")


def test_plain_progress_is_said_at_the_start_and_at_the_end_of_a_phase(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_shown(quiet=False) as progress:
        assert progress is not None
        for done in range(1, 101):
            progress(Progress(phase="embed", done=done, total=100))
        progress(Progress(phase="embed", done=100, total=100))

    assert capsys.readouterr().err.splitlines() == ["Embedding: 1 of 100", "Embedding: 100 of 100"]


def test_no_progress_with_json() -> None:
    with progress_shown(quiet=True) as progress:
        assert progress is None


def test_bars_fit_into_80_columns_with_all_their_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    bars = output._Bars()
    bars(Progress(phase="parse", done=123_456, total=123_456, item="docs/guide/a/long/path/of/a/file.md"))
    bars(Progress(phase="sweep", done=1, total=4, item="chunking.max_tokens=64 retrieval.fusion=rrf"))

    console = Console(width=80, file=StringIO())
    console.print(bars._bars.get_renderable())

    first, second = console.file.getvalue().splitlines()
    assert "123456/123456" in first
    assert "f/a/file.md" in first
    assert " 1/4 " in second
    assert "0:00:0" in second
    assert "…" not in first + second
