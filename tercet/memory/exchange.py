"""The file that ``tercet memory export`` writes: JSON Lines, one object a record, the same bytes for the same records.

Line 1 is a ``header`` with the format's name and version and how many lines of each type follow; the last line is an
``end`` with the SHA-256 of all bytes before it. Between them: working documents by scope and key, each followed by
what others asked for and its changes; the last versions of deleted ones; episodes in the order in which they were
recorded, each with what happened to it; pairs that may say the same; vectors, if asked for. Keys are sorted. Times are
microseconds since 1970-01-01 UTC. Nothing in it depends on when, where or by which database it was written.
"""

from __future__ import annotations

import hashlib
import json
from typing import IO, TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from tercet.errors import ImportRefusedError
from tercet.memory.patches import canonical
from tercet.records import Scope, Trust

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FORMAT = "tercet-memory"
VERSION = 1
LONGEST_LINE = 1 << 26
"""Bytes; no record that can be stored comes near it."""


class Line(BaseModel):
    """One object of the file."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Header(Line):
    """What follows."""

    type: Literal["header"]
    format: str
    version: int
    counts: dict[str, int]
    embedder: str | None
    """Fingerprint of the model that the vectors are of; null without vectors."""


class Owned(Line):
    """A record of somebody."""

    tenant: str | None
    user: str | None
    agent: str | None
    session: str | None

    @property
    def scope(self) -> Scope:
        """Whose it is."""
        return Scope(tenant=self.tenant, user=self.user, agent=self.agent, session=self.session)


class WorkingDocumentLine(Owned):
    """A document of working memory as it is now."""

    type: Literal["working_document"]
    key: str
    schema_name: str
    schema_version: int
    version: int
    value: dict[str, Any]
    hash: str
    owners: dict[str, str]
    trusts: dict[str, Trust]
    constraints: list[str]
    created_by: str
    created_at: int
    updated_by: str
    updated_at: int
    expires_at: int | None


class WorkingChangeLine(Line):
    """A change to the document above it."""

    type: Literal["working_change"]
    version: int
    schema_version: int
    actor: str
    at: int
    trust: Trust
    request: int | None
    """Which of the document's requests, from 0."""
    hash: str
    patch: list[dict[str, Any]] | None
    snapshot: dict[str, Any] | None


class WorkingRequestLine(Line):
    """A change that somebody asked the owner of the document above it for."""

    type: Literal["working_request"]
    read_version: int
    actor: str
    owner: str
    fields: list[str]
    operations: list[dict[str, Any]]
    reason: str
    trust: Trust
    state: Literal["open", "accepted", "rejected"]
    made_at: int
    answered_at: int | None
    answer: str


class WorkingRetiredLine(Owned):
    """The last version of a deleted document."""

    type: Literal["working_retired"]
    key: str
    version: int


class EventLine(Line):
    """Something that happened to an episode."""

    kind: Literal["superseded", "retracted", "merged", "repeated", "expired", "pinned", "unpinned", "undone"]
    at: int
    effective: int
    actor: str
    reason: str
    other: str | None
    """Id of the other record."""
    undoes: int | None
    """Which of the record's events, from 0."""


class EpisodeLine(Owned):
    """A record of episodic memory."""

    type: Literal["episode"]
    id: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    kind: Literal["turn", "fact", "outcome", "event", "summary"]
    actor: str
    text: str
    subject: str
    outcome: str
    conversation: str
    ordinal: int
    occurred_at: int | None
    recorded_at: int
    expires_at: int | None
    importance: float
    trust: Trust
    entities: list[str]
    metadata: dict[str, Any]
    dates: list[Annotated[list[int | str], Field(min_length=4, max_length=4)]]
    """Start, end, first and last day of each date that the text names."""
    derived_from: list[str]
    events: list[EventLine]
    state: Literal["live", "merged", "expired", "superseded", "retracted"]
    """What became of it, for readers; an import works it out again."""
    state_by: str | None


class ReviewLine(Line):
    """Two records that may say the same."""

    type: Literal["review"]
    first: str
    second: str
    similarity: float
    rejected: bool


class VectorLine(Line):
    """The dense vector of a text: little-endian float32, base64."""

    type: Literal["vector"]
    key: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    vector: str


