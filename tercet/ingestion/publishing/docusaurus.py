"""Docusaurus: what is literal in ``docusaurus.config.js`` and ``sidebars.js``, and the files beside the pages."""

from __future__ import annotations

import json
import posixpath
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from tercet.ingestion.publishing.configuration import join, text_of
from tercet.ingestion.publishing.javascript import exported_object
from tercet.ingestion.publishing.rules import FrontMatterRules, PageRules, address
from tercet.ingestion.publishing.sidebars import read_sidebars
from tercet.ingestion.publishing.site import below

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tercet.ingestion.publishing.configuration import Folder
    from tercet.ingestion.publishing.sidebars import Sidebars

CONFIGURATIONS = ("docusaurus.config.js", "docusaurus.config.ts", "docusaurus.config.mjs", "docusaurus.config.cjs")
_PAGE = re.compile(r"\.mdx?$")
_PREFIX = re.compile(r"(\d+)\s*[-_.]+\s*([^-_.\s].*)")
_NO_PREFIX = re.compile(r"(?:\d{2}|\d{4})[-_.]\d{2}(?:[-_.](?:\d{2}|\d{4}))?|\d+[-_.]\d+")
_DEFAULTS = {"path": "docs", "routeBasePath": "docs"}


class Version(NamedTuple):
    """One version of the documents of a site."""

    name: str
    """Empty where the documents have no versions."""
    folder: str
    """Of its pages, below the root."""
    route: str
    """Between the address of the site and that of a page."""
    sidebars: Sidebars


class DocusaurusSite:
    """A site of Docusaurus: all instances of its documents plugin, with their versions.

    Args:
        root: The ingested root.
        path: Of the configuration, below the root.
        base_url: Where the site is published.
    """

    outlines: Mapping[str, str] = {}

    def __init__(self, root: Folder, path: str, base_url: str) -> None:
        self._root = root
        self._base_url = base_url
        self._folder = posixpath.dirname(path)
        config = exported_object(root.text(path) or "")
        slash = config.get("trailingSlash")
        self._trailing_slash = slash if isinstance(slash, bool) else None
        versions = [version for options in _documents(config) for version in self._versions(options)]
        self._versions_by_folder = {version.folder: version for version in versions}
        self._labels: dict[str, str] = {}
        self.contents: tuple[str, ...] = tuple(self._versions_by_folder)

    def rules(self, path: str) -> PageRules | None:
        """See ``Site``."""
        version = next(
            (
                self._versions_by_folder[folder]
                for folder in sorted(self._versions_by_folder, key=len, reverse=True)
                if below(folder, path) is not None
            ),
            None,
        )
        inside = None if version is None else below(version.folder, path)
        if version is None or inside is None or not _PAGE.search(inside):
            return None
        if any(part.startswith("_") for part in inside.split("/")):
            return None  # a partial: other pages include it
        *folders, name = _PAGE.sub("", inside).split("/")
        number, bare = number_prefix(name)
        plain = [number_prefix(folder)[1] for folder in folders]
        identifier = "/".join([*plain, bare])
        is_index = bare.lower() in ("index", "readme") or bool(plain and plain[-1].lower() == bare.lower())
        place = version.sidebars.places.get(identifier)
        start = "/".join(plain)
        root = self._base_url and address(self._base_url, version.route).rstrip("/")
        return PageRules(
            section=place.section if place else self._folder_section(version, folders),
            position=place.position if place else number,
            version=version.name,
            slugs="docusaurus",
            syntaxes=("partials",),
            site=self._folder,
            front_matter=FrontMatterRules(
                root=root,
                folder=f"{start}/" if start else "",
                name=bare,
                is_index=is_index,
                trailing_slash=self._trailing_slash,
                places={
                    key: (place.section, place.position)
                    for key, place in version.sidebars.places.items()
                    if posixpath.dirname(key) == start and not self._is_file(version.folder, folders, key)
                },
            ),
        )

    def _is_file(self, content: str, folders: list[str], identifier: str) -> bool:
        start = posixpath.join(content, *folders, posixpath.basename(identifier))
        return self._root.exists(f"{start}.md") or self._root.exists(f"{start}.mdx")

    def _folder_section(self, version: Version, folders: list[str]) -> tuple[str, ...]:
        """The categories that Docusaurus makes of folders, below the category that such a folder is put into."""
        above, content = version.sidebars.folders, version.folder
        depth = next((count for count in range(len(folders), 0, -1) if "/".join(folders[:count]) in above), 0)
        labels = list(above.get("/".join(folders[:depth]), ()))
        for count in range(depth, len(folders)):
            path = posixpath.join(content, *folders[: count + 1])
            if path not in self._labels:
                self._labels[path] = _category_label(self._root, path) or number_prefix(folders[count])[1]
            labels.append(self._labels[path])
        return tuple(labels)

    def _versions(self, options: Mapping[str, Any]) -> Iterator[Version]:
        folder = join(self._folder, text_of(options.get("path")) or _DEFAULTS["path"])
        route = _DEFAULTS["routeBasePath"]
        if isinstance(options.get("routeBasePath"), str):
            route = options["routeBasePath"].strip("/")
        instance = text_of(options.get("id"))
        prefix = f"{instance}_" if instance and instance != "default" else ""
        names = _json(self._root, posixpath.join(self._folder, f"{prefix}versions.json"))
        versions = [text_of(name) for name in names if text_of(name)] if isinstance(names, list) else []
        last = text_of(options.get("lastVersion")) or (versions[0] if versions else "current")
        settings = options.get("versions")
        for name in ("current", *versions):
            own = settings.get(name) if isinstance(settings, dict) else None
            given = own.get("path") if isinstance(own, dict) else None
            part = "" if name == last else "next" if name == "current" else name
            if isinstance(given, str):
                part = given.strip("/")
            content: str | None
            if name == "current":
                content, sidebars = folder, self._sidebars(text_of(options.get("sidebarPath")))
            else:
                content = join(self._folder, f"{prefix}versioned_docs/version-{name}")
                stored = f"{prefix}versioned_sidebars/version-{name}-sidebars.json"
                sidebars = read_sidebars(_json(self._root, posixpath.join(self._folder, stored)))
            if content is not None:
                shown = ("next" if name == "current" else name) if versions else ""
                yield Version(shown, content, "/".join(one for one in (route, part) if one), sidebars)

    def _sidebars(self, given: str) -> Sidebars:
        names = [given] if given else ["sidebars.js", "sidebars.ts", "sidebars.json"]
        for name in names:
            path = join(self._folder, name)
            text = None if path is None else self._root.text(path)
            if text is not None and path is not None:
                return read_sidebars(_json(self._root, path) if path.endswith(".json") else exported_object(text))
        return read_sidebars(None)


