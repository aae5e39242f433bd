from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from anthropic import transform_schema
from pydantic import BaseModel, Field

from tercet.agents.tools.decorator import tool
from tercet.agents.tools.records import ToolContext
from tercet.agents.tools.schema import bind, check
from tercet.errors import ConfigurationError, InputError


class Line(BaseModel):
    article: str
    pieces: int = 1


@dataclass
class Address:
    street: str
    city: str | None = None


class Node(BaseModel):
    value: int
    children: list[Node] = []


@tool(effect="write", writes=["orders"], content=["note"], amounts=lambda given: {"value": given["price"]})
def order(
    context: ToolContext[str],
    lines: list[Line],
    price: Decimal,
    to: Address,
    when: date = date(2026, 1, 2),
    speed: Literal["slow", "fast"] = "slow",
    note: str | None = None,
) -> str:
    """Order articles.

    They arrive some days later.

    Args:
        lines: What to order.
        price: In euros,
            without tax.
        when: Day of delivery.

    Returns:
        Number of the order.
    """
    return f"{context}: {len(lines)} for {price}"


FULL = {"lines": [{"article": "a"}], "price": "9.50", "to": {"street": "x"}}


def test_name_description_and_schema_come_from_the_function() -> None:
    definition = order.definition

    assert definition.name == "order"
    assert definition.description == "Order articles.\n\nThey arrive some days later."
    parameters = definition.parameters
    assert list(parameters["properties"]) == ["lines", "price", "to", "when", "speed", "note"]
    assert parameters["required"] == ["lines", "price", "to"]
    assert parameters["additionalProperties"] is False
    assert parameters["properties"]["price"]["description"] == "In euros, without tax."
    assert parameters["properties"]["when"]["default"] == "2026-01-02"
    assert "title" not in parameters["properties"]["price"]
    assert order.takes_context


def test_the_schema_is_one_that_the_service_can_enforce() -> None:
    assert order.definition.strict

    enforced = transform_schema(dict(order.definition.parameters))

    assert enforced["additionalProperties"] is False
    assert enforced["$defs"]["Line"]["additionalProperties"] is False


def test_arguments_become_the_types_of_the_function_and_defaults_are_filled_in() -> None:
    bound = bind(order, FULL)

    assert bound["lines"] == [Line(article="a", pieces=1)]
    assert bound["price"] == Decimal("9.50")
    assert bound["to"] == Address("x")
    assert bound["when"] == date(2026, 1, 2)
    checked = check(order, FULL)
    assert checked == {
        "lines": [{"article": "a", "pieces": 1}],
        "price": "9.50",
        "to": {"street": "x", "city": None},
        "when": "2026-01-02",
        "speed": "slow",
        "note": None,
    }
    assert check(order, checked) == checked


def test_an_unknown_argument_is_refused_and_an_unknown_field_within_one_is_dropped() -> None:
    """Part of S1.38."""
    with pytest.raises(InputError, match="'order' do not fit: admin: Extra inputs are not permitted"):
        check(order, {**FULL, "admin": True})

    assert check(order, {**FULL, "lines": [{"article": "a", "system": "x"}]})["lines"] == [
        {"article": "a", "pieces": 1}
    ]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"price": "NaN"}, "price: "),
        ({"price": "Infinity"}, "price: "),
        ({"price": None}, "price: "),
        ({"speed": "warp"}, "speed: "),
        ({"lines": {}}, "lines: "),
        ({"lines": [{"pieces": 2}]}, "lines.0.article: Field required"),
    ],
)
def test_what_does_not_fit_is_told_by_place_and_not_repeated(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError) as refused:
        bind(order, {**FULL, **change})

    assert problem in refused.value.message
    assert "NaN" not in refused.value.message


def test_only_so_many_problems_are_told() -> None:
    with pytest.raises(InputError, match="and 42 more"):
        bind(order, {**FULL, "lines": [{}] * 50})


def test_floats_are_finite() -> None:
    @tool(effect="pure")
    def half(number: float) -> float:
        """Half of it."""
        return number / 2

    with pytest.raises(InputError, match="finite number"):
        bind(half, {"number": "inf"})
    assert bind(half, {"number": 3}) == {"number": 3.0}


def test_a_tool_is_still_the_function() -> None:
    @tool(effect="pure", name="twice-as-much", description="Double it.")
    async def double(number: int) -> int:
        return number * 2

    assert double.name == "twice-as-much"
    assert double.definition.description == "Double it."
    assert asyncio.run(double(number=4)) == 8
    assert not double.takes_context


def test_a_tool_may_take_nothing_or_only_its_context() -> None:
    @tool(effect="read", reads=["clock"])
    def now(context: ToolContext[None]) -> str:
        """What time it is."""
        return context.run

    assert now.definition.parameters == {"type": "object", "properties": {}, "additionalProperties": False}
    assert bind(now, {}) == {}


def test_what_a_tool_gives_is_external_unless_it_only_computes_or_says_otherwise() -> None:
    assert tool(effect="pure")(plain).trust == "system"
    assert tool(effect="read", reads=["crm"])(plain).trust == "external"
    assert tool(effect="pure", trust="internal")(plain).trust == "internal"


def test_methods_may_be_tools() -> None:
    class Shop:
        def price(self, article: str) -> int:
            """Look a price up."""
            return len(article)

    priced = tool(effect="read", reads=["shop"])(Shop().price)

    assert list(priced.definition.parameters["properties"]) == ["article"]
    assert priced("abc") == 3


