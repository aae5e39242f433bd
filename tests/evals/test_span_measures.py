from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercet.errors import InputError
from tercet.evals.records import Span
from tercet.evals.span_measures import evidence_kept, precision_omega, span_scores


def span(start: int, end: int, uri: str = "a") -> Span:
    return Span(uri=uri, start=start, end=end)


@st.composite
def spans(draw: st.DrawFn) -> Span:
    start = draw(st.integers(0, 40))
    return span(start, start + draw(st.integers(0, 20)), draw(st.sampled_from("ab")))


some_spans = st.lists(spans(), max_size=6)


def characters(listed: list[Span]) -> list[tuple[str, int]]:
    return [(one.uri, place) for one in listed for place in range(one.start, one.end)]


@pytest.mark.parametrize(
    ("evidence", "retrieved", "recall", "precision", "iou"),
    [
        # the evidence is the ten characters 10..20
        ([span(10, 20)], [span(10, 20)], 1, 1, 1),
        ([span(10, 20)], [span(0, 15)], 5 / 10, 5 / 15, 5 / (15 + 5)),
        ([span(10, 20)], [span(0, 10), span(20, 30)], 0, 0, 0),
        ([span(10, 20)], [span(10, 20, "b")], 0, 0, 0),
        # two chunks of 15 that share 5..15: 30 characters retrieved, the evidence found once
        ([span(10, 20)], [span(0, 15), span(5, 20)], 1, 10 / 30, 10 / 30),
        # the same chunk twice is twice the text
        ([span(10, 20)], [span(10, 20), span(10, 20)], 1, 1 / 2, 1 / 2),
        # marked twice in overlapping spans: 10..25 is fifteen characters of evidence
        ([span(10, 20), span(15, 25)], [span(15, 20)], 5 / 15, 1, 5 / 15),
        # two documents
        ([span(0, 10), span(0, 30, "b")], [span(0, 20), span(20, 40, "b")], 20 / 40, 20 / 40, 20 / 60),
        ([span(10, 20)], [], 0, 0, 0),
        ([], [span(10, 20)], 0, 0, 0),
        ([span(5, 5)], [span(0, 10)], 0, 0, 0),
    ],
)
def test_scores_worked_out_by_hand(
    evidence: list[Span], retrieved: list[Span], recall: float, precision: float, iou: float
) -> None:
    scores = span_scores(evidence, retrieved)

    assert (scores.recall, scores.precision, scores.iou) == pytest.approx((recall, precision, iou))


@given(some_spans, some_spans)
def test_scores_are_those_of_counting_every_character(evidence: list[Span], retrieved: list[Span]) -> None:
    wanted, found = set(characters(evidence)), characters(retrieved)
    both = len(wanted & set(found))
    missing = len(wanted) - both

    scores = span_scores(evidence, retrieved)

    assert scores.recall == (both / len(wanted) if wanted else 0)
    assert scores.precision == (both / len(found) if found else 0)
    assert scores.iou == (both / (len(found) + missing) if found or missing else 0)
    assert 0 <= scores.iou <= min(scores.recall, scores.precision) <= 1


@given(some_spans, some_spans, spans())
def test_one_more_span_never_lowers_recall(evidence: list[Span], retrieved: list[Span], more: Span) -> None:
    assert span_scores(evidence, [*retrieved, more]).recall >= span_scores(evidence, retrieved).recall


def test_precision_omega_is_that_of_the_chunks_that_hold_evidence() -> None:
    chunks = [span(0, 10), span(10, 30), span(30, 100), span(0, 30, "b")]

    assert precision_omega([span(5, 15)], chunks) == 10 / 30
    assert precision_omega([span(10, 12)], chunks) == 2 / 20
    assert precision_omega([span(0, 10, "c")], chunks) == 0


@given(some_spans, some_spans)
def test_precision_omega_of_one_chunk_a_piece_of_evidence_is_full(evidence: list[Span], more: list[Span]) -> None:
    whole = [span(0, 100), span(0, 100, "b")]
    wanted = len({one.uri for one in evidence if one.end > one.start})

    expected = len(set(characters(evidence))) / (100 * wanted) if wanted else 0
    assert precision_omega(evidence, whole) == pytest.approx(expected)
    assert 0 <= precision_omega(evidence, more) <= 1


@pytest.mark.parametrize(
    ("budget", "expected"), [(0, 0), (9, 0), (10, 0.25), (29, 0.25), (30, 0.75), (34, 0.75), (35, 1), (1000, 1)]
)
def test_evidence_is_kept_up_to_the_first_span_that_does_not_fit(budget: int, expected: float) -> None:
    evidence = [span(0, 10), span(0, 20, "b"), span(20, 30)]

    assert evidence_kept(evidence, evidence, [10, 20, 5], budget=budget) == expected


@given(some_spans, st.lists(st.tuples(spans(), st.integers(0, 9)), max_size=6), st.integers(0, 60), st.integers(0, 60))
def test_a_larger_budget_never_keeps_less(
    evidence: list[Span], sized: list[tuple[Span, int]], one: int, other: int
) -> None:
    retrieved, tokens = [found for found, _ in sized], [count for _, count in sized]
    kept = [evidence_kept(evidence, retrieved, tokens, budget=budget) for budget in sorted((one, other))]

    assert kept == sorted(kept)
    assert evidence_kept(evidence, retrieved, tokens, budget=sum(tokens)) == span_scores(evidence, retrieved).recall


@pytest.mark.parametrize("wrong", [span(-1, 5), span(5, 4)])
def test_what_is_no_stretch_of_text_is_refused(wrong: Span) -> None:
    for evidence, retrieved in (([wrong], []), ([], [wrong])):
        with pytest.raises(InputError, match="'a'"):
            span_scores(evidence, retrieved)
        with pytest.raises(InputError, match="'a'"):
            precision_omega([*evidence, span(0, 9)], [*retrieved, span(0, 9)])


@pytest.mark.parametrize(("tokens", "named"), [([], "1 spans have 0"), ([-3], "-3 tokens")])
def test_token_counts_must_fit_the_spans(tokens: list[int], named: str) -> None:
    with pytest.raises(InputError, match=named):
        evidence_kept([span(0, 9)], [span(0, 9)], tokens, budget=10)
