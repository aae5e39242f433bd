from __future__ import annotations

import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercet.errors import ConfigurationError, CorruptMemoryError
from tercet.models.lexical import (
    Analyzer,
    TermCounts,
    bm25_weights,
    bucket_length,
    idf,
    length_bucket,
    term_id,
)
from tercet.settings import LexicalConfig

ENGLISH = Analyzer(LexicalConfig())


def test_words_are_folded_stemmed_and_stopped():
    assert ENGLISH.terms("The Keys were ROTATED, don't worry") == ["key", "rotat", "worri"]


@pytest.mark.parametrize(
    ("name", "whole", "pieces"),
    [
        ("getUserName", "getusername", {"get", "user", "name"}),
        ("snake_case", "snake_case", {"snake", "case"}),
        ("--flag-name", "--flag-name", {"flag", "name"}),
        ("E1234", "e1234", set()),
        ("1.2.3", "1.2.3", set()),
        ("os.path.joinPath", "os.path.joinpath", {"os", "path", "join"}),
        ("HTTP2Server", "http2server", {"http2", "server"}),
        ("std::vec::Vec", "std::vec::vec", {"std", "vec"}),
        ("C++", "c++", set()),
    ],
)
def test_identifiers_are_kept_whole_and_split(name: str, whole: str, pieces: set[str]):
    terms = ENGLISH.terms(f"Call ({name}), then stop.")
    assert whole in terms
    assert pieces <= set(terms)
    assert set(ENGLISH.terms(name)) <= set(terms)


def test_a_name_inside_a_longer_one_is_found_by_itself():
    assert "read_csv" in ENGLISH.terms("pl.read_csv(path)")
    assert "use_pyarrow" in ENGLISH.terms("for all non-`use_pyarrow` and non-use_pyarrow inputs")
    assert "getuser" in ENGLISH.terms("client.getUser")


def test_the_capitals_of_a_qualified_name_tell_the_class_from_its_instances():
    assert "Serializer.data" in ENGLISH.terms("Serializer.data")
    assert set(ENGLISH.terms("serializer.data")) < set(ENGLISH.terms("Serializer.data"))
    assert "IL-6" not in ENGLISH.terms("IL-6")


def test_in_a_query_of_names_alone_the_pieces_weigh_less_than_the_names():
    assert ENGLISH.query("getUserName") == {"getusername": 1.0, "get": 0.5, "user": 0.5, "name": 0.5}
    assert ENGLISH.query("pl.read_csv --lazy-frame")["read"] == 0.5
    assert set(ENGLISH.query("what does getUserName return").values()) == {1.0}
    assert ENGLISH.query("keys keys") == {"key": 2.0}
    assert ENGLISH.query("") == {}


def test_identifiers_can_be_left_whole():
    analyzer = Analyzer(LexicalConfig(split_identifiers=False))
    assert analyzer.terms("getUserName of snake_case") == ["getusername", "snake_case"]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("記憶装置", ["記憶", "憶装", "装置"]),
        ("Python言語", ["python", "言語"]),
        ("猫", ["猫"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("café naïve", ["cafe", "naiv"]),
        ("\ufb01le \uff21\uff22\uff23", ["file", "abc"]),
        ("mRNAs and APIs", ["mrnas", "m", "rnas", "api"]),
    ],
)
def test_scripts_and_forms(text: str, terms: list[str]):
    assert ENGLISH.terms(text) == terms


def test_thai_gives_overlapping_pieces_that_a_query_shares():
    assert set(ENGLISH.terms("ไทย")) & set(ENGLISH.terms("ภาษาไทย"))


def test_accents_are_kept_outside_english():
    analyzer = Analyzer(LexicalConfig(language="none"))
    assert analyzer.terms("schön Größe") == ["schön", "grösse"]


def test_other_languages_are_stemmed():
    german = Analyzer(LexicalConfig(language="german"))
    assert german.terms("Häuser") == german.terms("Haus")


