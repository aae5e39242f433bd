from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercet.sanitize import sanitize


def counts(text: str) -> dict[str, int]:
    return {finding.kind: finding.count for finding in sanitize(text)[1]}


@pytest.mark.parametrize(
    ("text", "clean", "kind", "count"),
    [
        ("pay\u200bme\u2060 now\ufeff", "payme now", "zero-width", 3),
        ("soft\xadhyphen", "softhyphen", "zero-width", 1),
        ("abc\u202edcba\u202c", "abcdcba", "bidi-control", 2),
        ("hi" + "".join(chr(0xE0000 + ord(c)) for c in "evil"), "hi", "tag-character", 4),
        ("x\ufe0f\ufe01\U000e0101", "x", "variation-selector", 3),
        ("\x1b[31mred\x1b[0m", "red", "ansi-escape", 2),
        ("\x1b]8;;http://evil\x07link\x1b]8;;\x1b\\", "link", "ansi-escape", 2),
        ("bell\x07\x00\x9f", "bell", "control", 3),
        ("half \ud800", "half \ufffd", "surrogate", 1),
        ("latin a\u200db", "latin ab", "zero-width", 1),
    ],
)
def test_hidden_and_control_text_is_removed_and_counted(text: str, clean: str, kind: str, count: int) -> None:
    assert sanitize(text)[0] == clean
    assert counts(text) == {kind: count}


@pytest.mark.parametrize(
    "text",
    [
        "tab\tand\nnewline",
        "👨‍👩‍👧 ❤️ ❤️‍🔥 🏳️‍🌈 👩🏽‍⚕️ 👍🏽 1️⃣ ☺︎",
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "می‌خواهم",
        "क्‍ष ക്‍",
        "葛\U000e0100城市",
        "naïve café — “quoted” ½ 漢字 ไทย עברית",
    ],
)
def test_legitimate_text_is_returned_as_it_is(text: str) -> None:
    assert sanitize(text) == (text, ())


def test_only_one_variation_selector_stays_after_an_emoji() -> None:
    assert sanitize("☺" + "\ufe0f" * 5)[0] == "☺\ufe0f"


def test_line_ends_become_newlines_and_other_breaks_keep_words_apart() -> None:
    assert sanitize("a\r\nb\rc\x0cd\u2028e \x0bf")[0] == "a\nb\nc d e f"


@given(st.text(alphabet=st.characters(codec=None), max_size=60))
def test_sanitizing_twice_changes_nothing_more(text: str) -> None:
    clean, _ = sanitize(text)
    assert sanitize(clean) == (clean, ())
    clean.encode("utf-8")


@given(
    st.text(
        alphabet="a1#\n\r\x0c\x1b[]m\x9b\u200b\u200c\u200d\ufe0f\u202e☺👍🏽क葛\U000e0100\ud800\U000e0067🏴 \u2028",
        max_size=12,
    )
)
def test_sanitizing_is_idempotent_where_sequences_overlap(text: str) -> None:
    clean, _ = sanitize(text)
    assert sanitize(clean) == (clean, ())


@pytest.mark.parametrize("unit", ["\x1b]", "\x1b[", "\u200d", "☺\u200d", "\x90a", "🏴\U000e0067"])
def test_hostile_repetition_takes_linear_time(unit: str) -> None:
    def seconds(repeat: int) -> float:
        started = time.process_time()
        sanitize(unit * repeat)
        return time.process_time() - started

    seconds(1_000)
    assert seconds(80_000) < 40 * max(seconds(8_000), 0.002)
