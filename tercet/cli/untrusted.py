"""Text of models, tools and documents on a terminal: nothing in it hides, steers, or passes for a line of ours."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping

_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode categories of what a reader does not see: control and format characters, surrogates, unassigned ones."""

DEEPEST = 8
"""Levels of a JSON value that have lines of their own; what lies deeper is written as JSON."""
WIDE = 90
"""Characters up to which a list or object stays on one line."""


def visible(text: str) -> str:
    """Show on one line what is there, hidden and control characters as escapes.

    Removing them would be worse where a person decides on the text: they would not see what is executed.

    Example:
        >>> visible("pay\\u202e 10\\n20\\x1b[2J")
        'pay\\\\u202e 10\\\\n20\\\\x1b[2J'
    """
    return "".join(_shown(sign) for sign in text)


def shortened(text: str, length: int = 100) -> str:
    """The beginning of a text, on one line.

    Example:
        >>> shortened("one two three", 8)
        'one two…'
    """
    line = " ".join(text[: 4 * length].split())
    return visible(line if len(line) <= length else line[: length - 1].rstrip() + "…")


def block(text: str, indent: str) -> list[str]:
    """A text of several lines, each behind a bar, so that none passes for a line of ours.

    Example:
        >>> block("a\\nb", "  ")
        ['  | a', '  | b']
    """
    return [f"{indent}| {visible(line)}".rstrip() for line in text.split("\n")]


def parsed(text: str | None) -> object:
    """The value of JSON; what is no JSON as it stands, and None for what was erased."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def named_lines(value: object, indent: str, depth: int = 0) -> list[str]:
    """A JSON value for people: a line for each name or place, and texts of several lines in a block below theirs.

    Example:
        >>> named_lines({"to": ["ada"], "value": 1000.01, "text": "Hello\\nBye"}, "  ")
        ['  to: ["ada"]', '  value: 1000.01', '  text:', '    | Hello', '    | Bye']
    """
    if depth > DEEPEST or not isinstance(value, Mapping | list):
        return block(value if isinstance(value, str) else _json(value), indent)
    if isinstance(value, Mapping):
        return [line for name, part in value.items() for line in _named(f"{_name(str(name))}:", part, indent, depth)]
    return [line for part in value for line in _named("-", part, indent, depth)]


def _named(label: str, value: object, indent: str, depth: int) -> list[str]:
    if isinstance(value, str) and "\n" in value:
        return [f"{indent}{label}", *block(value, f"{indent}  ")]
    written = _json(value)
    if isinstance(value, Mapping | list) and (len(written) > WIDE or "\\n" in written):
        return [f"{indent}{label}", *named_lines(value, f"{indent}  ", depth + 1)]
    return [f"{indent}{label} {visible(written)}"]


def _name(name: str) -> str:
    return name if name.isidentifier() and name.isascii() else visible(_json(name))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _shown(sign: str) -> str:
    if sign.isascii() and sign.isprintable():
        return sign
    if unicodedata.category(sign) not in _UNSEEN:
        return sign
    return sign.encode("unicode_escape", "backslashreplace").decode("ascii")