def test_unknown_language_is_refused_with_the_known_ones():
    with pytest.raises(ConfigurationError, match="klingon") as caught:
        Analyzer(LexicalConfig(language="klingon"))
    assert "english" in caught.value.remedy


@given(st.text(max_size=300))
def test_count_agrees_with_terms(text: str):
    terms = ENGLISH.terms(text)
    counts = ENGLISH.count(text)
    assert counts.length == len(terms)
    expected: dict[int, int] = {}
    for term in terms:
        expected[term_id(term)] = expected.get(term_id(term), 0) + 1
    assert dict(zip(counts.ids.tolist(), counts.counts.tolist(), strict=True)) == expected
    assert all(first < second for first, second in zip(counts.ids[:-1], counts.ids[1:], strict=True))


@given(st.text(max_size=200))
def test_a_fresh_analyzer_gives_the_same_terms(text: str):
    assert Analyzer(LexicalConfig()).terms(text) == ENGLISH.terms(text)


@given(st.dictionaries(st.integers(0, 2**32 - 1), st.integers(1, 65535)), st.integers(0, 2**31 - 1))
def test_counts_survive_packing(counts: dict[int, int], length: int):
    ids = sorted(counts)
    packed = TermCounts(np.array(ids, np.uint32), np.array([counts[one] for one in ids], np.uint16), length)
    found = TermCounts.from_bytes(packed.to_bytes())
    assert found.ids.tolist() == ids
    assert found.counts.tolist() == [counts[one] for one in ids]
    assert found.length == length
    assert (found.ids.dtype, found.counts.dtype) == (np.uint32, np.uint16)


@pytest.mark.parametrize("data", [b"", b"abc", b"\0" * 8])
def test_damaged_counts_are_refused(data: bytes):
    with pytest.raises(CorruptMemoryError):
        TermCounts.from_bytes(data)


def test_frequent_terms_stop_at_the_largest_count():
    counts = ENGLISH.count("key " * 70_000)
    assert counts.counts.tolist() == [65_535]
    assert counts.length == 70_000


def test_threads_share_an_analyzer():
    text = " ".join(f"rotating{number} walking camelCase{number}" for number in range(300))
    expected = Analyzer(LexicalConfig()).terms(text)
    shared = Analyzer(LexicalConfig())
    with ThreadPoolExecutor(8) as pool:
        assert all(found == expected for found in pool.map(shared.terms, [text] * 24))


def test_long_runs_take_linear_time():
    for text in ("a." * 100_000, "-" * 200_000, "A" * 200_000, "aB" * 100_000, "_" * 200_000, "文" * 100_000):
        assert ENGLISH.count(text).length >= 0


def test_weights_follow_the_formula():
    counts = TermCounts(np.array([1, 2], np.uint32), np.array([1, 3], np.uint16), 10)
    weights = bm25_weights(counts, average_length=20, k1=1.2, b=0.75)
    norm = 1.2 * (1 - 0.75 + 0.75 * 10 / 20)
    assert weights == pytest.approx([2.2 / (1 + norm), 6.6 / (3 + norm)])
    assert weights.dtype == np.float32


def test_idf_is_never_negative():
    assert idf(1, 1000) == pytest.approx(math.log(1 + 999.5 / 1.5))
    assert idf(1000, 1000) > 0
    assert idf(1001, 1000) > 0
    assert idf(0, 0) > 0


@given(st.floats(1, 1e6))
def test_a_bucket_is_near_the_average_it_stands_for(average: float):
    assert max(bucket_length(length_bucket(average)) / average, average / bucket_length(length_bucket(average))) < 1.12


def test_no_documents_have_a_bucket():
    assert length_bucket(0) == 0
    assert bucket_length(0) == 1


def test_ids_are_the_same_on_every_machine():
    assert (term_id("key"), term_id("文")) == IDS


def test_import_loads_no_torch():
    code = "import sys, tercet.models.lexical, tercet.models.tokens; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


IDS = (2551124860, 2441692730)
