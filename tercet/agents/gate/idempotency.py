"""Which calls are one effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tercet.agents.tools.schema import bind
from tercet.errors import InputError
from tercet.memory.patches import canonical, text_hash

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tercet.agents.gate.records import RunState
    from tercet.agents.tools.records import Call


def arguments_hash(arguments: Mapping[str, Any]) -> str:
    """SHA-256 of checked arguments: an approval covers these and no others."""
    return text_hash(canonical(arguments))


def effect_key(call: Call, run: RunState) -> str:
    """The same for every attempt at the same effect.

    By the tool's own key, within the tenant: another agent or run that wants the same effect finds it done. Else by
    run and call: only the same call, come again after a crash or an approval, is the same effect.

    Raises:
        InputError: The tool's function for keys fails, or gives no text.
    """
    tool = call.tool
    assert tool is not None
    if tool.idempotency_key is None:
        return text_hash(ascii(("call", run.run, call.id, tool.name)))
    arguments = bind(tool, call.arguments)
    try:
        key = tool.idempotency_key(arguments)
    except Exception as error:
        raise InputError(
            f"The idempotency key of {tool.name!r} cannot be told: {type(error).__name__}: {error}.",
            remedy="Its idempotency_key= has to take any arguments that fit its parameters.",
        ) from error
    if not isinstance(key, str) or not key:
        raise InputError(
            f"The idempotency key of {tool.name!r} is {key!r}.", remedy="idempotency_key= gives a text, never empty."
        )
    return text_hash(ascii(("key", run.scope.tenant, tool.name, key)))
