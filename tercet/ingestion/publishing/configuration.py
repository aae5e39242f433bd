"""Reading the configuration files of site generators: bounded, inside the root, and never executed."""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING, Any

from tercet.errors import ParseError
from tercet.ingestion.parsers.decoding import decode
from tercet.ingestion.parsers.yaml_values import load_yaml
from tercet.ingestion.reading import read_file
from tercet.sanitize import sanitize

if TYPE_CHECKING:
    from collections.abc import Mapping

LARGEST = 4_000_000
"""Bytes of a configuration file."""


class Folder:
    """The ingested root, whose files are named by their paths below it.

    Args:
        path: On this machine.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._real = os.path.realpath(path).rstrip(os.sep) + os.sep
        self._inside: dict[str, bool] = {}

    def locate(self, path: str, *, hidden: bool = False) -> str | None:
        """The absolute path of a file; None if it is hidden, lies outside, or a link on the way leads out.

        Args:
            path: Below the root.
            hidden: Whether names may begin with a dot.
        """
        inside = within(path)
        if inside is None or (not hidden and any(part.startswith(".") for part in inside.split("/"))):
            return None
        location = os.path.join(self.path, inside)  # noqa: PTH118  # paths by the thousand
        folder = os.path.dirname(location)  # noqa: PTH120  # paths by the thousand
        if folder not in self._inside:
            self._inside[folder] = (os.path.realpath(folder) + os.sep).startswith(self._real)
        if not self._inside[folder]:
            return None
        if os.path.islink(location):  # noqa: PTH114  # paths by the thousand
            return location if os.path.realpath(location).startswith(self._real) else None
        return location

    def exists(self, path: str) -> bool:
        """Whether there is such a file."""
        location = self.locate(path)
        return location is not None and os.path.isfile(location)  # noqa: PTH113  # paths by the thousand

    def text(self, path: str, *, hidden: bool = False) -> str | None:
        """The text of a file; None if it cannot be had."""
        location = self.locate(path, hidden=hidden)
        if location is None or not os.path.isfile(location):  # noqa: PTH113  # paths by the thousand
            return None
        try:
            data = read_file(location, max_bytes=LARGEST)
            return sanitize(decode(data, kind="text", name=path)[0])[0]
        except ParseError:
            return None

    def yaml(self, path: str, *, hidden: bool = False) -> Mapping[Any, Any]:
        """The mapping that a YAML file holds; empty if there is none, or it cannot be read."""
        text = self.text(path, hidden=hidden)
        value = None if text is None else load_yaml(text)
        return value if isinstance(value, dict) else {}


def within(path: str) -> str | None:
    """A path without ``.`` and ``..``; None where it leads outside.

    Example:
        >>> within("docs/../src/./a.py"), within("../a"), within("/etc/passwd")
        ('src/a.py', None, None)
    """
    normal = posixpath.normpath(path.replace("\\", "/"))
    return None if normal.startswith(("/", "../")) or normal in ("..", ".") else normal


def join(folder: str, path: str) -> str | None:
    """A path relative to a folder, below the root; None where it leads outside.

    Example:
        >>> join("docs/guide", "../keys.md"), join("", "keys.md"), join("docs", "../..")
        ('docs/keys.md', 'keys.md', None)
    """
    return within(f"{folder}/{path}" if folder else path)


def text_of(value: object) -> str:
    """A configured text on one line; empty for anything else."""
    return " ".join(sanitize(str(value))[0].split()) if isinstance(value, str | int | float) else ""
