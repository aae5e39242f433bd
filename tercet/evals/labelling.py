"""Reviewing golden questions by hand: what to show of each, and keeping what was decided.

Accepted questions are in the golden file and nowhere else; what was rejected is remembered beside it, in
``<name>.review.jsonl``, so that a later session asks neither again. Every decision is on disk before the next question.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tercet.errors import InputError
from tercet.evals.datasets.golden_files import GoldenQuestion, read_golden, write_golden
from tercet.evals.datasets.reading import Reading, Record
from tercet.evals.datasets.writing import write_lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tercet.evals.golden.corpus import CorpusDocument
    from tercet.evals.records import Span

EXCERPT_CHARACTERS = 600
REVIEWED = "reviewed"
"""The slice that tells how a question came into the golden file: ``accepted`` or ``edited``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Presentation:
    """What a reviewer needs to see of a question."""

    query: str
    kind: str
    """How it was made; empty where nobody says."""
    uris: tuple[str, ...]
    """The documents that are said to answer it."""
    heading_path: tuple[str, ...]
    """Of the place in the first of them."""
    excerpt: str
    """The place's text, cut after 600 characters."""
    missing: tuple[str, ...]
    """Those of ``uris`` that the corpus does not hold."""
    alternatives: tuple[str, ...]
    """Other documents that may answer as well: the doubt in the label."""


def present(question: GoldenQuestion, corpus: Mapping[str, CorpusDocument]) -> Presentation:
    """Look up what a question points to.

    Args:
        question: To be reviewed.
        corpus: By uri, as ``read_corpus`` gives it; may be empty, there is then no excerpt.
    """
    uris = question.relevant
    document = next((corpus[uri] for uri in uris if uri in corpus), None)
    path: tuple[str, ...] = ()
    excerpt = ""
    if document is not None:
        span = next((span for span in question.spans if span.uri == document.uri), None)
        start, end = (span.start, span.end) if span else (0, len(document.text))
        path = next((one.path for one in document.sections if one.start <= start < max(one.end, one.start + 1)), ())
        text = document.text[start:end].strip()
        excerpt = text if len(text) <= EXCERPT_CHARACTERS else f"{text[:EXCERPT_CHARACTERS]} …"
    return Presentation(
        query=question.query,
        kind=question.slices.get("kind", ""),
        uris=uris,
        heading_path=path,
        excerpt=excerpt,
        missing=tuple(uri for uri in uris if corpus and uri not in corpus),
        alternatives=question.alternatives,
    )


class Review:
    """A review of proposed questions, which can be left and taken up again.

    Args:
        proposed: The questions to decide on.
        path: The golden file (.jsonl) that accepted questions go to; what it holds already stays.

    Raises:
        InputError: The golden file or what is remembered beside it is malformed, or its name does not end in .jsonl.
    """

    def __init__(self, proposed: Sequence[GoldenQuestion], path: str | Path) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() != ".jsonl":
            raise InputError(f"{self.path} does not end in .jsonl.", remedy="Reviews are written as JSON Lines.")
        self._review = self.path.with_suffix(".review.jsonl")
        self._accepted = {one.id: one for one in read_golden(self.path)} if self.path.exists() else {}
        self._rejected = _read_rejected(self._review) if self._review.exists() else {}
        self._proposed = {one.id: one for one in proposed}
        self._skipped: set[str] = set()

    @property
    def accepted(self) -> tuple[GoldenQuestion, ...]:
        """What the golden file holds."""
        return tuple(self._accepted.values())

    @property
    def rejected(self) -> tuple[str, ...]:
        """Ids of the questions that were rejected."""
        return tuple(self._rejected)

    def pending(self, *, skipped: bool = False) -> tuple[GoldenQuestion, ...]:
        """What is still to be decided. Questions skipped in this session are among it only if asked for."""
        decided = self._accepted.keys() | self._rejected.keys() | (set() if skipped else self._skipped)
        return tuple(one for key, one in self._proposed.items() if key not in decided)

    def accept(self, question: GoldenQuestion) -> None:
        """Take a question as it stands."""
        self._keep(question, "accepted")

    def edit(
        self, question: GoldenQuestion, *, query: str | None = None, relevant: Sequence[str] | None = None
    ) -> GoldenQuestion:
        """Take a question with other words or other answers.

        Args:
            question: As it was proposed.
            query: Other words; None: the same. They were taken from nowhere, so nothing is held out for them.
            relevant: Uris of the documents that answer; None: the same. Places in others are dropped; none at all
                marks the question as unanswerable.

        Raises:
            InputError: The query is empty.
        """
        edited = question
        if query is not None and query.strip() != question.query:
            if not query.strip():
                raise InputError("The query is empty.", remedy="Reject the question instead.")
            sources: tuple[Span, ...] = ()
            edited = replace(edited, query=query.strip(), sources=sources)
        if relevant is not None:
            uris = tuple(dict.fromkeys(relevant))
            spans = tuple(span for span in question.spans if span.uri in uris)
            # A place names one document of several: as gold span it would call the others wrong.
            edited = replace(
                edited,
                relevant=uris,
                spans=spans if set(uris) == {one.uri for one in spans} else (),
                unanswerable=not uris,
            )
        self._keep(edited, "accepted" if edited == question else "edited")
        return edited

    def reject(self, question: GoldenQuestion) -> None:
        """Leave a question out of the golden file for good."""
        self._rejected[question.id] = None
        write_lines(self._review, (json.dumps({"id": key, "decision": "reject"}) for key in self._rejected))

    def skip(self, question: GoldenQuestion) -> None:
        """Decide later."""
        self._skipped.add(question.id)

    def _keep(self, question: GoldenQuestion, how: Literal["accepted", "edited"]) -> None:
        decided = replace(question, slices={**question.slices, REVIEWED: how}, alternatives=())
        self._accepted[question.id] = decided
        write_golden(self._accepted.values(), self.path)


def _read_rejected(path: Path) -> dict[str, None]:
    found: dict[str, None] = {}

    def take(record: Record) -> None:
        if record.text("decision") != "reject":
            record.refuse("bad-decision", "'decision' must be 'reject'")
        found[record.id("id", known=found)] = None

    Reading().each_record(path, take)
    return found
