"""How list items of a PDF begin."""

from __future__ import annotations

import re

_BULLET = (
    "[-*\u2013\u2022\u2023\u25aa-\u25ab\u25cf\u25cb\u25e6\u25a0\u25a1\u2043\u2219\u00b7\u27a2\u2713\u2714\ue000-\uf8ff]"
)
_ORDINAL = r"(?:\d{1,3}|[A-Za-z])[.)]|\((?:\d{1,3}|[A-Za-z])\)"
_MARKER = re.compile(rf"(?:{_BULLET}|o|{_ORDINAL}|\d+(?:\.\d+)*)")
_ITEM = re.compile(rf"(?P<bullet>{_BULLET})\s*(?=\S\S)|(?P<ordinal>{_ORDINAL})\s+(?=\S)")
_HYPHEN_ITEM = re.compile(r"[-*\u2013]\S")


def is_marker(text: str) -> bool:
    """Whether a cell is nothing but a bullet or a number, as before a list item or in a heading.

    Example:
        >>> is_marker("\u2022"), is_marker("3.1"), is_marker("Keys")
        (True, True, False)
    """
    return _MARKER.fullmatch(text) is not None


def list_item(text: str) -> tuple[str, str] | None:
    """The marker of a list item as Markdown writes it, and what follows; None for a line that begins none.

    Example:
        >>> list_item("\u2022 Rotate keys."), list_item("2) Revoke them."), list_item("-5 degrees")
        (('-', 'Rotate keys.'), ('2)', 'Revoke them.'), None)
    """
    match = _ITEM.match(text)
    if match is None or _HYPHEN_ITEM.match(text):
        return None
    return ("-" if match["bullet"] else match["ordinal"]), text[match.end() :]
