"""A folder of results that is there as a whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tercet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


def write_folder(target: Path, contents: Mapping[str, str]) -> Path:
    """Put a folder with these files in place at once; a folder that is there is replaced."""
    target.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        made.chmod(0o755)  # mkdtemp keeps others out; a report is to be shown
        for name, text in contents.items():
            (made / name).write_text(text, encoding="utf-8", errors="replace", newline="\n")
        _put_in_place(made, target)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    return target


def _put_in_place(made: Path, target: Path) -> None:
    if not target.exists():
        made.rename(target)
        return
    before = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    target.rename(before / target.name)
    try:
        made.rename(target)
    except BaseException:
        (before / target.name).rename(target)
        before.rmdir()
        raise
    shutil.rmtree(before)


def check_place(target: Path, names: Collection[str]) -> None:
    """Refuse to write where something stands that is not an earlier result.

    Args:
        target: The folder to be.
        names: The files that an earlier result has.

    Raises:
        InputError: It is a file, or a folder with other files.
    """
    if not target.exists():
        return
    if not target.is_dir():
        raise InputError(f"{str(target)!r} is a file, and is not overwritten.", remedy="Name a folder.")
    foreign = sorted(entry.name for entry in target.iterdir() if entry.name not in names)
    if foreign:
        raise InputError(
            f"{str(target)!r} holds {foreign[0]!r}, which no eval wrote, and is not overwritten.",
            remedy="Name a folder that does not exist yet, or one that holds an earlier result.",
        )
