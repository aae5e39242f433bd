"""Merging without a model, measured on labelled pairs (part of S1.26)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercet.memory.episodes.duplicates import REVIEW_ABOVE, bands, differences, repeats, same_key, similarity
from tests.memory.episodes.pairs import DIFFERENT, PARAPHRASES, SAME, pairs


def merged(one: str, other: str) -> bool:
    return same_key(one) == same_key(other)


def reviewed(one: str, other: str) -> bool:
    found = bool(set(bands(one)) & set(bands(other)))
    return not merged(one, other) and found and similarity(one, other) >= REVIEW_ABOVE and not differences(one, other)


def test_the_labelled_set_is_large_and_has_no_pair_twice() -> None:
    everything = [pair[-2:] for block in (SAME, PARAPHRASES, DIFFERENT) for pair in pairs(block)]

    assert len(everything) == len(set(everything)) >= 150
    assert all(len(pair) == 2 for block in (SAME, PARAPHRASES) for pair in pairs(block))
    assert all(len(pair) == 3 for pair in pairs(DIFFERENT))


@pytest.mark.parametrize("pair", pairs(DIFFERENT), ids=lambda pair: pair[1])
def test_texts_that_differ_in_what_matters_never_merge(pair: tuple[str, ...]) -> None:
    assert not merged(*pair[1:])


@pytest.mark.parametrize("pair", [pair for pair in pairs(DIFFERENT) if pair[0] != "other"], ids=lambda pair: pair[1])
def test_a_protected_difference_is_not_even_put_up_for_review(pair: tuple[str, ...]) -> None:
    assert not reviewed(*pair[1:])


def test_precision_and_recall_are_those_printed_in_the_documentation() -> None:
    """``docs/episodic-memory.md`` prints these numbers; a change of the rules has to change them there."""
    same, paraphrases, different = pairs(SAME), pairs(PARAPHRASES), [pair[1:] for pair in pairs(DIFFERENT)]
    alike = same + paraphrases
    merges = [merged(*pair) for pair in alike], [merged(*pair) for pair in different]
    listed = [reviewed(*pair) for pair in paraphrases], [reviewed(*pair) for pair in different]

    assert all(merged(*pair) for pair in same)
    figures = {
        "pairs": len(alike) + len(different),
        "merged right": sum(merges[0]),
        "merged wrong": sum(merges[1]),
        "alike": len(alike),
        "listed right": sum(listed[0]),
        "listed wrong": sum(listed[1]),
    }
    assert figures == FIGURES


FIGURES = {
    "pairs": 175,
    "merged right": 31,
    "merged wrong": 0,
    "alike": 60,
    "listed right": 24,
    "listed wrong": 3,
}


@given(st.text(max_size=60))
def test_a_text_says_the_same_as_itself_however_it_is_spaced(text: str) -> None:
    assert same_key(text) == same_key(text)
    if text.strip():
        assert same_key("word " + text) == same_key("  word  " + text)


WORDS = ["ada", "oslo", "rides", "home", "by", "the", "red", "bus", "each", "day"]
number = st.integers(0, 10**6)


@given(st.text(st.characters(categories=["Ll", "Zs"]), max_size=30), number, number)
def test_texts_with_other_numbers_never_merge(text: str, one: int, other: int) -> None:
    assert (same_key(f"{text} {one}") == same_key(f"{text} {other}")) == (one == other)


@given(st.lists(st.sampled_from(WORDS), min_size=3, max_size=10))
def test_a_text_with_a_negation_added_never_merges_and_is_never_listed(said: list[str]) -> None:
    for place in range(len(said)):
        negated = " ".join([*said[:place], "not", *said[place:]])
        assert not merged(" ".join(said), negated)
        assert not reviewed(" ".join(said), negated)


def test_similar_texts_share_a_band() -> None:
    """The bands find what the threshold asks for."""
    alike = [pair for pair in pairs(PARAPHRASES) if similarity(*pair) >= REVIEW_ABOVE]

    assert sum(bool(set(bands(one)) & set(bands(other))) for one, other in alike) >= 0.95 * len(alike)


@pytest.mark.parametrize(
    ("text", "recalled", "expected"),
    [
        ("Ada lives in Oslo.", ["Ada lives in Oslo"], True),
        ("Ada lives in Oslo. She likes tea.", ["She likes tea", "Ada lives in Oslo."], True),
        ("Ada lives in Oslo.\nShe likes tea", ["Ada lives in Oslo. She likes tea."], True),
        ("Ada lives in Bergen.", ["Ada lives in Oslo"], False),
        ("Ada lives in Oslo. She likes coffee.", ["She likes tea", "Ada lives in Oslo."], False),
        ("Ada does not live in Oslo.", ["Ada lives in Oslo"], False),
    ],
)
def test_a_repetition_of_what_was_recalled_is_recognised(text: str, recalled: list[str], expected: bool) -> None:
    assert repeats(text, recalled) is expected


def test_texts_without_words_are_compared_as_they_are() -> None:
    assert not merged("...", "…!")
    assert not merged("👍", "👎")
    assert merged("👍", " 👍 ")
