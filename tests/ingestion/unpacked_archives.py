"""Archives made in tests, and what comes out of them."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from tercet.ingestion.packed import find_packed, unpacked
from tercet.memory.stored import FileStamp
from tercet.settings import ParsingLimits, UnpackingLimits

OLD = 1_600_000_000


class Outcome(NamedTuple):
    """What was unpacked, by path, and what was refused, with the reason."""

    files: dict[str, bytes]
    failures: dict[str, str]


def make_zip(path: Path, files: Mapping[str, bytes | str], **options) -> Path:
    with zipfile.ZipFile(path, "w", **{"compression": zipfile.ZIP_DEFLATED, **options}) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), content, archive.compression)
    return path


def make_tar(path: Path, members: Iterable[tuple[str | tarfile.TarInfo, bytes]], mode: str = "w", **options) -> Path:
    with tarfile.open(path, mode, **options) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name) if isinstance(name, str) else name
            member.mtime = OLD
            if member.isreg():
                member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def unpack(path: Path, *, max_file_mb: float = 100.0, globs=None, revision: str | None = None, **limits) -> Outcome:
    packed = find_packed(path, revision=revision)
    assert packed is not None
    with unpacked(
        packed,
        source=path,
        limits=UnpackingLimits(**limits),
        parsing=ParsingLimits(max_file_mb=max_file_mb),
        globs=globs,
        step=lambda path: None,
    ) as contents:
        files = {file.path: (contents.top / file.path).read_bytes() for file in contents.scan.files}
        return Outcome(files, {failure.path: failure.reason for failure in contents.scan.failures})


def stamps(path: Path, *, revision: str | None = None) -> dict[str, FileStamp]:
    packed = find_packed(path, revision=revision)
    assert packed is not None
    with unpacked(
        packed, source=path, limits=UnpackingLimits(), parsing=ParsingLimits(), globs=None, step=lambda path: None
    ) as contents:
        return {file.path: file.stamp for file in contents.scan.files}
