"""Where the members of an archive or a git revision go: names are checked, limits kept, and only plain files are made.

A name is either a plain path below the folder or refused, nothing but this module makes anything there, and it makes no
link; so no member can reach outside, whatever came before it.
"""

from __future__ import annotations

import errno
import itertools
import os
import re
import unicodedata
from typing import TYPE_CHECKING

from tercet.errors import ParseError, SourceError
from tercet.ingestion.ignore import IGNORE_FILE
from tercet.ingestion.names import UNFIT_NAME, printable
from tercet.ingestion.parsers import format_of
from tercet.ingestion.sources import SKIPPED_FOLDERS
from tercet.records import FileFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from tercet.ingestion.ignore import GlobFilter
    from tercet.settings import UnpackingLimits

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst")
"""In lower case."""
CHUNK = 1 << 16
"""Bytes taken out at a time."""
RATIO_FREE_BYTES = 10_000_000
"""What unpacks to less is no bomb, however well it was packed."""

_DRIVE = re.compile(r"[A-Za-z]:")
_NOT_ON_WINDOWS = re.compile(r'[<>:"|?*]|[. ](/|$)|(^|/)(con|prn|aux|nul|com\d|lpt\d)(\.|/|$)', re.IGNORECASE)
_NAME_TROUBLE = {
    errno.ENAMETOOLONG,
    errno.EINVAL,
    errno.EILSEQ,
    errno.EEXIST,
    errno.ENOTDIR,
    errno.EISDIR,
}
"""What the file system says when it is the member's name that it cannot take."""


def archive_name(name: str) -> str | None:
    """The name of an archive without its suffix; None for a file that is no archive.

    Example:
        >>> archive_name("docs.tar.gz"), archive_name("Handbook.ZIP"), archive_name("notes.md")
        ('docs', 'Handbook', None)
    """
    lower = name.lower()
    suffix = max((one for one in ARCHIVE_SUFFIXES if lower.endswith(one)), key=len, default="")
    return name[: -len(suffix)] or None if suffix else None


