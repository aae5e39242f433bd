"""Taking the words of pseudo-queries out of the corpus, so that finding them again means something."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from tercet.evals.golden.candidates import plain
from tercet.evals.golden.corpus import read_corpus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tercet.evals.datasets import GoldenQuestion
    from tercet.evals.golden.corpus import Source
    from tercet.evals.records import Span
    from tercet.records import Document


def hold_out(source: Source, questions: Iterable[GoldenQuestion]) -> tuple[Document, ...]:
    """The corpus with the words of every question blanked in the places that they were taken from.

    Blanks have the length of what they replace and line ends stay, so that spans keep their offsets. A title that is a
    question goes too. The same words elsewhere stay: a document that repeats its own heading may be found by it.

    Args:
        source: What the questions were made from.
        questions: Those that will be measured, and no others: what is held out is missing for all of them.

    Returns:
        Documents by uri; ingest them into a memory of their own.
    """
    stretches: dict[str, list[Span]] = defaultdict(list)
    titles: set[tuple[str, str]] = set()
    for question in questions:
        titles.update((uri, question.query) for uri in question.relevant)
        for span in question.sources:
            stretches[span.uri].append(span)
    held: list[Document] = []
    for one in read_corpus(source):
        document = one.document
        if (document.uri, plain(document.title)) in titles:
            document = replace(document, title="")
        held.append(replace(document, text=_blanked(document.text, stretches.get(document.uri, ()))))
    return tuple(held)


def _blanked(text: str, spans: Iterable[Span]) -> str:
    pieces: list[str] = []
    done = 0
    for span in sorted(spans):
        start, end = max(span.start, done), min(span.end, len(text))
        if start >= end:
            continue
        pieces += [text[done:start], "".join("\n" if sign == "\n" else " " for sign in text[start:end])]
        done = end
    return "".join([*pieces, text[done:]])
