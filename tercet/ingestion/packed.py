"""Sources that are no folder: what makes one of them, and what a walk finds in it."""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tercet.errors import ParseError, SourceError
from tercet.ingestion.names import printable
from tercet.ingestion.reading import open_file
from tercet.ingestion.revisions import Revision
from tercet.ingestion.roots import readable
from tercet.ingestion.sources import Scan, SourceFile, scan_folder, stamp_of, stat_file
from tercet.ingestion.tar_archives import unpack_tar
from tercet.ingestion.unpacking import Unpacker, archive_name
from tercet.ingestion.zip_archives import unpack_zip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tercet.ingestion.ignore import GlobFilter
    from tercet.memory.stored import FileStamp
    from tercet.settings import ParsingLimits, UnpackingLimits


class Packed(Protocol):
    """An archive or a git revision."""

    name: str
    """For its root: that of the archive without suffix, or of the folder."""
    commit: str
    """Hash of the commit; empty for an archive."""
    stamp: FileStamp
    """Of the whole: while it is the same, so is the content."""

    def unpack(self, into: Unpacker) -> None:
        """Write its members."""

    def stamp_of(self, path: str, size: int) -> FileStamp:
        """The stamp of a file that was unpacked: it does not depend on when and where that was done."""


class Archive:
    """A zip or tar archive.

    Args:
        path: The file.
        name: Its name without suffix.

    Raises:
        SourceError: The file cannot be looked at.
    """

    commit = ""

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self.name = name
        self.stamp = stat_file(path).stamp

    def stamp_of(self, path: str, size: int) -> FileStamp:
        """The stamp of the archive, with the size of the file."""
        return self.stamp._replace(size=size)

    def unpack(self, into: Unpacker) -> None:
        """Write its members.

        Raises:
            SourceError: It cannot be read, is damaged, changes meanwhile, or exceeds a limit.
        """
        unpack = unpack_zip if self._path.name.lower().endswith(".zip") else unpack_tar
        try:
            with open_file(self._path) as file:
                unpack(file, into)
                unchanged = stamp_of(os.fstat(file.fileno())) == self.stamp
        except OSError as error:
            raise SourceError(
                f"{into.source} cannot be read: {(error.strerror or str(error)).lower()}.",
                remedy="Check the path and its permissions.",
            ) from None
        except ParseError as error:
            raise SourceError(f"{into.source} {error.message}.", remedy="Name an archive or a folder.") from None
        if not unchanged:
            raise SourceError(f"{into.source} changed while it was read.", remedy="Run again when it is complete.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Where the files of a source lie on this machine, and which there are."""

    top: Path
    scan: Scan
    seen_ns: int
    """Clock after the files were looked at and before any was read, nanoseconds since the epoch."""
    settled: bool = False
    """All is in place already; there was no need to look, and ``scan`` is empty."""


def find_packed(source: str | os.PathLike[str], *, revision: str | None) -> Packed | None:
    """Look whether a source has to be unpacked; None: it is taken as it is.

    Args:
        source: What the caller named.
        revision: The revision that was asked for, if any.

    Raises:
        SourceError: There is no such revision, or the archive cannot be looked at.
    """
    path = Path(os.path.abspath(source))  # noqa: PTH100  # as in resolve_source
    if revision is not None:
        return Revision(path, revision)
    name = archive_name(path.name)
    return Archive(path, name) if name is not None and path.is_file() else None


@contextmanager
def unpacked(
    packed: Packed,
    *,
    source: Path,
    limits: UnpackingLimits,
    parsing: ParsingLimits,
    globs: GlobFilter | None,
    step: Callable[[str], None],
) -> Iterator[Contents]:
    """Unpack into a private folder, which is removed in the end whatever happens, and walk it.

    Args:
        packed: The archive or revision.
        source: Its path, for messages.
        limits: Of unpacking.
        parsing: Of the single file.
        globs: The caller's include and exclude globs.
        step: Called with the path of each file written.

    Raises:
        SourceError: It is damaged, exceeds a limit, or cannot be written.
    """
    seen_ns = time.time_ns()
    with tempfile.TemporaryDirectory(prefix="tercet-") as folder:
        top = Path(folder, "content")
        Path(top, ".git").mkdir(parents=True)  # so that no ignore file above has a say
        into = Unpacker(
            top,
            source=printable(str(source)),
            limits=limits,
            max_file_bytes=int(parsing.max_file_mb * 1e6),
            packed_bytes=packed.stamp.size or None,
            globs=globs,
            step=step,
        )
        packed.unpack(into)
        scan = scan_folder(top, readable=readable, globs=globs)
        files = tuple(SourceFile(path, packed.stamp_of(path, stamp.size)) for path, stamp in scan.files)
        failures = tuple(sorted((*scan.failures, *into.failures), key=lambda failure: failure.path))
        skipped = scan.skipped + into.skipped
        whole = replace(scan, files=files, failures=failures, skipped=skipped)
        yield Contents(top=top, scan=whole, seen_ns=seen_ns)
