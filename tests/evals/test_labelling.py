"""A review: what is shown of a question, what is kept of a decision, and going on where it stopped."""

from __future__ import annotations

from pathlib import Path

import pytest

from tercet import Document
from tercet.errors import InputError
from tercet.evals.datasets import GoldenQuestion, read_golden
from tercet.evals.golden import read_corpus
from tercet.evals.labelling import EXCERPT_CHARACTERS, Review, present
from tercet.evals.records import Span

TEXT = "# Keys\n\n## Rotation\n\nEvery 90 days.\n\n## Owners\n\nThe platform team.\n"
PLACE = Span(uri="keys.md", start=TEXT.index("Every"), end=TEXT.index("## Owners"))
ROTATION = GoldenQuestion(
    id="q1",
    query="Rotation",
    relevant=("keys.md",),
    spans=(PLACE,),
    slices={"kind": "heading"},
    sources=(Span(uri="keys.md", start=11, end=19),),
    alternatives=("old.md",),
)
OWNERS = GoldenQuestion(id="q2", query="Owners", relevant=("keys.md", "gone.md"))
KING = GoldenQuestion(id="q3", query="Who is king?", unanswerable=True)
PROPOSED = (ROTATION, OWNERS, KING)
CORPUS = {one.uri: one for one in read_corpus([Document(uri="keys.md", text=TEXT)])}


def test_a_question_is_shown_with_its_place_and_the_doubt_in_its_label() -> None:
    shown = present(ROTATION, CORPUS)

    assert (shown.query, shown.kind, shown.uris) == ("Rotation", "heading", ("keys.md",))
    assert shown.heading_path == ("Keys", "Rotation")
    assert shown.excerpt == "Every 90 days."
    assert (shown.missing, shown.alternatives) == ((), ("old.md",))


def test_what_is_not_in_the_corpus_is_said_and_long_texts_are_cut() -> None:
    long = {one.uri: one for one in read_corpus([Document(uri="keys.md", text="word " * 1000)])}

    shown = present(OWNERS, long)

    assert shown.missing == ("gone.md",)
    assert len(shown.excerpt) == EXCERPT_CHARACTERS + 2
    assert present(OWNERS, {}).missing == present(KING, CORPUS).uris == ()


def test_accepted_questions_are_in_the_golden_file_without_their_doubt(tmp_path: Path) -> None:
    review = Review(PROPOSED, tmp_path / "golden.jsonl")

    review.accept(ROTATION)

    (kept,) = read_golden(tmp_path / "golden.jsonl")
    assert kept.slices == {"kind": "heading", "reviewed": "accepted"}
    assert (kept.query, kept.spans, kept.sources, kept.alternatives) == ("Rotation", (PLACE,), ROTATION.sources, ())
    assert review.pending() == (OWNERS, KING)


def test_a_later_session_asks_for_what_is_left_and_for_what_was_skipped(tmp_path: Path) -> None:
    path = tmp_path / "golden.jsonl"
    review = Review(PROPOSED, path)
    review.accept(ROTATION)
    review.skip(OWNERS)
    review.reject(KING)
    assert review.pending() == ()
    assert review.pending(skipped=True) == (OWNERS,)

    later = Review(PROPOSED, path)

    assert later.pending() == (OWNERS,)
    assert (later.rejected, [one.id for one in later.accepted]) == (("q3",), ["q1"])
    later.accept(OWNERS)
    assert [one.id for one in read_golden(path)] == ["q1", "q2"]
    assert Review(PROPOSED, path).pending() == ()


def test_other_words_come_from_nowhere_and_other_documents_drop_the_place(tmp_path: Path) -> None:
    review = Review(PROPOSED, tmp_path / "golden.jsonl")

    words = review.edit(ROTATION, query=" How often are keys rotated? ")
    documents = review.edit(ROTATION, relevant=["keys.md", "old.md", "old.md"])
    nothing = review.edit(ROTATION, relevant=[])

    assert (words.query, words.sources, words.spans) == ("How often are keys rotated?", (), (PLACE,))
    assert (documents.relevant, documents.spans) == (("keys.md", "old.md"), ())
    assert (nothing.relevant, nothing.spans, nothing.unanswerable) == ((), (), True)
    (kept,) = read_golden(tmp_path / "golden.jsonl")
    assert kept.slices["reviewed"] == "edited"


def test_an_edit_that_changes_nothing_accepts_and_an_empty_query_is_refused(tmp_path: Path) -> None:
    review = Review(PROPOSED, tmp_path / "golden.jsonl")

    review.edit(ROTATION, query="Rotation", relevant=["keys.md"])
    with pytest.raises(InputError, match="empty"):
        review.edit(OWNERS, query="  ")

    (kept,) = read_golden(tmp_path / "golden.jsonl")
    assert kept.slices["reviewed"] == "accepted"
    assert review.pending() == (OWNERS, KING)


def test_questions_that_the_golden_file_holds_already_stay(tmp_path: Path) -> None:
    path = tmp_path / "golden.jsonl"
    path.write_text('{"id": "mine", "query": "By hand", "relevant": ["x"]}\n', "utf-8")

    Review(PROPOSED, path).accept(OWNERS)

    assert [one.id for one in read_golden(path)] == ["mine", "q2"]


def test_files_that_are_malformed_or_no_json_lines_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"does not end in \.jsonl"):
        Review(PROPOSED, tmp_path / "golden.csv")
    (tmp_path / "golden.review.jsonl").write_text('{"id": "q1", "decision": "perhaps"}\n', "utf-8")
    with pytest.raises(InputError, match=r"golden\.review\.jsonl, line 1: "):
        Review(PROPOSED, tmp_path / "golden.jsonl")
