"""The step that looks at what a tool gave, before anybody else does."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from pydantic_core import to_jsonable_python

from tercet.agents.gate.untrusted import LEVELS, clean, clean_json, told
from tercet.agents.tools.records import Failed, Succeeded
from tercet.models.chat_records import SourcePart
from tercet.records import Citation, Finding

if TYPE_CHECKING:
    from tercet.agents.gate.records import RunState, Then
    from tercet.agents.tools.records import Call, Outcome


class ValidateStep:
    """Makes JSON of the output, without hidden characters and markers of roles; what is no JSON or too much is none.

    Args:
        most: Characters of the output as JSON, sources included.
    """

    name = "validate"

    def __init__(self, *, most: int = 200_000) -> None:
        self._most = most

    async def __call__(self, call: Call, run: RunState, then: Then) -> Outcome:
        """Check what comes back."""
        outcome = await then(call)
        if not isinstance(outcome, Succeeded):
            return outcome
        try:
            return self._checked(outcome)
        except Exception as error:  # what the tool gave may run code of its own when it is looked at
            return Failed(error="invalid_output", reason=f"The output of {call.name!r} cannot be used: {told(error)}")

    def _checked(self, outcome: Succeeded) -> Succeeded:
        _check_records(outcome)
        value, findings = clean_json(to_jsonable_python(outcome.value))
        length = len(value) if isinstance(value, str) else len(json.dumps(value, ensure_ascii=False, allow_nan=False))
        length += sum(len(piece) for source in outcome.sources for piece in source.pieces)
        if length > self._most:
            raise ValueError(f"it has {length} characters, {self._most} are allowed")
        if not outcome.sources:
            return Succeeded(value=value, trust=outcome.trust, findings=findings)
        counts = Counter({finding.kind: finding.count for finding in findings})
        cleaned = [_clean_source(source, counts) for source in outcome.sources]
        sources = tuple(source for source in cleaned if source is not None)
        return Succeeded(
            value=value,
            sources=sources,
            citations={one.id: outcome.citations[one.id] for one in sources if one.id in outcome.citations},
            trust=outcome.trust,
            findings=tuple(Finding(kind=kind, count=count) for kind, count in sorted(counts.items())),
        )


def _check_records(outcome: Succeeded) -> None:
    """Nobody promises that a tool keeps to the types of ``ToolOutput``.

    Raises:
        TypeError: It did not.
        ValueError: It gave a trust that there is not.
    """
    if outcome.trust not in LEVELS:
        raise ValueError(f"{outcome.trust!r} is no trust")
    for records, kind in ((outcome.sources, SourcePart), (outcome.citations.values(), Citation)):
        for record in records:
            if not isinstance(record, kind):
                raise TypeError(f"it has a {type(record).__name__} where a {kind.__name__} belongs")


def _clean_source(source: SourcePart, counts: Counter[str]) -> SourcePart | None:
    """The source with clean texts; None: nothing is left of it."""
    texts = []
    for text in (source.id, source.source, source.title, *source.pieces):
        cleaned, findings = clean(text)
        counts.update({finding.kind: finding.count for finding in findings})
        texts.append(cleaned)
    identifier, where, title, *pieces = texts
    kept = tuple(piece for piece in pieces if piece.strip())
    if identifier != source.id:
        raise ValueError("the id of a source has characters that cannot be seen")
    return SourcePart(id=identifier, source=where, title=title, pieces=kept) if kept and where and title else None
