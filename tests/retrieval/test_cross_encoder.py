"""The cross-encoder adapter on a tiny model with random weights, made here: no download."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tercet.errors import ConfigurationError
from tercet.retrieval.rerank import CrossEncoderReranker, Reranker

if TYPE_CHECKING:
    from pathlib import Path

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "rotate", "the", "keys", "bananas", "are", "yellow"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    path = tmp_path_factory.mktemp("cross-encoder")
    (path / "vocab.txt").write_text("\n".join(WORDS) + "\n", "utf-8")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=64,
        num_labels=1,
    )
    transformers.BertForSequenceClassification(config).save_pretrained(path)
    transformers.BertTokenizerFast(vocab={word: place for place, word in enumerate(WORDS)}).save_pretrained(path)
    return path


def test_texts_are_scored_in_the_order_given_and_the_same_each_time(folder: Path) -> None:
    reranker = CrossEncoderReranker(folder, batch_size=2)
    texts = ["rotate the keys", "bananas are yellow", "keys " * 500]
    scores = reranker.rerank("rotate keys", texts)

    assert isinstance(reranker, Reranker)
    assert len(scores) == 3
    assert len(set(scores)) == 3
    assert reranker.rerank("rotate keys", list(reversed(texts))) == pytest.approx(scores[::-1], abs=1e-5)
    assert CrossEncoderReranker(str(folder)).rerank("rotate keys", texts) == pytest.approx(scores, abs=1e-5)
    assert reranker.rerank("rotate keys", []) == []


def test_weights_that_are_not_there_give_an_error_with_a_remedy(tmp_path: Path) -> None:
    for model in ("cross-encoder/no-such-model", tmp_path):
        with pytest.raises(ConfigurationError, match="cannot be loaded") as caught:
            CrossEncoderReranker(model).rerank("query", ["text"])
        assert "folder" in caught.value.remedy


def test_nothing_is_loaded_before_the_first_text() -> None:
    assert CrossEncoderReranker("no-such-model").rerank("query", []) == []
    with pytest.raises(ConfigurationError, match="batch_size"):
        CrossEncoderReranker("no-such-model", batch_size=0)
