"""Names, cutoffs and levels of measures, and values that were worked out by hand."""

from __future__ import annotations

import math
import subprocess
import sys
from contextlib import suppress

import ir_measures
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercet.errors import ConfigurationError, InputError
from tercet.evals.measures import (
    ALIASES,
    MEASURES,
    Measure,
    evaluate,
    missing_queries,
    parse_measure,
    parse_measures,
)

WITH_LEVEL = sorted(name for name, definition in MEASURES.items() if definition.has_level)
OURS_ALONE = {"any", "all"}
"""Not names of ir-measures: they come from the evaluation of conversations."""

RANKING = {"a": 0.9, "x": 0.8, "b": 0.7, "n": 0.6, "c": 0.5}
JUDGEMENTS = {"a": 1, "b": 2, "n": 0, "c": 1, "lost": 3, "bad": -1}


@st.composite
def measures(draw: st.DrawFn) -> Measure:
    name = draw(st.sampled_from(sorted(MEASURES)))
    cutoffs = st.integers(1, 999_999_999)
    cutoff = draw(cutoffs if MEASURES[name].needs_cutoff else st.none() | cutoffs)
    return Measure(name, cutoff, draw(st.integers(1, 9)) if MEASURES[name].has_level else 1)


@given(measures())
def test_what_is_printed_parses_back_to_an_equal_measure(measure: Measure) -> None:
    parsed = parse_measure(str(measure))

    assert parsed == measure
    assert hash(parsed) == hash(measure)
    assert str(parsed) == str(measure)


@given(measures().filter(lambda measure: measure.name not in OURS_ALONE))
def test_measures_are_written_as_ir_measures_writes_them(measure: Measure) -> None:
    assert str(ir_measures.parse_measure(str(measure))) == str(measure)


@given(st.lists(measures(), min_size=1), st.sampled_from([",", ", ", " ", "\n", ",,"]))
def test_a_printed_list_parses_back_without_duplicates(listed: list[Measure], separator: str) -> None:
    assert parse_measures(separator.join(map(str, listed))) == tuple(dict.fromkeys(listed))


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused_with_a_typed_error(text: str) -> None:
    with suppress(ConfigurationError):
        measure = parse_measure(text)
        assert parse_measure(str(measure)) == measure


@pytest.mark.parametrize("alias", ALIASES)
def test_other_spellings_stand_for_the_printed_name(alias: str) -> None:
    assert str(parse_measure(f"{alias}@7")) == f"{ALIASES[alias]}@7"


def test_a_level_of_one_is_not_printed() -> None:
    assert str(parse_measure("P(rel=1)@5")) == "P@5"
    assert str(parse_measure(" P( rel = 2 )@5 ")) == "P(rel=2)@5"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("F1@10", "'F1'"),
        ("ndcg@10", "'ndcg'"),
        ("", "''"),
        ("P", "needs a cutoff"),
        ("P@0", "P@0 is below 1"),
        ("P@-1", "'P@-1'"),
        ("P@5.5", "'P@5.5'"),
        ("P@٣", "'P@٣'"),
        ("P@" + "9" * 5000, "not how a measure is written"),
        ("P(rel=0)@5", "below 1"),
        ("P(rel=x)@5", "(rel=x)"),
        ("P(judged_only=True)@5", "(judged_only=True)"),
        ("nDCG(rel=2)@5", "no relevance level"),
        ("nDCG@5@6", "'nDCG@5@6'"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, named: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_measure(text)

    assert named in caught.value.message
    assert caught.value.remedy


def test_an_unknown_name_lists_what_exists() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_measures("nDCG@10, F1@10")

    assert all(name in caught.value.remedy for name in (*MEASURES, *ALIASES))


def test_an_empty_list_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no measure is named"):
        parse_measures(" , ")


def value(text: str, judgements: dict[str, int] = JUDGEMENTS, ranking: dict[str, float] = RANKING) -> float:
    return parse_measure(text).per_query({"q": judgements}, {"q": ranking})["q"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # relevant at ranks 1, 3 and 5; four relevant documents, one of them not found
        ("R@1", 1 / 4),
        ("R@3", 2 / 4),
        ("R@100", 3 / 4),
        ("P@3", 2 / 3),
        ("P@10", 3 / 10),
        ("RR", 1),
        ("RR(rel=2)", 1 / 3),
        ("RR(rel=2)@2", 0),
        ("AP", (1 / 1 + 2 / 3 + 3 / 5) / 4),
        ("AP@3", (1 / 1 + 2 / 3) / 4),
        ("AP(rel=2)", (1 / 3) / 2),
        ("Success@1", 1),
        ("Success(rel=3)@5", 0),
        ("any(rel=2)@2", 0),
        ("any(rel=2)@3", 1),
        ("all@5", 0),
        ("Judged@2", 1 / 2),
        ("Judged@10", 4 / 5),
        ("Judged", 4 / 5),
        ("nDCG@1", 1 / 3),
        ("nDCG@3", (1 + 2 / math.log2(4)) / (3 + 2 / math.log2(3) + 1 / math.log2(4))),
        (
            "nDCG",
            (1 + 2 / math.log2(4) + 1 / math.log2(6)) / (3 + 2 / math.log2(3) + 1 / math.log2(4) + 1 / math.log2(5)),
        ),
    ],
)
def test_values_worked_out_by_hand(text: str, expected: float) -> None:
    assert value(text) == pytest.approx(expected, abs=1e-12)


