"""Between pydantic models and the JSON that working memory keeps: names and versions of schemas, and upgrades."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from tercet.errors import ConfigurationError, SchemaError
from tercet.memory.patches import canonical, changed_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydantic import BaseModel

    from tercet.memory.patches import JsonObject

T = TypeVar("T", bound="BaseModel")


class Encoded(NamedTuple):
    """A value as it is kept."""

    schema: str
    schema_version: int
    text: str
    json: JsonObject


def schema_name(model: type[BaseModel]) -> str:
    """The name a model's documents are kept under: its class variable ``schema_name``, or the name of the class."""
    return str(getattr(model, "schema_name", model.__name__))


def schema_version(model: type[BaseModel]) -> int:
    """The version of a model's schema: its class variable ``schema_version``, or 1."""
    version = getattr(model, "schema_version", 1)
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ConfigurationError(f"{model.__name__}.schema_version must be a whole number from 1, got {version!r}.")
    return version


class Schemas:
    """Turns values into text and back. Knows how to bring documents of older schema versions up to date."""

    def __init__(self) -> None:
        self._upgrades: dict[tuple[str, int], Callable[[JsonObject], JsonObject]] = {}

    def register_upgrade(
        self, model: type[BaseModel], from_version: int, upgrade: Callable[[JsonObject], JsonObject]
    ) -> None:
        """Say how the JSON of one schema version becomes that of the next."""
        if not 1 <= from_version < schema_version(model):
            raise ConfigurationError(
                f"{schema_name(model)} has schema version {schema_version(model)}; "
                f"nothing is upgraded to it from version {from_version}."
            )
        self._upgrades[schema_name(model), from_version] = upgrade

    def encode(self, value: BaseModel) -> Encoded:
        """The canonical JSON of a value, once it is sure that the same value can be read from it.

        Raises:
            SchemaError: The value is no pydantic model, breaks its own schema, is not an object, or would not be read
                back as it was.
            InputError: It holds what JSON cannot say.
        """
        model = type(value)
        _require_model(model)
        content = _dumped(value)
        if not isinstance(content, dict):
            raise SchemaError(f"{model.__name__} is not an object in JSON.", remedy="Keep it in a field of a model.")
        text = canonical(content)
        again = _dumped(validated(model, text))
        if canonical(again) != text:
            raise SchemaError(
                f"A {model.__name__} is not read back as it was written; these fields differ: "
                f"{', '.join(changed_fields(content, again))}.",
                remedy="Make serializers and validators of the model undo each other.",
            )
        return Encoded(schema_name(model), schema_version(model), text, content)

    def decode(self, model: type[T], schema: str, version: int, text: str, constraints: Sequence[str] = ()) -> T:
        """The value in a text, upgraded to the model's version where that is newer.

        Raises:
            SchemaError: The text is of another schema, of a newer version, of an older one that nobody registered an
                upgrade for, or does not fit the model.
        """
        _require_model(model)
        wanted, newest = schema_name(model), schema_version(model)
        if schema != wanted:
            raise SchemaError(
                f"The document is a {schema}, not a {wanted}.", remedy=f"Read it as {schema}, or as JSON with None."
            )
        if version > newest:
            raise SchemaError(
                f"The document was written with {schema} version {version}; this program has version {newest}.",
                remedy="Upgrade this program.",
            )
        if version == newest:
            return validated(model, text)
        upgraded = self._upgraded(schema, version, newest, text)
        before: JsonObject = json.loads(text)
        if lost := set(changed_fields(before, upgraded)).intersection(constraints):
            raise SchemaError(
                f"An upgrade of {schema} changes what was fixed at creation: {', '.join(sorted(lost))}.",
                remedy="Keep these fields as they are.",
            )
        return validated(model, canonical(upgraded))

    def _upgraded(self, schema: str, version: int, newest: int, text: str) -> JsonObject:
        content: JsonObject = json.loads(text)
        for step in range(version, newest):
            upgrade = self._upgrades.get((schema, step))
            if upgrade is None:
                raise SchemaError(
                    f"The document was written with {schema} version {version}, this program has version {newest}, "
                    f"and nobody said how version {step} becomes {step + 1}.",
                    remedy=f"Call working.register_upgrade({schema}, {step}, function).",
                )
            content = upgrade(content)
        return content


def _require_model(model: type[Any]) -> None:
    from pydantic import BaseModel  # whoever has a value has loaded it; opening a memory need not

    if not issubclass(model, BaseModel):
        raise SchemaError(f"{model.__name__} is no pydantic model.", remedy="Derive it from pydantic.BaseModel.")


def _dumped(value: BaseModel) -> Any:  # noqa: ANN401  # JSON
    try:
        return value.model_dump(mode="json", by_alias=True, round_trip=True, warnings=False)
    except (ValueError, RecursionError) as error:
        raise SchemaError(f"A {type(value).__name__} cannot be written as JSON: {error}.") from None


def validated(model: type[T], text: str) -> T:
    """The value in a text; raises ``SchemaError`` where it does not fit."""
    from pydantic import ValidationError

    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        places = "; ".join(f"/{'/'.join(map(str, one['loc']))}: {one['msg']}" for one in found[:5])
        raise SchemaError(
            f"The value does not fit {model.__name__}: {places}.", remedy="Nothing was changed."
        ) from None
