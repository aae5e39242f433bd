"""Taking the words of pseudo-queries out of the corpus, so that finding them again means something."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from tercet.evals.golden.candidates import plain
from tercet.evals.golden.corpus import read_corpus
from tercet.evals.labelling import REVIEWED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tercet.evals.datasets import GoldenQuestion
    from tercet.evals.golden.corpus import Source
    from tercet.evals.records import Span
    from tercet.records import Document


_WORD = re.compile(r"[^\W_]+")


class HeldOut(NamedTuple):
    """A corpus without the words of its questions."""

    documents: tuple[Document, ...]
    """By uri; ingest them into a memory of their own."""
    unplaced: tuple[str, ...]
    """Ids of the questions whose words are neither where the question says nor elsewhere in that document. What
    stands there is blanked all the same."""


def hold_out(source: Source, questions: Iterable[GoldenQuestion]) -> HeldOut:
    """The corpus with the words of every question blanked in the places that they were taken from.

    Blanks have the length of what they replace and line ends stay, so that spans keep their offsets. A title that is a
    question goes too. The same words elsewhere stay: a document that repeats its own heading may be found by it. Where
    a document was changed since the questions were made, their words are blanked where they stand now, the place
    nearest to the old one.

    Args:
        source: What the questions were made from.
        questions: Those that will be measured, and no others: what is held out is missing for all of them.
    """
    stretches: dict[str, list[tuple[GoldenQuestion, Span]]] = defaultdict(list)
    titles: set[tuple[str, str]] = set()
    for question in questions:
        titles.update((uri, question.query) for uri in question.relevant)
        for span in question.sources:
            stretches[span.uri].append((question, span))
    held: list[Document] = []
    unplaced: dict[str, None] = {}
    for one in read_corpus(source):
        document = one.document
        if (document.uri, plain(document.title)) in titles:
            document = replace(document, title="")
        spans = []
        for question, span in stretches.get(document.uri, ()):
            place = _place(document.text, span, question.query)
            if place is None and question.slices.get(REVIEWED) != "edited":  # a person chose other words
                unplaced[question.id] = None
            spans.append(place or span)
        held.append(replace(document, text=_blanked(document.text, spans)))
    return HeldOut(tuple(held), tuple(unplaced))


def _place(text: str, span: Span, query: str) -> Span | None:
    """Where the words of a query stand, whatever separates them: at their span, else nearest to it; None: nowhere."""
    words = _WORD.findall(query)
    pattern = re.compile(r"[\W_]*".join(map(re.escape, words)), re.IGNORECASE)
    if plain(text[span.start : span.end]) == query or (words and pattern.search(text, span.start, span.end)):
        return span
    found = [match.span() for match in pattern.finditer(text)] if words else []
    if not found:
        return None
    start, end = min(found, key=lambda one: abs(one[0] - span.start))
    return replace(span, start=start, end=end)


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
