"""mdBook: ``book.toml`` and the ``SUMMARY.md`` of its source folder."""

from __future__ import annotations

import posixpath
import re
import tomllib
from typing import TYPE_CHECKING

from tercet.ingestion.parsers.headings import plain_title
from tercet.ingestion.publishing.configuration import join, text_of, within
from tercet.ingestion.publishing.rules import PageRules, address
from tercet.ingestion.publishing.site import DEEPEST_SECTION, MOST_ENTRIES, below

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tercet.ingestion.publishing.configuration import Folder

CONFIGURATIONS = ("book.toml",)
_PART = re.compile(r"#{1,2}[ \t]+(.*)")
_CHAPTER = re.compile(r"([ \t]*)(?:[-*+][ \t]+)?\[((?:[^\[\]\\]|\\.)*)\]\(<?([^()<>]*)>?\)")


class MdBookSite:
    """A book.

    Args:
        root: The ingested root.
        path: Of the configuration, below the root.
        base_url: Where the book is published.
    """

    outlines: Mapping[str, str] = {}

    def __init__(self, root: Folder, path: str, base_url: str) -> None:
        self._base_url = base_url
        self._folder = posixpath.dirname(path)
        try:
            book = tomllib.loads(root.text(path) or "").get("book")
        except (tomllib.TOMLDecodeError, RecursionError, ValueError):
            book = None
        source = join(self._folder, text_of(book.get("src")) or "src") if isinstance(book, dict) else None
        self._source = source or (join(self._folder, "src") or "src")
        self.contents: tuple[str, ...] = (self._source,)
        self._chapters = _chapters(root.text(f"{self._source}/SUMMARY.md") or "")

    def rules(self, path: str) -> PageRules | None:
        """See ``Site``."""
        inside = below(self._source, path)
        if inside is None:
            return None
        if not inside.endswith(".md"):
            return PageRules(url=address(self._base_url, inside))
        if inside not in self._chapters:
            return None
        title, section, position = self._chapters[inside]
        folder, name = posixpath.split(inside[:-3])
        published = posixpath.join(folder, "index" if name.lower() == "readme" else name) + ".html"
        return PageRules(
            url=address(self._base_url, published),
            title=title,
            section=section,
            position=position,
            slugs="mdbook",
            syntaxes=("mdbook",),
            site=self._folder,
        )


def _chapters(summary: str) -> dict[str, tuple[str, tuple[str, ...], int]]:
    """Title, section and position of each chapter."""
    chapters: dict[str, tuple[str, tuple[str, ...], int]] = {}
    part: tuple[str, ...] = ()
    above: list[tuple[int, str]] = []
    for number, line in enumerate(summary.split("\n")[:MOST_ENTRIES]):
        heading = _PART.match(line)
        if heading:
            # The first heading is the title of the summary itself.
            part = (plain_title(heading[1]),) if number and chapters else ()
            above = []
            continue
        chapter = _CHAPTER.match(line)
        if chapter is None:
            continue
        indent, title = len(chapter[1].expandtabs(4)), plain_title(chapter[2])
        while above and above[-1][0] >= indent:
            above.pop()
        path = within(chapter[3].strip().replace("%20", " ")) if chapter[3].strip() else None
        if path is not None and path not in chapters:
            chapters[path] = title, (*part, *(name for _, name in above))[:DEEPEST_SECTION], len(chapters)
        above.append((indent, title))
    return chapters
