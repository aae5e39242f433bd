"""What is wrong with gold spans: text that does not stand where they say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tercet.evals.datasets.lint_questions import lint_questions, lint_texts

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from tercet.evals.datasets.lint_questions import Report
    from tercet.evals.datasets.records import SpanDataset
    from tercet.evals.records import Span

_SHOWN = 60


def lint_spans(dataset: SpanDataset, report: Report, uris: Collection[str] | None) -> None:
    """Add what is wrong to a report."""
    texts = {document.uri: document.text for document in dataset.documents}
    known: Collection[str] | None = texts or uris
    for question in dataset.questions:
        where = ("question", question.id)
        if question.answerable and not question.spans:
            report.warning(
                "no-relevant", where, f"No span answers {question.id!r}.", "Name one, or mark it as unanswerable."
            )
        if question.spans and not question.answerable:
            report.error(
                "answered-unanswerable",
                where,
                f"{question.id!r} is unanswerable, yet a span answers it.",
                "Remove the mark, or the span.",
            )
        quotes = question.quotes or ("",) * len(question.spans)
        for span, quote in zip(question.spans, quotes, strict=True):
            if known is not None and span.uri not in known:
                report.error(
                    "unknown-document",
                    where,
                    f"{question.id!r} points into a document {span.uri!r} that is not there.",
                    "Add the document, or remove the span.",
                )
            elif span.uri in texts or not texts:
                _span(span, quote, where, texts, report)
    questions = {question.id: question.text for question in dataset.questions}
    lint_questions(questions, report, kind="question")
    lint_texts(texts.items(), questions, report, kind="question")


def _span(span: Span, quote: str, where: tuple[str, ...], texts: Mapping[str, str], report: Report) -> None:
    text = texts.get(span.uri)
    outside = text is not None and span.end > len(text)
    if outside or span.start >= span.end:
        report.error(
            "bad-span",
            where,
            f"The span {span.start}-{span.end} is {'outside' if outside else 'empty in'} {span.uri!r}"
            + (f", which has {len(text)} characters." if outside and text is not None else "."),
            _where_it_stands(text or "", span, quote),
        )
    elif text is not None and quote and text[span.start : span.end] != quote:
        report.error(
            "quote-mismatch",
            where,
            f"At {span.start}-{span.end} of {span.uri!r} stands {_shown(text[span.start : span.end])}, "
            f"not {_shown(quote)}.",
            _where_it_stands(text, span, quote),
        )


def _where_it_stands(text: str, span: Span, quote: str) -> str:
    """The place nearest to where the quote was said to be, letter by letter or else but for white space."""
    if quote.strip():
        exact = [(found.start(), found.end()) for found in re.finditer(re.escape(quote), text)]
        loose = r"\s+".join(map(re.escape, quote.split()))
        places = exact or [(found.start(), found.end()) for found in re.finditer(loose, text, re.IGNORECASE)]
        if places:
            start, end = min(places, key=lambda place: abs(place[0] - span.start))
            how = "It" if exact else "But for white space and letter case it"
            return f"{how} stands at {start}-{end}."
        return "It stands nowhere in the document: correct the quote or remove the span."
    return "Correct the offsets; they count code points from the start of the document's text."


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")
