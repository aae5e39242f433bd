"""From the signature of a function: what its arguments must be, and how a model is told."""

from __future__ import annotations

import inspect
import json
import typing
import warnings
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, get_args, get_origin

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, PydanticUserError
from pydantic.json_schema import GenerateJsonSchema
from typing_extensions import TypedDict

from tercet.agents.tools.records import ToolContext
from tercet.errors import ConfigurationError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tercet.agents.tools.records import Tool

MAX_PROBLEMS = 8
"""So many problems of arguments are told at once."""

_UNREADABLE = (
    PydanticSchemaGenerationError,
    PydanticInvalidForJsonSchema,
    PydanticUserError,
    TypeError,
    RecursionError,
)
_CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False)


class Signature(NamedTuple):
    """What a function takes."""

    arguments: TypeAdapter[Any]
    """Checks a mapping of arguments, and fills in what was left out."""
    parameters: dict[str, Any]
    """JSON schema of an object."""
    strict: bool
    """Whether a service can keep calls to the schema: nothing in it is left open."""
    takes_context: bool


class _WithoutTitles(GenerateJsonSchema):
    """Titles made of names tell a model nothing new."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401 -- pydantic's own types are private
        return False


def read_signature(function: Callable[..., Any], *, name: str, descriptions: Mapping[str, str]) -> Signature:
    """Read what a function takes.

    Args:
        function: Typed; its first parameter may be a ``ToolContext``.
        name: Of the tool, for errors.
        descriptions: By parameter, for the schema.

    Raises:
        ConfigurationError: A parameter has no type, cannot be given by name, or cannot be said in JSON.
    """
    given = list(inspect.signature(function).parameters.values())
    hints = _hints(function, name)
    takes_context = bool(given) and _is_context(hints.get(given[0].name))
    if takes_context:
        given = given[1:]
    for one in given:
        _check_parameter(one, hints, name)
    if unknown := sorted(set(descriptions) - {one.name for one in given}):
        raise ConfigurationError(
            f"The docstring of tool {name!r} describes {unknown[0]!r}, which it does not take.",
            remedy="Correct the name below 'Args:'.",
        )
    fields = {one.name: _field(one, hints[one.name], descriptions, name) for one in given}
    arguments = object_of(fields, name=name)
    parameters = json_schema(arguments, name=name)
    if set(parameters["properties"]) != {one.name for one in given}:
        raise ConfigurationError(
            f"Tool {name!r} gives a parameter another name in its schema.",
            remedy="Leave out the alias, and name the parameter as the model shall.",
        )
    return Signature(arguments, parameters, is_closed(parameters), takes_context)


def bind(tool: Tool[Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments as the function takes them, of its own types, with the defaults of those left out.

    Raises:
        InputError: They do not fit; the message names each place and what is wrong there.
    """
    bound: dict[str, Any] = read_json(tool.arguments, arguments, f"The arguments of {tool.name!r}")
    return bound


