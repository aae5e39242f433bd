"""The chunking benchmark without its data: the splitters that ours is beside, and values at equal size or recall."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import pytest

from tercet.models.tokens import WordEstimate
from tercet.records import ParsedDocument

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="benchmarks are not part of the wheel's tests")


@pytest.fixture
def chunking(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield import_module("chunking")
    del sys.modules["chunking"]


def point(size, recall, iou):
    """A point of a curve with two questions."""
    return {
        "size": {"a": size, "b": size},
        "recall": dict(zip("ab", recall, strict=True)),
        "iou": dict(zip("ab", iou, strict=True)),
    }


@pytest.mark.parametrize("name", ["recursive", "fixed"])
def test_the_other_splitters_make_spans_that_hold_every_word_within_the_size(chunking, name):
    text = "\n\n".join(f"Section {n} says that. Keys rotate every {n} days, never later." for n in range(40))
    counter = WordEstimate()

    chunks = chunking.Splitter(name, 20, counter).chunk(ParsedDocument(text=text, blocks=()), uri="a")

    assert all(text[one.start : one.end] == one.text for one in chunks)
    assert "".join("".join(one.text for one in chunks).split()) == "".join(text.split())
    assert max(counter.count(one.text) for one in chunks) <= 20
    assert len({one.id for one in chunks}) == len(chunks) > 40


def test_recall_at_equal_size_lies_between_that_of_the_neighbours_question_by_question(chunking):
    curve = [point(100, (0.2, 0.6), (0, 0)), point(200, (0.4, 1.0), (0, 0))]

    found = chunking.at_equal("size", point(150, (1, 1), (0, 0)), curve, "recall")

    assert found == pytest.approx({"a": 0.3, "b": 0.8})


def test_iou_at_equal_recall_has_the_mean_of_the_mixture_and_the_spread_of_its_share(chunking):
    curve = [point(100, (0.4, 0.6), (0.2, 0.2)), point(200, (0.8, 1.0), (0.1, 0.1))]
    ours = point(130, (0.9, 0.5), (0.3, 0.3))

    found = chunking.at_equal("recall", ours, curve, "iou")

    assert chunking.mean(found) == pytest.approx(0.15)
    assert found["a"] < 0.15 < found["b"]


def test_what_a_curve_does_not_reach_is_not_compared(chunking):
    curve = [point(100, (0.4, 0.6), (0.2, 0.2)), point(200, (0.8, 1.0), (0.1, 0.1))]

    assert chunking.at_equal("size", point(201, (1, 1), (0, 0)), curve, "recall") is None
    assert chunking.at_equal("recall", point(150, (1, 1), (0, 0)), curve, "iou") is None
    assert chunking.brief({"a": 1.0}, None, "recall") is None
