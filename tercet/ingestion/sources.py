"""Finding the files of a source: one walk, one ``stat`` a file, nothing opened but ignore files."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tercet.errors import SourceError
from tercet.ingestion.ignore import IGNORE_FILE, IgnoreLevel, ignored, levels_above, read_ignore_file
from tercet.ingestion.names import UNFIT_NAME, printable
from tercet.memory.stored import FileStamp
from tercet.records import FileFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tercet.ingestion.ignore import GlobFilter

SKIPPED_FOLDERS = frozenset({"node_modules", "__pycache__", "_static"})
"""Folders never walked into, beside hidden ones (such as ``.git`` and ``.tercet``) and other memories."""

_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISCHR, "a device"),
)


class SourceFile(NamedTuple):
    """A file worth ingesting and what the file system says about it."""

    path: str
    """Below the walked folder, ``/`` between segments."""
    stamp: FileStamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What a walk found. Paths are below the walked folder."""

    files: tuple[SourceFile, ...]
    """Sorted by path."""
    failures: tuple[FileFailure, ...] = ()
    """Entries that could not be looked at, with the reason. Nobody knows whether they still exist."""
    unread: tuple[str, ...] = ()
    """Folders among the failures, with a closing ``/``: nobody knows what is below them."""
    skipped: int = 0
    """Files of formats that are not ingested."""


def stamp_of(status: os.stat_result) -> FileStamp:
    """The part of a ``stat`` result that tells whether a file changed."""
    return FileStamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def stat_file(path: Path) -> SourceFile:
    """Look at a single file named by the caller.

    Raises:
        SourceError: It is missing, unreadable, or no regular file.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise SourceError(
            f"{printable(str(path))} cannot be read: {_reason(error)}.", remedy="Check the path and its permissions."
        ) from None
    if not stat.S_ISREG(status.st_mode):
        raise SourceError(f"{printable(str(path))} is {_kind(status.st_mode)}.", remedy="Name a file or a folder.")
    return SourceFile("", stamp_of(status))


def scan_folder(
    top: Path,
    *,
    readable: Callable[[str], bool],
    base: Path | None = None,
    globs: GlobFilter | None = None,
    memories: Sequence[Path] = (),
    memory_marker: str = "",
) -> Scan:
    """Walk a folder and list what can be ingested from it, in an order that depends on the names alone.

    Hidden entries, ``SKIPPED_FOLDERS``, memory folders and what ``.gitignore`` files leave out are passed over. Links
    to folders are not followed; links to files are, where the target lies inside ``base``. 10,000 files take about
    0.1 s.

    Args:
        top: The folder to walk.
        readable: Whether a file of this name has a format that can be ingested.
        base: Folder whose ignore rules hold as well and which links must not leave; None: ``top``.
        globs: The caller's include and exclude globs.
        memories: Folders to pass over.
        memory_marker: A file name that gives away a folder as a memory.

    Raises:
        SourceError: ``top`` is not a folder that can be listed.
    """
    base = base or top
    try:
        with os.scandir(top):
            pass
        above, prefix = levels_above(top, base)
    except OSError as error:
        raise SourceError(
            f"{printable(str(top))} cannot be listed: {_reason(error)}.", remedy="Check the path and its permissions."
        ) from None
    walk = _Walk(readable, base, globs, prefix=prefix, memories=memories, memory_marker=memory_marker)
    waiting = [(str(top), "", above)]
    while waiting:
        waiting.extend(walk.visit(*waiting.pop()))
    return Scan(
        files=tuple(sorted(walk.files)),
        failures=tuple(sorted(walk.failures, key=lambda failure: failure.path)),
        unread=tuple(sorted(walk.unread)),
        skipped=walk.skipped,
    )


class _Walk:
    """The state of one walk."""

    def __init__(
        self,
        readable: Callable[[str], bool],
        base: Path,
        globs: GlobFilter | None,
        *,
        prefix: str,
        memories: Sequence[Path],
        memory_marker: str,
    ) -> None:
        self.files: list[SourceFile] = []
        self.failures: list[FileFailure] = []
        self.unread: list[str] = []
        self.skipped = 0
        self._readable = readable
        self._base = os.path.realpath(base)
        self._globs = globs
        self._memories = {_identity(path) for path in memories if path.exists()}
        self._memory_marker = memory_marker
        self._prefix = prefix

    def visit(
        self, folder: str, below: str, levels: tuple[IgnoreLevel, ...]
    ) -> list[tuple[str, str, tuple[IgnoreLevel, ...]]]:
        """Take the files of one folder; returns the folders to visit next."""
        try:
            with os.scandir(folder) as listing:
                entries = {entry.name: entry for entry in listing}
            if below and self._memory_marker and self._memory_marker in entries:
                return []
            rules = entries.get(IGNORE_FILE)
            if rules is not None and rules.is_file(follow_symlinks=False):
                own = read_ignore_file(Path(folder, IGNORE_FILE))
                if own is not None:
                    levels = (IgnoreLevel(self._prefix + below, own), *levels)
        except OSError as error:
            self.failures.append(FileFailure(path=printable(below), reason=f"cannot be listed: {_reason(error)}"))
            self.unread.append(below)
            return []
        folders = []
        for name, entry in entries.items():
            if name.startswith("."):
                continue
            path = below + name
            try:
                if entry.is_dir(follow_symlinks=False):
                    if (
                        name not in SKIPPED_FOLDERS
                        and not (levels and ignored(f"{self._prefix}{path}/", levels))
                        and (self._globs is None or self._globs.takes_folder(path))
                        and not (self._memories and _identity(entry) in self._memories)
                    ):
                        folders.append((entry.path, path + "/", levels))
                elif not self._readable(name):
                    self.skipped += 1
                elif not (levels and ignored(self._prefix + path, levels)) and (
                    self._globs is None or self._globs.takes_file(path)
                ):
                    self._take(entry, path)
            except OSError as error:
                self._fail(path, f"cannot be read: {_reason(error)}")
        return folders

    def _take(self, entry: os.DirEntry[str], path: str) -> None:
        if entry.is_symlink():
            target = os.path.realpath(entry.path)
            if not target.startswith(self._base.rstrip(os.sep) + os.sep):
                self.skipped += 1
                return
        status = entry.stat()
        if stat.S_ISDIR(status.st_mode):  # a link to a folder
            self.skipped += 1
        elif not stat.S_ISREG(status.st_mode):
            self._fail(path, f"is {_kind(status.st_mode)}, not a regular file")
        elif printable(path) != path:
            self._fail(path, UNFIT_NAME)
        else:
            self.files.append(SourceFile(path, stamp_of(status)))

    def _fail(self, path: str, reason: str) -> None:
        self.failures.append(FileFailure(path=printable(path), reason=reason))


def _identity(path: Path | os.DirEntry[str]) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _kind(mode: int) -> str:
    return next((name for test, name in _KINDS if test(mode)), "not a regular file")


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
