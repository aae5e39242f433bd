"""``@tool``: a typed function that a model may ask for."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, get_args

from tercet.agents.tools.docstrings import read_docstring
from tercet.agents.tools.records import Effect, Tool
from tercet.agents.tools.schema import read_signature
from tercet.errors import ConfigurationError
from tercet.models.chat_records import ToolDefinition
from tercet.records import Trust

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tercet.agents.tools.records import Amounts

Function = Callable[..., Any]

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""What the Messages API takes for a name."""


def tool(
    function: Function | None = None,
    /,
    *,
    effect: Effect | None = None,
    reads: Sequence[str] = (),
    writes: Sequence[str] = (),
    content: Sequence[str] = (),
    amounts: Amounts | None = None,
    timeout: float = 30.0,
    idempotency_key: Callable[[Mapping[str, Any]], str] | None = None,
    fallback: str | None = None,
    compensation: str | None = None,
    trust: Trust | None = None,
    name: str | None = None,
    description: str | None = None,
) -> Callable[[Function], Tool[Any]]:
    """Make a tool of a function, sync or async.

    Its name, docstring and signature are what the model is told: the summary and the text below it describe the tool,
    ``Args:`` its parameters. A first parameter of type ``ToolContext`` is given by the runtime and not shown. The tool
    can be called like the function, for tests; nothing is checked then.

    Args:
        function: Leave it out: a tool has to say its effect, so ``@tool`` alone is refused.
        effect: ``"pure"`` computes, ``"read"`` looks at something outside and tells it nothing, ``"write"`` changes or
            sends something and can be undone, ``"irreversible"`` cannot.
        reads: Data sources that it reads, such as ``"crm"``. Needed for ``"read"``.
        writes: Systems that it changes or sends to, such as ``"mail"``. Needed for ``"write"`` and ``"irreversible"``.
        content: Parameters that only carry text and steer nothing, such as the body of a mail: they may hold what a
            web page said. Whom it goes to, what is deleted and how much is paid are never content.
        amounts: From the arguments, of the function's own types, what the call is about: a mapping from a measure
            (``"value"``, ``"rows"``, ``"targets"``, or your own) to a ``Decimal`` or whole number, never a float.
        timeout: Seconds until it counts as failed.
        idempotency_key: From the arguments: calls with the same key are one effect.
        fallback: Name of the tool that is tried when this one is out of order.
        compensation: Name of the tool that undoes this one.
        trust: How far what it gives may be believed; None: ``"external"``, or, where it only computes, as far as its
            arguments.
        name: As the model calls it; None: that of the function.
        description: For the model; None: from the docstring.

    Raises:
        ConfigurationError: Something is missing, or contradicts something else.

    Example:
        >>> @tool(effect="read", reads=["crm"])
        ... def find_customer(email: str) -> str:
        ...     '''Look a customer up.
        ...
        ...     Args:
        ...         email: As it stands in the order.
        ...     '''
        ...     return "Ada"
        >>> find_customer.name, find_customer.definition.parameters["properties"]["email"]["description"]
        ('find_customer', 'As it stands in the order.')
        >>> find_customer(email="ada@acme.example")
        'Ada'
    """

    def make(decorated: Function) -> Tool[Any]:
        shown = name or str(getattr(decorated, "__name__", ""))
        _check_function(decorated, shown)
        if effect is None or effect not in get_args(Effect):
            raise _no_effect(shown, effect)
        documented = read_docstring(decorated.__doc__ or "", function=shown)
        told = description or documented.text
        if not told.strip():
            raise ConfigurationError(
                f"Tool {shown!r} has no docstring.", remedy="Say what it does; the model reads it."
            )
        signature = read_signature(decorated, name=shown, descriptions=documented.parameters)
        made: Tool[Any] = Tool(
            definition=ToolDefinition(
                name=shown, description=told, parameters=signature.parameters, strict=signature.strict
            ),
            effect=effect,
            function=decorated,
            arguments=signature.arguments,
            takes_context=signature.takes_context,
            reads=_names(reads, shown, "reads"),
            writes=_names(writes, shown, "writes"),
            content=frozenset(_names(content, shown, "content")),
            trust=trust or ("system" if effect == "pure" else "external"),
            amounts=amounts,
            timeout=timeout,
            idempotency_key=idempotency_key,
            fallback=fallback,
            compensation=compensation,
        )
        _check_tool(made)
        return made

    if function is not None:
        raise _no_effect(getattr(function, "__name__", repr(function)), effect)
    return make


