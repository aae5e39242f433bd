from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tercet.models.embedding import Embedder
from tercet.testing import HashEmbedder


def test_keeps_the_embedder_contract():
    embedder = HashEmbedder(dimension=48)
    assert isinstance(embedder, Embedder)
    rows = embedder.embed_documents(["one text", "", "!!"])
    assert rows.shape == (3, 48)
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    assert embedder.embed_documents([]).shape == (0, 48)
    assert embedder.embed_query("one text").shape == (48,)


@given(st.lists(st.text(), max_size=6))
def test_vectors_are_bit_equal_for_any_batch(texts: list[str]):
    together = HashEmbedder().embed_documents(texts)
    apart = [HashEmbedder().embed_query(text) for text in texts]
    assert all(row.tobytes() == one.tobytes() for row, one in zip(together, apart, strict=True))


def test_vectors_are_the_same_on_every_machine():
    row = HashEmbedder(dimension=4).embed_query("rotate keys")
    assert row.view(np.uint32).tolist() == REFERENCE


def test_shared_words_make_texts_similar():
    embedder = HashEmbedder()
    first, second, third = embedder.embed_documents(["rotate the api key", "rotate an api key", "green bananas grow"])
    assert float(first @ second) > 0.5 > float(first @ third)


def test_counts_embedded_texts():
    embedder = HashEmbedder()
    embedder.embed_documents(["a", "b"])
    embedder.embed_query("c")
    assert embedder.embedded == 3


def test_other_dimension_or_spec_is_another_fingerprint():
    assert (
        len({HashEmbedder().fingerprint, HashEmbedder(dimension=8).fingerprint, HashEmbedder(spec="b").fingerprint})
        == 3
    )


def test_shorter_dimension_still_counts_every_word():
    embedder = HashEmbedder(dimension=100)
    assert np.isfinite(embedder.embed_query("lone surrogate \ud800")).all()


REFERENCE = [3195862931, 1041724409, 3210172318, 1055545529]
