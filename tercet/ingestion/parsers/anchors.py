"""The anchors that headings get on the published page, each in the way of the program that publishes it."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Iterable

SlugRule = Literal[
    "github",
    "docusaurus",
    "mdbook",
    "python-markdown",
    "python-markdown-unicode",
    "pymdownx",
    "pymdownx-cased",
    "docutils",
]
"""``github`` holds where nothing is known. The ``python-markdown`` and ``pymdownx`` rules are MkDocs', ``docutils`` is
Sphinx's."""
SLUG_RULES: frozenset[str] = frozenset(get_args(SlugRule))

_NOT_WORD = re.compile(r"[^\w\- ]")
_NOT_WORD_OR_SPACE = re.compile(r"[^\w\s-]")
_DASHES_AND_SPACES = re.compile(r"[-\s]+")
_NOT_IN_ID = re.compile(r"[^a-z0-9]+")
_ID_EDGES = re.compile(r"^[-0-9]+|-+$")
_COUNTED = re.compile(r"(.+)_(\d+)")
_LETTERS_OF_DOCUTILS = str.maketrans(
    {"ø": "o", "đ": "d", "ħ": "h", "ı": "i", "ł": "l", "ŧ": "t", "ƒ": "f", "ß": "sz", "æ": "ae", "œ": "oe"}  # noqa: RUF001  # a letter, meant as it is
)


class Anchors:
    """The anchors of one page: explicit ids as they are, others made of the titles, each used once.

    Args:
        rule: Whose way it is.
        reserved: Explicit ids of the page, which python-markdown gives to no heading before them either.

    Example:
        >>> anchors = Anchors()
        >>> anchors.of("Set up!"), anchors.of("Set up")
        ('set-up', 'set-up-1')
        >>> anchors = Anchors("python-markdown")
        >>> anchors.of("Set up!"), anchors.of("Set up"), anchors.of("日本語")
        ('set-up', 'set-up_1', '_1')
    """

    def __init__(self, rule: SlugRule = "github", *, reserved: Iterable[str] = ()) -> None:
        self._rule = rule
        self._underscored = rule.startswith(("python-markdown", "pymdownx"))
        self._used: dict[str, int] = dict.fromkeys(reserved, 0) if self._underscored else {}
        self._automatic = 0

    def of(self, title: str, explicit: str = "") -> str:
        """The anchor for the next heading of the page."""
        if explicit:
            if self._rule != "docusaurus":  # which keeps no record of them
                self._used.setdefault(explicit, 0)
            return explicit
        slug = slug_of(title, self._rule)
        if self._rule == "docutils":
            return self._named(slug)
        return self._underscored_anchor(slug) if self._underscored else self._dashed_anchor(slug)

    def _dashed_anchor(self, slug: str) -> str:
        if slug not in self._used:
            self._used[slug] = 0
            return slug
        while True:
            self._used[slug] += 1
            candidate = f"{slug}-{self._used[slug]}"
            if candidate not in self._used:
                self._used[candidate] = 0
                return candidate

    def _underscored_anchor(self, slug: str) -> str:
        candidate, base, number = slug, slug, 0
        if slug in self._used or not slug:
            counted = _COUNTED.fullmatch(slug)
            if counted:
                base, number = counted[1], int(counted[2][:9])
            number = max(
                number, self._used.get(f"\0{base}", 0)
            )  # where the last search ended: many equal ones stay linear
            while candidate in self._used or not candidate:
                number += 1
                candidate = f"{base}_{number}"
            self._used[f"\0{base}"] = number
        self._used[candidate] = 0
        return candidate

    def _named(self, slug: str) -> str:
        while not slug or slug in self._used:
            self._automatic += 1
            slug = f"id{self._automatic}"
        self._used[slug] = 0
        return slug


def slug_of(title: str, rule: SlugRule) -> str:
    """What a rule makes of a title, before it is made unique.

    Example:
        >>> slug_of("Ünïcode Straße & more", "github"), slug_of("Ünïcode Straße & more", "python-markdown")
        ('ünïcode-straße--more', 'unicode-strae-more')
        >>> slug_of("2. The `run()` method", "docutils")
        'the-run-method'
    """
    if rule == "docutils":
        return identifier(title)
    if rule == "mdbook":
        kept = ("-" if sign.isspace() else sign for sign in title.strip().lower())
        return "".join(sign for sign in kept if sign.isalnum() or sign in "-_")
    if rule in ("python-markdown", "python-markdown-unicode"):
        if rule == "python-markdown":
            title = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
        return _DASHES_AND_SPACES.sub("-", _NOT_WORD_OR_SPACE.sub("", title).strip().lower())
    if rule in ("pymdownx", "pymdownx-cased"):
        title = unicodedata.normalize("NFC", title).strip()
        return _NOT_WORD.sub("", title if rule == "pymdownx-cased" else title.lower()).replace(" ", "-")
    lowered = title.strip().lower()
    if lowered.isascii():
        return _NOT_WORD.sub("", lowered).replace(" ", "-")
    kept = (sign for sign in lowered if sign in "_- " or sign.isalnum() or unicodedata.category(sign)[0] == "M")
    return "".join(kept).replace(" ", "-")


def identifier(text: str) -> str:
    """The id that docutils makes of a name.

    Example:
        >>> identifier("Rotate Keys"), identifier("Установка")
        ('rotate-keys', '')
    """
    text = unicodedata.normalize("NFKD", text.lower().translate(_LETTERS_OF_DOCUTILS))
    return _ID_EDGES.sub("", _NOT_IN_ID.sub("-", text.encode("ascii", "ignore").decode()))
