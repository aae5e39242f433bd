"""Reading lines of files that nobody vouches for: a strict reading stops at the first thing wrong, a lenient one not.

Lines end at line feeds only, since text may hold other separators; a carriage return before it and a byte order mark
at the start of a file are dropped.
"""

from __future__ import annotations

import json
import unicodedata
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from tercet.errors import InputError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping
    from pathlib import Path

MAX_LINE_BYTES = 16 * 1024 * 1024
"""Longer lines are refused before they are read to their end: no data set of text needs them."""
MAX_FINDINGS = 1000
"""A lenient reading stops here: a file with more is of another form."""

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LintFinding:
    """Something wrong with a data set, or likely to be."""

    severity: Severity
    """``error``: what is measured on it would be wrong. ``warning``: worth a look."""
    code: str
    """Such as ``unknown-document``."""
    where: str
    """File and line where they are known, else the question, document or turn."""
    message: str
    remedy: str


class _RefusedError(Exception):
    """A line cannot be used; turned into an error or a finding where the line is left."""

    def __init__(self, code: str, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.code, self.reason, self.remedy = code, reason, remedy


@dataclass(slots=True)
class Reading:
    """One reading of a data set.

    Args:
        lenient: Collect what is wrong and go on, instead of raising the first of it. References to what is not there
            are then kept in the data set, where ``lint`` finds them.
    """

    lenient: bool = False
    findings: list[LintFinding] = field(default_factory=list)
    places: dict[tuple[str, ...], str] = field(default_factory=dict)
    """Of a lenient reading: file and line by kind and id, such as ``("query", "q1")``."""

    def report(self, code: str, where: str, reason: str, remedy: str) -> None:
        """Raise what is wrong, or note it.

        Raises:
            InputError: The reading is strict, or has found more than anyone reads.
        """
        if not self.lenient:
            raise InputError(f"{where}: {reason}.", remedy=remedy)
        if len(self.findings) >= MAX_FINDINGS:
            raise InputError(
                f"{where}: more than {MAX_FINDINGS} lines are wrong; the last one is: {reason}.",
                remedy="Check that the file has the form that its name stands for.",
            )
        self.findings.append(LintFinding(severity="error", code=code, where=where, message=f"{reason}.", remedy=remedy))

    def each_line(self, path: Path, take: Callable[[Line], None], *, blank: bool = False) -> None:
        """Hand every line of a file to ``take``, which may refuse it; blank ones only if asked for.

        Raises:
            SourceError: The file cannot be read.
            InputError: Strict only: a line is too long, no UTF-8, or refused.
        """
        number = 0
        try:
            with path.open("rb") as file:
                while raw := file.readline(MAX_LINE_BYTES + 1):
                    number += 1
                    line = Line(self, path, number)
                    with line.checked():
                        line.decode(raw)
                        if blank or line.content.strip():
                            take(line)
                    if len(raw) > MAX_LINE_BYTES:
                        return
        except OSError as error:
            raise SourceError(
                f"{path} cannot be read: {error.strerror}.",
                remedy="docs/evals-datasets.md shows which files each form of a data set needs.",
            ) from error

    def each_record(self, path: Path, take: Callable[[Record], None]) -> None:
        """Hand every line of a JSON Lines file to ``take`` as an object; raises as ``each_line`` does."""

        def parsed(line: Line) -> None:
            take(Record(self, path, line.number, line.parse()))

        self.each_line(path, parsed)


class Place:
    """A place in a file, and how to say what is wrong there."""

    def __init__(self, reading: Reading, path: Path, number: int) -> None:
        self.reading, self.path, self.number = reading, path, number

    def __str__(self) -> str:
        return f"{self.path}, line {self.number}"

    def refuse(self, code: str, reason: str, remedy: str = "Correct the line or remove it.") -> NoReturn:
        """Leave the ``checked`` block: nothing of the line is used."""
        raise _RefusedError(code, reason, remedy)

    def note(self, kind: str, *ids: str) -> None:
        """Remember where something stands, for the findings of ``lint``."""
        if self.reading.lenient:
            self.reading.places.setdefault((kind, *ids), str(self))

    @contextmanager
    def checked(self) -> Iterator[None]:
        """Turn a refusal into an error or a finding."""
        try:
            yield
        except _RefusedError as refused:
            self.reading.report(refused.code, str(self), refused.reason, refused.remedy)

    def identifier(self, value: object, name: str, known: Container[str] = (), *, numbers: bool = False) -> str:
        """A value that must be an id which is not taken yet."""
        if numbers and isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or not value.strip():
            self.refuse("bad-id", f"{name!r} must be a string that is not empty")
        key = value
        if any(unicodedata.category(sign) == "Cc" for sign in key):
            self.refuse("bad-id", f"{name!r} holds a control character")
        if key in known:
            self.refuse("duplicate-id", f"the id {key!r} occurs twice")
        return key


class Line(Place):
    """A line of a text file."""

    def __init__(self, reading: Reading, path: Path, number: int) -> None:
        super().__init__(reading, path, number)
        self.content = ""

    def decode(self, raw: bytes) -> None:
        """Make text of the bytes."""
        if len(raw) > MAX_LINE_BYTES:
            self.refuse("long-line", f"the line has more than {MAX_LINE_BYTES // 2**20} MiB")
        try:
            self.content = raw.decode("utf-8-sig" if self.number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            self.refuse("encoding", f"not valid UTF-8 ({error.reason} at byte {error.start})")

    def parse(self) -> dict[str, Any]:
        """The line as a JSON object."""
        try:
            values = json.loads(self.content, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            self.refuse("bad-json", f"not valid JSON ({error})")
        if not isinstance(values, dict):
            self.refuse("bad-json", "expected a JSON object")
        if "\\u" in self.content:
            try:
                json.dumps(values, ensure_ascii=False).encode("utf-8")
            except UnicodeEncodeError:
                self.refuse("encoding", "a string holds half a surrogate pair, which is no character")
        return values


class Record(Place):
    """A JSON object, and its fields as what they must be."""

    def __init__(self, reading: Reading, path: Path, number: int, values: Mapping[str, Any]) -> None:
        super().__init__(reading, path, number)
        self.values = values

    def id(self, *names: str, known: Container[str] = (), numbers: bool = False) -> str:
        """The id under the first of these names that is there."""
        name = next((name for name in names if name in self.values), names[0])
        return self.identifier(self.values.get(name), name, known, numbers=numbers)

    def text(self, *names: str, default: str | None = None) -> str:
        """The string under the first of these names that is there; one without default must not be blank."""
        name = next((name for name in names if name in self.values), names[0])
        value = self.values.get(name, default)
        if not isinstance(value, str):
            self.refuse("bad-type", f"{name!r} must be a string")
        if default is None and not str(value).strip():
            self.refuse("empty-text", f"a {name!r} is needed that is not empty")
        return value

    def list(self, name: str) -> list[Any]:
        """A list; empty where it is missing."""
        value = self.values.get(name, [])
        if not isinstance(value, list):
            self.refuse("bad-type", f"{name!r} must be a list")
        return list(value)

    def flag(self, name: str) -> bool:
        """A boolean; False where it is missing."""
        value = self.values.get(name, False)
        if not isinstance(value, bool):
            self.refuse("bad-type", f"{name!r} must be true or false")
        return value

    def offset(self, name: str) -> int:
        """A whole number that is not negative."""
        value = self.values.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            self.refuse("bad-type", f"{name!r} must be a whole number from 0")
        return value

    def slices(self) -> dict[str, str]:
        """The slices that a question belongs to; empty where it says none."""
        value = self.values.get("slices") or {}
        if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
            self.refuse("bad-type", "'slices' must be an object of strings")
        return dict(value)

    def parts(self, name: str) -> Iterator[Record]:
        """The objects of a list, each as a record at the same place."""
        for part in self.list(name):
            if not isinstance(part, dict):
                self.refuse("bad-type", f"{name!r} must be a list of objects")
            yield Record(self.reading, self.path, self.number, part)


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")
