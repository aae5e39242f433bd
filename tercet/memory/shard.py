"""The directory of an embedded vector index: who holds it, what it was made for, and whether it is complete.

- ``lock`` is held by the process that has the index open; ``lock.json`` names it, and stays where that process died;
- ``index.json`` says what the index was made for, and whether the shard is ready or being (re)created;
- ``shard`` holds the engine's files.
"""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

from tercet.errors import CorruptMemoryError, DiskFullError
from tercet.memory.lock import FolderLock
from tercet.memory.vectors import IndexSpec

if TYPE_CHECKING:
    from pathlib import Path

FREE_BYTES = 128 * 1024 * 1024
"""Kept free on the disk: the engine writes through memory maps, and a full disk kills the process without an error."""

REINDEX = "Run `tercet reindex`: it rebuilds the vectors from the database."

_FORMAT = 1


class ShardDirectory:
    """One index directory, locked for as long as this object is held."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.shard = path / "shard"
        self._description = path / "index.json"
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = FolderLock(path)
        note = self._lock.holder()
        self._lock.acquire()
        self.crashed = note is not None
        """The last holder died with the index open."""

    def release(self) -> None:
        """Let others open the index."""
        self._lock.release()

    def is_ready(self, spec: IndexSpec) -> bool:
        """Whether there is a complete shard for this spec; False: create one, there is nothing or half of one.

        Raises:
            CorruptMemoryError: The index was made for another spec, or its files are incomplete.
        """
        found = self._read_description()
        if found is None:
            if self.shard.exists():
                raise CorruptMemoryError(f"the vector index {self.path} has lost its index.json.", remedy=REINDEX)
            return False
        state, made_for = found
        if state != "ready":
            return False
        if made_for != spec:
            raise CorruptMemoryError(
                f"the vector index {self.path} was made for dimension {made_for.dimension} and the fields "
                f"{', '.join(made_for.integers) or 'none'}, not for dimension {spec.dimension} and "
                f"{', '.join(spec.integers) or 'none'}.",
                remedy=REINDEX,
            )
        # The engine itself would open a shard without segments, with what its log happens to hold.
        if not (self.shard / "edge_config.json").exists() or not any(self.shard.glob("segments/*/segment.json")):
            raise CorruptMemoryError(f"the vector index {self.path} has lost files of its shard.", remedy=REINDEX)
        return True

    def begin(self, spec: IndexSpec) -> None:
        """Remove the shard. A crash between this and ``finish`` leaves an index that the next opening makes anew."""
        _write(self._description, self._describe("creating", spec))
        shutil.rmtree(self.shard, ignore_errors=True)

    def finish(self, spec: IndexSpec) -> None:
        """The shard is complete."""
        _write(self._description, self._describe("ready", spec))

    def require_space(self, size: int) -> None:
        """Check that ``size`` more bytes leave the reserve untouched.

        Raises:
            DiskFullError: They do not.
        """
        free = shutil.disk_usage(self.path).free
        if free < FREE_BYTES + size:
            raise DiskFullError(
                f"the disk of {self.path} has {free / 2**20:.0f} MiB free; writing vectors needs "
                f"{(FREE_BYTES + size) / 2**20:.0f}. Nothing was written by this call's current batch.",
                remedy="Free some space and run the same command again.",
            )

    @staticmethod
    def _describe(state: str, spec: IndexSpec) -> dict[str, object]:
        return {"format": _FORMAT, "state": state, "dimension": spec.dimension, "integers": list(spec.integers)}

    def _read_description(self) -> tuple[str, IndexSpec] | None:
        try:
            found = json.loads(self._description.read_text("utf-8"))
            if found["format"] != _FORMAT:
                raise CorruptMemoryError(
                    f"the vector index {self.path} has the unknown format {found['format']!r}.", remedy=REINDEX
                )
            return str(found["state"]), IndexSpec(dimension=found["dimension"], integers=tuple(found["integers"]))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise CorruptMemoryError(f"{self._description} cannot be read: {error!r}.", remedy=REINDEX) from error


def _write(path: Path, content: dict[str, object]) -> None:
    """Replace a small file so that a crash or power loss leaves the old content or the new."""
    draft = path.with_name(path.name + ".new")
    with draft.open("w", encoding="utf-8") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
