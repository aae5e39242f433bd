"""Pseudo-queries from code: what the documentation of a symbol says it is for, and the place that defines it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from tercet.evals.golden.candidates import Candidate, fits, plain
from tercet.models.sentences import sentence_starts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tercet.evals.golden.corpus import CorpusDocument

_DEFINITION = re.compile(
    r"[ \t]*(?:(?:pub(?:\([a-z ]+\))?|export|default|public|private|protected|internal|static|final|abstract|async|"
    r"unsafe|const|override|virtual|inline|open|data|sealed)[ \t]+)*"
    r"(?:def|class|fn|func|function|struct|enum|trait|interface|type|impl|object|record|protocol|module)[ \t]+"
    r"(?:\([^)\n]{0,80}\)[ \t]*)?(?P<name>[^\W\d]\w{0,100})"
)
_COMMENT = re.compile(r"[ \t]*(?:///|//!|//|--|#(?![\[!])|/\*\*?|\*/|\*)")
_ATTRIBUTE = re.compile(r"[ \t]*(?:#!?\[|@\w)")
_DOCSTRING = re.compile(r"\s*[rRbBuU]{0,2}(?P<quote>\"\"\"|''')(?P<text>.*?)(?P=quote)", re.DOTALL)
_TAG = re.compile(r"(?:@\w+|:param|Args:|Returns:|```|#)")
_LONGEST_SIGNATURE = 2000


class _CodeLine(NamedTuple):
    start: int
    end: int
    text: str


class _Documented(NamedTuple):
    name: str
    doc: str
    doc_start: int
    doc_end: int
    start: int


def symbols(document: CorpusDocument) -> Iterator[Candidate]:
    """The first sentence of the documentation of each symbol that is defined in a source file."""
    if not document.code:
        return
    found = list(_documented(document.text))
    for number, symbol in enumerate(found):
        following = found[number + 1].doc_start if number + 1 < len(found) else len(document.text)
        end = max(following, symbol.start + 1)
        starts = sentence_starts(symbol.doc)
        query = plain(symbol.doc[: starts[1]] if len(starts) > 1 else symbol.doc)
        yield Candidate(
            "symbol",
            query,
            document.uri,
            symbol.start,
            end,
            document.uri,
            symbol.doc_start,
            symbol.doc_end,
            fits(query, least=4) and bool(document.text[symbol.start : end].strip()),
        )


def _documented(text: str) -> Iterator[_Documented]:
    lines: list[_CodeLine] = []
    start = 0
    for content in text.split("\n"):
        lines.append(_CodeLine(start, start + len(content), content))
        start += len(content) + 1
    for number, line in enumerate(lines):
        found = _DEFINITION.match(line.text)
        if found is None:
            continue
        comment = _comment_above(lines, number)
        doc = _docstring(text, line.start + found.end()) or comment
        if doc is not None:
            words, doc_start, doc_end = doc
            yield _Documented(found["name"], words, doc_start, doc_end, line.start)


def _comment_above(lines: Sequence[_CodeLine], number: int) -> tuple[str, int, int] | None:
    last = number - 1
    while last >= 0 and _ATTRIBUTE.match(lines[last].text):
        last -= 1
    first, words = last + 1, []
    while first > 0 and (found := _COMMENT.match(lines[first - 1].text)):
        first -= 1
        words.append(lines[first].text[found.end() :].strip().removesuffix("*/").rstrip())
    if first > last:
        return None
    return _until_tag(words[::-1]), lines[first].start, lines[last].end


def _docstring(text: str, after: int) -> tuple[str, int, int] | None:
    """The docstring behind a Python signature, which ends with the first colon that a line ends with."""
    colon = text.find(":\n", after, after + _LONGEST_SIGNATURE)
    found = _DOCSTRING.match(text, colon + 1) if colon >= 0 else None
    if found is None:
        return None
    return _until_tag([line.strip() for line in found["text"].split("\n")]), *found.span()


def _until_tag(lines: Sequence[str]) -> str:
    kept: list[str] = []
    for line in lines:
        if _TAG.match(line) or (kept and not line):
            break
        kept.append(line)
    return " ".join(" ".join(kept).split())
