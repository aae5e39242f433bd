"""What an eval measures: every setting of cutting, searching and compressing, read from a file and from options."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal

from tercet.errors import ConfigurationError, SourceError
from tercet.settings import (
    ChunkingConfig,
    CompressionConfig,
    ContextConfig,
    EpisodicConfig,
    LexicalConfig,
    RetrievalConfig,
)

Settings = dict[str, Any]
"""Values by dotted name, such as ``{"retrieval.fusion": "rrf"}``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalConfiguration:
    """One way of cutting, searching and compressing that is measured.

    Example:
        >>> EvalConfiguration(retrieval=RetrievalConfig(fusion="rrf")).retrieval.fusion
        'rrf'
    """

    embedder: str = "all-MiniLM-L6-v2"
    """A model, a folder with one, or ``"none"`` for words only."""
    chunker: Literal["structural", "none"] = "structural"
    """``none``: each document is one chunk, as it is given."""
    chunking: ChunkingConfig = field(default_factory=ChunkingConfig)
    lexical: LexicalConfig = field(default_factory=LexicalConfig)
    retrieval: RetrievalConfig = field(default_factory=RetrievalConfig)
    episodic: EpisodicConfig = field(default_factory=EpisodicConfig)
    context: ContextConfig = field(default_factory=ContextConfig)
    compression: CompressionConfig = field(default_factory=CompressionConfig)
    hits: int = 200
    """Chunks or turns that are asked for with each question."""
    chunks: int = 5
    """Of the best ones, compared with gold spans."""
    budgets: tuple[int, ...] | None = None
    """Tokens at which it is measured how much evidence a context keeps; None: six sizes where evidence is spans, none
    elsewhere. Compression is looked at with the first one that reaches ``context.budget``."""
    counter: str = "default"
    """What counts the tokens of contexts; see ``resolve_counter``."""

    def __post_init__(self) -> None:
        if min(self.hits, self.chunks) < 1:
            raise ConfigurationError(f"hits={self.hits} and chunks={self.chunks} must be at least 1.")
        budgets = list(self.budgets or ())
        if min(budgets, default=1) < 1 or budgets != sorted(budgets):
            raise ConfigurationError(
                f"budgets={budgets} must be numbers of tokens above 0, the smallest first.",
                remedy="Such as [256, 512, 1024].",
            )

    def document(self) -> dict[str, Any]:
        """All settings as JSON values."""
        found: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return found


def setting_names() -> tuple[str, ...]:
    """Every setting by its dotted name.

    Example:
        >>> {"embedder", "retrieval.fusion", "chunking.max_tokens"} <= set(setting_names())
        True
    """
    names: list[str] = []
    for part in fields(EvalConfiguration):
        section = _section(part.name)
        names += [f"{part.name}.{inner.name}" for inner in fields(section)] if section else [part.name]
    return tuple(names)


def read_settings(path: str | Path) -> Settings:
    """Read a configuration file: YAML, TOML or JSON, by its suffix.

    Args:
        path: Sections as mappings, such as ``retrieval: {fusion: rrf}``.

    Raises:
        SourceError: The file is missing, is of another kind, or cannot be parsed.
        ConfigurationError: It names a setting that does not exist.
    """
    file = Path(path)
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"the configuration {file} cannot be read: {error}.") from error
    found = _parsed(file, text)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise SourceError(f"{file} holds no settings.", remedy="Write such as: retrieval: {fusion: rrf}")
    return flattened(found, place=str(file))


def flattened(document: Mapping[str, object], *, place: str) -> Settings:
    """Settings by dotted name out of nested sections.

    Raises:
        ConfigurationError: A name does not exist; the nearest one is named.

    Example:
        >>> flattened({"retrieval": {"fusion": "rrf"}, "hits": 50}, place="here")
        {'retrieval.fusion': 'rrf', 'hits': 50}
    """
    settings: Settings = {}
    for name, value in document.items():
        if isinstance(value, Mapping) and value:
            settings.update({f"{name}.{inner}": held for inner, held in value.items()})
        else:
            settings[str(name)] = value
    for name in settings:
        check_name(name, place=place)
    return settings


