"""Vectors kept between runs: embedded once, found again by other processes, refused when damaged."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tercet import Embedder
from tercet.errors import EmbeddingCacheError
from tercet.evals.embedding_cache import CachedEmbedder, default_cache_file
from tercet.testing import HashEmbedder

TEXTS = ["Rotate keys.", "Keep them secret.", "Rotate keys.", "Schlüssel \ud800"]


def test_a_text_is_embedded_once_and_keeps_its_vector(tmp_path: Path) -> None:
    inner = HashEmbedder()
    with CachedEmbedder(inner, tmp_path / "new" / "vectors.sqlite3") as cold:
        first = cold.embed_documents(TEXTS)
        query = cold.embed_query("Rotate keys.")
    with CachedEmbedder(HashEmbedder(), tmp_path / "new" / "vectors.sqlite3") as warm:
        again = warm.embed_documents([*reversed(TEXTS)])
        query_again = warm.embed_query("Rotate keys.")

    assert isinstance(warm, Embedder)
    np.testing.assert_array_equal(first, HashEmbedder().embed_documents(TEXTS))
    np.testing.assert_array_equal(again, first[::-1])
    np.testing.assert_array_equal(query_again, query)
    assert (inner.embedded, cold.embedded, warm.embedded) == (4, 4, 0)


def test_queries_documents_and_embedders_do_not_share_vectors(tmp_path: Path) -> None:
    file = tmp_path / "vectors.sqlite3"
    with CachedEmbedder(HashEmbedder(8), file) as one, CachedEmbedder(HashEmbedder(16, spec="other"), file) as other:
        one.embed_documents(["a"])
        assert one.embed_query("a").shape == (8,)
        assert other.embed_documents(["a"]).shape == (1, 16)

    assert (one.embedded, other.embedded) == (2, 1)


def test_only_hashes_and_vectors_are_kept_and_only_for_the_owner(tmp_path: Path) -> None:
    file = tmp_path / "vectors.sqlite3"
    with CachedEmbedder(HashEmbedder(), file) as cached:
        cached.embed_documents(["xylophone secret"])

    assert b"xylophone" not in file.read_bytes()
    if sys.platform != "win32":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_empty_input_needs_no_embedder(tmp_path: Path) -> None:
    with CachedEmbedder(HashEmbedder(8), tmp_path / "vectors.sqlite3") as cached:
        assert cached.embed_documents([]).shape == (0, 8)


@pytest.mark.parametrize("damage", ["header", "middle", "length", "nan"])
def test_a_damaged_file_is_named_with_a_remedy(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "vectors.sqlite3"
    texts = [f"text {number}" for number in range(200)]
    with CachedEmbedder(HashEmbedder(), file) as cached:
        cached.embed_documents(texts)
    content = bytearray(file.read_bytes())
    if damage == "header":
        content[:16] = b"not a database!!"
        file.write_bytes(content)
    elif damage == "middle":
        content[4096:] = b"\xff" * (len(content) - 4096)
        file.write_bytes(content)
    else:
        vector = b"\0" * 12 if damage == "length" else np.full(64, np.nan, "<f4").tobytes()
        with sqlite3.connect(file) as connection:
            connection.execute("UPDATE vectors SET vector = ?", [vector])
        connection.close()

    with (
        pytest.raises(EmbeddingCacheError, match=r"vectors\.sqlite3 is damaged") as caught,
        CachedEmbedder(HashEmbedder(), file) as cached,
    ):
        cached.embed_documents(texts)
    assert "Remove the file" in caught.value.remedy


def test_another_database_is_never_written_to(tmp_path: Path) -> None:
    file = tmp_path / "mine.sqlite3"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE diary (entry TEXT)")
    connection.close()
    before = file.read_bytes()

    with pytest.raises(EmbeddingCacheError, match="no embedding cache"):
        CachedEmbedder(HashEmbedder(), file)
    assert file.read_bytes() == before


def test_a_file_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")

    with pytest.raises(EmbeddingCacheError, match="cannot be made"):
        CachedEmbedder(HashEmbedder(), tmp_path / "file" / "vectors.sqlite3")
    with pytest.raises(EmbeddingCacheError, match="cannot be used"):
        CachedEmbedder(HashEmbedder(), tmp_path)


WRITER = """
import sys
from tercet.evals.embedding_cache import CachedEmbedder
from tercet.testing import HashEmbedder
with CachedEmbedder(HashEmbedder(), sys.argv[1]) as cached:
    for start in range(0, 200, 10):
        cached.embed_documents([f"text {number}" for number in range(start, start + 15)])
"""


def test_processes_share_one_file(tmp_path: Path) -> None:
    file = tmp_path / "vectors.sqlite3"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(file)]) for _ in range(4)]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0, 0, 0]

    with CachedEmbedder(HashEmbedder(), file) as cached:
        texts = [f"text {number}" for number in range(200)]
        np.testing.assert_array_equal(cached.embed_documents(texts), HashEmbedder().embed_documents(texts))
    assert cached.embedded == 0


def test_the_default_file_lies_in_the_cache_folder_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert default_cache_file() == tmp_path / "tercet" / "embeddings.sqlite3"