def number_prefix(name: str) -> tuple[int | None, str]:
    """The number that orders a file or folder, and its name without it; dates and versions are no such numbers.

    Example:
        >>> number_prefix("01-intro"), number_prefix("2021-11-02-news"), number_prefix("intro")
        ((1, 'intro'), (None, '2021-11-02-news'), (None, 'intro'))
    """
    found = None if _NO_PREFIX.match(name) else _PREFIX.fullmatch(name)
    return (int(found[1][:9]), found[2]) if found else (None, name)


def _documents(config: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The options of each instance of the documents plugin."""
    for key in ("presets", "plugins"):
        entries = config.get(key)
        for entry in entries if isinstance(entries, list) else ():
            name, options = (*entry, None, None)[:2] if isinstance(entry, list) else (entry, None)
            options = options if isinstance(options, dict) else {}
            if key == "plugins" and "content-docs" in text_of(name):
                yield options
            elif (
                key == "presets"
                and text_of(name) in ("classic", "@docusaurus/preset-classic")
                and options.get("docs", {}) is not False
            ):
                yield options["docs"] if isinstance(options.get("docs"), dict) else {}


def _category_label(root: Folder, folder: str) -> str:
    for name in ("_category_.json", "_category_.yml", "_category_.yaml"):
        path = f"{folder}/{name}"
        values = _json(root, path) if name.endswith(".json") else root.yaml(path)
        if isinstance(values, dict) and text_of(values.get("label")):
            return text_of(values["label"])
    return ""


def _json(root: Folder, path: str) -> object:
    try:
        return json.loads(root.text(path) or "null")
    except (ValueError, RecursionError):
        return None