class Unpacker:
    """Takes the members of one archive or revision, in their order.

    Every member is counted, admitted by its name, and then written or refused. What the walk of a folder would pass
    over (hidden entries, other formats, what the caller's globs leave out) is not admitted. Of several members with the
    same name the last one counts, as with the programs that unpack archives.

    Args:
        top: An empty folder that nobody else writes to.
        source: Names the archive or repository in messages.
        limits: Beyond which the whole is refused.
        max_file_bytes: Beyond which a member is.
        packed_bytes: Size of the archive; None where there is none to compare with.
        globs: The caller's include and exclude globs.
        step: Called with the path of each file written.
    """

    def __init__(
        self,
        top: Path,
        *,
        source: str,
        limits: UnpackingLimits,
        max_file_bytes: int,
        packed_bytes: int | None = None,
        globs: GlobFilter | None = None,
        step: Callable[[str], None] = lambda path: None,
    ) -> None:
        self.source = source
        self.limits = limits
        self.skipped = 0
        """Members of other formats, and hidden ones."""
        self._top = top
        self._max_file_bytes = max_file_bytes
        self._max_total = int(limits.max_total_mb * 1e6)
        self._max_by_ratio = (
            self._max_total if packed_bytes is None else max(RATIO_FREE_BYTES, int(limits.max_ratio * packed_bytes))
        )
        self._globs = globs
        self._step = step
        self._members = 0
        self._bytes = 0
        self._written: set[str] = set()
        self._folders: set[str] = set()
        self._failures: dict[str, str] = {}
        self._spellings: dict[str, str] | None = {} if _ignores_case(top) else None

    @property
    def failures(self) -> tuple[FileFailure, ...]:
        """Members that could not be taken, and why."""
        return tuple(FileFailure(path=path, reason=reason) for path, reason in sorted(self._failures.items()))

    def count(self) -> None:
        """Count a member, a folder or a header.

        Raises:
            SourceError: There are more than allowed.
        """
        self._members += 1
        if self._members > self.limits.max_members:
            raise self._too_much(f"holds more than {self.limits.max_members:,} members", "max_members")

    def admit(self, name: str) -> str | None:
        """Decide by its name whether a member is wanted.

        Returns:
            Its path below the folder; None: pass it over. An unsafe name is listed as a failure.
        """
        path, reason = checked_path(name, max_depth=self.limits.max_depth)
        if reason:
            self._failures[printable(name)] = reason
            return None
        if self._passed_over(path):
            self.skipped += 1
            return None
        self._forget(path)
        if archive_name(path) is not None:
            self.refuse(path, "is an archive inside this one, which is not opened; unpack it and ingest it by itself")
            return None
        clash = self._other_spelling(path)
        if clash:
            self.refuse(path, f"differs from {clash} by case only, and the file system here cannot keep both")
            return None
        return path

    def refuse(self, path: str, reason: str) -> None:
        """List an admitted member as failed."""
        self._failures[path] = reason

    def refuse_folder(self, name: str, reason: str) -> None:
        """List a folder whose content is not here, unless the folder is one to be passed over."""
        path, unsafe = checked_path(name, max_depth=self.limits.max_depth)
        if unsafe:
            self._failures[printable(name)] = unsafe
        elif not self._within_skipped(path.split("/")):
            self._failures[path + "/"] = reason

    def write(self, path: str, content: Iterable[bytes], *, size: int = 0) -> None:
        """Write an admitted member; one that is too large, or whose content raises ParseError, is listed as failed.

        Args:
            path: As it was admitted.
            content: In pieces.
            size: What the member claims to hold; it is stopped at the limit all the same.

        Raises:
            SourceError: The folder cannot be written to, or there are more folders than allowed.
        """
        if size > self._max_file_bytes:
            self.refuse(path, self._too_large())
            return
        target = self._top / path
        self._count_folders(path)
        try:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with target.open("xb") as file:
                self._written.add(path)
                written = 0
                for piece in content:
                    written += len(piece)
                    if written > self._max_file_bytes:
                        raise ParseError(self._too_large())
                    file.write(piece)
        except ParseError as error:
            self._forget(path)
            self.refuse(path, error.message)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            if error.errno not in _NAME_TROUBLE:
                raise SourceError(
                    f"{self.source} cannot be unpacked into {self._top}: {reason}.",
                    remedy="Make room there, or let TMPDIR name a folder with more.",
                ) from None
            self._forget(path)
            self.refuse(path, f"cannot be unpacked under its name: {reason}")
        else:
            self._step(path)

    def spend(self, count: int) -> None:
        """Count bytes that were taken out, before they are used.

        Raises:
            SourceError: It is more than allowed in all, or for an archive of this size.
        """
        self._bytes += count
        if self._bytes > self._max_total:
            raise self._too_much(
                f"unpacks to more than {self.limits.max_total_mb:g} MB", "max_total_mb or --max-unpacked"
            )
        if self._bytes > self._max_by_ratio:
            raise self._too_much(f"unpacks to more than {self.limits.max_ratio:g} times its size", "max_ratio")

    def _too_much(self, what: str, limit: str) -> SourceError:
        return SourceError(
            f"{self.source} {what}, the limit for one source; nothing was changed.",
            remedy=f"If you trust it, unpack it and ingest the folder, or raise the limit (UnpackingLimits: {limit}).",
        )

    def _too_large(self) -> str:
        return f"is larger than {self._max_file_bytes / 1e6:g} MB, the limit for one file"

    def _passed_over(self, path: str) -> bool:
        *folders, name = path.split("/")
        if self._within_skipped(folders):
            return True
        if name == IGNORE_FILE:
            return False
        if name.startswith(".") or (format_of(name) is None and archive_name(name) is None):
            return True
        return self._globs is not None and not self._globs.takes_file(path)

    def _within_skipped(self, folders: Sequence[str]) -> bool:
        if any(folder.startswith(".") or folder in SKIPPED_FOLDERS for folder in folders):
            return True
        globs = self._globs
        above = itertools.accumulate(folders, "{}/{}".format)
        return globs is not None and not all(globs.takes_folder(folder) for folder in above)

    def _count_folders(self, path: str) -> None:
        """Names may imply many times more folders than there are members."""
        folders = path.split("/")[:-1]
        if "/".join(folders) not in self._folders:
            self._folders.update(itertools.accumulate(folders, "{}/{}".format))
            if len(self._folders) > self.limits.max_members:
                raise self._too_much(f"holds more than {self.limits.max_members:,} folders", "max_members")

    def _other_spelling(self, path: str) -> str:
        """Where case is ignored: a member or folder taken before whose name is the same but for that; else empty."""
        if self._spellings is None:
            return ""
        spelt = {_folded(part): part for part in itertools.accumulate(path.split("/"), "{}/{}".format)}
        clash = next(
            (self._spellings[key] for key, part in spelt.items() if self._spellings.get(key, part) != part), ""
        )
        if not clash:
            self._spellings.update(spelt)
        return clash

    def _forget(self, path: str) -> None:
        """Drop an earlier member of the same name, or what was written of this one."""
        self._failures.pop(path, None)
        if path in self._written:
            self._written.discard(path)
            (self._top / path).unlink(missing_ok=True)


def checked_path(name: str, *, max_depth: int) -> tuple[str, str]:
    """Turn a member's name into a path below a folder.

    Returns:
        The path, ``/`` between segments, and an empty reason; or the reason why there is none.

    Example:
        >>> checked_path("./guide//keys.md", max_depth=8), checked_path("../keys.md", max_depth=8)
        (('guide/keys.md', ''), ('', 'has .. in its path, which may lead out of the archive'))
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    path = "/".join(parts)
    troubles = (
        (printable(name) != name, UNFIT_NAME),
        (name.startswith("/"), "has an absolute path; pack it with relative ones"),
        ("\\" in name, "has a backslash in its path, which some systems read as a separator"),
        (_DRIVE.match(name), "has a path that names a drive"),
        (".." in parts, "has .. in its path, which may lead out of the archive"),
        (len(parts) > max_depth + 1, f"lies more than {max_depth} folders deep"),
        (os.name == "nt" and _NOT_ON_WINDOWS.search(path), "has a name that Windows does not allow"),
    )
    reason = next((reason for found, reason in troubles if found), "")
    return ("", reason) if reason else (path, "")


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


def _ignores_case(folder: Path) -> bool:
    """Whether two names that differ by case only are one name there."""
    probe = folder / "probe"
    probe.touch()
    try:
        return (folder / "PROBE").exists()
    finally:
        probe.unlink()
