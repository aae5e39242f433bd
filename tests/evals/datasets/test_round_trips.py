"""What is written is what is read again, whatever the ids and texts hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tercet.errors import InputError
from tercet.evals.datasets import (
    GoldenQuestion,
    RetrievalDataset,
    load_beir,
    read_golden,
    read_qrels,
    read_run,
    write_beir,
    write_golden,
    write_qrels,
    write_run,
)
from tercet.evals.records import Span
from tercet.records import Document

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
WORDS = TEXT.filter(str.strip)
IDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).filter(str.strip)
FIELDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).filter(
    lambda text: text.split() == [text] and "\ufeff" not in text
)
SLICES = st.dictionaries(IDS, WORDS, max_size=2)
METADATA = st.dictionaries(IDS, st.one_of(TEXT, st.integers(), st.booleans(), st.lists(TEXT, max_size=2)), max_size=2)
SPANS = st.builds(
    lambda uri, start, length: Span(uri=uri, start=start, end=start + length),
    IDS,
    st.integers(0, 10**9),
    st.integers(1, 10**5),
)


@st.composite
def retrieval(draw: st.DrawFn) -> RetrievalDataset:
    uris = draw(st.lists(IDS, min_size=1, max_size=4, unique=True))
    documents = tuple(Document(uri=uri, text=draw(TEXT), title=draw(TEXT), metadata=draw(METADATA)) for uri in uris)
    queries = draw(st.dictionaries(IDS, WORDS, min_size=1, max_size=4))
    judged = st.dictionaries(st.sampled_from(uris), st.integers(-2, 3), min_size=1)
    qrels = {query: draw(judged) for query in queries if draw(st.booleans())}
    slices = {query: found for query in queries if (found := draw(SLICES))}
    unjudged = frozenset(queries) - qrels.keys()
    unanswerable = unjudged | {query for query in qrels if draw(st.booleans())}
    return RetrievalDataset(
        name="beir", documents=documents, queries=queries, qrels=qrels, slices=slices, unanswerable=unanswerable
    )


@st.composite
def golden(draw: st.DrawFn) -> GoldenQuestion:
    spans = draw(st.lists(SPANS, max_size=2))
    relevant = dict.fromkeys([*draw(st.lists(IDS, max_size=2)), *(span.uri for span in spans)])
    return GoldenQuestion(
        id=draw(IDS),
        query=draw(WORDS),
        relevant=tuple(relevant),
        spans=tuple(spans),
        unanswerable=draw(st.booleans()),
        slices=draw(SLICES),
        sources=tuple(draw(st.lists(SPANS, max_size=2))),
        alternatives=tuple(draw(st.lists(IDS, max_size=2))),
    )


@given(retrieval())
def test_beir(tmp_path: Path, dataset: RetrievalDataset) -> None:
    write_beir(dataset, tmp_path / "beir", split="dev")

    again = load_beir(tmp_path / "beir", split="dev")

    assert again == dataset
    assert again.facts("a").fingerprint == dataset.facts("b").fingerprint


@given(st.dictionaries(FIELDS, st.dictionaries(FIELDS, st.integers(-2, 4), min_size=1, max_size=4), max_size=4))
def test_trec_judgements(tmp_path: Path, qrels: dict[str, dict[str, int]]) -> None:
    write_qrels(qrels, tmp_path / "qrels")

    assert read_qrels(tmp_path / "qrels") == qrels


@given(
    st.dictionaries(
        FIELDS,
        st.dictionaries(FIELDS, st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=4),
        max_size=4,
    )
)
@example({"q": {"a": 1e-300, "b": -0.0, "c": 0.1 + 0.2}})
def test_trec_rankings(tmp_path: Path, run: dict[str, dict[str, float]]) -> None:
    write_run(run, tmp_path / "run")

    assert read_run(tmp_path / "run") == run
    rows = [line.split() for line in (tmp_path / "run").read_text("utf-8").split("\n") if line]
    for query in run:
        own = [row for row in rows if row[0] == query]
        assert [int(row[3]) for row in own] == list(range(1, len(own) + 1))
        assert [float(row[4]) for row in own] == sorted((float(row[4]) for row in own), reverse=True)


@given(st.lists(golden(), max_size=4, unique_by=lambda one: one.id))
def test_golden_json_lines(tmp_path: Path, questions: list[GoldenQuestion]) -> None:
    write_golden(questions, tmp_path / "golden.jsonl")

    assert read_golden(tmp_path / "golden.jsonl") == tuple(questions)


@given(st.lists(golden(), max_size=4, unique_by=lambda one: one.id.strip()))
def test_golden_csv(tmp_path: Path, questions: list[GoldenQuestion]) -> None:
    plain = [
        replace(one, id=one.id.strip(), sources=(), alternatives=(), query=one.query.replace("\r", ""))
        for one in questions
        if one.query.replace("\r", "").strip() and all(name == name.strip() for name in one.slices)
    ]
    path = tmp_path / "golden.csv"
    keys = [key for one in plain for key in (*one.relevant, *(span.uri for span in one.spans))]
    if any("|" in key or key != key.strip() for key in keys):
        with pytest.raises(InputError, match="CSV cell"):
            write_golden(plain, path)
        return
    write_golden(plain, path)

    assert read_golden(path) == tuple(plain)


def test_a_csv_file_made_by_hand_or_by_a_spreadsheet_is_read(tmp_path: Path) -> None:
    path = tmp_path / "golden.csv"
    path.write_bytes(
        b"\xef\xbb\xbfid,query,relevant,spans,unanswerable,slice.language\r\n"
        b'q1,"How, and why?",guide/keys.md | guide/b.md,guide/keys.md:4-9,,en\r\n'
        b"\r\n"
        b'q2,"Two\nlines",,,yes,\r\n'
    )

    assert read_golden(path) == (
        GoldenQuestion(
            id="q1",
            query="How, and why?",
            relevant=("guide/keys.md", "guide/b.md"),
            spans=(Span(uri="guide/keys.md", start=4, end=9),),
            slices={"language": "en"},
        ),
        GoldenQuestion(id="q2", query="Two\nlines", unanswerable=True),
    )


@pytest.mark.parametrize("key", ["a b", "", " a", "a\tb"])
def test_ids_that_trec_files_cannot_hold_are_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(InputError, match="white space"):
        write_qrels({key: {"d": 1}}, tmp_path / "qrels")
    with pytest.raises(InputError, match="white space"):
        write_run({"q": {key: 1.0}}, tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_a_score_that_is_no_number_leaves_the_old_file(tmp_path: Path) -> None:
    write_run({"q": {"d": 1.0}}, tmp_path / "run")

    with pytest.raises(InputError, match="nan"):
        write_run({"q": {"d": float("nan")}}, tmp_path / "run")

    assert read_run(tmp_path / "run") == {"q": {"d": 1.0}}
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_equal_scores_are_written_in_the_order_of_trec_eval(tmp_path: Path) -> None:
    write_run({"q": {"a": 1.0, "c": 1.0, "b": 1.0}}, tmp_path / "run", tag="mine")

    assert (tmp_path / "run").read_text("utf-8").splitlines() == [
        "q Q0 c 1 1.0 mine",
        "q Q0 b 2 1.0 mine",
        "q Q0 a 3 1.0 mine",
    ]
