"""What a pseudo-query is before it becomes a golden question, and which texts make one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple

from tercet.models.lexical import Analyzer
from tercet.settings import LexicalConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tercet.evals.golden.corpus import CorpusDocument, CorpusSection

Kind = Literal["heading", "faq", "link", "symbol", "sentence"]

MIN_TARGET_TERMS = 15
"""Terms that must be left of a target when the words of the query are taken out of it."""
LONGEST_TITLE = 1000
_LONGEST_QUERY = 60
_MARKUP = re.compile(r"!?\[([^\][]*)\]\([^)]*\)|[`*]{1,3}|(?<!\w)_{1,3}(?=\S)|(?<=\S)_{1,3}(?!\w)|<[^>]{1,60}>")

ANALYZER = Analyzer(LexicalConfig())


class Candidate(NamedTuple):
    """A pseudo-query: words that stand in the corpus, and the place that they are about."""

    kind: Kind
    query: str
    target: str
    """Uri of the document."""
    start: int
    """Of the place in it that answers; equal to ``end`` where only the document is known."""
    end: int
    source: str
    """Uri of the document that the words were taken from."""
    source_start: int
    source_end: int
    usable: bool
    """Whether it makes a question; what does not still tells what other documents are about."""


def plain(text: str) -> str:
    """A stretch of Markdown without emphasis, code marks, tags and link targets, on one line."""
    return " ".join(_MARKUP.sub(lambda found: found[1] or "", text).split())


def fits(query: str, *, least: int) -> bool:
    """Whether a text has enough words that carry meaning to be asked, and not too many."""
    return least <= len(ANALYZER.terms(query)) <= _LONGEST_QUERY


def enough(text: str) -> bool:
    """Whether enough text is left to be found by."""
    return len(ANALYZER.terms(text[:4000])) >= MIN_TARGET_TERMS


def in_section(
    kind: Kind, document: CorpusDocument, section: CorpusSection, query: str, source: tuple[int, int], *, least: int
) -> Candidate:
    """A query whose words stand in or above the section that answers it."""
    left = document.text[section.start : section.end]
    if source[0] >= section.start:
        left = document.text[section.start : source[0]] + document.text[source[1] : section.end]
    usable = fits(query, least=least) and source[0] < source[1] and enough(left)
    return Candidate(kind, query, document.uri, section.start, section.end, document.uri, *source, usable)


def titles(document: CorpusDocument) -> Iterator[Candidate]:
    """The title of a document that has it beside its text, as abstracts and passages do."""
    titled = any(section.path for section in document.sections)
    if document.title and not titled and len(document.title) <= LONGEST_TITLE:
        # Its words stand in no place of the text; ``hold_out`` takes the title away.
        usable = fits(document.title, least=2) and enough(document.text)
        yield Candidate(
            "heading", plain(document.title), document.uri, 0, len(document.text), document.uri, 0, 0, usable
        )