def parse_setting(text: str, *, option: str = "--set") -> tuple[str, Any]:
    """Read ``NAME=VALUE``; the value as YAML has it.

    Raises:
        ConfigurationError: It has another form, or there is no such setting.

    Example:
        >>> parse_setting("chunking.max_tokens=128"), parse_setting("context.max_age_s=null")
        (('chunking.max_tokens', 128), ('context.max_age_s', None))
    """
    from tercet.ingestion.parsers.yaml_values import read_yaml  # only who sets something pays for it

    name, separator, value = text.partition("=")
    name = name.strip()
    if not separator:
        raise ConfigurationError(f"{option} {text!r} is not of the form NAME=VALUE.", remedy="Such as hits=50.")
    check_name(name, place=option)
    found = read_yaml(value)
    if isinstance(found, Exception):
        raise ConfigurationError(f"{option} {text!r}: the value cannot be read ({found}).")
    return name, found


def check_name(name: str, *, place: str) -> None:
    """See that a setting exists.

    Raises:
        ConfigurationError: It does not; the nearest name is given.
    """
    names = setting_names()
    if name in names:
        return
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.0)
    if _section(name):
        inside = ", ".join(one for one in names if one.startswith(f"{name}."))
        raise ConfigurationError(f"{place}: {name!r} is a section, not a setting.", remedy=f"It has {inside}.")
    raise ConfigurationError(f"{place}: there is no setting {name!r}.", remedy=f"The nearest is {near[0]!r}.")


def make_configuration(settings: Mapping[str, Any]) -> EvalConfiguration:
    """A configuration of the settings given, the rest by default.

    Raises:
        ConfigurationError: A name does not exist, or a value is not what the setting takes.

    Example:
        >>> make_configuration({"retrieval.fusion": "rrf"}).retrieval.fusion
        'rrf'
    """
    if not settings:
        return EvalConfiguration()
    from pydantic import TypeAdapter, ValidationError  # the defaults need no checking

    nested: dict[str, Any] = {}
    for name, value in settings.items():
        check_name(name, place="configuration")
        section, _, inner = name.rpartition(".")
        if section:
            nested.setdefault(section, {})[inner] = value
        else:
            nested[name] = value
    try:
        return TypeAdapter(EvalConfiguration).validate_python(nested)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        wrong = ".".join(str(part) for part in first["loc"] if not isinstance(part, int))
        name = next((known for known in setting_names() if wrong == known or wrong.startswith(f"{known}.")), wrong)
        hint = "Several values are for `tercet eval sweep`." if isinstance(first["input"], list | tuple) else ""
        raise ConfigurationError(f"{name}={settings.get(name)!r}: {first['msg']}.", remedy=hint) from error


def is_grid(name: str, value: object) -> bool:
    """Whether a value means several: a list, or a list of lists where the setting itself is a list.

    Example:
        >>> is_grid("retrieval.fusion", ["rrf", "dbsf"]), is_grid("budgets", [256, 512]), is_grid("budgets", [[256]])
        (True, False, True)
    """
    if not isinstance(value, Sequence) or isinstance(value, str):
        return False
    return name != "budgets" or any(isinstance(one, Sequence) or one is None for one in value)


def _parsed(file: Path, text: str) -> object:
    suffix = file.suffix.lower()
    try:
        if suffix == ".json":
            return json.loads(text)
        if suffix == ".toml":
            return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{file} is not valid {suffix[1:].upper()}: {error}.") from error
    if suffix not in {".yaml", ".yml"}:
        raise SourceError(f"{file} is no configuration.", remedy="Name a .yaml, .toml or .json file.")
    from tercet.ingestion.parsers.yaml_values import read_yaml

    found = read_yaml(text)
    if isinstance(found, Exception):
        raise SourceError(f"{file} is not valid YAML: {found}.") from found
    return found


def _section(name: str) -> type | None:
    """The class of a section; None for a plain setting or an unknown name."""
    for part in fields(EvalConfiguration):
        if part.name == name and part.default_factory is not MISSING and is_dataclass(part.default_factory):
            return part.default_factory
    return None
