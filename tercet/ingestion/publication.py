"""How the files of one run are published: the rules of each, and whether what they depend on is as it was."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tercet.ingestion.plan import changed_lately, racy
from tercet.ingestion.publishing import PageRules, Sites, find_sites
from tercet.ingestion.reading import hash_content
from tercet.ingestion.sources import stamp_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tercet.ingestion.roots import Place, Source
    from tercet.memory.ledger import Ledger
    from tercet.memory.stored import FileEntry, FileStamp, IncludedFile


class PlacedFile(NamedTuple):
    """A file of the source below its root."""

    place: Place
    path: str


class Publication:
    """Knows the sites in the roots of one source.

    Args:
        source: What is ingested.
        files: Its files.
        top: Where they lie on this machine.
        packed: Whether that is a private folder, which goes away again.
        base_url: Where the site is published; empty: nobody said.
        addresses: Of pages that were fetched, by path below the source; they need no rules.
        ledger: Keeps what Sphinx's navigation is made of.
    """

    def __init__(
        self,
        source: Source,
        files: Sequence[PlacedFile],
        *,
        top: Path,
        packed: bool,
        base_url: str,
        addresses: Mapping[str, str] | None,
        ledger: Ledger,
    ) -> None:
        self._ledger = ledger
        self._addresses = addresses
        self._roots = {
            place.name: str(top) if packed else place.path
            for place in source.places()
            if packed or not Path(place.path).is_file()
        }
        self._entries: dict[str, Mapping[str, FileEntry]] = {}
        paths: dict[str, list[str]] = {}
        for file in files:
            paths.setdefault(file.place.name, []).append(file.path)
        places = {place.name: place for place in source.places()}
        self._sites: dict[str, Sites] = {}
        for name, inside in paths.items():
            if addresses is None and name in self._roots:
                place = places[name]
                self._sites[name] = find_sites(
                    self._roots[name],
                    inside,
                    base_url=base_url,
                    kept=partial(self._kept_outline, place),
                )
            elif addresses is None:
                self._sites[name] = Sites([], base_url)

    def root(self, place: Place) -> str:
        """The folder on this machine that files are included from; empty for a root that is a single file."""
        return self._roots.get(place.name, "")

    def rules(self, place: Place, path: str) -> PageRules:
        """How a file is published."""
        if self._addresses is not None:
            return PageRules(url=self._addresses.get(path, ""))
        rules = self._sites[place.name].rules(path or place.name)
        return rules or PageRules()

    def outline(self, place: Place, path: str) -> str:
        """What the ledger should keep about a page for the navigation of others."""
        sites = self._sites.get(place.name)
        return "" if sites is None else sites.outline(path)

    def _kept_outline(self, place: Place, path: str) -> str | None:
        if place.root is None:
            return None
        if place.name not in self._entries:
            self._entries[place.name] = self._ledger.files(place.root.id)
        entry = self._entries[place.name].get(path)
        if entry is None or not entry.outline or racy(entry):
            return None
        stamp = _stamp(os.path.join(self._roots[place.name], path))  # noqa: PTH118  # paths by the thousand
        return entry.outline if stamp == entry.stamp else None


class Inclusions:
    """Whether the files that a page includes are as they were; each is looked at once a run.

    Args:
        hash_file: Reads a file and returns the hash of its content; None if it cannot be read.
        verify: Compare contents where time stamps agree, too.
    """

    def __init__(self, hash_file: Callable[[str], str | None], *, verify: bool) -> None:
        self._hash_file = hash_file
        self._verify = verify
        self._stamps: dict[str, FileStamp | None] = {}
        self._hashes: dict[str, str] = {}

    def refreshed(self, entry: FileEntry, root: str, *, seen_ns: int) -> FileEntry | None:
        """The row of a page, itself where nothing changed; None: an included file holds something else.

        Args:
            entry: Of the page.
            root: That included files lie below.
            seen_ns: Clock before any of them is read.
        """
        included = self._now(entry, root)
        if included is None:
            return None
        late = any(changed_lately(file.stamp, entry.seen_ns) for file in entry.included if file.content_hash)
        return replace(entry, included=included, seen_ns=seen_ns) if late or included != entry.included else entry

    def _now(self, entry: FileEntry, root: str) -> tuple[IncludedFile, ...] | None:
        now = []
        for file in entry.included:
            location = os.path.join(root, file.path)  # noqa: PTH118  # paths by the thousand
            stamp = self._stamp(location)
            if stamp is None or not root:
                if file.content_hash:
                    return None
                now.append(file)
                continue
            if self._verify or stamp != file.stamp or changed_lately(stamp, entry.seen_ns):
                if self._hash(location) != file.content_hash:
                    return None
                now.append(file._replace(stamp=stamp))
            else:
                now.append(file)
        return tuple(now)

    def _stamp(self, location: str) -> FileStamp | None:
        if location not in self._stamps:
            self._stamps[location] = _stamp(location)
        return self._stamps[location]

    def _hash(self, location: str) -> str:
        if location not in self._hashes:
            self._hashes[location] = self._hash_file(location) or ""
        return self._hashes[location]


def hash_of_rules(config_hash: str, rules: PageRules) -> str:
    """The configuration that the ledger remembers a file with: that of the run, and the file's own rules."""
    return config_hash if rules.is_default else hash_content(f"{config_hash}\n{rules.key}".encode())[:16]


def _stamp(location: str) -> FileStamp | None:
    try:
        return stamp_of(os.stat(location))  # noqa: PTH116  # paths by the thousand
    except (OSError, ValueError):
        return None
