"""What a site generator does with one page, as plain data."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tercet.ingestion.parsers.anchors import SlugRule

Syntax = Literal["snippets", "braces", "variants", "mdbook", "myst", "partials", "rst"]
"""A way to write that a page includes another file."""

_IN_PATHS = "/:@!$&'()*+,;=-._~"


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontMatterRules:
    """What a page's own front matter decides about its address and place (Docusaurus)."""

    root: str
    """Address that absolute slugs begin from; empty: addresses are not known."""
    folder: str
    """Below ``root``, with a closing ``/`` unless empty, number prefixes taken off."""
    name: str
    """Last segment of the address, unless the front matter has another."""
    is_index: bool
    trailing_slash: bool | None = None
    places: Mapping[str, tuple[tuple[str, ...], int]] | None = None
    """Section and position by the ids of this folder that only front matter can give to a page."""


@dataclass(frozen=True, kw_only=True)
class PageRules:
    """What a site generator does with one page. The defaults are those of a file that no site publishes."""

    url: str = ""
    """Of the published page; empty: it is not published, or nobody said where."""
    title: str = ""
    """What the site shows in place of the page's own title; empty: its own."""
    section: tuple[str, ...] = ()
    """Titles of the navigation above the page, outermost first."""
    position: int | None = None
    """Place in the order of the navigation, from 0."""
    version: str = ""
    slugs: SlugRule = "github"
    syntaxes: tuple[Syntax, ...] = ()
    site: str = ""
    """Folder of the site's configuration below the root; empty: the root itself."""
    bases: tuple[str, ...] = ()
    """Folders below the root that paths of includes begin from, in the order in which they are tried."""
    front_matter: FrontMatterRules | None = None

    @cached_property
    def key(self) -> str:
        """Differs whenever the rules do."""
        return json.dumps(self._values, sort_keys=True)

    @property
    def is_default(self) -> bool:
        """Whether the file is read as it would be anywhere."""
        return not self._values

    def to_frame(self) -> dict[str, Any]:
        """Plain values, those at their defaults left out."""
        return self._values

    @cached_property
    def _values(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in _DEFAULTS if getattr(self, name) != _DEFAULTS[name]}
        if self.front_matter is not None:
            values["front_matter"] = asdict(self.front_matter)
        return values


_DEFAULTS: dict[str, Any] = {
    "url": "",
    "title": "",
    "section": (),
    "position": None,
    "version": "",
    "slugs": "github",
    "syntaxes": (),
    "site": "",
    "bases": (),
}


def rules_from_frame(frame: Mapping[str, Any]) -> PageRules:
    """Rebuild what ``to_frame`` made."""
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in frame.items()}
    nested = values.pop("front_matter", None)
    if nested is not None:
        places = nested["places"]
        known = places and {key: (tuple(section), position) for key, (section, position) in places.items()}
        values["front_matter"] = FrontMatterRules(**{**nested, "places": known})
    return PageRules(**values)


def address(base_url: str, path: str) -> str:
    """A path below an address; empty where there is no address.

    Example:
        >>> address("https://docs.example.com", "guide/first steps.html")
        'https://docs.example.com/guide/first%20steps.html'
    """
    if not base_url:
        return ""
    return base_url.rstrip("/") + "/" + quote(path.lstrip("/"), safe=_IN_PATHS)
