"""What a run of ``mirror`` says about the pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

PageState = Literal["fetched", "unchanged", "skipped", "failed", "gone"]
SourceKind = Literal["sitemap", "links", "page"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MirroredPage:
    """What became of one page in a run."""

    url: str
    """Where it lies, after redirects; for a URL that could not be read, as it was written."""
    state: PageState
    """``fetched``: new or changed. ``skipped``: of a kind that is not ingested. ``gone``: its file was removed."""
    path: str = ""
    """Of its file, below the folder; empty if there is none. A page that failed keeps the file it had."""
    reason: str = ""
    """Why it was skipped, failed or is gone."""
    asked: str = ""
    """The URL that was asked for, where it is another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """What one run did."""

    source: str
    folder: Path
    kind: SourceKind
    """A sitemap, links from an llms.txt, or a page and what it links to."""
    pages: tuple[MirroredPage, ...]
    """Sorted by URL."""
    cut_short: str = ""
    """The limit that ended the run before all pages were looked at; empty if none did."""

    def of_state(self, state: PageState) -> tuple[MirroredPage, ...]:
        """The pages of one state."""
        return tuple(page for page in self.pages if page.state == state)
