"""What a call came to, as the effect ledger keeps it and gives it back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from tercet.agents.tools.records import Failed, InDoubt, Refused, Succeeded
from tercet.memory.patches import canonical
from tercet.models.chat_records import SourcePart
from tercet.records import Citation

if TYPE_CHECKING:
    from tercet.agents.tools.records import Outcome
    from tercet.memory.journal.records import EffectRecord

_SOURCES: TypeAdapter[tuple[SourcePart, ...]] = TypeAdapter(tuple[SourcePart, ...])
_CITATIONS: TypeAdapter[dict[str, Citation]] = TypeAdapter(dict[str, Citation])


def kept(outcome: Succeeded | Failed) -> str:
    """The outcome of something that happened, as JSON."""
    if isinstance(outcome, Succeeded):
        sources = _SOURCES.dump_python(outcome.sources, mode="json") if outcome.sources else []
        citations = _CITATIONS.dump_python(dict(outcome.citations), mode="json") if outcome.citations else {}
        return canonical({"value": outcome.value, "sources": sources, "citations": citations, "trust": outcome.trust})
    return canonical({"failed": outcome.reason})


def outcome_of(effect: EffectRecord) -> Outcome:
    """What a call comes to whose effect is there already: nothing is done again."""
    if effect.state == "done":
        return _given_back(effect)
    if effect.state == "failed":
        return Refused(step="effects", reason=f"It failed before: {effect.reason}")
    who = "somebody who has not said how it ended" if effect.state == "started" else "an earlier attempt"
    return InDoubt(
        key=effect.key,
        reason=f"{effect.tool!r} was begun by {who}, at {effect.started_at:%Y-%m-%d %H:%M:%S}. {effect.reason}".strip(),
    )


def _given_back(effect: EffectRecord) -> Outcome:
    if effect.result is None:
        return Succeeded(value="It was done before; what it gave was erased.", trust="system", repeated=True)
    result: dict[str, Any] = json.loads(effect.result)
    if "failed" in result:
        return Failed(error="invalid_output", reason=f"It was done before. {result['failed']}")
    return Succeeded(
        value=result["value"],
        sources=_SOURCES.validate_python(result["sources"]),
        citations=_CITATIONS.validate_python(result["citations"]),
        trust=result["trust"],
        repeated=True,
    )
