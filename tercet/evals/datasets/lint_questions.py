"""What every kind of data set is looked through for: its questions, and their texts beside those of the documents."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tercet.evals.datasets.reading import LintFinding
from tercet.models.lexical import Analyzer
from tercet.settings import LexicalConfig

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tercet.evals.datasets.reading import Severity


@dataclass(slots=True)
class Report:
    """The findings so far."""

    places: Mapping[tuple[str, ...], str]
    findings: list[LintFinding] = field(default_factory=list)

    def error(self, code: str, where: tuple[str, ...], message: str, remedy: str) -> None:
        """Note what makes a measurement wrong; ``where`` is a kind and ids."""
        self._add("error", code, where, message, remedy)

    def warning(self, code: str, where: tuple[str, ...], message: str, remedy: str) -> None:
        """Note what makes a measurement doubtful."""
        self._add("warning", code, where, message, remedy)

    def _add(self, severity: Severity, code: str, where: tuple[str, ...], message: str, remedy: str) -> None:
        kind, *ids = where
        place = self.places.get(where) or f"{kind} {' / '.join(map(repr, ids))}"
        self.findings.append(LintFinding(severity=severity, code=code, where=place, message=message, remedy=remedy))


def spelling(text: str) -> str:
    """A text as it is compared: letter case and white space do not count."""
    return " ".join(text.split()).casefold()


def lint_questions(questions: Mapping[str, str], report: Report, *, kind: str) -> None:
    """Look for questions that are empty, or that ask what another one asks already."""
    from tercet.retrieval.near_duplicates import near_duplicates  # its patterns take long to compile; runs need none

    texts: dict[str, str] = {}
    for key, text in questions.items():
        if text.strip():
            texts[key] = text
        else:
            report.error("empty-query", (kind, key), f"The text of {key!r} is empty.", "Write it, or remove it.")
    keys = list(texts)
    analyzer = Analyzer(LexicalConfig())
    repeated = near_duplicates(
        list(texts.values()), [analyzer.terms(text) for text in texts.values()], range(len(texts))
    )
    for number, original in repeated.items():
        one, other = keys[number], keys[original]
        same = spelling(texts[one]) == spelling(texts[other])
        report.warning(
            "duplicate-query" if same else "near-duplicate-query",
            (kind, one),
            f"{one!r} asks {'the same' if same else 'nearly the same'} as {other!r}.",
            "Keep one of them: what is asked twice counts twice.",
        )


def lint_texts(
    documents: Iterable[tuple[str, str]], questions: Mapping[str, str], report: Report, *, kind: str
) -> None:
    """Look for documents that are empty, and for questions that are a document's very text."""
    asked: dict[str, list[str]] = {}
    for key, text in questions.items():
        asked.setdefault(spelling(text), []).append(key)
    for uri, text in documents:
        spelt = spelling(text)
        if not spelt:
            report.warning(
                "empty-document", ("document", uri), f"The text of {uri!r} is empty.", "Remove it: nothing can find it."
            )
            continue
        for key in asked.get(spelt, ()):
            report.warning(
                "leak",
                (kind, key),
                f"{key!r} is the text of {uri!r}, word for word.",
                "Ask in other words, or take the document out of the corpus.",
            )
