"""Several configurations out of one file: settings that have a list of values, each combined with each."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from tercet.errors import ConfigurationError
from tercet.evals.configuration import Settings, is_grid, make_configuration, parse_setting

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tercet.evals.configuration import EvalConfiguration

MOST = 1_000
"""Configurations of one sweep: a longer list is a mistake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One point of a grid."""

    name: str
    """What differs, such as ``"chunking.max_tokens=128 retrieval.fusion=rrf"``."""
    varied: Mapping[str, Any]
    configuration: EvalConfiguration


def parse_variation(text: str) -> tuple[str, list[Any]]:
    """Read ``NAME=VALUE,VALUE``.

    Raises:
        ConfigurationError: It has another form, or there is no such setting.

    Example:
        >>> parse_variation("chunking.max_tokens=128,256")
        ('chunking.max_tokens', [128, 256])
    """
    name, separator, values = text.partition("=")
    if not separator:
        raise ConfigurationError(
            f"--vary {text!r} is not of the form NAME=VALUE,VALUE.", remedy="Such as chunking.max_tokens=128,256."
        )
    if values.lstrip().startswith("["):  # lists of lists, and texts with commas
        name, value = parse_setting(text, option="--vary")
        return name, value if is_grid(name, value) else [value]
    found = [parse_setting(f"{name}={value}", option="--vary")[1] for value in values.split(",")]
    return parse_setting(f"{name}=", option="--vary")[0], found


def grid(settings: Settings, variations: Sequence[tuple[str, Sequence[Any]]] = ()) -> tuple[Variant, ...]:
    """Every combination, the first varied setting changing slowest.

    Args:
        settings: By dotted name; one whose value is a list of values is varied.
        variations: More settings with their values; they replace those of the same name.

    Raises:
        ConfigurationError: Nothing is varied, a value is wrong, two combinations are the same, or there are too many.

    Example:
        >>> [one.name for one in grid({"chunking.max_tokens": [128, 256], "hits": 50})]
        ['chunking.max_tokens=128', 'chunking.max_tokens=256']
    """
    varied = {name: list(value) for name, value in settings.items() if is_grid(name, value)}
    varied.update({name: list(values) for name, values in variations})
    fixed = {name: value for name, value in settings.items() if name not in varied}
    if not varied:
        raise ConfigurationError(
            "nothing is varied.", remedy="Give a setting several values: --vary chunking.max_tokens=128,256"
        )
    empty = next((name for name, values in varied.items() if not values), None)
    if empty:
        raise ConfigurationError(f"{empty} has no values to vary over.", remedy=f"Such as {empty}: [A, B].")
    size = 1
    for values in varied.values():
        size *= len(values)
    if size > MOST:
        raise ConfigurationError(f"these are {size:,} configurations.", remedy=f"Vary less; {MOST:,} is the most.")
    variants = [_variant(fixed, dict(zip(varied, values, strict=True))) for values in product(*varied.values())]
    for place, one in enumerate(variants):
        same = next((other for other in variants[:place] if other.configuration == one.configuration), None)
        if same:
            raise ConfigurationError(f"{same.name!r} and {one.name!r} are the same.", remedy="Leave one of them out.")
    return tuple(variants)


def _variant(fixed: Settings, varied: Settings) -> Variant:
    name = " ".join(f"{key}={_shown(value)}" for key, value in varied.items())
    return Variant(name=name, varied=varied, configuration=make_configuration({**fixed, **varied}))


def _shown(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else "null" if value is None else str(value)
