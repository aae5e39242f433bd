# ruff: noqa: RUF001 - the scripts of the languages tested
from __future__ import annotations

import re

import pytest

from tercet.models.sentences import sentence_starts


def sentences(text: str) -> list[str]:
    starts = sentence_starts(text)
    return [text[start:end].strip() for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]


@pytest.mark.parametrize(
    "expected",
    [
        ["Dr. Smith met J. R. R. Tolkien, e.g. in the U.S. Army.", "Then he left."],
        ["It costs 3.50 or v1.2.3 more.", "See https://a.example/x?y=1.Z for it.", "Done!"],
        ["Really?!", '"Yes."', "(No.)", "Wait...", "Now."],
        ["Am 3. Oktober war es z.B. kalt.", "Ende."],
        ["Это было в 1990 г. в Москве, т.е. давно.", "Да."],
        ["M. Dupont est là.", "Il part."],
        ["यह है।", "वह है।"],
        ["هل هذا صحيح؟", "نعم."],
        ["See no. 5, Fig. 3 and pp. 12.", "No.", "The cat sat.", "It slept."],
        ["1. Open the lid.", "Then close it."],
        ["Call foo.bar() and obj.x. then go on.", "End."],
    ],
    ids=lambda expected: expected[0][:16],
)
def test_sentences_of_many_languages(expected: list[str]) -> None:
    assert sentences(" ".join(expected)) == expected


def test_chinese_and_japanese_need_no_space() -> None:
    assert sentences("今天天气很好。我们去公园吧！好吗？「はい。」彼は言った。") == [
        "今天天气很好。",
        "我们去公园吧！",
        "好吗？",
        "「はい。」",
        "彼は言った。",
    ]


def test_the_parts_make_up_the_whole_span() -> None:
    text = "One. Two. Three."

    assert sentence_starts(text, 5) == [5, 10]
    assert sentence_starts(text, 0, 9) == [0, 5]
    assert sentence_starts("") == [0]


@pytest.mark.parametrize("unit", [".", ".)", ". ", "1. ", "a.b ", '."', "。", "!?) "])
def test_runs_of_marks_are_passed_in_one_go(unit: str) -> None:
    """Quadratic time would need hours here; the bound on the answer guards that all of it is read."""
    text = unit * 100_000
    starts = sentence_starts(text)

    assert len(starts) <= len(re.findall(r"\s|。", text)) + 1
    assert starts[-1] < len(text)
