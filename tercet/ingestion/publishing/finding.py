"""Which sites an ingested root holds, by the configuration files in the folders of what is ingested."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from tercet.ingestion.publishing.configuration import Folder
from tercet.ingestion.publishing.docusaurus import CONFIGURATIONS as DOCUSAURUS
from tercet.ingestion.publishing.docusaurus import DocusaurusSite
from tercet.ingestion.publishing.mdbook import CONFIGURATIONS as MDBOOK
from tercet.ingestion.publishing.mdbook import MdBookSite
from tercet.ingestion.publishing.mkdocs import CONFIGURATIONS as MKDOCS
from tercet.ingestion.publishing.mkdocs import MkDocsSite
from tercet.ingestion.publishing.rules import PageRules, address
from tercet.ingestion.publishing.site import below
from tercet.ingestion.publishing.sphinx import CONFIGURATIONS as SPHINX
from tercet.ingestion.publishing.sphinx import SphinxSite, is_configuration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tercet.ingestion.publishing.site import Site


class Sites:
    """The sites of one root, and the rules of its files."""

    def __init__(self, sites: list[Site], base_url: str) -> None:
        self._base_url = base_url
        self._outlines = {path: text for site in sites for path, text in site.outlines.items()}
        contents = [(content, site) for site in sites for content in site.contents]
        self._contents = sorted(contents, key=lambda pair: -len(pair[0]))

    def rules(self, path: str) -> PageRules | None:
        """The rules of a file below the root; None: it is read as it would be anywhere."""
        for content, site in self._contents:
            if below(content, path) is not None:
                return site.rules(path)
        if self._base_url and not self._contents:
            return PageRules(url=address(self._base_url, path))
        return None

    def outline(self, path: str) -> str:
        """What the ledger should keep about a page beside its content; mostly nothing."""
        return self._outlines.get(path, "")


def find_sites(root: str, files: Iterable[str], *, base_url: str, kept: Callable[[str], str | None]) -> Sites:
    """Look for configurations in the folders of files, and in those above them up to the root.

    Args:
        root: The ingested root; nothing outside is looked at.
        files: Paths below it.
        base_url: Where the site is published. With several sites, each lies in its own folder below it.
        kept: The outline of a page as the ledger has it; None where the page changed since, or has none.
    """
    folder = Folder(root)
    folders = {posixpath.dirname(path) for path in files}
    for one in list(folders):
        above = one
        while above:
            above = posixpath.dirname(above)
            if above in folders:
                break
            folders.add(above)
    found = [
        (place, posixpath.join(place, name))
        for place in sorted(folders | {""})
        for names in (MKDOCS, SPHINX, DOCUSAURUS, MDBOOK)
        for name in names
        if folder.exists(posixpath.join(place, name))
    ]
    found = [
        (place, path)
        for place, path in found
        if posixpath.basename(path) not in SPHINX or is_configuration(folder.text(path) or "")
    ]
    several = len({place for place, _ in found}) > 1
    sites: list[Site] = []
    for place, path in found:
        url = address(base_url, f"{place}/") if several and place else base_url
        name = posixpath.basename(path)
        if name in MKDOCS:
            sites.append(MkDocsSite(folder, path, url))
        elif name in SPHINX:
            sites.append(SphinxSite(folder, path, url, kept))
        elif name in DOCUSAURUS:
            sites.append(DocusaurusSite(folder, path, url))
        else:
            sites.append(MdBookSite(folder, path, url))
    return Sites(sites, base_url)
