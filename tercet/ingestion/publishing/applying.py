"""The rules of a page applied to what was parsed of it."""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING

from tercet.ingestion.publishing.rules import address

if TYPE_CHECKING:
    from tercet.ingestion.publishing.rules import FrontMatterRules, PageRules
    from tercet.records import Metadata, ParsedDocument, Scalar


def published(document: ParsedDocument, rules: PageRules) -> tuple[ParsedDocument, str]:
    """The document as its site shows it, and the address of its page (empty: none).

    The title is the site's where it has its own. ``section``, ``position`` and ``version`` go into the metadata; what
    is embedded does not change with the navigation, save for the title.
    """
    section, position, url = rules.section, rules.position, rules.url
    if rules.front_matter is not None:
        place = (rules.front_matter.places or {}).get(_identifier(rules.front_matter, document.metadata))
        if place is not None:
            section, position = place
        url = _address(rules.front_matter, document.metadata)
    metadata: dict[str, Scalar | tuple[str, ...]] = {}
    if section:
        metadata["section"] = section
    if position is not None:
        metadata["position"] = position
    stated = document.metadata.get("sidebar_position")
    if rules.front_matter is not None and isinstance(stated, int | float):
        metadata["position"] = stated
    if rules.version:
        metadata["version"] = rules.version
    if metadata or rules.title:
        merged = {**document.metadata, **metadata}
        document = replace(document, title=rules.title or document.title, metadata=merged)
    return document, url


def _identifier(rules: FrontMatterRules, metadata: Metadata) -> str:
    given = metadata.get("id")
    return rules.folder + (given if isinstance(given, str) and given else rules.name)


def _address(rules: FrontMatterRules, metadata: Metadata) -> str:
    """As Docusaurus makes it of slug, id and the place of the file."""
    if not rules.root or metadata.get("draft") is True:
        return ""
    slug, given = metadata.get("slug"), metadata.get("id")
    if isinstance(slug, str) and slug:
        path = slug if slug.startswith("/") else posixpath.join("/", rules.folder, slug)
        path = posixpath.normpath(path) + ("/" if slug.endswith("/") and slug.strip("/") else "")
    elif rules.is_index and not given:
        path = rules.folder
    else:
        path = rules.folder + (given if isinstance(given, str) and given else rules.name)
    path = path.lstrip("/")
    if rules.trailing_slash is not None:
        path = path.rstrip("/") + ("/" if rules.trailing_slash and path.rstrip("/") else "")
    return address(rules.root, path)
