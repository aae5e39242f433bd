"""Values beside those of ir-measures, which asks trec_eval for most of them, and properties of every ranking."""

from __future__ import annotations

from collections import defaultdict

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tercet.evals.measures import Measure, evaluate, parse_measure, parse_measures
from tercet.evals.ranks import judged_ranks

TREC_EVAL = parse_measures(
    "nDCG nDCG@1 nDCG@3 nDCG@10 R@1 R@3 R@100 R(rel=2)@5 P@1 P@5 P(rel=2)@5 P(rel=3)@20 RR RR(rel=2) "
    "AP AP@2 AP@10 AP(rel=2) AP(rel=2)@5 Success@1 Success@5 Success(rel=3)@5"
)
OWN_TIE_RULE = parse_measures("RR@1 RR@3 RR@10 RR(rel=2)@5 Judged Judged@1 Judged@3 Judged@50")
"""ir-measures computes these without trec_eval and breaks ties the other way round; they are compared without ties."""

IDS = ["d1", "d10", "d2", "d9", "D1", "é", "z", "zz", "ж", "\U0001d11e", "日本", "-", "_"]
SCORES = [0.0, -0.0, 1.0, 1.0 + 1e-9, 1.0 + 1e-6, 2.5, -1.0, 1e-30, 1e30, 16777216.0, 16777217.0]

grades = st.integers(-2, 3)
judgements = st.dictionaries(st.sampled_from(IDS), grades, min_size=1)
rankings = st.dictionaries(
    st.sampled_from(IDS), st.sampled_from(SCORES) | st.floats(-5, 5, width=32), min_size=1, max_size=len(IDS)
)
queries = st.sampled_from(["q1", "q2", "q3", "q4"])
all_qrels = st.dictionaries(queries, judgements, min_size=1)
all_runs = st.dictionaries(queries, rankings)


