"""YAML to plain values; tags that would call for Python objects or environment variables become text or None."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from yaml import Node, SafeLoader

PROBLEMS = (ValueError, RecursionError, OverflowError, TypeError, AttributeError)
"""What the library raises on odd input beside its own errors."""

_FLAT = 400
_MARGIN = re.compile(r"^[ \t?:-]*", re.MULTILINE)


def read_yaml(source: str) -> object:
    """Read a document without any tags of its own.

    Returns:
        The value, or the exception that tells why there is none.

    Example:
        >>> read_yaml("tags: [a, b]")
        {'tags': ['a', 'b']}
    """
    import yaml  # most pages need none

    try:
        # The C reader crashes the process on deep nesting; this one raises RecursionError.
        return yaml.load(source, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, *PROBLEMS) as error:
        return ValueError(f"{type(error).__name__}: {getattr(error, 'problem', None) or error}")


def load_yaml(source: str) -> object:
    """Read a configuration that may have tags; None if it cannot be read.

    ``!!python/name:a.b`` becomes the text ``"a.b"``, ``!!python/object/apply:a.b`` a mapping with ``"call": "a.b"``,
    ``!ENV [A, B, default]`` its default, and any other tag None. Nothing is imported, called or looked up.

    Example:
        >>> load_yaml("slugify: !!python/name:pymdownx.slugs.uslugify")
        {'slugify': 'pymdownx.slugs.uslugify'}
    """
    import yaml

    try:
        return yaml.load(source, Loader=_loader(_is_flat(source)))  # noqa: S506  # a SafeLoader with more tags, none of which act
    except (yaml.YAMLError, *PROBLEMS):
        return None


def _is_flat(source: str) -> bool:
    """Whether nothing in a document is nested deeply, so that the reader in C, which is ten times as fast, is safe."""
    openers = source.count("[") + source.count("{")
    return openers < _FLAT and max((len(mark[0]) for mark in _MARGIN.finditer(source)), default=0) < _FLAT


@cache
def _loader(flat: bool) -> type[SafeLoader]:
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader) if flat else yaml.SafeLoader):  # type: ignore[misc]  # not every build has the one in C
        pass

    def named(loader: SafeLoader, suffix: str, node: Node) -> object:
        return suffix

    def applied(loader: SafeLoader, suffix: str, node: Node) -> object:
        given = loader.construct_mapping(node, deep=True) if isinstance(node, yaml.MappingNode) else {}
        return {"call": suffix, **given}

    def environment(loader: SafeLoader, node: Node) -> object:
        return loader.construct_sequence(node)[-1] if isinstance(node, yaml.SequenceNode) and node.value[1:] else None

    def unknown(loader: SafeLoader, suffix: str, node: Node) -> object:
        return None

    Loader.add_multi_constructor("tag:yaml.org,2002:python/name:", named)
    for kind in ("object/apply", "object", "object/new"):
        Loader.add_multi_constructor(f"tag:yaml.org,2002:python/{kind}:", applied)
    Loader.add_constructor("!ENV", environment)
    Loader.add_multi_constructor("!", unknown)
    Loader.add_multi_constructor("tag:", unknown)
    return Loader
