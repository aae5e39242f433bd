"""What has to be stated before an agent exists: nobody shall find out in production what it may do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tercet.agents.permissions import Permissions
from tercet.agents.tool_checks import check_tools
from tercet.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tercet.agents.limits import Limits
    from tercet.agents.prices import Prices
    from tercet.agents.tools.records import Tool


def stated_permissions(
    agent: str, tools: Sequence[Tool[Any]], *, permissions: Permissions | None, stated: Mapping[str, object]
) -> Permissions:
    """The permissions of an agent, once all is stated that its tools ask for.

    Args:
        agent: Its name.
        tools: That it is given.
        permissions: That it is given; None: it may call what changes nothing.
        stated: What else has to be stated as soon as a tool changes anything, by name; None: it is not.

    Raises:
        ConfigurationError: Something is not stated, or cannot be meant.
    """
    changing = [tool.name for tool in tools if tool.changes]
    missing = [name for name, value in {"permissions": permissions, **stated}.items() if value is None]
    if changing and missing:
        raise ConfigurationError(
            f"Agent {agent!r} has tools that change something ({', '.join(changing)}), and nothing says its "
            f"{', '.join(missing)}.",
            remedy="State them: who answers for it, what it may do, how much, and what happens when it fails.",
        )
    if permissions is not None:
        _refuse_unsound(agent, tools, permissions)
        return permissions
    return Permissions(
        allow=tuple(tool.name for tool in tools),
        readable=tuple(dict.fromkeys(source for tool in tools for source in tool.reads)),
    )


def _refuse_unsound(agent: str, tools: Sequence[Tool[Any]], permissions: Permissions) -> None:
    problems = check_tools(tools, permissions)
    if problems:
        raise ConfigurationError(
            f"Agent {agent!r} has tools and permissions that cannot be meant: {'; '.join(map(str, problems))}",
            remedy="`check_tools` lists them.",
        )


def check_prices(agent: str, *, model: str, limits: Limits, prices: Mapping[str, Prices]) -> None:
    """See that a limit of cost can be kept: else the first request of each run would be refused.

    Raises:
        ConfigurationError: Nobody says what the model costs.
    """
    if limits.cost is not None and model not in prices:
        raise ConfigurationError(
            f"The cost of agent {agent!r} is limited, and nothing says what its model {model!r} costs.",
            remedy=f"Give prices={{{model!r}: Prices(…)}}, or leave the limit of cost out.",
        )