def test_a_description_in_the_annotation_stands_where_the_docstring_says_nothing() -> None:
    @tool(effect="pure")
    def power(base: Annotated[int, Field(description="What is raised.", ge=0)], exponent: int = 2) -> int:
        """Raise a number."""
        return base**exponent

    base = power.definition.parameters["properties"]["base"]
    assert base == {"type": "integer", "minimum": 0, "description": "What is raised."}
    with pytest.raises(InputError, match="base: "):
        bind(power, {"base": -1})


def loose(filters: dict[str, str]) -> int:
    """Open keys."""
    return len(filters)


def anything(value: Any) -> int:
    """Any value."""
    return len(value)


def pair(both: tuple[int, str]) -> int:
    """Two things."""
    return len(both)


def tree(root: Node) -> int:
    """A type within itself."""
    return root.value


@pytest.mark.parametrize("function", [loose, anything, pair, tree], ids=lambda one: one.__name__)
def test_what_no_service_can_enforce_is_not_said_to_be_strict(function: Callable[..., Any]) -> None:
    assert tool(effect="pure")(function).definition.strict is False


# -- refused at construction ----------------------------------------------------------------------------------------


def plain(text: str) -> str:
    """Say it again."""
    return text


def untyped(text) -> str:
    """No type."""
    return text


def starred(*texts: str) -> str:
    """As many as there are."""
    return "".join(texts)


def positional(text: str, /) -> str:
    """By place only."""
    return text


def undocumented(text: str) -> str:
    return text


def misdocumented(text: str) -> str:
    """Say it.

    Args:
        txt: What to say.
    """
    return text


def unreadable(text: Missing) -> str:  # noqa: F821 - that it is missing is what is tested
    """A type that is not there."""
    return text


def callback(function: Callable[[], int]) -> int:
    """Takes a function."""
    return function()


def opaque(thing: Opaque) -> int:
    """Takes an object."""
    return id(thing)


class Opaque:
    pass


def wrong_default(number: int = None) -> int:  # noqa: RUF013 - that is the mistake
    """The default is of another type."""
    return number


def late_context(text: str, context: ToolContext[None]) -> str:
    """The context comes second."""
    return text + context.run


def aliased(sender: Annotated[str, Field(alias="from")]) -> str:
    """Another name."""
    return sender


def yielding(text: str) -> Any:
    """Bit by bit."""
    yield text


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (untyped, "Parameter 'text' of tool 'untyped' has no type"),
        (starred, r"Tool 'starred' takes \*texts"),
        (positional, "Tool 'positional' takes text"),
        (undocumented, "Tool 'undocumented' has no docstring"),
        (misdocumented, "'misdocumented' describes 'txt', which it does not take"),
        (unreadable, "types of tool 'unreadable' cannot be read: name 'Missing'"),
        (callback, "Tool 'callback' has a type that JSON cannot say"),
        (opaque, "Tool 'opaque' has a type that JSON cannot say"),
        (wrong_default, "default of parameter 'number' of tool 'wrong_default' is none of its type"),
        (late_context, "Parameter 'context' of tool 'late_context' is a ToolContext, and not the first"),
        (aliased, "Tool 'aliased' gives a parameter another name"),
        (yielding, "Tool 'yielding' yields"),
        (lambda text: text, "'<lambda>' is no name"),
        (Opaque(), "is none"),
    ],
)
def test_a_function_that_no_model_could_call_is_refused(function: Any, message: str) -> None:
    """Part of S1.56."""
    with pytest.raises(ConfigurationError, match=message) as refused:
        tool(effect="pure")(function)

    assert refused.value.remedy


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "Tool 'plain' does not say what it does to the world: effect is None"),
        ({"effect": "maybe"}, "effect is 'maybe'"),
        ({"effect": "write"}, "'plain' has the effect 'write' and does not say what it writes to"),
        ({"effect": "irreversible"}, "'irreversible' and does not say what it writes to"),
        ({"effect": "read"}, "'plain' reads and does not say what"),
        ({"effect": "read", "reads": ["crm"], "writes": ["mail"]}, "writes to mail and has the effect 'read'"),
        ({"effect": "pure", "reads": ["crm"]}, "reads crm and has the effect 'pure'"),
        ({"effect": "pure", "compensation": "undo"}, "changes nothing and names 'undo' to undo it"),
        ({"effect": "pure", "fallback": "plain"}, "its own fallback"),
        ({"effect": "pure", "content": ["body"]}, "calls 'body' content and takes no such parameter"),
        ({"effect": "pure", "content": "text"}, "content of tool 'plain' is the text 'text'"),
        ({"effect": "write", "writes": [" "]}, "which is no name"),
        ({"effect": "pure", "trust": "full"}, "has the trust 'full'"),
        ({"effect": "pure", "timeout": 0}, "timeout of 0 s"),
        ({"effect": "pure", "timeout": float("nan")}, "timeout of nan s"),
        ({"effect": "pure", "name": "say it"}, "'say it' is no name"),
        ({"effect": "pure", "name": "x" * 65}, "is no name"),
        ({"effect": "pure", "name": "größe"}, "is no name"),
    ],
)
def test_what_a_tool_does_has_to_be_said_and_must_not_contradict_itself(options: dict[str, Any], message: str) -> None:
    """Part of S1.21."""
    with pytest.raises(ConfigurationError, match=message) as refused:
        tool(**options)(plain)

    assert refused.value.remedy


def test_the_decorator_without_parentheses_says_what_is_missing() -> None:
    with pytest.raises(ConfigurationError, match="Tool 'plain' does not say what it does"):
        tool(plain)