def oracle(measures: tuple[Measure, ...], qrels: dict, run: dict) -> dict[str, dict[str, float]]:
    """Values by the measure's name, then query."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for one in ir_measures.iter_calc([ir_measures.parse_measure(str(measure)) for measure in measures], qrels, run):
        found[str(one.measure)][one.query_id] = one.value
    return found


def ours(measures: tuple[Measure, ...], qrels: dict, run: dict) -> dict[str, dict[str, float]]:
    return {str(measure): values for measure, values in evaluate(measures, qrels, run).items()}


def without_negative(qrels: dict) -> dict[str, dict[str, int]]:
    """To trec_eval a negative grade is what 0 is, but the binding to it hangs or aborts on some."""
    return {query: {d: max(grade, 0) for d, grade in judged.items()} for query, judged in qrels.items()}


def ordered(ranking: dict[str, float]) -> list[str]:
    """By score in single precision, then by id, both descending: the rule, in the plainest words."""
    return sorted(ranking, key=lambda document: (np.float32(ranking[document]), document), reverse=True)


def without_ties(run: dict) -> dict[str, dict[str, float]]:
    return {
        query: {document: -float(place) for place, document in enumerate(ordered(ranking))}
        for query, ranking in run.items()
    }


def assert_same(measured: dict[str, dict[str, float]], expected: dict[str, dict[str, float]]) -> None:
    assert measured.keys() == expected.keys()
    for name, values in expected.items():
        assert measured[name] == pytest.approx(values, abs=1e-9), name


@settings(max_examples=100)
@given(all_qrels, all_runs)
def test_values_are_those_of_trec_eval_with_ties_grades_and_missing_queries(qrels: dict, run: dict) -> None:
    assert_same(ours(TREC_EVAL, qrels, run), oracle(TREC_EVAL, without_negative(qrels), run))


@settings(max_examples=60)
@given(all_qrels, all_runs)
def test_reciprocal_rank_with_a_cutoff_and_judged_are_those_of_ir_measures(qrels: dict, run: dict) -> None:
    expected = oracle(OWN_TIE_RULE, qrels, without_ties(run))

    assert_same(ours(OWN_TIE_RULE, qrels, run), expected)


@given(all_qrels, all_runs, st.integers(1, 15), st.integers(1, 3))
def test_any_is_success_and_all_is_full_recall(qrels: dict, run: dict, cutoff: int, rel: int) -> None:
    expected = oracle((Measure("Success", cutoff, rel), Measure("R", cutoff, rel)), without_negative(qrels), run)
    success, recall = expected[str(Measure("Success", cutoff, rel))], expected[str(Measure("R", cutoff, rel))]

    assert Measure("any", cutoff, rel).per_query(qrels, run) == success
    assert Measure("all", cutoff, rel).per_query(qrels, run) == {q: float(share == 1) for q, share in recall.items()}


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_long_rankings_with_many_ties_and_many_judgements_agree_too(seed: int) -> None:
    random = np.random.default_rng(seed)
    documents = [f"doc{number}" for number in range(1500)]

    def sample(count: int) -> list[str]:
        return [documents[place] for place in random.choice(len(documents), count, replace=False)]

    qrels = {f"q{n}": {d: int(random.integers(-1, 4)) for d in sample(int(random.integers(1, 400)))} for n in range(4)}
    run = {f"q{n}": {d: float(random.integers(0, 60)) / 7 for d in sample(1000)} for n in range(3)}

    assert_same(ours(TREC_EVAL, qrels, run), oracle(TREC_EVAL, without_negative(qrels), run))


@given(judgements, rankings)
def test_documents_are_placed_by_score_in_single_precision_then_by_id_descending(judged: dict, ranking: dict) -> None:
    placed = judged_ranks(judged, ranking)

    expected = [(rank, judged[d]) for rank, d in enumerate(ordered(ranking), start=1) if d in judged]
    assert list(zip(placed.ranks, placed.grades, strict=True)) == expected
    assert placed.retrieved == len(ranking)


def test_of_equal_scores_the_higher_id_stands_first() -> None:
    run = {"q": {"a": 1.0, "b": 1.0, "c": 1.0}}

    assert parse_measure("RR").per_query({"q": {"a": 1}}, run) == {"q": 1 / 3}
    assert parse_measure("RR").per_query({"q": {"c": 1}}, run) == {"q": 1}


def test_scores_that_differ_only_beyond_single_precision_are_equal() -> None:
    run = {"q": {"a": 1.0 + 1e-9, "b": 1.0}}

    assert parse_measure("RR").per_query({"q": {"b": 1}}, run) == {"q": 1}


def test_infinite_scores_and_those_beyond_single_precision_are_in_order() -> None:
    run = {"q": {"a": -1e300, "b": 5.0, "c": float("inf"), "d": 1e300}}

    assert judged_ranks(dict.fromkeys("abcd", 1) | {"b": 2}, run["q"]).grades == (1, 1, 2, 1)


@given(judgements, rankings, st.data())
def test_the_order_in_which_a_run_is_written_does_not_matter(judged: dict, ranking: dict, data: st.DataObject) -> None:
    shuffled = dict(data.draw(st.permutations(list(ranking.items()))))

    assert judged_ranks(judged, shuffled) == judged_ranks(judged, ranking)


@given(all_qrels, all_runs)
def test_every_value_lies_between_0_and_1_and_every_judged_query_has_one(qrels: dict, run: dict) -> None:
    for values in ours(TREC_EVAL + OWN_TIE_RULE, qrels, run).values():
        assert list(values) == list(qrels)
        assert all(0 <= value <= 1 + 1e-12 for value in values.values())


@settings(max_examples=40)
@given(all_qrels, all_runs, st.integers(1, 3))
def test_looking_further_down_never_lowers_what_was_found(qrels: dict, run: dict, rel: int) -> None:
    for name in ("R", "Success", "any", "all", "RR", "AP"):
        by_cutoff = evaluate([Measure(name, cutoff, rel) for cutoff in range(1, 15)], qrels, run).values()
        for query in qrels:
            values = [values[query] for values in by_cutoff]
            assert values == sorted(values), name


@given(all_qrels, all_runs, st.integers(1, 15), st.integers(1, 3))
def test_all_is_never_above_recall_and_recall_never_above_any(qrels: dict, run: dict, cutoff: int, rel: int) -> None:
    every, recall, some = (Measure(name, cutoff, rel).per_query(qrels, run) for name in ("all", "R", "any"))

    for query in qrels:
        assert every[query] <= recall[query] <= some[query]


@given(judgements)
def test_the_best_order_has_full_ndcg(judged: dict) -> None:
    values = evaluate(parse_measures("nDCG nDCG@3"), {"q": judged}, {"q": judged})

    expected = 1.0 if max(judged.values()) > 0 else 0.0
    assert [value["q"] for value in values.values()] == pytest.approx([expected, expected])
