"""Which uri a file has: the name of its root, then the path below it, wherever the root lies on this machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from tercet.errors import SourceError
from tercet.ingestion.names import printable
from tercet.ingestion.parsers import FORMATS, format_of
from tercet.ingestion.sources import Scan, SourceFile, scan_folder, stat_file
from tercet.ingestion.unpacking import ARCHIVE_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tercet.ingestion.ignore import GlobFilter
    from tercet.memory.ledger import Root


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where files belong: a root of the corpus, and the part of it that is meant."""

    name: str
    """Of the root."""
    path: str
    """Absolute path of the root on this machine."""
    root: Root | None = None
    """The ledger's row; None: the root is new."""
    below: str = ""
    """Start of the paths below the root that are meant: empty for all, a folder with its closing ``/``, or a file."""

    def uri(self, path: str) -> str:
        """The uri of a path below the root."""
        return f"{self.name}/{path}" if path else self.name

    def holds(self, path: str) -> bool:
        """Whether a path below the root lies in the part that is meant."""
        return path.startswith(self.below) if not self.below or self.below.endswith("/") else path == self.below


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file or folder to ingest, with the roots that its files belong to."""

    path: Path
    is_file: bool
    place: Place
    moved: bool = False
    """The root was known at a path that no longer exists."""
    nested: tuple[tuple[str, Place], ...] = ()
    """Roots inside the folder that the corpus knew before, by their path below it, the deepest first."""

    def locate(self, path: str) -> tuple[Place, str]:
        """The root of a file found at ``path`` below the source, and its path below that root."""
        for inside, place in self.nested:
            if path == inside:
                return place, ""
            if path.startswith(inside + "/"):
                return place, path[len(inside) + 1 :]
        return self.place, self.place.below + path

    def places(self) -> Iterator[Place]:
        """Every root that this source covers, or a part of."""
        yield self.place
        for _, place in self.nested:
            yield place


def resolve_source(
    source: str | os.PathLike[str], known: Sequence[Root], *, unpacked_name: str | None = None
) -> Source:
    """Find out what a source is and which root it belongs to.

    Args:
        source: A file or a folder.
        known: The roots of the corpus.
        unpacked_name: Name for the root of a source that is unpacked: an archive, or a folder at a git revision.

    Raises:
        SourceError: It does not exist, has no name, or its name is that of another root of the corpus.
    """
    path = Path(os.path.abspath(source))  # noqa: PTH100  # Path.absolute() keeps "..", resolve() follows links
    if not path.exists():
        raise SourceError(f"There is no file or folder {printable(str(path))}.", remedy="Check the path.")
    is_file = not path.is_dir()
    name = path.name if unpacked_name is None else unpacked_name
    above = _root_above(path, known)
    if above is not None and not (above[1] and is_file and unpacked_name is not None):  # archives are roots themselves
        root, below = above
        if below and not is_file:
            below += "/"
        place = Place(name=root.name, path=root.path, root=root, below=below)
        return Source(path=path, is_file=is_file, place=place, nested=_nested(path, known, root))
    if not name:
        raise SourceError(f"{path} has no name that uris could begin with.", remedy="Name a folder below it.")
    if printable(name) != name:
        raise SourceError(
            f"The name of {printable(str(path))} holds control characters or is no UTF-8.", remedy="Rename it."
        )
    namesake = next((root for root in known if root.name == name), None)
    if namesake is not None and Path(namesake.path).exists():
        raise SourceError(
            f"This corpus already has a root named {name!r}, at {namesake.path}; "
            f"the files of {path} would take its uris.",
            remedy="Ingest it into another corpus (--corpus NAME), or rename one of the two.",
        )
    place = Place(name=name, path=str(path), root=namesake)
    return Source(
        path=path, is_file=is_file, place=place, moved=namesake is not None, nested=_nested(path, known, namesake)
    )


def find_files(
    source: Source,
    *,
    globs: GlobFilter | None = None,
    memories: Sequence[Path] = (),
    memory_marker: str = "",
) -> Scan:
    """List the files of a source; paths are below it (empty for a source that is a file).

    Raises:
        SourceError: The source cannot be read, is of no known format, or is itself a memory.
    """
    if source.is_file:
        if not readable(source.path.name):
            raise SourceError(
                f"{printable(str(source.path))} is of no format that can be ingested.",
                remedy=f"Known are {', '.join(sorted(FORMATS))}, and archives: {', '.join(ARCHIVE_SUFFIXES)}.",
            )
        return Scan(files=(SourceFile("", stat_file(source.path).stamp),))
    if memory_marker and (source.path / memory_marker).is_file():
        raise SourceError(f"{source.path} is a memory, not a source.", remedy="Name the folder with the documents.")
    base = Path(source.place.path) if source.place.below else source.path
    return scan_folder(
        source.path,
        readable=readable,
        base=base if source.path.is_relative_to(base) else source.path,
        globs=globs,
        memories=memories,
        memory_marker=memory_marker,
    )


def readable(name: str) -> bool:
    """Whether a file of this name has a format that can be ingested."""
    return format_of(name) is not None


def _root_above(path: Path, known: Sequence[Root]) -> tuple[Root, str] | None:
    """The deepest root that is ``path`` or holds it, and the path below it."""
    for form in (str(path), os.path.realpath(path)):  # a link in front of both must not make one place look like two
        found = [
            (root, _below(form, candidate))
            for root in known
            for candidate in dict.fromkeys((root.path, os.path.realpath(root.path)))
        ]
        inside = [(root, below) for root, below in found if below is not None]
        if inside:
            return min(inside, key=lambda pair: len(pair[1]))
    return None


def _nested(path: Path, known: Sequence[Root], own: Root | None) -> tuple[tuple[str, Place], ...]:
    inside = []
    for root in known:
        below = _below(root.path, str(path))
        unpacked = PurePath(root.path).name != root.name  # no walk comes upon the files of an archive
        if below and root != own and not unpacked:
            inside.append((below, Place(name=root.name, path=root.path, root=root)))
    return tuple(sorted(inside, key=lambda pair: (-len(pair[0]), pair[0])))


def _below(path: str, folder: str) -> str | None:
    """``path`` below ``folder``, ``/`` between segments; empty when they are the same, None when it is elsewhere."""
    if path == folder:
        return ""
    start = folder.rstrip(os.sep) + os.sep
    return path[len(start) :].replace(os.sep, "/") if path.startswith(start) else None