def check(tool: Tool[Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments as JSON once more, checked, with the defaults of those left out: what is decided and kept.

    Raises:
        InputError: They do not fit.

    Example:
        >>> from tercet.agents.tools.decorator import tool
        >>> @tool(effect="pure")
        ... def double(number: int, times: int = 1) -> int:
        ...     "Double a number, so many times."
        ...     return number * 2**times
        >>> check(double, {"number": 4})
        {'number': 4, 'times': 1}
    """
    checked: dict[str, Any] = tool.arguments.dump_python(bind(tool, arguments), mode="json")
    return checked


def read_json(adapter: TypeAdapter[Any], value: object, what: str) -> Any:  # noqa: ANN401 -- of the adapter's type
    """A JSON value as one of a type.

    Args:
        adapter: Of the type.
        value: As a model gave it.
        what: For the error, in the plural.

    Raises:
        InputError: It does not fit; the message names each place and what is wrong there.
    """
    try:
        return adapter.validate_json(json.dumps(value))  # as JSON: what is strict about Python's types takes it too
    except ValidationError as error:
        reason = problems(error)
    except (TypeError, ValueError, RecursionError) as error:
        reason = f"they are no JSON ({error})"
    raise InputError(f"{what} do not fit: {reason}.", remedy="Call it again with all of that corrected.")


def problems(error: ValidationError) -> str:
    """What is wrong, place by place, without repeating what was given."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    told = [f"{'.'.join(map(str, one['loc'])) or 'the whole'}: {one['msg']}" for one in found[:MAX_PROBLEMS]]
    if len(found) > MAX_PROBLEMS:
        told.append(f"and {len(found) - MAX_PROBLEMS} more")
    return "; ".join(told)


def object_of(fields: Mapping[str, Any], *, name: str) -> TypeAdapter[Any]:
    """Of a JSON object with some fields, by name and type, and no others.

    Raises:
        ConfigurationError: JSON cannot say a value of one of the types.
    """
    make: Any = TypedDict  # type checkers know none that is made at run time
    shape = make(name, dict(fields))
    shape.__pydantic_config__ = _CONFIG
    try:
        return TypeAdapter(shape)
    except _UNREADABLE as error:
        raise _not_json(name, error) from error


def json_schema(adapter: TypeAdapter[Any], *, name: str) -> dict[str, Any]:
    """The JSON schema of an object, without made-up titles.

    Raises:
        ConfigurationError: JSON cannot say a value of it.
    """
    try:
        schema = adapter.json_schema(schema_generator=_WithoutTitles)
    except _UNREADABLE as error:
        raise _not_json(name, error) from error
    schema.pop("title", None)
    schema.setdefault("properties", {})
    return schema


def is_closed(schema: Mapping[str, Any]) -> bool:
    """Whether a schema says of every place what stands there, so that a service can keep a model to it.

    Example:
        >>> is_closed({"type": "object", "properties": {"n": {"type": "integer"}}})
        True
        >>> is_closed({"type": "object", "additionalProperties": {"type": "integer"}})
        False
    """
    definitions = schema.get("$defs", {})
    return _closed(schema, definitions, ())


def _closed(schema: Mapping[str, Any], definitions: Mapping[str, Any], inside: tuple[str, ...]) -> bool:
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        return name not in inside and _closed(definitions[name], definitions, (*inside, name))
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return all(_closed(one, definitions, inside) for one in schema[choice])
    if schema.get("type") == "object":
        closed = not schema.get("additionalProperties") and "properties" in schema
        return closed and all(_closed(one, definitions, inside) for one in schema["properties"].values())
    if schema.get("type") == "array":
        return "items" in schema and "prefixItems" not in schema and _closed(schema["items"], definitions, inside)
    return bool({"type", "enum", "const"} & set(schema))


def _hints(function: Callable[..., Any], name: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError, AttributeError, SyntaxError) as error:
        raise ConfigurationError(
            f"The types of tool {name!r} cannot be read: {error}.",
            remedy="Import them at run time, outside 'if TYPE_CHECKING', and define them at the top of a module.",
        ) from error


def _is_context(hint: object) -> bool:
    return (get_origin(hint) or hint) is ToolContext


def _check_parameter(one: inspect.Parameter, hints: Mapping[str, Any], name: str) -> None:
    if one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD, one.POSITIONAL_ONLY):
        raise ConfigurationError(
            f"Tool {name!r} takes {one}, which a model cannot give by name.",
            remedy="Name each parameter, and leave out '*', '**' and '/'.",
        )
    if one.name not in hints:
        raise ConfigurationError(f"Parameter {one.name!r} of tool {name!r} has no type.", remedy="Annotate it.")
    if _is_context(hints[one.name]) or any(_is_context(inner) for inner in get_args(hints[one.name])):
        raise ConfigurationError(
            f"Parameter {one.name!r} of tool {name!r} is a ToolContext, and not the first.", remedy="Put it first."
        )


def _field(one: inspect.Parameter, hint: object, descriptions: Mapping[str, str], name: str) -> object:
    description = descriptions.get(one.name) or None
    if one.default is one.empty:
        return Annotated[hint, Field(description=description)] if description else hint
    _check_default(one, hint, name)
    return Annotated[hint, Field(default=one.default, description=description)]


def _check_default(one: inspect.Parameter, hint: Any, name: str) -> None:  # noqa: ANN401 -- a type
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(hint)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # pydantic warns where a value is of another type
            adapter.validate_python(adapter.dump_python(one.default, mode="json"))
    except (*_UNREADABLE, ValueError, UserWarning) as error:
        reason = problems(error) if isinstance(error, ValidationError) else str(error).splitlines()[0]
        raise ConfigurationError(
            f"The default of parameter {one.name!r} of tool {name!r} is none of its type: {reason}.",
            remedy="Give another default, or widen the type, such as with '| None'.",
        ) from error


def _not_json(name: str, error: Exception) -> ConfigurationError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return ConfigurationError(
        f"Tool {name!r} has a type that JSON cannot say: {reason}",
        remedy="Use text, numbers, booleans, lists, dataclasses, typed dictionaries or pydantic models.",
    )
