"""The folder that a site is mirrored into: pages as files, and a manifest that says where each came from."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from tercet.errors import ParseError, SourceError
from tercet.ingestion.reading import hash_content, read_file
from tercet.ingestion.web.failures import PageError
from tercet.ingestion.web.paths import page_path
from tercet.ingestion.web.urls import Url, parse_url
from tercet.memory.mirrors import MANIFEST

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPage:
    """A page in the folder, and what a later request says about it."""

    path: str
    """Below the folder."""
    hash: str
    """Of the file's content."""
    etag: str = ""
    modified: str = ""
    """The ``Last-Modified`` header, as the server wrote it."""


class MirrorFolder:
    """The pages of one source on disk.

    Args:
        path: The folder; made if it is missing.
        source: The URL that is mirrored into it.

    Raises:
        SourceError: It cannot be used: it holds other files or another source, or its manifest is damaged.
    """

    def __init__(self, path: Path, source: str) -> None:
        self.path = path
        self._source = source
        with self._writing():
            path.mkdir(parents=True, exist_ok=True)
            self.pages = self._load()
            self._owners = {page.path: url for url, page in self.pages.items()}
            self.save()

    def read(self, url: Url) -> bytes | None:
        """The stored content of a page; None if there is none, or the file is not what was stored."""
        page = self.pages.get(url)
        if page is None:
            return None
        file = self.path / page.path
        try:
            data = read_file(file, max_bytes=file.stat().st_size)
        except (ParseError, OSError):
            return None
        return data if hash_content(data) == page.hash else None

    def validators(self, url: Url) -> dict[str, str]:
        """Headers that ask for a page only if it changed; none if it has to be fetched in any case."""
        page = self.pages.get(url)
        if page is None or not (page.etag or page.modified) or self.read(url) is None:
            return {}
        headers = {"If-None-Match": page.etag, "If-Modified-Since": page.modified}
        return {name: value for name, value in headers.items() if value}

    def store(self, url: Url, suffix: str, data: bytes, headers: Mapping[str, str]) -> bool:
        """Write a page, unless the same content is there.

        Returns:
            Whether the file is new or other than before.

        Raises:
            PageError: Another page has the file name.
            SourceError: The folder cannot be written to.
        """
        path = page_path(url, suffix)
        if self._owners.setdefault(path, url) != url:
            raise PageError(f"would be stored in the file of {self._owners[path]}")
        before = self.pages.get(url)
        content = hash_content(data)
        changed = before is None or before.path != path or before.hash != content or self.read(url) is None
        if changed:
            with self._writing():
                file = self.path / path
                file.parent.mkdir(parents=True, exist_ok=True)
                _replace(file, data)
                if before is not None and before.path != path:
                    self._unlink(before.path)
        self.pages[url] = StoredPage(
            path=path, hash=content, etag=headers.get("etag", ""), modified=headers.get("last-modified", "")
        )
        return changed

    def remove(self, url: Url) -> None:
        """Delete the file of a page, and folders that are empty then."""
        page = self.pages.pop(url, None)
        if page is not None:
            with self._writing():
                self._unlink(page.path)

    def save(self) -> None:
        """Write the manifest; a run that is killed loses no more than what came after."""
        pages = [{"url": str(url), **asdict(page)} for url, page in sorted(self.pages.items())]
        content = {"format": FORMAT, "source": self._source, "pages": pages}
        with self._writing():
            _replace(self.path / MANIFEST, json.dumps(content, indent=1).encode("ascii"), flush=True)

    def _load(self) -> dict[Url, StoredPage]:
        file = self.path / MANIFEST
        if not file.exists():
            if any(not entry.name.startswith(".") for entry in self.path.iterdir()):
                raise SourceError(
                    f"{self.path} holds files that are no mirror of a site.", remedy="Name an empty or a new folder."
                )
            return {}
        try:
            content: Any = json.loads(file.read_bytes())
            if content["format"] != FORMAT:
                raise SourceError(
                    f"{file} has format {content['format']!r}; this Tercet reads {FORMAT}.",
                    remedy="Delete the folder to fetch the site again, or use the Tercet that wrote it.",
                )
            if content["pages"] and content["source"] != self._source:
                raise SourceError(
                    f"{self.path} is the mirror of {content['source']}, not of {self._source}.",
                    remedy="Use a folder for each source.",
                )
            return dict(map(_page_from, content["pages"]))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, PageError):
            raise SourceError(f"{file} is damaged.", remedy="Delete the folder; the site is fetched again.") from None

    def _unlink(self, path: str) -> None:
        self._owners.pop(path, None)
        (self.path / path).unlink(missing_ok=True)
        for folder in PurePosixPath(path).parents[:-1]:
            try:
                (self.path / folder).rmdir()
            except OSError:  # not empty
                break

    def _writing(self) -> _Writing:
        return _Writing(self.path)


class _Writing:
    """Turns errors of the file system into one that names the folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise SourceError(
                f"{self._path} cannot be used: {(error.strerror or str(error)).lower()}.",
                remedy="Name a folder that can be written to.",
            ) from None


def _page_from(record: Any) -> tuple[Url, StoredPage]:  # noqa: ANN401 -- whatever the file holds
    url = parse_url(record["url"])
    page = StoredPage(**{name: str(value) for name, value in record.items() if name != "url"})
    # The path is deleted one day; one that the URL does not have was not written by us.
    if page_path(url, PurePosixPath(page.path).suffix) != page.path:
        raise ValueError(page.path)
    return url, page


def _replace(file: Path, data: bytes, *, flush: bool = False) -> None:
    temporary = file.with_name(f".{file.name[:40]}.new")
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            if flush:
                stream.flush()
                os.fsync(stream.fileno())
        temporary.replace(file)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