def _no_effect(name: str, effect: object) -> ConfigurationError:
    return ConfigurationError(
        f"Tool {name!r} does not say what it does to the world: effect is {effect!r}.",
        remedy='Write @tool(effect="pure"), or "read", "write" or "irreversible".',
    )


def _check_function(function: Function, name: str) -> None:
    if not (inspect.isfunction(function) or inspect.ismethod(function)):
        raise ConfigurationError(
            f"A tool is made of a function, and {function!r} is none.", remedy="Wrap it in a function with a docstring."
        )
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} is no name that a model can call a tool by.",
            remedy="Use up to 64 ASCII letters, digits, '_' and '-'; name= gives it another name.",
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigurationError(f"Tool {name!r} yields its output bit by bit.", remedy="Return all of it at once.")


def _names(given: Sequence[str], tool_name: str, what: str) -> tuple[str, ...]:
    if isinstance(given, str):
        raise ConfigurationError(
            f"{what} of tool {tool_name!r} is the text {given!r}, not a list of names.",
            remedy=f"Give {what}=[{given!r}].",
        )
    for one in given:
        if not isinstance(one, str) or not one.strip():
            raise ConfigurationError(f"{what} of tool {tool_name!r} has {one!r}, which is no name.", remedy="Name it.")
    return tuple(given)


def _check_tool(made: Tool[Any]) -> None:
    name, effect = made.name, made.effect
    if made.changes and not made.writes:
        raise ConfigurationError(
            f"Tool {name!r} has the effect {effect!r} and does not say what it writes to.",
            remedy='Name the systems that it changes or sends to: writes=["mail"].',
        )
    if effect == "read" and not made.reads:
        raise ConfigurationError(
            f"Tool {name!r} reads and does not say what.", remedy='Name the sources that it reads: reads=["crm"].'
        )
    if made.writes and not made.changes:
        raise ConfigurationError(
            f"Tool {name!r} writes to {', '.join(made.writes)} and has the effect {effect!r}.",
            remedy='Give effect="write" or "irreversible", or leave out writes.',
        )
    if made.reads and effect == "pure":
        raise ConfigurationError(
            f"Tool {name!r} reads {', '.join(made.reads)} and has the effect 'pure'.",
            remedy='Give effect="read", or leave out reads.',
        )
    if made.compensation is not None and not made.changes:
        raise ConfigurationError(
            f"Tool {name!r} changes nothing and names {made.compensation!r} to undo it.",
            remedy="Leave out compensation.",
        )
    if name in (made.fallback, made.compensation):
        raise ConfigurationError(f"Tool {name!r} is its own fallback or compensation.", remedy="Name another tool.")
    if made.trust not in get_args(Trust):
        raise ConfigurationError(
            f"Tool {name!r} has the trust {made.trust!r}.", remedy=f"Use one of {', '.join(get_args(Trust))}."
        )
    if not (math.isfinite(made.timeout) and made.timeout > 0):
        raise ConfigurationError(f"Tool {name!r} has a timeout of {made.timeout} s.", remedy="Give it some seconds.")
    if unknown := sorted(made.content - set(made.definition.parameters["properties"])):
        raise ConfigurationError(
            f"Tool {name!r} calls {unknown[0]!r} content and takes no such parameter.",
            remedy=f"It takes: {', '.join(made.definition.parameters['properties']) or 'none'}.",
        )
