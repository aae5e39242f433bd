from __future__ import annotations

import math
import random
import statistics

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from qdrant_client import models
from qdrant_client.hybrid.fusion import distribution_based_score_fusion

from tercet.memory.stored import Candidate
from tercet.records import Explanation, LegExplanation
from tercet.retrieval.fusion import Leg, fuse, normalize

METHODS = ("dbsf", "minmax", "rrf")


def leg(name: str, scores: dict[int, float], *, weight: float = 1.0, without_vector: tuple[int, ...] = ()) -> Leg:
    return Leg(
        name=name,
        weight=weight,
        candidates=[Candidate(row, f"{row:032x}", score, row not in without_vector) for row, score in scores.items()],
    )


scores = st.floats(min_value=-50, max_value=50, allow_nan=False, width=32)
found = st.dictionaries(st.integers(0, 60), scores, max_size=40)
weights = st.floats(min_value=0.01, max_value=10)


@st.composite
def two_legs(draw: st.DrawFn) -> list[Leg]:
    words, meaning = draw(found), draw(found)
    missing = tuple(row for row in words if row not in meaning and row % 3 == 0)
    return [
        leg("lexical", words, weight=draw(weights), without_vector=missing),
        leg("dense", meaning, weight=draw(weights)),
    ]


# -- against the formulas, written out plainly -----------------------------------------------------------------------


def test_distribution_based_scores_are_the_place_within_three_deviations_of_the_mean() -> None:
    source = random.Random(7)
    values = sorted((source.uniform(2, 30) for _ in range(200)), reverse=True)
    mean, deviation = statistics.fmean(values), statistics.stdev(values)
    assert max(abs(value - mean) for value in values) < 3 * deviation  # no outliers
    expected = [(value - (mean - 3 * deviation)) / (6 * deviation) for value in values]

    assert normalize(values, "dbsf") == pytest.approx(expected, abs=1e-12)


def test_outliers_keep_their_distance_and_all_legs_are_scaled_alike() -> None:
    words = {0: 100.0, 1: 90.0} | {row: 1.0 + row / 1000 for row in range(2, 100)}
    meaning = {row: 0.9 - row / 1000 for row in range(100)}
    raw = normalize(sorted(words.values(), reverse=True), "dbsf")
    ranking = fuse([leg("lexical", words), leg("dense", meaning)], method="dbsf")

    assert raw[0] > raw[1] > 1
    first, second = ranking.legs_of(0), ranking.legs_of(1)
    assert (first[0].normalized, second[0].normalized) == pytest.approx((1.0, raw[1] / raw[0]))
    assert first[1].normalized == pytest.approx(normalize(list(meaning.values()), "dbsf")[0] / raw[0])


def test_scores_far_below_the_mean_count_no_less_than_not_being_found() -> None:
    assert normalize([10.0 + row / 1000 for row in range(100, 0, -1)] + [-500.0], "dbsf")[-1] == 0.0


@given(
    words=st.dictionaries(st.integers(0, 60), st.floats(0, 40, width=32), min_size=2, max_size=40),
    meaning=st.dictionaries(st.integers(0, 60), st.floats(-1, 1, width=32), min_size=2, max_size=40),
)
def test_the_ranking_is_that_of_qdrant(words: dict[int, float], meaning: dict[int, float]) -> None:
    def points(scores: dict[int, float]) -> list[models.ScoredPoint]:
        ranked = sorted(scores.items(), key=lambda entry: -entry[1])
        return [models.ScoredPoint(id=row, version=0, score=score) for row, score in ranked]

    for scores in (words, meaning):
        mean, deviation = statistics.fmean(scores.values()), statistics.stdev(scores.values())
        assume(deviation > 1e-3)
        assume(min(scores.values()) >= mean - 3 * deviation)  # there Qdrant goes below zero
    expected = {
        point.id: point.score / 2  # a sum there, a mean here
        for point in distribution_based_score_fusion([points(words), points(meaning)], limit=200)
    }
    ranking = fuse([leg("lexical", words), leg("dense", meaning)], method="dbsf")
    ours = {chunk.row: chunk.score for chunk in ranking.chunks}
    scale = max(expected.values()) / ranking.chunks[0].score

    assert {row: score * scale for row, score in ours.items()} == pytest.approx(expected, abs=1e-6)
    assert scale == pytest.approx(
        max(1.0, *(normalize(sorted(s.values(), reverse=True), "dbsf")[0] for s in (words, meaning)))
    )


def test_reciprocal_rank_counts_from_one() -> None:
    assert normalize([9.0, 5.0, 1.0], "rrf", rrf_k=60) == [1 / 61, 1 / 62, 1 / 63]


def test_min_max_puts_the_best_at_one_and_the_worst_at_zero() -> None:
    assert normalize([8.0, 5.0, 4.0], "minmax") == [1.0, 0.25, 0.0]


@pytest.mark.parametrize("method", ["dbsf", "minmax"])
@pytest.mark.parametrize("values", [[3.0], [0.0, 0.0], [-2.5] * 5])
def test_equal_scores_count_half(method: str, values: list[float]) -> None:
    assert normalize(values, method) == [0.5] * len(values)


@pytest.mark.parametrize("method", METHODS)
def test_no_candidates_give_nothing(method: str) -> None:
    assert normalize([], method) == []
    assert fuse([leg("lexical", {}), leg("dense", {})], method=method).chunks == []


