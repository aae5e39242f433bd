"""Pages of sites that a memory's own folder keeps: where they lie, and how they are removed with their documents.

``<memory>/sites/<source>/<host>/<path>`` is a page, and the manifest beside the hosts says where each came from.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import select

from tercet.memory.points import batches
from tercet.memory.schema import files, roots

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

MIRRORS = "sites"
"""Folder of a memory that keeps what was fetched, so that the next run asks only for what changed."""

MANIFEST = ".tercet-mirror.json"
"""In each mirror; hidden, so that ingestion passes over it."""


class Page(NamedTuple):
    """A file that a document was made of."""

    root: str
    """Folder of the host, absolute."""
    path: str
    """Below it."""


def pages_of(connection: Connection, memory: Path, document_ids: Sequence[int]) -> list[Page]:
    """The mirrored pages of some documents, as far as they lie in the memory's folder."""
    mirrors = (memory / MIRRORS).resolve()
    query = select(roots.c.path, files.c.path).join(roots, roots.c.id == files.c.root_id)
    return sorted(
        Page(root, path)
        for some in batches(document_ids)
        for root, path in connection.execute(query.where(files.c.document_id.in_(some)))
        if path and _inside(root, mirrors)
    )


def _inside(root: str, mirrors: Path) -> bool:
    found = type(mirrors)(root).resolve()
    return len(found.parts) == len(mirrors.parts) + 2 and found.is_relative_to(mirrors)


def remove_pages(memory: Path, pages: Iterable[Page]) -> None:
    """Delete pages, folders that are empty then, and what the manifests say of them; a missing page is fine."""
    mirrors = (memory / MIRRORS).resolve()
    by_mirror: dict[Path, set[str]] = {}
    for page in pages:
        host = type(memory)(page.root).resolve()
        file = host / page.path
        if not file.resolve().is_relative_to(host):  # a link that leads elsewhere: not a page of ours
            continue
        by_mirror.setdefault(host.parent, set()).add(f"{host.name}/{page.path}")
        for name in (file, file.with_name(f".{file.name[:40]}.new")):  # the second: of a run that was killed
            name.unlink(missing_ok=True)
        for folder in file.parents:
            if folder == mirrors or not _remove_empty(folder):
                break
    for mirror, paths in by_mirror.items():
        _strike(mirror / MANIFEST, paths)


def _remove_empty(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


def _strike(manifest: Path, paths: set[str]) -> None:
    try:
        content: Any = json.loads(manifest.read_bytes())
        content["pages"] = [page for page in content["pages"] if page["path"] not in paths]
        empty = not content["pages"]
    except FileNotFoundError:
        return
    except (ValueError, KeyError, TypeError):
        empty = True  # damaged: ingestion would refuse the mirror, and nobody can say what it names
    for draft in (manifest.with_name(f".{manifest.name[:40]}.new"), *([manifest] if empty else ())):
        draft.unlink(missing_ok=True)
    if empty:
        _remove_empty(manifest.parent)
        return
    draft = manifest.with_name(f".{manifest.name[:40]}.new")
    with draft.open("wb") as stream:
        stream.write(json.dumps(content, indent=1).encode("ascii"))
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(manifest)
