"""Golden questions from a corpus: what becomes one, how it was made, and what is held out for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tercet import Document, Memory, ingest
from tercet.errors import ConfigurationError, SourceError
from tercet.evals.datasets import GoldenQuestion
from tercet.evals.golden import golden_questions, hold_out, label_doubt, read_corpus

FILLER = (
    "Operators open the console, choose a region and wait until the fresh secret arrived. Afterwards the previous "
    "credential stops working, so deploy every consumer beforehand and watch its logs for refusals."
)
KEYS = f"""# Keys

{FILLER}

## Rotating an API key

First ask the platform team for permission. {FILLER}

## How long does a key live?

Ninety days, unless the owner prolongs it. {FILLER}

## Introduction

{FILLER}

## Short section

Too short.
"""
FAQ = f"""# Questions

- Can I share a key with my team?
  {FILLER}
- No question here. {FILLER}

See [rotation of secrets](keys.md#rotating-an-api-key), [this](keys.md), [elsewhere](https://example.org/keys.md),
![rotation of pictures](keys.md), [rotation of nothing](gone.md) and [rotation of secrets](./keys.md) again.
"""
CODE = '''"""Module."""


class Rotation:
    """Replaces secrets of services before their time is over.

    More words.
    """

    def plan(self):
        return None


def bare():
    return 1
'''
RUST = """/// Counts how many secrets were replaced during a day.
#[inline]
pub fn count_replaced(day: Day) -> usize {
    0
}

// See above.
struct Day;
"""


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "keys.md").write_text(KEYS, "utf-8")
    (folder / "faq.md").write_text(FAQ, "utf-8")
    (folder / "rotation.py").write_text(CODE, "utf-8")
    (folder / "count.rs").write_text(RUST, "utf-8")
    (folder / "bad.pdf").write_bytes(b"%PDF-broken")
    return folder


def by_query(questions: tuple[GoldenQuestion, ...]) -> dict[str, GoldenQuestion]:
    return {question.query: question for question in questions}


def test_headings_with_enough_words_ask_for_the_text_under_them(docs: Path) -> None:
    found = by_query(golden_questions(docs, kinds=["heading"]))

    assert set(found) == {"Rotating an API key"}  # one word, or too little under it, asks for nothing
    question = found["Rotating an API key"]
    (span,), (source,) = question.spans, question.sources
    assert question.relevant == ("docs/keys.md",)
    assert question.slices == {"kind": "heading"}
    assert KEYS[span.start : span.end].strip().startswith("First ask the platform team")
    assert KEYS[span.start : span.end].strip().endswith("for refusals.")
    assert KEYS[source.start : source.end] == "Rotating an API key"


def test_questions_in_headings_and_list_items_ask_for_what_stands_under_them(docs: Path) -> None:
    found = by_query(golden_questions(docs, kinds=["faq"]))

    assert {query: one.relevant for query, one in found.items()} == {
        "How long does a key live?": ("docs/keys.md",),
        "Can I share a key with my team?": ("docs/faq.md",),
    }
    (span,) = found["Can I share a key with my team?"].spans
    assert FAQ[span.start : span.end].strip() == FILLER


def test_links_ask_for_the_page_they_lead_to_and_its_section(docs: Path) -> None:
    (question,) = golden_questions(docs, kinds=["link"], seed=1)

    assert question.query == "rotation of secrets"
    assert question.relevant == ("docs/keys.md",)
    assert {FAQ[source.start : source.end] for source in question.sources} == {"rotation of secrets"}
    assert {source.uri for source in question.sources} == {"docs/faq.md"}


def test_symbols_are_asked_for_by_the_first_sentence_of_their_documentation(docs: Path) -> None:
    found = by_query(golden_questions(docs, kinds=["symbol"]))

    assert {query: one.relevant for query, one in found.items()} == {
        "Replaces secrets of services before their time is over.": ("docs/rotation.py",),
        "Counts how many secrets were replaced during a day.": ("docs/count.rs",),
    }
    (span,) = found["Counts how many secrets were replaced during a day."].spans
    assert RUST[span.start :].startswith("pub fn count_replaced")


def test_first_sentences_ask_for_the_rest_of_their_section() -> None:
    text = f"Seven clerks rotate the office keys on Monday. {FILLER}"

    (question,) = golden_questions([Document(uri="notes", text=text)])

    assert question.query == "Seven clerks rotate the office keys on Monday."
    assert question.slices == {"kind": "sentence"}
    (held,) = hold_out([Document(uri="notes", text=text)], [question]).documents
    assert held.text == " " * 47 + FILLER or held.text == " " * 46 + " " + FILLER


def test_titles_ask_for_a_text_without_headings_and_are_held_out() -> None:
    passage = Document(uri="p1", title="Renewal of secrets", text=FILLER)

    questions = golden_questions([passage], kinds=["heading"])

    assert [(one.query, one.relevant, one.sources) for one in questions] == [("Renewal of secrets", ("p1",), ())]
    assert hold_out([passage], questions).documents == (Document(uri="p1", text=FILLER),)
    assert hold_out([passage], []).documents == (passage,)


def test_words_that_moved_are_held_out_where_they_stand_now() -> None:
    text = f"Seven clerks rotate the office keys on Monday. {FILLER}"
    (question,) = golden_questions([Document(uri="notes", text=text)])
    moved = Document(uri="notes", text="Said before: seven *clerks* rotate the\noffice keys on Monday. " + FILLER)
    reworded = Document(uri="notes", text=f"Eight clerks rotate all keys on Mondays and sundays. {FILLER}")

    now, gone = hold_out([moved], [question]), hold_out([reworded], [question])
    edited = replace(question, slices={**question.slices, "reviewed": "edited"})

    assert now.documents[0].text.split() == ["Said", "before:", ".", *FILLER.split()]
    assert (now.unplaced, gone.unplaced) == ((), (question.id,))
    assert len(gone.documents[0].text) == len(reworded.text)
    assert hold_out([reworded], [edited]) == (gone.documents, ())


def test_what_is_held_out_is_gone_from_where_it_came_and_offsets_stay(docs: Path) -> None:
    questions = golden_questions(docs)
    before = {document.uri: document.text for document in read_corpus(docs)}

    after = {document.uri: document.text for document in hold_out(docs, questions).documents}

    assert before.keys() == after.keys()
    assert {uri: len(text) for uri, text in before.items()} == {uri: len(text) for uri, text in after.items()}
    sources = [source for question in questions for source in question.sources]
    assert len(sources) >= len(questions) >= 6
    for source in sources:
        assert before[source.uri][source.start : source.end].strip()
        assert not after[source.uri][source.start : source.end].strip()
    changed = sum(a != b for uri in before for a, b in zip(before[uri], after[uri], strict=True))
    assert changed <= sum(source.end - source.start for source in sources)


def test_equal_seeds_give_equal_questions_and_a_limit_takes_each_kind_in_turn(docs: Path) -> None:
    whole = golden_questions(docs, seed=3)

    assert golden_questions(docs, seed=3) == whole
    assert golden_questions(docs, seed=3, limit=4) == whole[:4]
    assert len({question.slices["kind"] for question in whole[:3]}) == 3
    assert golden_questions(docs, limit=0) == ()
    assert len({question.id for question in whole}) == len(whole)


def test_at_most_one_question_is_made_of_a_place(docs: Path) -> None:
    places = [span for question in golden_questions(docs) for span in question.spans]

    assert len(set(places)) == len(places)


def test_a_document_that_says_the_same_of_itself_is_an_alternative() -> None:
    one = Document(uri="a.md", text=f"# A\n\n## Rotating an API key\n\n{FILLER}")
    other = Document(uri="b.md", text=f"# B\n\n## Rotating an  API key\n\nAsk somebody. {FILLER} Or not.")
    third = Document(uri="c.md", text=f"# C\n\n## Naming an API user\n\n{FILLER} Names last.")

    found = golden_questions([one, other, third], kinds=["heading"])
    doubt = label_doubt(found)

    assert {question.query: question.alternatives for question in found} in (
        {"Rotating an API key": ("b.md",), "Naming an API user": ()},
        {"Rotating an API key": ("a.md",), "Naming an API user": ()},
    )
    assert (doubt["heading"].questions, doubt["heading"].doubtful, doubt["heading"].share) == (2, 1, 0.5)
    sure = golden_questions([one, other, third], kinds=["heading"], doubtful=False)
    assert [question.query for question in sure] == ["Naming an API user"]


def test_a_copy_of_the_target_is_an_alternative() -> None:
    copies = [
        ("a", "Renewal of secrets", FILLER),
        ("b", "Exchange of credentials", FILLER + " "),
        ("c", "Names of regions", KEYS),
    ]
    found = golden_questions([Document(uri=uri, title=title, text=text) for uri, title, text in copies])

    assert {one.query: one.alternatives for one in found if one.slices["kind"] == "heading"} == {
        "Renewal of secrets": ("b",),
        "Exchange of credentials": ("a",),
        "Names of regions": (),
    }


def test_a_memory_gives_the_questions_of_the_folder_it_was_made_from(docs: Path, tmp_path: Path) -> None:
    (docs / "bad.pdf").unlink()
    with Memory.open(tmp_path / "memory", embedder="none") as memory:
        ingest(docs, into=memory)
        kept = golden_questions(memory, kinds=["heading", "faq", "link"])

    found = golden_questions(docs, kinds=["heading", "faq", "link"])
    assert {(one.query, one.relevant) for one in kept} == {(one.query, one.relevant) for one in found}
    (span,) = by_query(kept)["Rotating an API key"].spans
    assert KEYS[span.start : span.end].startswith("First ask the platform team")
    (source,) = by_query(kept)["Rotating an API key"].sources
    assert KEYS[source.start : source.end] == "Rotating an API key"


def test_unknown_kinds_and_folders_with_nothing_in_them_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="'headings'"):
        golden_questions([], kinds=["headings"])
    with pytest.raises(SourceError, match="holds no file"):
        golden_questions(tmp_path)
    with pytest.raises(SourceError, match="cannot be listed"):
        golden_questions(tmp_path / "nowhere")


def test_code_marks_and_emphasis_are_no_part_of_a_query_but_underscores_in_names_are() -> None:
    text = f"# A\n\n## Using *the* `model_title_generator` of [pydantic](x.md)\n\n{FILLER}"

    (question,) = golden_questions([Document(uri="a.md", text=text)], kinds=["heading"])

    assert question.query == "Using the model_title_generator of pydantic"


HOSTILE = {
    "spaces in a comment": ("a.rs", "//" + " " * 200_000 + "x\nfn a() {}\n"),
    "open links": ("a.md", "# A\n\n## " + "[](" * 100_000 + "\n\n" + "[](" * 100_000 + "?\n"),
    "open links in an item": ("a.md", "# A\n\n- " + "[](" * 100_000 + "?\n"),
    "many questions": ("a.md", "# A\n\n" + "- Why is it so?\n" * 20_000),
    "open docstrings": ("a.js", 'def a():\n    """\n' * 10_000),
    "marks only": ("a.md", "# A\n\n## " + "*`_" * 100_000 + "\n\nText.\n"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_end(name: str) -> None:
    uri, text = HOSTILE[name]

    found = golden_questions([Document(uri=uri, text=text)])

    assert len(found) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rust_book/src", "flask/docs"])
def test_real_documentation_gives_questions_that_stand_where_they_say(data_dir: Path, name: str) -> None:
    folder = data_dir / "docs_corpora" / name
    texts = {document.uri: document.text for document in read_corpus(folder)}

    questions = golden_questions(folder, limit=200)

    assert len(questions) == 200
    for question in questions:
        assert set(question.relevant) <= texts.keys()
        for span in (*question.spans, *question.sources):
            assert 0 <= span.start < span.end <= len(texts[span.uri])