def test_weights_are_relative() -> None:
    words, meaning = {1: 3.0, 2: 2.0, 3: 1.0}, {3: 0.9, 1: 0.5, 4: 0.1}
    once = fuse([leg("lexical", words, weight=1), leg("dense", meaning, weight=3)], method="minmax")
    tenfold = fuse([leg("lexical", words, weight=10), leg("dense", meaning, weight=30)], method="minmax")

    assert [chunk.row for chunk in once.chunks] == [chunk.row for chunk in tenfold.chunks]
    by_row = {chunk.row: chunk.score for chunk in once.chunks}
    assert by_row == pytest.approx({1: (1 * 1.0 + 3 * 0.5) / 4, 2: 0.5 / 4, 3: 3 / 4, 4: 0.0})


# -- what is missing -------------------------------------------------------------------------------------------------


def test_a_leg_that_did_not_return_a_chunk_adds_nothing_to_it() -> None:
    fused = fuse([leg("lexical", {1: 2.0, 2: 1.0}), leg("dense", {1: 0.9, 3: 0.1})], method="minmax")

    assert next(chunk.score for chunk in fused.chunks if chunk.row == 2) == 0.0
    assert fused.legs_of(2)[1] == LegExplanation(leg="dense", score=None, rank=None, normalized=0.0, weight=1.0)


def test_a_chunk_whose_vector_is_missing_is_judged_by_words_alone() -> None:
    words = leg("lexical", {1: 4.0, 2: 3.0, 3: 1.0}, weight=2.0, without_vector=(2,))
    fused = fuse([words, leg("dense", {1: 0.1, 3: 0.9})], method="minmax")
    by_row = {chunk.row: chunk.score for chunk in fused.chunks}

    assert by_row[2] == pytest.approx(2 / 3)  # (3 - 1) / (4 - 1), not divided by the dense weight
    assert [part.available for part in fused.legs_of(2)] == [True, False]
    assert by_row[1] == pytest.approx((2 * 1.0 + 0.0) / 3)


def test_a_leg_that_could_not_look_takes_no_part_in_the_score() -> None:
    silent = Leg(name="lexical", weight=1.0, candidates=[], searched=False)
    fused = fuse([silent, leg("dense", {1: 0.9, 2: 0.1})], method="minmax")

    assert [(chunk.row, chunk.score) for chunk in fused.chunks] == [(1, 1.0), (2, 0.0)]


def test_equal_scores_are_ordered_by_chunk_id_and_then_row() -> None:
    candidates = [Candidate(5, "b", 1.0, True), Candidate(9, "a", 1.0, True), Candidate(2, "b", 1.0, True)]
    fused = fuse([Leg(name="lexical", weight=1.0, candidates=candidates)], method="minmax")

    assert [chunk.row for chunk in fused.chunks] == [9, 2, 5]


# -- properties ------------------------------------------------------------------------------------------------------


@given(legs=two_legs(), method=st.sampled_from(METHODS), seed=st.integers(0, 1000))
def test_the_order_in_which_candidates_are_given_changes_nothing(legs: list[Leg], method: str, seed: int) -> None:
    def shuffled(one: Leg) -> Leg:
        candidates = list(one.candidates)
        random.Random(seed).shuffle(candidates)
        return Leg(name=one.name, weight=one.weight, candidates=candidates)

    given, other = fuse(legs, method=method), fuse([shuffled(one) for one in legs], method=method)

    assert other.chunks == given.chunks
    assert [other.legs_of(row) for row, _, _ in given.chunks] == [given.legs_of(row) for row, _, _ in given.chunks]


@given(legs=two_legs(), method=st.sampled_from(METHODS))
def test_parts_recombine_to_the_score(legs: list[Leg], method: str) -> None:
    ranking = fuse(legs, method=method)
    for chunk in ranking.chunks:
        explanation = Explanation(fusion=method, legs=ranking.legs_of(chunk.row))
        assert math.isclose(explanation.fused, chunk.score, rel_tol=0, abs_tol=1e-9)


@given(legs=two_legs(), method=st.sampled_from(METHODS))
def test_every_candidate_comes_back_once_best_first_within_zero_and_one(legs: list[Leg], method: str) -> None:
    fused = fuse(legs, method=method).chunks

    assert {chunk.row for chunk in fused} == {candidate.row for one in legs for candidate in one.candidates}
    assert len({chunk.row for chunk in fused}) == len(fused)
    assert fused == sorted(fused, key=lambda chunk: (-chunk.score, chunk.chunk_id))
    assert all(0.0 <= chunk.score <= 1.0 for chunk in fused)


@given(legs=two_legs(), method=st.sampled_from(METHODS))
def test_a_chunk_that_no_leg_puts_lower_is_not_ranked_lower(legs: list[Leg], method: str) -> None:
    fused = fuse(legs, method=method)
    judged = [(chunk.score, fused.legs_of(chunk.row)) for chunk in fused.chunks]
    for better, its in judged:
        for worse, others in judged:
            pairs = list(zip(its, others, strict=True))
            if any(one.available != two.available for one, two in pairs):
                continue
            if all(one.score is not None and (two.score is None or one.score > two.score) for one, two in pairs):
                assert better >= worse


@given(values=st.lists(scores, min_size=2, max_size=60), method=st.sampled_from(METHODS))
def test_normalising_keeps_the_order(values: list[float], method: str) -> None:
    ranked = sorted(values, reverse=True)
    normalized = normalize(ranked, method)

    assert normalized == sorted(normalized, reverse=True)


@given(values=st.lists(st.integers(-1000, 1000), min_size=2, max_size=60), factor=st.integers(1, 50))
def test_the_scale_of_a_leg_does_not_matter(values: list[int], factor: int) -> None:
    ranked = sorted(values, reverse=True)
    stretched = [float(value * factor + 17) for value in ranked]
    for method in ("dbsf", "minmax"):
        assert normalize(stretched, method) == pytest.approx(normalize(ranked, method), abs=1e-9)
