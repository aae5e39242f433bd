"""MkDocs: ``mkdocs.yml``."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tercet.errors import ConfigurationError
from tercet.ingestion.ignore import GlobFilter
from tercet.ingestion.publishing.configuration import join, text_of
from tercet.ingestion.publishing.rules import PageRules, address
from tercet.ingestion.publishing.site import DEEPEST_SECTION, MOST_ENTRIES, below

if TYPE_CHECKING:
    from tercet.ingestion.parsers.anchors import SlugRule
    from tercet.ingestion.publishing.configuration import Folder
    from tercet.ingestion.publishing.rules import Syntax

CONFIGURATIONS = ("mkdocs.yml", "mkdocs.yaml")
_MARKDOWN = re.compile(r"\.(?:md|markdown|mdown|mkdn|mkd)$", re.IGNORECASE)
_LONGEST_INHERITANCE = 8
_SYNTAXES: dict[str, Syntax] = {
    "pymdownx.snippets": "snippets",
    "markdown_include.include": "braces",
    "mdx_include": "braces",
    "markdown_include_variants": "variants",
}


class MkDocsSite:
    """A site of MkDocs.

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
        config = _inherited(root, path)
        docs = join(self._folder, text_of(config.get("docs_dir")) or "docs")
        self._docs = docs or ""
        self.contents: tuple[str, ...] = () if docs is None else (docs,)
        self._directories = config.get("use_directory_urls") is not False
        nav = config.get("nav")
        self._pages = _pages(nav) if isinstance(nav, list) else None
        self._excluded = _excluded(config.get("exclude_docs"))
        extensions = _extensions(config.get("markdown_extensions"))
        self._slugs = _slug_rule(extensions.get("toc", {}))
        self._syntaxes = tuple(dict.fromkeys(_SYNTAXES[name] for name in extensions if name in _SYNTAXES))
        self._bases = self._include_bases(extensions)

    def rules(self, path: str) -> PageRules | None:
        """See ``Site``."""
        inside = below(self._docs, path)
        if inside is None or not self._excluded.takes_file(inside):
            return None
        if not _MARKDOWN.search(inside):
            return PageRules(url=address(self._base_url, inside))
        published = self._published(inside)
        if published is None:
            return None
        title, section, position = "", _folders(inside) if self._pages is None else (), None
        if self._pages is not None and inside in self._pages:
            title, section, position = self._pages[inside]
        return PageRules(
            url=address(self._base_url, published),
            title=title,
            section=section,
            position=position,
            slugs=self._slugs,
            syntaxes=self._syntaxes,
            site=self._folder,
            bases=self._bases if self._syntaxes else (),
        )

    def _published(self, path: str) -> str | None:
        folder, name = posixpath.split(_MARKDOWN.sub("", path))
        start = f"{folder}/" if folder else ""
        if name == "README":
            if self._root.exists(f"{self._docs}/{start}index.md"):
                return None
            name = "index"
        if self._directories:
            return start if name == "index" else f"{start}{name}/"
        return f"{start}{name}.html"

    def _include_bases(self, extensions: Mapping[str, Any]) -> tuple[str, ...]:
        """As the extensions say; paths are relative to the folder that MkDocs is started in, the configuration's."""
        bases: list[str] = []
        for name in _SYNTAXES:
            given = extensions.get(name, {}).get("base_path") if name in extensions else None
            for base in given if isinstance(given, list) else [given]:
                # A mapping such as {"call": …} or a tag that was not understood stands for the folder itself.
                inside = join(self._folder, text_of(base) or ".") if name in extensions else None
                if inside is not None or name in extensions:
                    bases.append(inside or self._folder)
        return tuple(dict.fromkeys(bases))


def _excluded(globs: object) -> GlobFilter:
    lines = globs.splitlines() if isinstance(globs, str) else []
    try:
        return GlobFilter((), [line for line in lines if line.strip() and not line.startswith("#")])
    except ConfigurationError:  # MkDocs would not build the site either
        return GlobFilter()


def _inherited(root: Folder, path: str) -> Mapping[str, Any]:
    configs: list[Mapping[str, Any]] = []
    following: str | None = path
    while following is not None and len(configs) < _LONGEST_INHERITANCE:
        configs.append(root.yaml(following))
        parent = text_of(configs[-1].get("INHERIT"))
        following = join(posixpath.dirname(following), parent) if parent else None
    merged: Mapping[str, Any] = {}
    for config in reversed(configs):
        merged = _merged(merged, config)
    return merged


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings are merged at all levels, anything else is replaced."""
    result = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = _merged(result[key], value) if both else value
    return result


def _pages(nav: list[Any]) -> dict[str, tuple[str, tuple[str, ...], int]]:
    """Title, section and position of each page of the navigation."""
    pages: dict[str, tuple[str, tuple[str, ...], int]] = {}
    waiting: list[tuple[Iterator[Any], tuple[str, ...]]] = [(iter(nav), ())]
    for _ in range(MOST_ENTRIES):
        if not waiting:
            break
        entries, section = waiting[-1]
        entry = next(entries, None)
        if entry is None:
            waiting.pop()
            continue
        items = entry.items() if isinstance(entry, Mapping) else [("", entry)]
        for name, value in items:
            title = text_of(name)
            if isinstance(value, str):
                path = posixpath.normpath(value)
                if path not in pages:
                    pages[path] = title, section, len(pages)
            elif isinstance(value, list) and len(waiting) < DEEPEST_SECTION:
                waiting.append((iter(value), (*section, title) if title else section))
    return pages


def _folders(path: str) -> tuple[str, ...]:
    """The sections that MkDocs makes of folders when there is no navigation."""
    titles = (part.replace("-", " ").replace("_", " ") for part in path.split("/")[:-1])
    return tuple(title.capitalize() if title.lower() == title else title for title in titles)


def _extensions(configured: object) -> dict[str, Mapping[str, Any]]:
    items = configured.items() if isinstance(configured, Mapping) else _pairs(configured)
    return {str(name): options if isinstance(options, Mapping) else {} for name, options in items}


def _pairs(configured: object) -> Iterator[tuple[Any, Any]]:
    for entry in configured if isinstance(configured, list) else ():
        if isinstance(entry, Mapping):
            yield from entry.items()
        else:
            yield entry, None


def _slug_rule(toc: Mapping[str, Any]) -> SlugRule:
    slugify = toc.get("slugify")
    called = text_of(slugify.get("call")) if isinstance(slugify, Mapping) else text_of(slugify)
    if called.endswith("slugify_unicode"):
        return "python-markdown-unicode"
    if "pymdownx.slugs" in called:
        options = slugify.get("kwds") if isinstance(slugify, Mapping) else None
        case = options.get("case") if isinstance(options, Mapping) else None
        keeps_case = called.endswith("_cased") or (called.endswith(".slugify") and case in (None, "none"))
        return "pymdownx-cased" if keeps_case else "pymdownx"
    return "python-markdown"
