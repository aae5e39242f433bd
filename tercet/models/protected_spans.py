"""What must not be cut or changed when text is shortened: code, links, citations, dates, identifiers, numbers, "not".

Every repetition is bounded, so that time is linear in the text, whatever it holds.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

SpanKind = Literal["code", "link", "citation", "date", "identifier", "number", "negation"]


class ProtectedSpan(NamedTuple):
    """A span of a text that is kept whole or left out whole."""

    start: int
    end: int
    kind: SpanKind


_CODE = r"(?:```|~~~)[\s\S]{0,20000}?(?:```|~~~)|(?<!`)``[^\n]{1,400}?``(?!`)|(?<!`)`[^`\n]{1,400}`(?!`)"
_LINK = (
    r"!?\[[^\[\]\n]{0,300}\]\([^()\s]{1,500}(?:\s\"[^\"\n]{0,200}\")?\)"
    r"|\b[a-z][a-z0-9+]{1,15}://[^\s<>\"'`]{1,2000}(?<![.,;:!?)\]])"
    r"|\b[\w+-]{1,64}(?:\.[\w+-]{1,64}){0,4}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}"
)
_CITATION = r"\[\d{1,4}(?:\s?[,\u2013-]\s?\d{1,4}){0,8}\]|\[[A-Za-z][\w .:#/-]{0,80}:\d{1,6}(?:-\d{1,6})?\]"
_MONTH = (
    r"(?i:jan(?:uary|uar)?|feb(?:ruary|ruar)?|mar(?:ch)?|m\u00e4rz|apr(?:il)?|may|mai|june?|juni|july?|juli"
    r"|aug(?:ust)?|sept?(?:ember)?|o[ck]t(?:ober)?|nov(?:ember)?|de[cz](?:ember)?)"
)
_DATE = (
    r"\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z\b|[+-]\d{2}:?\d{2}\b)?)?"
    rf"|\b\d{{1,2}}(?:st|nd|rd|th)?\.? {_MONTH}\b(?: \d{{4}}\b)?"
    rf"|\b{_MONTH}\.? \d{{1,2}}(?:st|nd|rd|th)?\b(?:, \d{{4}}\b)?|\b{_MONTH} \d{{4}}\b"
    r"|\b\d{1,2}[./]\d{1,2}[./]\d{2,4}\b|\b\d{1,2}:\d{2}(?::\d{2})?\b(?: ?[AaPp]\.?[Mm]\b)?"
)
_IDENTIFIER = (
    r"(?<![\w/.-])[\w.~-]{0,100}(?:/[\w.-]{1,100}){2,12}|(?<![\w-])--?[A-Za-z][\w-]{1,60}"
    r"|\b[A-Za-z_][A-Za-z0-9]{0,40}(?:_[A-Za-z0-9]{1,40}){1,10}\b|\b[a-z]{1,40}(?:[A-Z][a-z0-9]{1,40}){1,10}\b"
    r"|\b[A-Z][a-z0-9]{1,40}(?:[A-Z][a-z0-9]{1,40}){1,10}\b|\b[A-Z]{1,10}-?\d[\w-]{0,40}"
    r"|\b[A-Za-z_]\w{0,60}(?:(?:\.|::)[A-Za-z_]\w{0,60}){1,8}\b(?:\(\))?"
    r"|\bv?\d{1,6}(?:\.\d{1,6}){2,4}(?:[-+][\w.]{1,40})?\b|\bv\d{1,6}(?:\.\d{1,6}){0,4}\b"
    r"|\b(?=[0-9]{0,39}[a-f])(?=[a-f]{0,39}\d)[0-9a-f]{7,64}\b|\b[A-Z][A-Z0-9]{2,40}\b|(?<!\w)\#\d{1,10}\b"
)
_NUMBER = (
    r"(?:[$\u20ac\u00a3\u00a5]\s?)?(?<![\w.])[-+]?\d{1,30}(?:[.,'\u202f]\d{1,30}){0,10}"
    r"(?:\s?(?:%|\u2030|\u00b0[CF]?|[$\u20ac\u00a3\u00a5])|[A-Za-z\u00b5]{1,4}\b)?"
)
_NEGATION = (
    r"(?i:\b(?:not|no|never|none|neither|nor|nobody|nothing|nowhere|without|cannot|except|unless|[a-z]{2,8}n['\u2019]t"
    r"|nicht|kein(?:e[mnrs]?)?|nie|niemals|niemand|nichts|ohne|weder|au\u00dfer"
    r"|pas|jamais|aucune?|sans|nunca|sin|ning\u00fan|ningun[oa]|nessun[oa]?|geen|niet)\b)"
)
_KINDS: dict[SpanKind, str] = {
    "code": _CODE,
    "link": _LINK,
    "citation": _CITATION,
    "date": _DATE,
    "identifier": _IDENTIFIER,
    "number": _NUMBER,
    "negation": _NEGATION,
}
_ANY = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _KINDS.items()))
_SPACED = re.compile("|".join(f"(?P<{kind}>{_KINDS[kind]})" for kind in ("code", "link", "date")))
_MAY_BE_SPACED = re.compile(r"[`~\[]|\d\.? \w")


def protected_spans(text: str) -> Iterator[ProtectedSpan]:
    """The protected spans of a text, in order, none overlapping.

    Example:
        >>> text = "Do not use `a. B` before 3. Oktober 2024, see E1234."
        >>> [(text[span.start : span.end], span.kind) for span in protected_spans(text)][1:]
        [('`a. B`', 'code'), ('3. Oktober 2024', 'date'), ('E1234', 'identifier')]
    """
    return _found(_ANY, text)


def uncuttable_spans(text: str) -> Iterator[ProtectedSpan]:
    """Those of the protected spans that may hold the end of a sentence within: code, links and dates."""
    if not _MAY_BE_SPACED.search(text):
        return iter(())
    return _found(_SPACED, text)


def _found(pattern: re.Pattern[str], text: str) -> Iterator[ProtectedSpan]:
    for match in pattern.finditer(text):
        if match.end() > match.start():
            yield ProtectedSpan(match.start(), match.end(), match.lastgroup)  # type: ignore[arg-type]  # groups are named after kinds