def test_all_needs_each_piece_of_evidence() -> None:
    evidence = {"a": 1, "c": 1}

    assert [value(f"all@{k}", evidence) for k in (1, 4, 5)] == [0, 0, 1]
    assert [value(f"any@{k}", evidence) for k in (1, 4, 5)] == [1, 1, 1]


@pytest.mark.parametrize("name", sorted(set(MEASURES) - {"Judged"}))
@pytest.mark.parametrize("judgements", [{}, {"a": 0}, {"a": -1, "x": 0}])
def test_without_a_relevant_document_every_measure_of_relevance_is_zero(name: str, judgements: dict[str, int]) -> None:
    assert value(f"{name}@5", judgements) == 0


@pytest.mark.parametrize("name", WITH_LEVEL)
def test_a_level_is_the_same_as_judging_only_what_reaches_it(name: str) -> None:
    binary = {document: int(grade >= 2) for document, grade in JUDGEMENTS.items()}

    assert value(f"{name}(rel=2)@4") == value(f"{name}@4", binary)


def test_judged_queries_are_kept_and_others_left_out() -> None:
    qrels = {"q2": {"a": 1}, "q1": {"a": 1}, "q3": {"a": 1}}
    run = {"q1": {"a": 1.0}, "unjudged": {"a": 1.0}, "q3": {}}

    assert list(parse_measure("RR").per_query(qrels, run).items()) == [("q2", 0), ("q1", 1), ("q3", 0)]
    assert missing_queries(qrels, run) == ("q2",)


def test_several_measures_at_once_are_the_same_as_one_by_one() -> None:
    qrels, run = {"q": JUDGEMENTS, "missing": {"a": 1}}, {"q": RANKING}
    listed = parse_measures("nDCG@3 R@2 P(rel=2)@5 RR AP all@5 any@5 Judged Success@1 RR")

    values = evaluate(listed, qrels, run)

    assert list(values) == list(listed)
    assert values == {measure: measure.per_query(qrels, run) for measure in listed}


@pytest.mark.parametrize("score", [math.nan, "high", None])
def test_a_score_that_is_no_number_is_refused_and_its_query_named(score: object) -> None:
    with pytest.raises(InputError, match=r"query 'q7': a score is not a number"):
        parse_measure("RR").per_query({"q7": {"a": 1}}, {"q7": {"b": 1.0, "a": score}})


def test_measuring_loads_neither_pandas_nor_torch_nor_the_oracle() -> None:
    code = (
        "import sys, tercet.evals.measures\n"
        "print(sorted({'pandas', 'torch', 'ir_measures', 'scipy', 'sqlalchemy'} & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.strip() == "[]"
