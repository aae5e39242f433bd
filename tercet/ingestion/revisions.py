"""A folder of a git repository as it is at a commit, read through the git program.

Contents come from ``git cat-file``, byte for byte as they were committed, and not from ``git archive`` or a checkout:
those apply what the repository's own configuration and attributes say, programs to run included. What is left
of a repository's say is switched off: it can neither fetch, nor run a hook, nor ask for a password.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from tercet.errors import SourceError
from tercet.ingestion.names import printable
from tercet.ingestion.unpacking import CHUNK
from tercet.memory.stored import FileStamp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tercet.ingestion.unpacking import Unpacker

TIMEOUT_S = 600.0
"""After which a git program is ended; a repository may hold a pipe in place of a file."""

_SETTINGS = ("core.fsmonitor=false", f"core.hooksPath={os.devnull}", "protocol.allow=never", "core.pager=cat")
_HASH = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})")
_LONGEST_ENTRY = 1 << 16
_FILE, _SUBMODULE = "100", "160"
"""What the modes of entries begin with."""


class Revision:
    """A folder at one commit.

    Args:
        path: The folder of the repository, or one below it; it need not be as it was at that commit.
        revision: Whatever names a commit for git: a hash, a tag, a branch, ``HEAD~3``.

    Raises:
        SourceError: There is no git program, no repository, no such commit, or no such folder in it.
    """

    def __init__(self, path: Path, revision: str) -> None:
        self._path = path
        self.name = path.name.removesuffix(".git") or path.name
        shown = printable(str(path))
        if not path.is_dir():
            raise SourceError(
                f"{shown} is no folder, so it has no revision {printable(revision)!r}.",
                remedy="Name the folder of a git repository, or leave the revision out.",
            )
        if not revision or revision.startswith("-") or printable(revision) != revision:
            raise SourceError(
                f"{printable(revision)!r} is no name of a commit.", remedy="Name a hash, a tag or a branch."
            )
        inside, complaint = self._ask("rev-parse", "--git-dir")
        if not inside:
            foreign = "dubious ownership" in complaint
            raise SourceError(
                f"{shown} is no git repository that can be read ({complaint}), so it has no revision {revision!r}.",
                remedy="If you trust its owner, `git config --global --add safe.directory` with its path allows it."
                if foreign
                else "Name a folder of a repository, or leave the revision out.",
            )
        self.commit = self._resolve(f"{revision}^{{commit}}")
        if not self.commit:
            raise SourceError(
                f"{shown} has no commit {revision!r}.",
                remedy="See `git log --all --oneline` for what there is; `git fetch` gets what is missing.",
            )
        below = self._ask("rev-parse", "--show-prefix")[0]
        self._tree = self._resolve(f"{self.commit}:{below}")
        if not self._tree:
            raise SourceError(
                f"There is no folder {printable(below)} at {revision!r}.", remedy="Name the whole repository."
            )
        self.stamp = FileStamp(0, 0, 0, _number(self._tree))
        self._blobs: dict[str, str] = {}

    def stamp_of(self, path: str, size: int) -> FileStamp:
        """The stamp of a file that was unpacked: the same content has the same one, whenever it was committed."""
        blob = self._blobs.get(path)
        return FileStamp(size, 0, 0, 0 if blob is None else _number(blob))

    def unpack(self, into: Unpacker) -> None:
        """Write the files of the folder.

        Raises:
            SourceError: An object is missing or damaged, or the files exceed a limit.
        """
        with self._running("cat-file", "--batch") as contents:
            for mode, blob, size, name in self._entries():
                into.count()
                if mode.startswith(_SUBMODULE):
                    into.refuse_folder(name, "is a submodule; ingest its own repository, or exclude it")
                    continue
                path = into.admit(name)
                if path is None:
                    continue
                if mode.startswith(_FILE):
                    self._blobs[path] = blob
                    into.write(path, self._content(contents, blob, size, into), size=size)
                else:
                    into.refuse(path, "is a link; links in a revision are not followed")

    def _entries(self) -> Iterator[tuple[str, str, int, str]]:
        """Mode, hash, size and path of all there is below the folder."""
        with self._running("ls-tree", "-r", "-l", "-z", "--full-tree", self._tree) as listing:
            assert listing.stdout is not None
            rest = b""
            while piece := listing.stdout.read(CHUNK):
                *records, rest = (rest + piece).split(b"\0")
                if len(rest) > _LONGEST_ENTRY:
                    raise self._unreadable("a path in it is too long")
                for record in records:
                    about, _, name = record.partition(b"\t")
                    mode, _, blob, size = about.decode("ascii").split()
                    yield mode, blob, int(size) if size.isdigit() else 0, name.decode("utf-8", "surrogateescape")
            if listing.wait() != 0:
                raise self._unreadable("its files cannot be listed")

    def _content(self, contents: subprocess.Popen[bytes], blob: str, size: int, into: Unpacker) -> Iterator[bytes]:
        assert contents.stdin is not None
        assert contents.stdout is not None
        try:
            contents.stdin.write(f"{blob}\n".encode())
            contents.stdin.flush()
        except OSError:
            raise self._unreadable("git ended too early") from None
        if contents.stdout.readline(_LONGEST_ENTRY) != f"{blob} blob {size}\n".encode():
            raise self._unreadable(f"the object {blob} is missing or damaged")
        left = size + 1  # a line end follows
        while left:
            piece = contents.stdout.read(min(left, CHUNK))
            if not piece:
                raise self._unreadable(f"the object {blob} is damaged")
            into.spend(len(piece))
            left -= len(piece)
            yield piece if left else piece[:-1]

    def _resolve(self, expression: str) -> str:
        """The hash of an object; empty: there is none."""
        found = self._ask("rev-parse", "--verify", "--quiet", "--end-of-options", expression)[0]
        return found if _HASH.fullmatch(found) else ""

    def _ask(self, *words: str) -> tuple[str, str]:
        """One line that git answers; or an empty one, and its complaint."""
        try:
            done = subprocess.run(  # noqa: S603  # no shell; what users name comes behind --end-of-options
                self._command(*words),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=_environment(),
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return "", f"git did not answer within {TIMEOUT_S:g} s"
        if done.returncode == 0:
            return done.stdout.decode("utf-8", "surrogateescape").removesuffix("\n"), ""
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        return "", printable(lines[0][:300]).removeprefix("fatal: ") if lines else f"exit code {done.returncode}"

    def _command(self, *words: str) -> list[str]:
        program = shutil.which("git")
        if program is None:
            raise SourceError(
                "There is no git program, which reading a revision needs.",
                remedy="Install git, or check the revision out yourself and ingest the folder.",
            )
        settings = [word for setting in _SETTINGS for word in ("-c", setting)]
        return [program, "-C", str(self._path), "--no-pager", *settings, *words]

    @contextmanager
    def _running(self, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        process = subprocess.Popen(  # noqa: S603  # no shell; the only name given is a hash
            self._command(*words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
        )
        timer = threading.Timer(TIMEOUT_S, process.kill)
        timer.daemon = True
        timer.start()
        try:
            yield process
        finally:
            timer.cancel()
            process.kill()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with suppress(OSError):
                        stream.close()
            process.wait()

    def _unreadable(self, reason: str) -> SourceError:
        return SourceError(
            f"{printable(str(self._path))} cannot be read at {self.commit}: {printable(reason)}.",
            remedy="`git fsck` tests the repository; a partial clone must be completed by `git fetch --refetch` first.",
        )


def _environment() -> dict[str, str]:
    """The caller's, less what would name another repository, and with all that reaches out or asks switched off."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or (name.startswith("GIT_CONFIG_") and name != "GIT_CONFIG_PARAMETERS")
    }
    return kept | {
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }


def _number(name: str) -> int:
    """A hash, as far as it goes into 60 bits."""
    return int(name[:15], 16)
