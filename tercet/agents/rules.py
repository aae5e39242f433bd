"""Rules of a policy: which calls of which tools they speak of.

A rule is written ``send_mail`` or ``send_mail(to=*@acme.example, cc=null)``: a glob for the name of the tool, and globs
for what stands at places of its arguments. A place is a path of names with dots; lists on the way are walked through.

What permits is read strictly: everything found at the place must match exactly as it stands. What forbids is read
loosely: one match is enough, whatever case, width (NFKC), white space or invisible characters it is written in, and a
place within an argument that is left out counts as a match.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fnmatch import translate
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from tercet.errors import ConfigurationError
from tercet.sanitize import sanitize

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

_RULE = re.compile(r"(?P<tool>[^\s()=,\"]+)(?:\((?P<arguments>.*)\))?", re.DOTALL)
_ARGUMENT = re.compile(
    r"\s*(?P<place>[^\s()=,\"]+)\s*=\s*(?:\"(?P<quoted>(?:[^\"\\]|\\.)*)\"|(?P<bare>[^,()\"]*))\s*(?P<end>,|\Z)",
    re.DOTALL,
)
_LONGEST_NUMBER = 100
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class Place(NamedTuple):
    """What stands at a path of the arguments."""

    values: tuple[Any, ...]
    """All of it, taken apart to texts, numbers, booleans and nulls."""
    missing: bool
    """Whether the path could not be followed to its end everywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Which calls a line of a policy speaks of."""

    text: str
    """As it was written."""
    tool: str
    """Glob for the name."""
    arguments: tuple[tuple[str, str], ...]
    """Place and glob, each; empty: whatever the arguments are."""

    def names(self, tool: str) -> bool:
        """Whether it speaks of a tool of this name, strictly."""
        return _matches(self.tool, tool)

    def names_loosely(self, tool: str) -> bool:
        """Whether it speaks of a tool of this name, whatever its case."""
        return _matches(_folded_name(self.tool), _folded_name(tool))

    def permits(self, tool: str, arguments: Mapping[str, Any]) -> bool:
        """Whether it speaks of the call, read strictly."""
        return self.names(tool) and all(_strictly(place, glob, arguments) for place, glob in self.arguments)

    def forbids(self, tool: str, arguments: Mapping[str, Any], *, parameters: Collection[str]) -> bool:
        """Whether it speaks of the call, read loosely; never where the tool has no such parameter."""
        return self.names_loosely(tool) and all(
            self.places(place, parameters) and _loosely(place, glob, arguments) for place, glob in self.arguments
        )

    @staticmethod
    def places(place: str, parameters: Collection[str]) -> bool:
        """Whether a place can be there in a call of a tool with these parameters."""
        first = _folded_name(place.split(".", maxsplit=1)[0])
        return any(_folded_name(name) == first for name in parameters)


def read_rule(text: str) -> Rule:
    """Read a rule.

    Raises:
        ConfigurationError: It is not written as rules are.

    Example:
        >>> read_rule("send_mail(to=*@acme.example)").arguments
        (('to', '*@acme.example'),)
        >>> read_rule('note(text="a, b")').permits("note", {"text": "a, b"})
        True
    """
    found = _RULE.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        raise _unreadable(text)
    arguments: list[tuple[str, str]] = []
    inner, position = found["arguments"], 0
    while inner is not None and (position < len(inner) or not arguments):
        one = _ARGUMENT.match(inner, position)
        if one is None or (one["end"] and one.end() == len(inner)):
            raise _unreadable(text)
        glob = _ESCAPED.sub(r"\1", one["quoted"]) if one["quoted"] is not None else one["bare"].strip()
        arguments.append((one["place"], glob))
        position = one.end()
    return Rule(text=text, tool=found["tool"], arguments=tuple(arguments))


def matches_any(globs: Sequence[str], name: str) -> bool:
    """Whether one of some globs matches a name, case and all."""
    return any(_matches(glob, name) for glob in globs)


def at_place(arguments: Mapping[str, Any], place: str, *, loosely: bool = False) -> Place:
    """What stands at a path of the arguments.

    Args:
        arguments: JSON.
        place: Names with dots between them; lists are walked through.
        loosely: Names count as the same whatever their case, width and white space, and a null holds nothing, so that
            nothing is missing in it.

    Example:
        >>> at_place({"lines": [{"article": "a"}, {"article": "b"}]}, "lines.article").values
        ('a', 'b')
    """
    here: list[Any] = [arguments]
    missing = False
    for name in place.split("."):
        below: list[Any] = []
        for one in _elements(here):
            if one is None and loosely:
                continue
            found = list(_named(one, name, loosely=loosely)) if isinstance(one, dict) else []
            missing = missing or not found
            below += found
        here = below
    return Place(tuple(_leaves(here)), missing)


def text_of(value: Any) -> str:  # noqa: ANN401 -- JSON
    """A text, number, boolean or null as globs see it: numbers as they are written, ``true``, ``false``, ``null``.

    Example:
        >>> text_of(True), text_of(None), text_of(1.5), text_of("1.5")
        ('true', 'null', '1.5', '1.5')
    """
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{Decimal(value):f}" if isinstance(value, int) else str(value)  # str() refuses to write very long integers


def _strictly(place: str, glob: str, arguments: Mapping[str, Any]) -> bool:
    found = at_place(arguments, place)
    if found.missing or not found.values:
        return False
    texts = [text_of(value) for value in found.values]
    # A line break or an invisible character can make two values of one: "evil@x.example\n@acme.example".
    return glob == "*" or all(_matches(glob, text) and text.isprintable() and not _hides(text) for text in texts)


def _loosely(place: str, glob: str, arguments: Mapping[str, Any]) -> bool:
    found = at_place(arguments, place, loosely=True)
    return found.missing or any(
        _matches(pattern, spelling)
        for pattern in _glob_spellings(glob)
        for value in found.values
        for spelling in _spellings(text_of(value))
    )


def _spellings(text: str) -> set[str]:
    """A text as written, folded, and, where it is a number, as that."""
    folded = _folded(text)
    try:
        number = Decimal(folded[:_LONGEST_NUMBER])
    except InvalidOperation:
        return {text, folded}
    short = len(folded) < _LONGEST_NUMBER and number.is_finite() and abs(number.adjusted()) < _LONGEST_NUMBER
    return {text, folded, f"{number.normalize():f}"} if short else {text, folded}


@lru_cache(maxsize=4096)
def _glob_spellings(glob: str) -> frozenset[str]:
    return frozenset(_spellings(glob))


@lru_cache(maxsize=4096)
def _folded_name(name: str) -> str:
    return _folded(name)


def _folded(text: str) -> str:
    if text.isascii() and text.isprintable():  # which most are; nothing is hidden in them
        return " ".join(text.lower().split())
    visible = sanitize(text)[0]
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", visible).casefold()).split())


def _hides(text: str) -> bool:
    return bool(sanitize(text)[1])


def _named(one: Mapping[str, Any], name: str, *, loosely: bool) -> Iterator[Any]:
    for key, value in one.items():
        if key == name or (loosely and _folded(key) == _folded(name)):
            yield value


def _elements(values: Sequence[Any]) -> Iterator[Any]:
    """The values that are no lists, and those in lists, in order, however deep."""
    waiting = list(reversed(values))
    while waiting:
        one = waiting.pop()
        if isinstance(one, (list, tuple)):
            waiting += reversed(one)
        else:
            yield one


def _leaves(values: Sequence[Any]) -> Iterator[Any]:
    waiting = list(reversed(values))
    while waiting:
        one = waiting.pop()
        if isinstance(one, (list, tuple)):
            waiting += reversed(one)
        elif isinstance(one, dict):
            waiting += reversed(one.values())
        else:
            yield one


def _matches(glob: str, text: str) -> bool:
    return _compiled(glob).match(text) is not None


@lru_cache(maxsize=4096)
def _compiled(glob: str) -> re.Pattern[str]:
    return re.compile(translate(glob))


def _unreadable(text: object) -> ConfigurationError:
    return ConfigurationError(
        f"{text!r} is no rule.",
        remedy='Write a tool with or without arguments: "search_*", "send_mail(to=*@acme.example)", '
        '"note(text=\\"a, b\\")".',
    )
