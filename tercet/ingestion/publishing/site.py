"""What all generators have in common."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tercet.ingestion.publishing.rules import PageRules

MOST_ENTRIES = 100_000
"""Entries of one navigation; what follows is not read. Aliases of YAML can make a small file long."""
DEEPEST_SECTION = 12


class Site(Protocol):
    """One site below the ingested root."""

    @property
    def contents(self) -> tuple[str, ...]:
        """Folders below the root whose files belong to the site; empty text: the root itself."""
        ...

    @property
    def outlines(self) -> Mapping[str, str]:
        """What the ledger should keep about pages that were read to learn the navigation, by path."""
        ...

    def rules(self, path: str) -> PageRules | None:
        """The rules of a file below ``contents``; None: the site does not publish it."""
        ...


def below(folder: str, path: str) -> str | None:
    """A path relative to a folder that holds it; None where it does not.

    Example:
        >>> below("docs", "docs/a.md"), below("", "docs/a.md"), below("docs", "docsy/a.md")
        ('a.md', 'docs/a.md', None)
    """
    if not folder:
        return path
    return path[len(folder) + 1 :] if path.startswith(folder + "/") else None


def glob_pattern(glob: str) -> re.Pattern[str]:
    """Sphinx's globs: ``*`` stays within a segment, ``**`` does not; all begin at the source folder.

    Example:
        >>> bool(glob_pattern("guide/*").fullmatch("guide/a/b")), bool(glob_pattern("**/b").fullmatch("guide/a/b"))
        (False, True)
    """
    parts = []
    for piece in re.findall(r"\*\*/?|\*|\?|\[[^\]]*\]|[^*?\[]+|\[", glob.strip("/")):
        if piece.startswith("**"):
            parts.append("(?:.*/)?" if piece.endswith("/") else ".*")
        elif piece == "*":
            parts.append("[^/]*")
        elif piece == "?":
            parts.append("[^/]")
        elif piece.startswith("[") and piece.endswith("]") and len(piece) > 2:
            inner = piece[1:-1].replace("\\", "\\\\")
            parts.append(f"[^/{inner[1:]}]" if inner.startswith("!") else f"[{inner}]".replace("[^", "[\\^"))
        else:
            parts.append(re.escape(piece))
    try:
        return re.compile("".join(parts))
    except re.error:
        return re.compile(re.escape(glob))
