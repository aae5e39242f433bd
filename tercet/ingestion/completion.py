"""Whether an archive or revision was ingested completely before, as it is now: then it need not be unpacked again.

A row of the ledger says so, at the path of the source itself, below its root. It holds the stamp of the archive or
revision and a hash of all that the ledger knew of its files once they were in place. So whatever happened to one of
them since (another source, ``forget``, another configuration) shows as another hash. A walk of the same root as an
ordinary folder takes the row for a file that vanished, and removes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tercet.ingestion.plan import racy
from tercet.ingestion.reading import hash_content
from tercet.memory.stored import FileEntry
from tercet.settings import fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tercet.ingestion.roots import Source
    from tercet.memory.ledger import Ledger
    from tercet.memory.stored import FileStamp


class Completion:
    """The row of one source.

    Args:
        ledger: Where it is kept.
        source: The archive or revision.
        stamp: Of the whole.
        config_hash: Of this run.
        globs: The caller's, in their order; other globs take other files.
    """

    def __init__(
        self, ledger: Ledger, source: Source, stamp: FileStamp, *, config_hash: str, globs: Sequence[Sequence[str]]
    ) -> None:
        self._ledger = ledger
        self._source = source
        self._stamp = stamp
        self._config_hash = fingerprint(config_hash, *("\n".join(some) for some in globs))

    def split(self, known: Mapping[str, FileEntry]) -> tuple[dict[str, FileEntry], FileEntry | None]:
        """Tell the files of the ledger, by uri, from the row."""
        files = dict(known)
        return files, files.pop(self._source.place.uri(self._source.place.below), None)

    def holds(self, known: Mapping[str, FileEntry]) -> bool:
        """Whether everything is in place already."""
        files, row = self.split(known)
        return (
            row is not None
            and not self._source.moved
            and not racy(row)
            and (row.stamp, row.config_hash, row.content_hash) == (self._stamp, self._config_hash, _digest(files))
        )

    def note(self, root_id: int, known: Mapping[str, FileEntry], *, seen_ns: int) -> None:
        """Write the row, unless it is there already.

        Args:
            root_id: Of the source.
            known: What the ledger holds now that all is in place.
            seen_ns: Clock before the source was read.
        """
        files, row = self.split(known)
        new = FileEntry(
            root_id=root_id,
            path=self._source.place.below,
            stamp=self._stamp,
            seen_ns=seen_ns,
            content_hash=_digest(files),
            config_hash=self._config_hash,
        )
        if row is None or row != new:
            self._ledger.record([new])


def _digest(files: Mapping[str, FileEntry]) -> str:
    lines = (
        f"{uri}\n{entry.content_hash}\n{entry.config_hash}\n{entry.reason or ''}\n{entry.document_id or ''}\n"
        for uri, entry in sorted(files.items())
    )
    return hash_content("".join(lines).encode())
