"""The hash chain of a run: its rows as both journals keep them, how they are made and how they are verified.

Each hash is SHA-256 over the hash before it and what the event says. Bodies and texts go in as digests with a random
salt each, kept beside them and removed with them: what was erased cannot be guessed from its digest, and the chain
still verifies. A text is kept once for each run, under a number; the event that used it first covers its digest, and
later ones its number, so that a run grows as its conversation does, not as the sum of its requests.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from tercet.errors import CorruptMemoryError
from tercet.memory.journal.checks import microseconds, nul, surrogate
from tercet.memory.journal.records import EventRecord
from tercet.memory.working.records import from_microseconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tercet.memory.journal.records import NewEvent, NewRun

SALT_BYTES = 16
_VERSION = b"tercet run 1\0"


class EventRow(NamedTuple):
    """A row of ``run_events``, in the order of its columns."""

    run: int
    number: int
    kind: str
    span: str
    parent: str
    at: int
    texts: str
    body: str | None
    salt: bytes | None
    digest: bytes
    hash: bytes


class TextRow(NamedTuple):
    """A row of ``run_texts``, in the order of its columns."""

    run: int
    number: int
    event: int
    text: str | None
    salt: bytes | None
    digest: bytes


@dataclass(frozen=True, slots=True)
class Tail:
    """Where a run's chain ends, and which texts it has: all that is needed to go on with it."""

    row: int
    events: int
    hash: bytes
    texts: dict[str, int] = field(default_factory=dict)
    """Numbers by text; later tails of the same run share it, and add to it."""
    last_text: int = 0
    """The highest number, erased texts included."""
    characters: int = 0
    """Of the texts, for whoever must not keep too many."""

    def after(self, sealed: Sealed) -> Tail:
        """Where the chain ends now that what was sealed is kept."""
        characters = self.characters
        for row in sealed.texts:
            if row.text is not None:
                self.texts[row.text] = row.number
                characters += len(row.text)
        events, last_text = self.events + len(sealed.events), self.last_text + len(sealed.texts)
        return Tail(self.row, events, sealed.hash, self.texts, last_text, characters)


class Sealed(NamedTuple):
    """Rows to be kept, and where the chain ends with them."""

    events: list[EventRow]
    texts: list[TextRow]
    hash: bytes


# -- making ------------------------------------------------------------------------------------------------------------


def seal(tail: Tail, events: Sequence[NewEvent]) -> Sealed:
    """The rows of events behind the end of a chain, which stays as it is.

    Raises:
        InputError: A text holds NUL or a lone surrogate, or a time has no zone.
    """
    rows: list[EventRow] = []
    texts: list[TextRow] = []
    known, new = tail.texts, dict[str, int]()
    number, end = tail.events, tail.hash
    for event in events:
        number += 1
        used: list[int] = []
        first = len(texts)
        for text in event.texts:
            found = known.get(text) or new.get(text)
            if found is None:
                found = new[text] = tail.last_text + len(texts) + 1
                salt = new_salt()
                texts.append(TextRow(tail.row, found, number, text, salt, digest_of(salt, text, "text")))
            used.append(found)
        salt = new_salt()
        digest = digest_of(salt, event.body, "body")
        said = (event.kind, event.span, event.parent, microseconds(event.at), in_ranges(used))
        end = event_hash(end, number, said, digest, [row.digest for row in texts[first:]])
        rows.append(EventRow(tail.row, number, *said, event.body, salt, digest, end))
    return Sealed(rows, texts, end)


def new_salt() -> bytes:
    """Bytes that nobody can guess."""
    return os.urandom(SALT_BYTES)


def digest_of(salt: bytes, text: str, what: str) -> bytes:
    """SHA-256 of a text that nobody can guess without the salt."""
    if "\0" in text:
        raise nul(what, text)
    try:
        return sha256(salt + text.encode()).digest()
    except UnicodeEncodeError as error:
        raise surrogate(what, error) from None


def header_text(identity: Sequence[str], scope: Sequence[str], began_at: int) -> str:
    """What a chain begins with: whose run it is, of which agent, and its place among others."""
    return json.dumps([*identity, *scope, began_at], ensure_ascii=False, separators=(",", ":"))


