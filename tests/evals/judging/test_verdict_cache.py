"""Verdicts kept between runs: on disk at once, for their owner only, refused when damaged."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import sys
from pathlib import Path

import pytest

from tercet.errors import VerdictCacheError
from tercet.evals.embedding_cache import CachedEmbedder
from tercet.evals.judging import PASSAGE_RUBRIC, Judge, Verdict, VerdictCache, default_verdict_file
from tercet.testing import HashEmbedder
from tests.evals.judging.judged_runs import grader, item_of

KEY = b"k" * 16


def test_a_verdict_is_found_again_by_another_process_at_once(tmp_path: Path) -> None:
    verdict = Verdict(repeat=2, grade=3, reason="It says \u201c90 days\u201d.", model="claude-test-1")
    with VerdictCache(tmp_path / "new" / "verdicts.sqlite3") as writer:
        writer.write(KEY, verdict)
        with VerdictCache(tmp_path / "new" / "verdicts.sqlite3") as reader:
            found, missing = reader.read(KEY, PASSAGE_RUBRIC), reader.read(b"other", PASSAGE_RUBRIC)

    assert (found, missing) == (verdict, None)


def test_texts_are_not_kept_and_the_file_is_its_owners(tmp_path: Path) -> None:
    file = tmp_path / "verdicts.sqlite3"
    with VerdictCache(file) as cache:
        asyncio.run(Judge(grader(lambda text: 1), cache=cache).judge([item_of("xylophone secret")]))

    assert b"xylophone" not in file.read_bytes()
    if sys.platform != "win32":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"{}", b"\xff", b'{"repeat": 1, "grade": 9}', b'{"repeat": 1, "grade": null}', 7])
def test_a_damaged_row_is_refused(tmp_path: Path, content: object) -> None:
    file = tmp_path / "verdicts.sqlite3"
    VerdictCache(file).close()
    with sqlite3.connect(file) as connection:
        connection.execute("INSERT INTO verdicts VALUES (?, ?)", (KEY, content))
    connection.close()

    with VerdictCache(file) as cache, pytest.raises(VerdictCacheError, match="is damaged"):
        cache.read(KEY, PASSAGE_RUBRIC)


def test_files_of_another_kind_are_left_alone(tmp_path: Path) -> None:
    vectors, text = tmp_path / "vectors.sqlite3", tmp_path / "notes.txt"
    CachedEmbedder(HashEmbedder(), vectors).close()
    text.write_text("not a database at all, only some notes")

    with pytest.raises(VerdictCacheError, match="no verdict cache of this version"):
        VerdictCache(vectors)
    with pytest.raises(VerdictCacheError, match="damaged"):
        VerdictCache(text)
    with pytest.raises(VerdictCacheError, match="cannot be made"):
        VerdictCache(text / "below")
    assert text.read_text() == "not a database at all, only some notes"


def test_the_default_lies_beside_the_vectors(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert default_verdict_file() == tmp_path / "tercet" / "verdicts.sqlite3"
