"""Whether the rows of a run are those that were written."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from tercet.errors import InputError
from tercet.memory.journal.chain import digest_of, event_hash, first_hash
from tercet.memory.journal.records import Verification

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tercet.memory.journal.chain import EventRow, TextRow


class Head(NamedTuple):
    """What a run's own row says of its chain."""

    run: str
    events: int
    hash: bytes
    header: str
    salt: bytes | None
    digest: bytes
    erased: bool


class _Broken(Exception):  # noqa: N818  # it is caught in this module
    def __init__(self, number: int, reason: str) -> None:
        self.number = number
        self.reason = reason


def verify(head: Head, events: Iterable[EventRow], texts: Iterable[TextRow]) -> Verification:
    """Compute a chain anew and compare it with what is kept.

    Whoever can write to the database and knows this code can write a whole chain anew. Note ``RunRecord.hash`` in
    another place to find that out too.

    Args:
        head: The run's own row.
        events: Its events by number.
        texts: Its texts by number.
    """
    erased = 0
    try:
        _check_header(head)
        digests, erased = _digests(head, texts)
        erased += _check_events(head, events, digests)
    except _Broken as broken:
        return Verification(
            run=head.run, events=head.events, erased=erased, broken_at=broken.number, reason=broken.reason
        )
    return Verification(run=head.run, events=head.events, erased=erased, broken_at=None)


def _check_header(head: Head) -> None:
    if not head.erased and not _holds(head.header, head.salt, head.digest):
        raise _Broken(0, "the run's scope, agent, task or place among other runs was changed")


def _digests(head: Head, texts: Iterable[TextRow]) -> tuple[dict[int, list[tuple[bytes, str]]], int]:
    """By event: the digests of the texts that it used first, and what is wrong with each; and how many are erased."""
    found: dict[int, list[tuple[bytes, str]]] = defaultdict(list)
    erased = latest = 0
    for number, row in enumerate(texts, 1):
        in_order = row.number == number and row.event >= latest
        wrong = "" if in_order else "a text was left out, added or moved"
        latest = max(latest, row.event)
        erased += row.text is None
        found[row.event].append((row.digest, wrong or _wrong(head, row.text, row.salt, row.digest, "a text")))
    return found, erased


def _check_events(head: Head, events: Iterable[EventRow], texts: dict[int, list[tuple[bytes, str]]]) -> int:
    before = first_hash(head.run, head.digest)
    number = erased = 0
    for row in events:
        number += 1
        if row.number != number or number > head.events:
            raise _Broken(number, "an event was left out" if row.number > number else "an event was added")
        first_used = texts.pop(number, [])
        wrong = [reason for _, reason in first_used if reason]
        if reason := _wrong(head, row.body, row.salt, row.digest, "its body") or next(iter(wrong), ""):
            raise _Broken(number, reason)
        before = _hash_of(row, before, [digest for digest, _ in first_used])
        if before != row.hash:
            raise _Broken(number, "the event, or one before it, is not as it was written")
        erased += row.body is None
    if number < head.events:
        raise _Broken(number + 1, "the last events were left out")
    if texts:
        raise _Broken(max(min(texts), 0), "a text was added")
    if before != head.hash:
        raise _Broken(number, "the run's row names another last event")
    return erased


def _hash_of(row: EventRow, before: bytes, texts: list[bytes]) -> bytes:
    try:
        return event_hash(before, row.number, (row.kind, row.span, row.parent, row.at, row.texts), row.digest, texts)
    except InputError:
        raise _Broken(row.number, "the event holds what is never written") from None


def _wrong(head: Head, text: str | None, salt: bytes | None, digest: bytes, what: str) -> str:
    if text is None:
        return "" if head.erased else f"{what} was removed, and the run was not erased"
    if head.erased:
        return f"{what} is there although the run was erased"
    return "" if _holds(text, salt, digest) else f"{what} was changed"


def _holds(text: str, salt: bytes | None, digest: bytes) -> bool:
    try:
        return salt is not None and digest_of(salt, text, "text") == digest
    except InputError:
        return False
