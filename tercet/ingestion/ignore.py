"""Which entries of a folder are left out: ``.gitignore`` at every level, and the caller's include and exclude globs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pathspec import GitIgnoreSpec

from tercet.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

IGNORE_FILE = ".gitignore"
_LONGEST_IGNORE_FILE = 1 << 20


class IgnoreLevel(NamedTuple):
    """The rules of one ignore file, for paths that start with ``prefix`` (a folder, with its closing ``/``)."""

    prefix: str
    rules: GitIgnoreSpec


class GlobFilter:
    """The caller's globs, read like lines of a ``.gitignore``: ``*.md`` at any level, ``/top/**`` from the root.

    Args:
        include: A file must match one of these; empty: every file does.
        exclude: A file or folder that matches one of these is left out, whatever ``include`` says.

    Raises:
        ConfigurationError: A glob cannot be read.
    """

    def __init__(self, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        self._include = _compile(include, "include") if include else None
        self._exclude = _compile(exclude, "exclude") if exclude else None

    def takes_file(self, path: str) -> bool:
        """Whether a file at ``path`` below the walked folder is wanted."""
        if self._exclude is not None and self._exclude.match_file(path):
            return False
        return self._include is None or self._include.match_file(path)

    def takes_folder(self, path: str) -> bool:
        """Whether a folder has to be looked into at all."""
        return self._exclude is None or not self._exclude.match_file(path + "/")


def _compile(globs: Sequence[str], option: str) -> GitIgnoreSpec:
    if isinstance(globs, str):
        raise ConfigurationError(f"{option}={globs!r} is one string.", remedy=f"Give a list: {option}=[{globs!r}].")
    for glob in globs:
        try:
            GitIgnoreSpec.from_lines([glob])
        except ValueError as error:
            raise ConfigurationError(
                f"The {option} glob {glob!r} cannot be read: {error}.", remedy="Write it as a line of a .gitignore."
            ) from None
    return GitIgnoreSpec.from_lines(globs)


def read_ignore_file(path: Path) -> GitIgnoreSpec | None:
    """Read one ignore file; lines that are no pattern are passed over, as git does. None: it holds no rule.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        text = file.read(_LONGEST_IGNORE_FILE).decode("utf-8-sig", errors="surrogateescape")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        return None
    try:
        return GitIgnoreSpec.from_lines(lines)
    except ValueError:
        return GitIgnoreSpec.from_lines([line for line in lines if _readable(line)])


def _readable(line: str) -> bool:
    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True


def ignored(path: str, levels: Sequence[IgnoreLevel]) -> bool:
    """Whether the levels, the deepest one first, leave out ``path`` (folders end with ``/``)."""
    for level in levels:
        verdict = level.rules.check_file(path[len(level.prefix) :]).include
        if verdict is not None:
            return verdict
    return False


def levels_above(top: Path, base: Path) -> tuple[tuple[IgnoreLevel, ...], str]:
    """Collect the ignore files that govern ``top`` from above, up to the git repository around ``base``, else ``base``.

    Returns:
        The levels, deepest first, and the path of ``top`` (empty, or with a closing ``/``) that they are relative to.
        A folder that the rules above leave out but the caller names all the same is governed by its own rules alone.
    """
    start = next((folder for folder in (base, *base.parents) if (folder / ".git").exists()), base)
    levels: tuple[IgnoreLevel, ...] = ()
    prefix = ""
    folder = start
    for name in top.relative_to(start).parts:
        file = folder / IGNORE_FILE
        if file.is_file() and not file.is_symlink():
            rules = read_ignore_file(file)
            if rules is not None:
                levels = (IgnoreLevel(prefix, rules), *levels)
        prefix += name + "/"
        folder /= name
        if ignored(prefix, levels):
            return (), ""
    return levels, prefix
