"""What a run has to do: files as they are now against the ledger. Decides all, deletions included; writes nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from tercet.errors import DeletionRefusedError
from tercet.records import FileFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tercet.ingestion.roots import Place
    from tercet.memory.stored import FileEntry, FileStamp

RACY_NS = 2_000_000_000
"""A file changed so shortly before it was read may change again without its time stamps showing it."""
LARGEST_LOSS = 0.2
"""Share of the known files that may vanish in one run without the caller's consent."""


class FoundFile(NamedTuple):
    """A file of the source, and where it belongs."""

    uri: str
    place: Place
    path: str
    """Below the root of ``place``."""
    location: str
    """Path on this machine."""
    stamp: FileStamp
    config_hash: str = ""
    """Of all that its document depends on beside its content; empty: that of the run."""


class KnownFile(NamedTuple):
    """A file of the ledger."""

    uri: str
    entry: FileEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run will do. Everything is sorted by uri."""

    parse: tuple[FoundFile, ...] = ()
    updates: frozenset[str] = frozenset()
    """Those of ``parse`` that replace a document; the others are new."""
    touched: tuple[FileEntry, ...] = ()
    """Ledger rows of files that look different but hold what they held."""
    unchanged: int = 0
    renamed: tuple[tuple[str, str], ...] = ()
    """Pairs of a vanished and a new uri with equal content; both are among ``vanished`` and ``parse`` too."""
    vanished: tuple[KnownFile, ...] = ()
    still_failing: tuple[FileFailure, ...] = ()
    """Files that failed before and are as they were."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """What the caller asked for, as far as it bears on the plan."""

    config_hash: str
    seen_ns: int
    """Clock after the files were looked at and before any is read."""
    verify: bool = False
    """Compare contents where time stamps agree, too."""
    retry_failed: bool = False
    allow_delete: bool = False


def make_plan(
    found: Sequence[FoundFile],
    known: Mapping[str, FileEntry],
    options: PlanOptions,
    *,
    hash_file: Callable[[str], str | None],
    refresh: Callable[[FoundFile, FileEntry], FileEntry | None] = lambda file, entry: entry,
    uncertain: Callable[[str], bool] = lambda uri: False,
    source: str = "",
) -> Plan:
    """Compare what is there with what the ledger knows about the same part of the corpus.

    Args:
        found: The files of the source.
        known: The ledger's files in the part of the corpus that the source covers, by uri.
        options: What the caller asked for.
        hash_file: Reads a file and returns the hash of its content; None if it cannot be read.
        refresh: Looks at the files that a known one includes: its row as it is or has to be, None if they changed.
        uncertain: Whether a known file may still be there although it was not found (its folder could not be listed).
        source: Names the source in messages.

    Raises:
        DeletionRefusedError: More files vanished than may be lost without consent.
    """
    parse: list[FoundFile] = []
    touched: list[FileEntry] = []
    still_failing: list[FileFailure] = []
    unchanged = 0
    for file in found:
        entry = known.get(file.uri)
        fresh = None if entry is None else _still_valid(file, entry, options, hash_file, refresh)
        if entry is None or fresh is None:
            parse.append(file)
            continue
        if fresh is not entry:
            touched.append(fresh)
        if entry.reason is None and entry.document_id is not None:
            unchanged += 1
        elif entry.reason is None or options.retry_failed:
            parse.append(file)
        else:
            still_failing.append(FileFailure(path=file.uri, reason=entry.reason))
    present = {file.uri for file in found}
    vanished = [KnownFile(uri, known[uri]) for uri in sorted(known) if uri not in present and not uncertain(uri)]
    renamed = _find_renames([file for file in parse if file.uri not in known], vanished, hash_file)
    if not options.allow_delete:
        _refuse_loss(found, known, vanished, renamed, source)
    queued = {file.uri for file in parse}
    return Plan(
        parse=tuple(sorted(parse, key=lambda file: file.uri)),
        updates=frozenset(uri for uri in queued if uri in known and known[uri].document_id is not None),
        touched=tuple(touched),
        unchanged=unchanged,
        renamed=renamed,
        vanished=tuple(vanished),
        still_failing=tuple(sorted(still_failing, key=lambda failure: failure.path)),
    )


def _still_valid(
    file: FoundFile,
    entry: FileEntry,
    options: PlanOptions,
    hash_file: Callable[[str], str | None],
    refresh: Callable[[FoundFile, FileEntry], FileEntry | None],
) -> FileEntry | None:
    """The row of a file that holds what it held, as it has to be from now on; None: it has to be parsed."""
    if entry.config_hash != (file.config_hash or options.config_hash):
        return None
    fresh = entry
    if options.verify or file.stamp != entry.stamp or racy(entry):
        if hash_file(file.location) != entry.content_hash:
            return None
        if file.stamp != entry.stamp or racy(entry):
            fresh = replace(entry, stamp=file.stamp, seen_ns=options.seen_ns)
    if entry.included:
        again = refresh(file, entry)
        if again is None:
            return None
        if again is not entry:
            fresh = replace(fresh, included=again.included, seen_ns=options.seen_ns)
    return fresh


def settled_plan(known: Mapping[str, FileEntry]) -> Plan:
    """The plan for a source that is known to be as it was: nothing is left to do."""
    failures = [FileFailure(path=uri, reason=entry.reason) for uri, entry in sorted(known.items()) if entry.reason]
    return Plan(unchanged=len(known) - len(failures), still_failing=tuple(failures))


def racy(entry: FileEntry) -> bool:
    """Whether the content may have changed after it was read without a change of the stamp.

    A modification time in the future was set by somebody; the time of the last status change cannot be.
    """
    return changed_lately(entry.stamp, entry.seen_ns)


def changed_lately(stamp: FileStamp, seen_ns: int) -> bool:
    """Whether a file changed so shortly before the clock said ``seen_ns`` that its stamp does not vouch for it."""
    edge = seen_ns - RACY_NS
    return stamp.ctime_ns > edge or edge < stamp.mtime_ns <= seen_ns


def _find_renames(
    added: Sequence[FoundFile], vanished: Sequence[KnownFile], hash_file: Callable[[str], str | None]
) -> tuple[tuple[str, str], ...]:
    """Match new files with vanished ones by content; only files of equal size are read."""
    candidates: dict[tuple[int, str], list[str]] = {}
    for uri, entry in vanished:
        if entry.document_id is not None and entry.content_hash:
            candidates.setdefault((entry.stamp.size, entry.content_hash), []).append(uri)
    sizes = {size for size, _ in candidates}
    renamed = []
    for file in sorted(added, key=lambda file: file.uri):
        if file.stamp.size in sizes:
            matches = candidates.get((file.stamp.size, hash_file(file.location) or ""))
            if matches:
                renamed.append((matches.pop(0), file.uri))
    return tuple(sorted(renamed))


def _refuse_loss(
    found: Sequence[FoundFile],
    known: Mapping[str, FileEntry],
    vanished: Sequence[KnownFile],
    renamed: Sequence[tuple[str, str]],
    source: str,
) -> None:
    moved = {old for old, _ in renamed}
    lost = [uri for uri, entry in vanished if entry.document_id is not None and uri not in moved]
    total = sum(1 for entry in known.values() if entry.document_id is not None)
    if not lost or (found and len(lost) <= LARGEST_LOSS * total):
        return
    examples = ", ".join(lost[:3]) + (", …" if len(lost) > 3 else "")
    state = "holds no file that can be ingested any more" if not found else f"lacks {len(lost)} of them"
    raise DeletionRefusedError(
        f"{source} {state}, while the corpus knows {total} files of it: {len(lost)} documents would be deleted "
        f"({examples}). Nothing was changed.",
        remedy="If that is right, run it with --allow-delete (allow_delete=True); else check the path and the globs.",
    )
