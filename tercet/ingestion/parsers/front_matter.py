"""Front matter: the YAML (``---``) or TOML (``+++``) mapping before a page's text."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Mapping, Sequence

from tercet.ingestion.parsers.yaml_values import read_yaml
from tercet.records import Finding, Metadata, Scalar
from tercet.sanitize import sanitize

_FRONT_MATTER = re.compile(
    r"---[ \t]*\n(?P<yaml>(?:.*\n)*?)(?:---|\.\.\.)[ \t]*(?:\n|$)"
    r"|\+\+\+[ \t]*\n(?P<toml>(?:.*\n)*?)\+\+\+[ \t]*(?:\n|$)"
)
_LONGEST = 65_536
_SIMPLE = re.compile(r"([A-Za-z_][\w-]*):[ \t]+([A-Za-z][\w ,.()/-]*)\n")
_YAML_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})


def front_matter(text: str) -> tuple[int, dict[str, Scalar | Sequence[Scalar]], tuple[Finding, ...]]:
    """Read the front matter at the start of a page.

    Scalars and lists of scalars are kept; dates become ISO strings. Nested values are dropped, with a finding.

    Returns:
        The offset where the page's text begins (0 without front matter), the metadata, the findings.

    Example:
        >>> front_matter("---\\ntags: [a, b]\\neffective_from: 2024-05-01\\n---\\n# Keys")[1]
        {'tags': ('a', 'b'), 'effective_from': '2024-05-01'}
    """
    if not text.startswith(("---", "+++")):
        return 0, {}, ()
    match = _FRONT_MATTER.match(text[: _LONGEST + 1])
    if not match:
        return 0, {}, ()
    values = _toml(match["toml"]) if match["toml"] is not None else _yaml(match["yaml"])
    if isinstance(values, Exception):
        reason = str(values).split("\n", 1)[0][:200]
        return match.end(), {}, (Finding(kind="front-matter", detail=f"not readable: {reason}"),)
    if not isinstance(values, Mapping):
        # A rule, some text and another rule look like front matter, but do not read as a mapping.
        return (match.end(), {}, ()) if values is None else (0, {}, ())
    return match.end(), *metadata(values)


def metadata(values: Mapping[object, object]) -> tuple[dict[str, Scalar | Sequence[Scalar]], tuple[Finding, ...]]:
    """Keep what metadata may hold; the second result names what was dropped."""
    kept: dict[str, Scalar | Sequence[Scalar]] = {}
    dropped: list[str] = []
    for key, value in values.items():
        name = sanitize(str(key))[0]
        if isinstance(value, (list, tuple)):
            scalars = [_scalar(item) for item in value]
            if any(scalar is None for scalar in scalars):
                dropped.append(name)
            else:
                kept[name] = tuple(scalar for scalar in scalars if scalar is not None)
            continue
        scalar = _scalar(value)
        if scalar is not None:
            kept[name] = scalar
        elif value is not None:
            dropped.append(name)
    if not dropped:
        return kept, ()
    return kept, (Finding(kind="nested-metadata", count=len(dropped), detail=", ".join(dropped)[:200]),)


def _scalar(value: object) -> Scalar | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        # Databases and JSON readers agree on 64 bits only.
        return value if -(2**63) <= value < 2**63 else str(value)[:400]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, str):
        return sanitize(value)[0]
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    return None


def _yaml(source: str) -> object:
    simple = _SIMPLE.findall(source)
    if len(simple) == source.count("\n") and not any(value.strip().lower() in _YAML_WORDS for _, value in simple):
        # Most front matter is a title and a description, and the full reader takes longer than the rest of the page.
        return {key: value.strip() for key, value in simple}
    return read_yaml(source)


def _toml(source: str) -> object:
    import tomllib

    try:
        return tomllib.loads(source)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        return ValueError(str(error))


def as_title(values: Metadata) -> str:
    """The ``title`` among metadata, when it is text."""
    title = values.get("title", "")
    return " ".join(title.split()) if isinstance(title, str) else ""
