"""Small data sets of each kind, whose right answers are plain to see."""

from __future__ import annotations

import json
from pathlib import Path

from tercet import Document
from tercet.evals.datasets import (
    Conversation,
    ConversationDataset,
    ConversationQuestion,
    ConversationTurn,
    RetrievalDataset,
    Session,
    SpanDataset,
    SpanQuestion,
)
from tercet.evals.records import Span

TEXTS = {
    "keys.md": "# Keys\n\nRotate an API key every ninety days.\n\nOld keys stop working at once.\n",
    "queues.md": "# Queues\n\nA broker delivers each message at least once.\n",
    "deploys.md": "# Deploys\n\nNever deploy on a Friday evening.\n",
    "fr/cles.txt": "Les clés sont tournées tous les trois mois.\n",
}
QUERIES = {
    "q1": "How often is an API key rotated?",
    "q2": "Does a broker deliver a message twice?",
    "q3": "May I deploy on Friday?",
    "q4": "Quand tourner les clés?",
}
ANSWERS = {"q1": "keys.md", "q2": "queues.md", "q3": "deploys.md", "q4": "fr/cles.txt"}


def retrieval_set() -> RetrievalDataset:
    return RetrievalDataset(
        name="guides",
        documents=tuple(Document(uri=uri, text=text) for uri, text in TEXTS.items()),
        queries=QUERIES,
        qrels={query: {uri: 1} for query, uri in ANSWERS.items()},
        slices={query: {"language": "fr" if query == "q4" else "en"} for query in QUERIES},
    )


def span_set(**texts: str) -> SpanDataset:
    """Questions with the sentence that answers them; other texts may be given by name."""
    found = {**TEXTS, **{f"{name}.md": text for name, text in texts.items()}}
    quotes = {
        "q1": ("keys.md", "Rotate an API key every ninety days."),
        "q2": ("queues.md", "A broker delivers each message at least once."),
        "q3": ("deploys.md", "Never deploy on a Friday evening."),
    }
    return SpanDataset(
        name="sentences",
        documents=tuple(Document(uri=uri, text=text) for uri, text in found.items()),
        questions=tuple(
            SpanQuestion(
                id=key,
                text=QUERIES[key],
                spans=(Span(uri=uri, start=found[uri].index(quote), end=found[uri].index(quote) + len(quote)),),
            )
            for key, (uri, quote) in quotes.items()
        ),
    )


def conversation_set() -> ConversationDataset:
    turns = (
        ("ada", "My cat is called Pixel."),
        ("bob", "I moved to Oslo last spring."),
        ("ada", "   "),
        ("ada", "The broker lost a message yesterday."),
    )
    later = (("bob", "I bought a red bicycle."), ("ada", "Pixel sleeps all day."))
    return ConversationDataset(
        name="talks",
        conversations=(
            Conversation(
                id="c1",
                sessions=(
                    Session(
                        id="s1",
                        date="1:56 pm on 8 May, 2023",
                        turns=tuple(
                            ConversationTurn(id=f"s1:{place}", speaker=who, text=text)
                            for place, (who, text) in enumerate(turns)
                        ),
                    ),
                    Session(
                        id="s2",
                        date="2023-05-09 10:00",
                        turns=tuple(
                            ConversationTurn(id=f"s2:{place}", speaker=who, text=text)
                            for place, (who, text) in enumerate(later)
                        ),
                    ),
                ),
            ),
            Conversation(
                id="c2",
                sessions=(
                    Session(
                        id="s1",
                        date="",
                        turns=(ConversationTurn(id="s1:0", speaker="eve", text="My cat is called Shadow."),),
                    ),
                ),
            ),
        ),
        questions=(
            ConversationQuestion(
                id="t1", conversation="c1", text="What is the cat called?", evidence=frozenset({"s1:0"}), category="one"
            ),
            ConversationQuestion(
                id="t2", conversation="c1", text="Where did bob move?", evidence=frozenset({"s1:1"}), category="one"
            ),
            ConversationQuestion(
                id="t3",
                conversation="c1",
                text="Which bicycle did bob buy?",
                evidence=frozenset({"s2"}),
                unit="session",
                category="two",
            ),
            ConversationQuestion(
                id="t4",
                conversation="c1",
                text="zebra xylophone volcano",
                evidence=frozenset(),
                category="none",
                answerable=False,
            ),
            ConversationQuestion(
                id="t5", conversation="c2", text="What is the cat called?", evidence=frozenset({"s1:0"}), category="one"
            ),
        ),
    )


def write_beir(folder: Path) -> Path:
    """The retrieval set as a folder."""
    (folder / "qrels").mkdir(parents=True)
    documents = [{"_id": uri, "title": "", "text": text} for uri, text in TEXTS.items()]
    queries = [{"_id": key, "text": text} for key, text in QUERIES.items()]
    for name, rows in (("corpus", documents), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    lines = "".join(f"{query}\t{uri}\t1\n" for query, uri in ANSWERS.items())
    (folder / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{lines}", encoding="utf-8")
    return folder