def identity_of(run: NewRun) -> tuple[str, str, str, str, str, str]:
    """What the header says of a run besides its scope and time: id, agent, task, parent, root, replays."""
    return run.id, run.agent, run.task, run.parent, run.root or run.id, run.replays


def first_hash(run: str, header_digest: bytes) -> bytes:
    """The hash that the first event is chained to."""
    return sha256(_VERSION + run.encode() + b"\0" + header_digest).digest()


def event_hash(
    before: bytes, number: int, said: tuple[str, str, str, int, str], digest: bytes, texts: Iterable[bytes]
) -> bytes:
    """The hash of an event.

    Args:
        before: The hash that it is chained to.
        number: Its own.
        said: Kind, span, parent, time and numbers of texts.
        digest: Of its body.
        texts: Digests of the texts that it is the first to use.
    """
    kind, span, parent, at, used = said
    try:
        # No part holds NUL, and the digests that follow have one length: two events never read the same.
        fields = f"{number}\0{kind}\0{span}\0{parent}\0{at}\0{used}\0".encode()
    except UnicodeEncodeError as error:
        raise surrogate("event's kind, span or parent", error) from None
    if fields.count(0) != 6:
        raise nul("event's kind, span or parent", f"{kind} {span} {parent}")
    return sha256(fields + before + digest + b"".join(texts)).digest()


def in_ranges(numbers: Sequence[int]) -> str:
    """Numbers in order, with runs of successive ones shortened.

    Example:
        >>> in_ranges([1, 2, 3, 7, 7, 8])
        '1-3,7,7-8'
    """
    if not numbers:
        return ""
    parts = []
    first = last = numbers[0]
    for number in numbers[1:]:
        if number != last + 1:
            parts.append((first, last))
            first = number
        last = number
    parts.append((first, last))
    return ",".join(f"{low}-{high}" if high > low else str(low) for low, high in parts)


def texts_of(ranges: str, texts: Mapping[int, str | None]) -> tuple[str | None, ...]:
    """The texts that an event used, out of those of its run.

    Raises:
        CorruptMemoryError: One is not there.

    Example:
        >>> texts_of("2-3,2", {2: "Rotate keys.", 3: None})
        ('Rotate keys.', None, 'Rotate keys.')
    """
    if not ranges:
        return ()
    found: list[str | None] = []
    try:
        for low, high in map(first_and_last, ranges.split(",")):
            found.extend(texts[number] for number in range(low, high + 1))
    except KeyError as missing:
        raise _damaged(ranges, f"text {missing}") from None
    return tuple(found)


def first_and_last(ranges: str) -> tuple[int, int]:
    """A lowest and a highest number that enclose those of one range, and of several ascending ones.

    Raises:
        CorruptMemoryError: They are not what ``in_ranges`` writes.

    Example:
        >>> first_and_last("1-3,7"), first_and_last("4")
        ((1, 7), (4, 4))
    """
    try:
        numbers = [int(part) for part in ranges.replace(",", "-").split("-")]
    except ValueError:
        raise _damaged(ranges, repr(ranges[:60])) from None
    return min(numbers), max(numbers)


def _damaged(ranges: str, what: str) -> CorruptMemoryError:
    return CorruptMemoryError(
        f"An event of the journal uses texts {ranges[:60]}, of which {what} is not there.",
        remedy="Verify the run, and restore a backup.",
    )


def tail_of(row: int, events: int, end: bytes, texts: Iterable[TextRow]) -> Tail:
    """The tail of a chain that is kept."""
    known: dict[str, int] = {}
    last_text = characters = 0
    for text in texts:
        last_text = text.number
        if text.text is not None:
            known[text.text] = text.number
            characters += len(text.text)
    return Tail(row, events, end, known, last_text, characters)


def event_record(run: str, row: EventRow, texts: tuple[str | None, ...]) -> EventRecord:
    """An event as it is handed out."""
    return EventRecord(
        run=run,
        number=row.number,
        kind=row.kind,
        body=row.body,
        texts=texts,
        span=row.span,
        parent=row.parent,
        at=from_microseconds(row.at),
        hash=row.hash.hex(),
    )
