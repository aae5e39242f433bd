"""Takes secrets out of what a run leaves behind, in the one place through which all of it passes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from tercet.memory.journal.records import (
        ApprovalRecord,
        EffectState,
        EventRecord,
        Journal,
        NewApproval,
        NewEvent,
        NewRun,
        RunRecord,
        RunStatus,
    )

    Redact = Callable[[str], str]

_WORDS = frozenset({"kind", "role", "trust", "outcome", "end", "why", "store", "stop_reason", "tool_choice", "effort"})
"""Fields that hold one of a few words: without these nothing could be read back."""


def redacted(text: str, redact: Redact) -> str:
    """A text without its secrets. Of JSON each text within is redacted, so that it stays JSON whatever comes back.

    Example:
        >>> redacted('{"key": "sk-1", "note": "a \\\\"b"}', lambda text: text.replace("sk-1", 'a "secret"'))
        '{"key": "a \\\\"secret\\\\"", "note": "a \\\\"b"}'
    """
    if text[:1] not in ("{", "["):
        return redact(text)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return redact(text)
    changed = _within(value, redact)
    return text if changed == value else json.dumps(changed, ensure_ascii=False)


def _within(value: Any, redact: Redact) -> Any:  # noqa: ANN401 - whatever JSON says
    if isinstance(value, str):
        return redacted(value, redact)
    if isinstance(value, list):
        return [_within(one, redact) for one in value]
    if isinstance(value, dict):
        return {redact(key): one if key in _WORDS else _within(one, redact) for key, one in value.items()}
    return value


def without_secrets(journal: Journal, redact: Redact | None) -> Journal:
    """The journal as a run may write to it."""
    return journal if redact is None else cast("Journal", RedactedJournal(journal, redact))


class RedactedJournal:
    """Another journal, which is told no secrets: neither in events nor in approvals or in results of effects.

    Args:
        journal: That is told the rest.
        redact: Takes secrets out of a text.
    """

    def __init__(self, journal: Journal, redact: Redact) -> None:
        self._journal = journal
        self._redact = redact

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - all else is as the other has it
        return getattr(self._journal, name)

    def begin(self, run: NewRun, events: Sequence[NewEvent] = ()) -> RunRecord:
        """See ``Journal.begin``."""
        return self._journal.begin(run, [self._event(one) for one in events])

    def append(
        self, run: str, events: Sequence[NewEvent], *, after: int, status: RunStatus = "running"
    ) -> tuple[EventRecord, ...]:
        """See ``Journal.append``."""
        return self._journal.append(run, [self._event(one) for one in events], after=after, status=status)

    def settle(self, key: str, *, state: EffectState, result: str | None, reason: str = "", at: datetime) -> None:
        """See ``Journal.settle``. Whoever is given the result back is given the redacted one."""
        kept = None if result is None else redacted(result, self._redact)
        self._journal.settle(key, state=state, result=kept, reason=redacted(reason, self._redact), at=at)

    def ask(self, approval: NewApproval, *, at: datetime) -> ApprovalRecord:
        """See ``Journal.ask``. The approval holds for the arguments as they are: their hash is not redacted."""
        asked = replace(
            approval,
            arguments=redacted(approval.arguments, self._redact),
            reason=redacted(approval.reason, self._redact),
            evidence=redacted(approval.evidence, self._redact),
        )
        return self._journal.ask(asked, at=at)

    def _event(self, event: NewEvent) -> NewEvent:
        texts = tuple(redacted(text, self._redact) for text in event.texts)
        return replace(event, body=redacted(event.body, self._redact), texts=texts)
