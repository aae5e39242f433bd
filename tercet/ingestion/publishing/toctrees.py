"""The navigation of a Sphinx project: which page lists which in its ``toctree`` directives."""

from __future__ import annotations

import json
import os
import posixpath
import re
from typing import TYPE_CHECKING, NamedTuple

from tercet.ingestion.parsers.headings import plain_title
from tercet.ingestion.publishing.configuration import join
from tercet.ingestion.publishing.site import DEEPEST_SECTION, MOST_ENTRIES, glob_pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tercet.ingestion.publishing.configuration import Folder

_DIRECTIVE = re.compile(r"([ \t]*)(?:\.\. toctree::|(`{3,}|:{3,})\{toctree\})[ \t]*$")
_OPTION = re.compile(r"[ \t]*:([\w-]+):[ \t]*(.*)")
_TITLED = re.compile(r"(.*?)\s*<([^<>]*)>$")
_RST_TITLE = re.compile(r"^(\S[^\n]*)\n([!-/:-@\[-`{-~])\2{2,}[ \t]*$", re.MULTILINE)
_MD_TITLE = re.compile(r"^#[ \t]+(.+?)[ \t#]*$", re.MULTILINE)
_ROLE = re.compile(r":[\w:+.-]+:`([^`<>]*?)(?:\s*<[^`<>]*>)?`")


class Toctree(NamedTuple):
    """One directive."""

    caption: str
    globs: bool
    entries: list[tuple[str, str]]
    """Title, unless it is the page's own, and target as it is written."""


class Outline(NamedTuple):
    """What the navigation has to know about a page."""

    title: str
    toctrees: list[Toctree]


class Toctrees:
    """Follows the directives from page to page. Pages that the ledger knows as they are now are not read.

    Args:
        root: The ingested root.
        folder: Of the project below it.
        suffixes: Of its pages.
        kept: The outline of a page as the ledger has it; None: it has to be read.
    """

    def __init__(self, root: Folder, folder: str, suffixes: tuple[str, ...], kept: Callable[[str], str | None]) -> None:
        self._root = root
        self._folder = folder
        self._suffixes = suffixes
        self._kept = kept
        self._names: list[str] | None = None
        self._by_folder: dict[str, list[str]] = {}
        self.outlines: dict[str, str] = {}

    def places(self, start: str) -> dict[str, tuple[tuple[str, ...], int]]:
        """Section and position by the name of each page that can be reached from the first."""
        places: dict[str, tuple[tuple[str, ...], int]] = {start: ((), 0)}
        waiting = [self._children(start, None)]
        for _ in range(MOST_ENTRIES):
            if not waiting:
                break
            found = next(waiting[-1], None)
            if found is None:
                waiting.pop()
            elif found[0] not in places:
                name, section, title = found
                places[name] = section, len(places)
                if len(section) < DEEPEST_SECTION:
                    waiting.append(self._children(name, (section, title)))
        return places

    def _children(
        self, name: str, place: tuple[tuple[str, ...], str] | None
    ) -> Iterator[tuple[str, tuple[str, ...], str]]:
        """Name, section, and title in the navigation, of each page that a page lists.

        Args:
            name: Of the page.
            place: Its own section and title in the navigation; None for the first page, which is above all sections.
        """
        outline = self._outline(name)
        if outline is None:
            return
        section: tuple[str, ...] = () if place is None else (*place[0], place[1] or outline.title)
        for toctree in outline.toctrees:
            inside = (*section, toctree.caption) if toctree.caption else section
            for given, target in toctree.entries:
                for child in self._targets(name, target, globs=toctree.globs):
                    yield child, tuple(part for part in inside if part), given

    def _targets(self, name: str, target: str, *, globs: bool) -> list[str]:
        if target == "self" or "://" in target:
            return []
        here = "" if target.startswith("/") else posixpath.dirname(name)
        path = join(here, target.lstrip("/"))
        if path is None:
            return []
        if globs and any(sign in path for sign in "*?["):
            pattern = glob_pattern(path)
            folder = posixpath.dirname(path)
            within = None if any(sign in folder for sign in "*?[") or "**" in path else folder
            return [one for one in self._names_in(within) if pattern.fullmatch(one) and one != name]
        return [next((path.removesuffix(suffix) for suffix in self._suffixes if path.endswith(suffix)), path)]

    def _names_in(self, folder: str | None) -> list[str]:
        """The names directly in a folder; None: all."""
        if folder is None:
            return self._all_names()
        if not self._by_folder:
            for name in self._all_names():
                self._by_folder.setdefault(posixpath.dirname(name), []).append(name)
        return self._by_folder.get(folder, [])

    def _all_names(self) -> list[str]:
        if self._names is None:
            top = os.path.join(self._root.path, self._folder)  # noqa: PTH118  # os.walk takes text
            self._names = []
            for folder, folders, files in os.walk(top):
                folders[:] = sorted(one for one in folders if not one.startswith((".", "_build")))
                inside = os.path.relpath(folder, top).replace(os.sep, "/")
                for file in files:
                    suffix = next((one for one in self._suffixes if file.endswith(one)), None)
                    if suffix is not None:
                        self._names.append(posixpath.normpath(posixpath.join(inside, file[: -len(suffix)])))
                if len(self._names) > MOST_ENTRIES:
                    break
            self._names.sort()
        return self._names

    def _outline(self, name: str) -> Outline | None:
        for suffix in self._suffixes:
            path = join(self._folder, name + suffix)
            if path is None or not self._root.exists(path):
                continue
            text = self._kept(path) or written(read_outline(self._root.text(path) or "", markdown=suffix == ".md"))
            self.outlines[path] = text
            title, toctrees = json.loads(text)
            return Outline(title, [Toctree(caption, globs, entries) for caption, globs, entries in toctrees])
        return None


def written(outline: Outline) -> str:
    """The form in which the ledger keeps an outline."""
    return json.dumps(outline, ensure_ascii=False)


def read_outline(text: str, *, markdown: bool) -> Outline:
    """Title and toctrees of a page, found by their lines: parsing all pages would take a hundred times as long.

    Example:
        >>> read_outline("Keys\\n====\\n\\n.. toctree::\\n   :caption: More\\n\\n   rotate\\n", markdown=False)
        Outline(title='Keys', toctrees=[Toctree(caption='More', globs=False, entries=[('', 'rotate')])])
    """
    found = (_MD_TITLE if markdown else _RST_TITLE).search(text)
    title = plain_title(_ROLE.sub(r"\1", found[1])) if found else ""
    toctrees = list(_toctrees(text.split("\n"))) if "toctree" in text else []
    return Outline(title, toctrees)


def _toctrees(lines: list[str]) -> Iterator[Toctree]:
    for number, line in enumerate(lines):
        opening = _DIRECTIVE.match(line) if "toctree" in line else None
        if opening is None:
            continue
        options: dict[str, str] = {}
        entries: list[tuple[str, str]] = []
        for inner in lines[number + 1 :]:
            content = inner.strip()
            if opening[2]:
                if content.startswith(opening[2]):
                    break
            elif content and len(inner) - len(inner.lstrip()) <= len(opening[1]):
                break
            option = _OPTION.match(inner)
            if option and not entries:
                options[option[1]] = option[2].strip()
            elif content and content != "---":
                titled = _TITLED.match(content)
                entries.append((titled[1], titled[2]) if titled else ("", content))
        yield Toctree(options.get("caption", ""), "glob" in options, entries)
