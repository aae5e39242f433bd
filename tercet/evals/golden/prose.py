"""Pseudo-queries from prose: headings, frequently asked questions, and first sentences."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tercet.evals.golden.candidates import LONGEST_TITLE, Candidate, in_section, plain, titles
from tercet.models.sentences import sentence_starts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tercet.evals.golden.corpus import CorpusDocument, CorpusSection

QUESTION_MARKS = "?？؟"  # noqa: RUF001  those of Chinese and Arabic
LONGEST_SENTENCE = 1000
"""Characters; what is longer is no sentence that anyone would ask."""
_ITEM = re.compile(r"^(?P<indent>[ \t]*)(?:[-*+]|\d{1,3}[.)])[ \t]+(?P<text>[^\n]+)", re.MULTILINE)
_PROSE = re.compile(r"[^\W_]|[\"'“(*]")
_PARAGRAPH = re.compile(r"\n[ \t]*\n")


def headings(document: CorpusDocument) -> Iterator[Candidate]:
    """Headings that say what the text under them is about, and titles; questions are left to ``faq``."""
    if document.code:
        return
    yield from titles(document)
    for section in document.sections:
        title = _title(section)
        if title and title[-1] not in QUESTION_MARKS:
            yield in_section("heading", document, section, title, (section.title_start, section.title_end), least=2)


def faq(document: CorpusDocument) -> Iterator[Candidate]:
    """Headings and list items that end in a question mark, with what stands under them."""
    if document.code:
        return
    for section in document.sections:
        title = _title(section)
        if title and title[-1] in QUESTION_MARKS:
            yield in_section("faq", document, section, title, (section.title_start, section.title_end), least=2)
        yield from _items(document, section)


def _title(section: CorpusSection) -> str:
    return plain(section.path[-1]) if section.path and len(section.path[-1]) <= LONGEST_TITLE else ""


def _items(document: CorpusDocument, section: CorpusSection) -> Iterator[Candidate]:
    items = list(_ITEM.finditer(document.text, section.start, section.end))
    for number, item in enumerate(items):
        question = plain(item["text"]) if len(item["text"]) <= LONGEST_SENTENCE else ""
        if not question or question[-1] not in QUESTION_MARKS:
            continue
        later = (items[index] for index in range(number + 1, len(items)))
        below = (other.start() for other in later if len(other["indent"]) <= len(item["indent"]))
        answer = section._replace(start=item.end("text"), end=next(below, section.end))
        yield in_section("faq", document, answer, question, item.span("text"), least=2)


def first_sentences(document: CorpusDocument) -> Iterator[Candidate]:
    """The sentence that a section begins with; what follows must find it again (the inverse cloze task)."""
    if document.code:
        return
    for section in document.sections:
        lead = document.text[section.start : section.end]
        start = section.start + len(lead) - len(lead.lstrip())
        if start >= section.end or not _PROSE.match(document.text, start):
            continue
        paragraph = _PARAGRAPH.search(document.text, start, section.end)
        until = paragraph.start() if paragraph else section.end
        starts = sentence_starts(document.text, start, until)
        end = starts[1] if len(starts) > 1 else until
        if end - start <= LONGEST_SENTENCE:
            yield in_section("sentence", document, section, plain(document.text[start:end]), (start, end), least=6)
