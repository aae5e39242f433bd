"""Sphinx: constants of ``conf.py``, which is parsed and never executed, and the ``toctree`` directives of the pages."""

from __future__ import annotations

import ast
import posixpath
import re
from typing import TYPE_CHECKING, Any

from tercet.ingestion.publishing.configuration import join, text_of
from tercet.ingestion.publishing.rules import PageRules, address
from tercet.ingestion.publishing.site import below, glob_pattern
from tercet.ingestion.publishing.toctrees import Toctrees

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tercet.ingestion.publishing.configuration import Folder

CONFIGURATIONS = ("conf.py",)
_READTHEDOCS = (".readthedocs.yaml", ".readthedocs.yml")
_SIGNS = re.compile(r"\b(?:project|extensions|html_theme|master_doc|root_doc|source_suffix)\b")
_PARSERS = {
    ".md": ("myst_parser", "myst_nb", "recommonmark"),
    ".ipynb": ("nbsphinx", "myst_nb"),
}
_ALWAYS_EXCLUDED = ("_build",)


class SphinxSite:
    """A project of Sphinx.

    Args:
        root: The ingested root.
        path: Of the configuration, below the root.
        base_url: Where the site is published.
        kept: The outline of a page as the ledger has it; None: it changed, or was never read.
    """

    def __init__(self, root: Folder, path: str, base_url: str, kept: Callable[[str], str | None]) -> None:
        self._base_url = base_url
        self._folder = posixpath.dirname(path)
        values = constants(root.text(path) or "")
        self.contents: tuple[str, ...] = (self._folder,)
        self._directories = _builder(root, path) == "dirhtml"
        suffix = text_of(values.get("html_file_suffix")) or ".html"
        link = values.get("html_link_suffix")
        self._suffix = suffix if link is None else text_of(link)
        self._suffixes = _source_suffixes(values)
        patterns = values.get("exclude_patterns")
        given = [str(one) for one in patterns if isinstance(one, str)] if isinstance(patterns, list | tuple) else []
        self._excluded = [glob_pattern(one) for one in (*given, *_ALWAYS_EXCLUDED)]
        start = text_of(values.get("root_doc")) or text_of(values.get("master_doc")) or "index"
        trees = Toctrees(root, self._folder, self._suffixes, kept)
        self._places = trees.places(start)
        self.outlines: Mapping[str, str] = trees.outlines

    def rules(self, path: str) -> PageRules | None:
        """See ``Site``."""
        inside = below(self._folder, path)
        suffix = None if inside is None else next((one for one in self._suffixes if inside.endswith(one)), None)
        if inside is None or suffix is None or self._is_excluded(inside):
            return None
        name = inside[: -len(suffix)]
        section, position = self._places.get(name, ((), None))
        return PageRules(
            url=address(self._base_url, self._published(name)),
            section=section,
            position=position,
            slugs="docutils",
            syntaxes=("rst",) if suffix in (".rst", ".txt") else ("myst",),
            site=self._folder,
        )

    def _published(self, name: str) -> str:
        if not self._directories:
            return name + self._suffix
        return name.removesuffix("index") if name == "index" or name.endswith("/index") else f"{name}/"

    def _is_excluded(self, path: str) -> bool:
        parts = path.split("/")
        paths = ["/".join(parts[: count + 1]) for count in range(len(parts))]
        return any(pattern.fullmatch(one) for pattern in self._excluded for one in paths)


def is_configuration(text: str) -> bool:
    """Whether a ``conf.py`` looks like one of Sphinx: other programs have files of that name."""
    return bool(_SIGNS.search(text))


def constants(source: str) -> dict[str, Any]:
    """The module's variables that are written as literals.

    Example:
        >>> constants("import os\\nroot_doc = 'contents'\\nversion = os.environ['V']")
        {'root_doc': 'contents'}
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    values: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets, value = [node.target], node.value
        else:
            continue
        for target in targets:
            if isinstance(target, ast.Name):
                try:
                    values[target.id] = ast.literal_eval(value)
                except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                    continue
    return values


def _source_suffixes(values: Mapping[str, Any]) -> tuple[str, ...]:
    given = values.get("source_suffix", ".rst")
    suffixes = (
        [given] if isinstance(given, str) else list(given) if isinstance(given, list | tuple | dict) else [".rst"]
    )
    extensions = values.get("extensions")
    names = set(map(str, extensions)) if isinstance(extensions, list | tuple) else set()
    suffixes += [suffix for suffix, parsers in _PARSERS.items() if names.intersection(parsers)]
    return tuple(dict.fromkeys(str(suffix) for suffix in suffixes if suffix))


def _builder(root: Folder, conf: str) -> str:
    """The builder that Read the Docs is told to use: nothing else in a project says it."""
    folder = posixpath.dirname(conf)
    while True:
        for name in _READTHEDOCS:
            config = root.yaml(posixpath.join(folder, name), hidden=True).get("sphinx")
            if isinstance(config, dict):
                named = text_of(config.get("configuration"))
                if not named or join(folder, named) == conf:
                    return text_of(config.get("builder"))
        if not folder:
            return ""
        folder = posixpath.dirname(folder)
