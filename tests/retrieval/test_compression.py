# ruff: noqa: RUF001 - Chinese marks
from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tercet.errors import InputError
from tercet.models.protected_spans import protected_spans, uncuttable_spans
from tercet.models.tokens import WordEstimate
from tercet.retrieval.compressed import Compressed, Passage
from tercet.retrieval.compression import Compressor
from tercet.retrieval.units import find_units
from tercet.settings import CompressionConfig
from tercet.testing.embedder import HashEmbedder


class Quarters:
    name = "characters/4"

    def count(self, text: str) -> int:
        return -(-len(text) // 4)


class Superadditive:
    """Counts a whole higher than its parts: no bound from parts holds."""

    name = "square"

    def count(self, text: str) -> int:
        return len(text) ** 2 // 400


class Wavering:
    """Not even monotone in the length of a text."""

    name = "wavering"

    def count(self, text: str) -> int:
        return len(text) // 4 + (sum(map(ord, text)) % 7 if text else 0)


COUNTERS = (Quarters(), WordEstimate(), Superadditive(), Wavering())
PIECES = st.sampled_from(
    [
        "Keys expire after 90 days. ",
        "Do not share `a. B` keys! ",
        "Rotate key E4012 on 3. Oktober 2024. ",
        "\n\n",
        "# Keys\n\n",
        "- rotate keys\n- drop keys\n",
        "\n```sh\nrotate --all\n```\n",
        "| key | age |\n|---|---|\n| a | 1 |\n| b | 2 |\n",
        "See [the. Guide](https://a.example/x) now. ",
        "Lunch is at noon. ",
        "密钥每90天轮换。不要共享！",
        "x" * 500,
        " ",
        "…\n",
    ]
)
TEXTS = st.one_of(st.lists(PIECES, max_size=12).map("".join), st.text(max_size=200))
PASSAGES = st.lists(
    st.tuples(TEXTS, st.floats(-5, 5), st.sampled_from(["", "Keys", "[1] a.md"]), st.sampled_from(["", "s"])),
    max_size=5,
)


def made(found: list[tuple[str, float, str, str]]) -> list[Passage]:
    return [
        Passage(id=str(place), text=text, score=score, title=label, label=label, source=source, start=100 * place)
        for place, (text, score, label, source) in enumerate(found)
    ]


@settings(max_examples=150, deadline=None)
@given(
    PASSAGES, st.sampled_from(COUNTERS), st.integers(0, 300), st.integers(0, 300), st.sampled_from(["", "rotate keys?"])
)
def test_any_passages_and_counter(found, counter, one: int, other: int, question: str) -> None:
    """Never over budget, verbatim, nothing lost from the report; a larger budget keeps all that a smaller one does."""
    passages = made(found)
    by_id = {passage.id: passage for passage in passages}
    compressor = Compressor(counter)
    small, large = (compressor.compress(question, passages, budget=budget) for budget in sorted((one, other)))

    for result in (small, large):
        assert result.tokens == counter.count(result.text) <= result.budget
        everything = [*result.kept, *(dropped.sentence for dropped in result.dropped)]
        assert all(by_id[one.passage_id].text[one.start : one.end] == one.text for one in everything)
        assert all(sentence.text in result.text for sentence in result.kept)
        assert sorted(sentence.rank for sentence in everything) == list(range(1, len(everything) + 1))
        assert sorted(sentence.rank for sentence in result.kept) == list(range(1, len(result.kept) + 1))
        assert len(everything) == sum(len(find_units(passage.text)) for passage in passages)
    assert set(small.kept) <= set(large.kept)
    assert compressor.compress(question, passages, budget=small.budget) == small


@given(TEXTS)
def test_units_cover_the_text_and_cut_no_protected_span(text: str) -> None:
    units = find_units(text)
    covered = {place for unit in units for place in range(unit.start, unit.end)}
    covered |= {place for unit in units if unit.lead for place in range(*unit.lead)}

    assert {place for place, letter in enumerate(text) if not letter.isspace()} <= covered
    assert all(before.end <= after.start for before, after in pairwise(units))
    prose = [unit for unit in units if unit.kind == "sentence"]
    for unit in prose:
        for span in uncuttable_spans(text):
            inside = unit.start <= span.start < unit.end
            if inside and not any(mark in text[span.start : span.end] for mark in ("\n", "```", "~~~")):
                assert span.end <= unit.end


def test_structure_is_kept_whole() -> None:
    text = (
        "# Keys\n\nRotate them. Never\nshare them.\n\n- first item\n  goes on\n- second\n\n"
        "| key | age |\n|---|---|\n| a | 1 |\n| b | 2 |\n\n```sh\nrotate --all. Now\n\nexit\n```\nDone."
    )

    assert [(text[unit.start : unit.end], unit.kind) for unit in find_units(text)] == [
        ("# Keys", "heading"),
        ("Rotate them.", "sentence"),
        ("Never", "sentence"),
        ("share them.", "sentence"),
        ("- first item\n  goes on", "item"),
        ("- second", "item"),
        ("| a | 1 |", "row"),
        ("| b | 2 |", "row"),
        ("```sh\nrotate --all. Now\n\nexit\n```", "code"),
        ("Done.", "sentence"),
    ]


def test_a_row_is_shown_with_its_header() -> None:
    text = "Intro text here.\n\n| key | age |\n|---|---|\n| alpha | 1 |\n| beta | 2 |\n| gamma | 3 |\n"
    result = Compressor(Quarters()).compress("How old is gamma?", [Passage(id="1", text=text)], budget=10)

    assert result.text == "| key | age |\n|---|---|\n| gamma | 3 |"
    (row,) = result.kept
    assert text[slice(*row.header or ())] == "| key | age |\n|---|---|\n"


def test_wrapped_lines_are_one_sentence() -> None:
    text = "This sentence is long enough that whoever wrote it broke the\nline in the middle of what it says on keys."

    assert len(find_units(text)) == 1


def compress(question: str, *passages: Passage, budget: int = 100) -> Compressed:
    return Compressor(Quarters()).compress(question, passages, budget=budget)


def test_omissions_are_marked_and_sources_stay_in_order() -> None:
    first = Passage(id="b", text="Keys rotate daily. Lunch is at noon. Keys are long.", source="d", start=50, score=2)
    second = Passage(id="a", text="Keys are made of steel.", source="d", start=0, label="[1] d", score=2)
    result = compress("keys", first, second, budget=18)

    assert result.text == "[1] d\nKeys are made of steel.\n\nKeys rotate daily. … Keys are long."
    assert [dropped.reason for dropped in result.dropped] == ["budget"]


def test_near_duplicates_go_unless_a_value_differs() -> None:
    said = "The nightly backup of the main database server runs at {} and is kept for a month by the operators{}."
    passages = [
        Passage(id=str(place), text=said.format(*values))
        for place, values in enumerate([("02:00", ""), ("02:00", " too"), ("03:00", "")])
    ]
    result = compress("backup", *passages, budget=500)

    assert [sentence.passage_id for sentence in result.kept] == ["0", "2"]
    (dropped,) = result.dropped
    assert (dropped.reason, dropped.duplicate_of) == ("near-duplicate", result.kept[0])


def test_a_passage_named_in_the_best_sentence_is_reached() -> None:
    passages = [
        Passage(id="film", title="Night Train", text="Night Train was directed by Orla Keane. It rained."),
        Passage(id="other", title="Day Boat", text="Day Boat was made in a harbour. People born there liked it."),
        Passage(id="person", title="Orla Keane", text="She comes from Cork. She has two cats."),
    ]
    question = "Where was the director of Night Train born?"
    with_bridge = {s.passage_id: s for s in sorted(compress(question, *passages).kept, key=lambda s: -s.rank)}
    without = Compressor(Quarters(), config=CompressionConfig(bridge_weight=0)).compress(question, passages, budget=100)

    assert with_bridge["person"].score.bridge > 0
    assert with_bridge["person"].rank < with_bridge["other"].rank
    assert min(s.rank for s in without.kept if s.passage_id == "person") > with_bridge["person"].rank


def test_a_long_unit_at_the_top_does_not_leave_a_small_budget_empty() -> None:
    code = "```\n" + "rotate keys now\n" * 40 + "```"
    result = compress("rotate keys now", Passage(id="1", text=f"{code}\n\nKeys last long.\n\nLunch."), budget=20)

    assert "Keys last long." in result.text


def test_the_floor_drops_what_is_far_below_the_best() -> None:
    compressor = Compressor(Quarters(), config=CompressionConfig(floor=0.9, parent_weight=0, neighbour_weight=0))
    result = compressor.compress("keys", [Passage(id="1", text="Keys rotate. Lunch is at noon.")], budget=100)

    assert result.text == "Keys rotate."
    assert [dropped.reason for dropped in result.dropped] == ["low score"]


def test_the_dense_term_counts_for_a_bounded_number_of_sentences() -> None:
    embedder = HashEmbedder()
    compressor = Compressor(Quarters(), embedder=embedder, config=CompressionConfig(dense_candidates=2))
    result = compressor.compress("keys", [Passage(id="1", text="Keys rotate. Lunch. Dinner is late.")], budget=100)

    assert max(sentence.score.dense for sentence in result.kept) > 0


@pytest.mark.parametrize(
    ("passages", "budget"), [((Passage(id="1", text="a"),) * 2, 5), ((), -1)], ids=["one id twice", "negative budget"]
)
def test_what_cannot_be_compressed_is_refused(passages: tuple[Passage, ...], budget: int) -> None:
    with pytest.raises(InputError):
        compress("x", *passages, budget=budget)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("unit", ["`", "[", "a_", "1.", "| ", "a/", "A1-", "not ", "- ", "```\n", "x.y", "\n"])
def test_hostile_texts_take_linear_time(unit: str) -> None:
    """Quadratic time would need hours here."""
    text = unit * (200_000 // len(unit))

    assert len(list(protected_spans(text))) <= len(text)
    assert all(unit.end <= len(text) for unit in find_units(text))
