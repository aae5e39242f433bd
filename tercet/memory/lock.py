"""The lock that gives a memory folder to one process. The operating system lifts it when that process ends, however."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from tercet.errors import ConfigurationError, MemoryLockedError, MemoryNotFoundError, StoreError

if TYPE_CHECKING:
    from pathlib import Path

LOCK_FILE = "lock"
"""Name of the locked file in a memory folder; ``lock.json`` beside it names the holder. It stays when released."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The process that holds a memory folder."""

    pid: int
    host: str
    command: str
    """As typed, shortened, passwords in URLs blanked out."""
    since: str
    """ISO 8601, UTC."""

    def __str__(self) -> str:
        return f"`{self.command}` (process {self.pid} on {self.host}, since {self.since})"


class FolderLock:
    """An exclusive lock on a folder, taken without waiting.

    A crash leaves no lock behind (``flock``; on Windows ``LockFileEx``). Within one process a second lock on the same
    folder is refused as well.

    Example:
        >>> with FolderLock(folder):  # doctest: +SKIP
        ...     work_with(folder)
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._note = folder / f"{LOCK_FILE}.json"
        # Without flock, filelock would fall back to the mere existence of a file, which outlives a crash.
        self._lock = FileLock(folder / LOCK_FILE, mode=0o600, thread_local=False, fallback_to_soft=False)

    def __enter__(self) -> FolderLock:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    @property
    def held(self) -> bool:
        """True when this object holds the lock."""
        return self._lock.is_locked

    def acquire(self) -> None:
        """Take the lock; taking it twice is the same as once.

        Raises:
            MemoryLockedError: Another process, or another memory object of this one, holds it; it is named.
            MemoryNotFoundError: There is no such folder.
            ConfigurationError: The file system has no locks.
            StoreError: The lock file cannot be opened.
        """
        if self.held:
            return
        if not self.folder.is_dir():
            raise MemoryNotFoundError(f"There is no folder {self.folder}.", remedy="Name the folder of a memory.")
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            raise self._refusal() from None
        except NotImplementedError as error:
            raise ConfigurationError(
                f"The file system of {self.folder} has no file locks.", remedy="Put the memory on a local disk."
            ) from error
        except OSError as error:
            raise StoreError(
                f"The lock of {self.folder} cannot be taken: {error.strerror or error}.",
                remedy="Check that the folder exists and may be written to; network file systems may lack locks.",
            ) from error
        try:
            self._write_note()
        except OSError as error:
            self._lock.release()
            raise StoreError(f"{self._note} cannot be written: {error.strerror}.", remedy="Free some space.") from error

    def release(self) -> None:
        """Give the folder back; does nothing when it is not held."""
        if self.held:
            with suppress(OSError):
                self._note.unlink()
            self._lock.release()

    def holder(self) -> Holder | None:
        """Who holds the folder, as it noted itself; None when nobody left a note. A killed holder's note stays."""
        try:
            return Holder(**json.loads(self._note.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def _refusal(self) -> MemoryLockedError:
        holder = self.holder()
        if holder is not None and (holder.pid, holder.host) == (os.getpid(), socket.gethostname()):
            return MemoryLockedError(
                f"The memory {self.folder} is already open in this process.",
                remedy="Use the Memory object that is open, or close it first.",
            )
        return MemoryLockedError(
            f"The memory {self.folder} is in use by {holder or 'another process'}.",
            remedy="Wait until it ends, or end it; `tercet status` works meanwhile. For several processes at once, "
            "keep the memory on servers (database= and qdrant=).",
        )

    def _write_note(self) -> None:
        command = re.sub(r"(://[^/:@\s]*):[^@\s]*@", r"\1:***@", shlex.join(sys.argv) or "python")
        holder = Holder(
            pid=os.getpid(),
            host=socket.gethostname(),
            command=command if len(command) <= 120 else command[:119] + "…",
            since=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        draft = self._note.with_name(f"{self._note.name}.new")
        draft.write_text(json.dumps(asdict(holder)), "utf-8")
        draft.replace(self._note)