class End(Line):
    """The seal."""

    type: Literal["end"]
    lines: int
    sha256: str


Record = (
    WorkingDocumentLine
    | WorkingChangeLine
    | WorkingRequestLine
    | WorkingRetiredLine
    | EpisodeLine
    | ReviewLine
    | VectorLine
)
ORDER = (
    "working_document",
    "working_request",
    "working_change",
    "working_retired",
    "episode",
    "review",
    "vector",
)
"""The types of records; those of working memory may alternate, the others come in this order."""

_LINE: TypeAdapter[Header | Record | End] = TypeAdapter(
    Annotated[Header | Record | End, Field(discriminator="type")],
)


class LineWriter:
    """Writes lines and seals them."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self.lines = 0

    def write(self, type_: str, fields: Mapping[str, Any]) -> None:
        """Write one object."""
        data = (canonical({"type": type_, **fields}) + "\n").encode()
        self._stream.write(data)
        self._hash.update(data)
        self.lines += 1

    def end(self) -> str:
        """Write the last line; returns the hash."""
        sealed = self._hash.hexdigest()
        self.write("end", {"lines": self.lines, "sha256": sealed})
        return sealed


def header_of(stream: IO[bytes]) -> Header:
    """The header of a file, which is then at its second line.

    Raises:
        ImportRefusedError: It is no export, or one of a version that this program does not know.
    """
    stream.seek(0)
    data = stream.readline(LONGEST_LINE)
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise ImportRefusedError(
            "This is no export of a memory.", remedy="Name a file that `tercet memory export` wrote."
        )
    if found.get("version") != VERSION:
        raise ImportRefusedError(
            f"The export is of version {found.get('version')!r}; this program reads version {VERSION}.",
            remedy="Upgrade tercet (`pip install -U tercet`).",
        )
    line = _parsed(data, 1)
    if not isinstance(line, Header):
        raise _damaged(1, "the header is no header")
    return line


def records(stream: IO[bytes]) -> Iterator[Record]:
    """The records of a file that ``verify`` found whole, one at a time."""
    header_of(stream)
    for number, data in enumerate(iter(lambda: stream.readline(LONGEST_LINE), b""), start=2):
        line = _parsed(data, number)
        if isinstance(line, End):
            return
        assert not isinstance(line, Header)
        yield line


def verify(stream: IO[bytes]) -> Iterator[Record]:
    """The records of a file, checked: the seal, the number of lines, the order, and every field of every line.

    Nothing may be done with a record before the last one was yielded.

    Raises:
        ImportRefusedError: The file is damaged; the line is named.
    """
    header = header_of(stream)
    stream.seek(0)
    seal, counts, end, last = hashlib.sha256(), dict.fromkeys(header.counts, 0), None, 0
    for number, data in enumerate(iter(lambda: stream.readline(LONGEST_LINE), b""), start=1):
        if end is not None:
            raise _damaged(number, "something follows the last line")
        if not data.endswith(b"\n"):
            raise _damaged(number, "it is cut off")
        line = _parsed(data, number)
        if isinstance(line, End):
            end = line
            if (end.lines, end.sha256) != (number - 1, seal.hexdigest()):
                raise _damaged(number, "the lines before it are not those that were written")
            continue
        seal.update(data)
        if isinstance(line, Header):
            if number > 1:
                raise _damaged(number, "a second header")
            continue
        rank = max(ORDER.index(line.type), ORDER.index("working_retired"))
        if rank < last or line.type not in counts:
            raise _damaged(number, f"a {line.type} does not belong here")
        last = rank
        counts[line.type] += 1
        yield line
    if end is None:
        raise ImportRefusedError("The export is cut off: its last line is missing.", remedy="Export again.")
    if counts != header.counts:
        raise _damaged(1, f"it announces {header.counts}, and {counts} follow")


def _parsed(data: bytes, number: int) -> Header | Record | End:
    try:
        return _LINE.validate_python(json.loads(data))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise _damaged(number, f"{place}: {first['msg']}") from None
    except (ValueError, RecursionError):
        raise _damaged(number, "no JSON") from None


def _damaged(number: int, why: str) -> ImportRefusedError:
    return ImportRefusedError(
        f"The export is damaged at line {number}: {why}; nothing was imported.",
        remedy="Export again, or restore a backup.",
    )
