"""Every form is recognised by what lies there, and read as its kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tercet.errors import InputError, SourceError
from tercet.evals.datasets import ConversationDataset, RetrievalDataset, SpanDataset, load_dataset
from tercet.evals.records import Span
from tests.evals.datasets import forms


@pytest.mark.parametrize("kind", forms.FORMS)
def test_folders_are_recognised(tmp_path: Path, kind: str) -> None:
    folder = forms.FORMS[kind](tmp_path / "set")

    assert load_dataset(folder).facts(folder).kind == kind
    assert load_dataset(str(folder), kind=kind).facts(folder).name == "set"


@pytest.mark.parametrize("kind", forms.FORMS)
def test_another_kind_than_the_one_asked_for_is_refused(tmp_path: Path, kind: str) -> None:
    folder = forms.FORMS[kind](tmp_path / "set")
    other = next(name for name in forms.FORMS if name != kind)

    with pytest.raises(InputError, match=f"of the kind {kind}, not {other}"):
        load_dataset(folder, kind=other)


def test_a_golden_file_is_retrieval_or_spans(tmp_path: Path) -> None:
    path = forms.golden(tmp_path)

    plain, places = load_dataset(path), load_dataset(path, kind="spans")

    assert isinstance(plain, RetrievalDataset)
    assert isinstance(places, SpanDataset)
    assert plain.name == "golden"
    assert plain.documents == places.documents == ()
    assert plain.qrels == {"q1": {"guide/keys.md": 1}, "q2": {"guide/deploy.md": 1}}
    assert plain.unanswerable == {"q3"}
    assert plain.slices == {"q3": {"language": "en"}}
    assert [(one.id, one.spans, one.answerable) for one in places.questions] == [
        ("q2", (Span(uri="guide/deploy.md", start=3, end=9),), True),
        ("q3", (), False),
    ]
    with pytest.raises(InputError, match="of the kind retrieval or spans"):
        load_dataset(path, kind="conversations")


@pytest.mark.parametrize("name", ["nothing", "empty", "notes.txt"])
def test_what_is_of_no_known_form_gives_the_list_of_forms(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("x", "utf-8")

    with pytest.raises(SourceError) as caught:
        load_dataset(tmp_path / name)

    for word in ("corpus.jsonl", "conversations.jsonl", "articles", ".csv"):
        assert word in caught.value.remedy


def test_questions_without_documents_or_conversations_are_of_no_known_form(tmp_path: Path) -> None:
    forms.write_records(tmp_path / "questions.jsonl", [{"qid": "q1", "question": "?"}])

    with pytest.raises(SourceError, match="no known form"):
        load_dataset(tmp_path)


def test_a_split_of_judgements_can_be_named(tmp_path: Path) -> None:
    folder = forms.beir(tmp_path / "set")
    (folder / "qrels" / "dev.tsv").write_text("query-id\tcorpus-id\tscore\nq2\td2\t1\n", "utf-8")

    assert set(load_dataset(folder, split="dev").queries) == {"q2"}


def test_translations_share_the_judgements_of_the_folder_above(tmp_path: Path) -> None:
    folder = forms.beir(tmp_path / "set" / "de")
    (folder / "qrels").rename(tmp_path / "set" / "qrels")
    text = (folder / "queries.jsonl").read_text("utf-8")
    (folder / "queries.jsonl").write_text(text.replace("}", ', "metadata": {"lang": "de"}}', 1), "utf-8")

    dataset = load_dataset(folder)

    assert isinstance(dataset, RetrievalDataset)
    assert dataset.name == "set/de"
    assert dataset.qrels == {"q1": {"d1": 1}, "q2": {"d2": 1}}
    assert dataset.slices == {"q1": {"language": "de"}}


def test_spans_keep_the_offsets_of_the_file_and_its_quotes(tmp_path: Path) -> None:
    dataset = load_dataset(forms.spans(tmp_path / "set"))

    assert isinstance(dataset, SpanDataset)
    (document,) = dataset.documents
    found, unanswerable = dataset.questions
    (span,) = found.spans
    assert document.text[span.start : span.end] == "twice" == found.quotes[0]
    assert (unanswerable.answerable, unanswerable.spans) == (False, ())


def test_line_ends_of_documents_are_not_touched(tmp_path: Path) -> None:
    folder = forms.spans(tmp_path / "set")
    (folder / "articles" / "Ada.txt").write_bytes(b"one\r\ntwo\r\n" + b"x" * 60)

    dataset = load_dataset(folder)

    assert isinstance(dataset, SpanDataset)
    assert dataset.documents[0].text.startswith("one\r\ntwo\r\n")


def test_references_name_a_corpus_without_its_suffix(tmp_path: Path) -> None:
    (tmp_path / "corpora").mkdir()
    (tmp_path / "corpora" / "talk.md").write_text("Good evening. Good night.", "utf-8")
    references = [{"content": "Good night.", "start_index": 14, "end_index": 25}]
    forms.write_records(
        tmp_path / "questions.jsonl",
        [{"qid": "q1", "corpus_id": "talk", "question": "What last?", "references": references}],
    )

    dataset = load_dataset(tmp_path)

    assert isinstance(dataset, SpanDataset)
    assert dataset.questions[0].spans == (Span(uri="talk.md", start=14, end=25),)
    assert dataset.questions[0].slices == {"corpus": "talk"}


def test_evidence_is_of_turns_or_sessions_and_the_category_says_what_is_unanswerable(tmp_path: Path) -> None:
    dataset = load_dataset(forms.conversations(tmp_path / "set"))

    assert isinstance(dataset, ConversationDataset)
    assert [(one.evidence, one.unit, one.category, one.answerable) for one in dataset.questions] == [
        ({"2"}, "turn", "a", True),
        ({"s1"}, "session", "b", True),
        ({"1"}, "turn", "adversarial", False),
    ]
    (talk,) = dataset.conversations
    assert [[turn.id for turn in session.turns] for session in talk.sessions] == [["0", "1"], ["2"]]
