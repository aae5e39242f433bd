"""What is wrong with tools and a policy before anything runs: to fail a build by, or the construction of an agent."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tercet.agents.rules import matches_any, read_rule
from tercet.agents.tools.control import CONTROL_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tercet.agents.permissions import Permissions
    from tercet.agents.rules import Rule
    from tercet.agents.tools.records import Tool

_BY_STRENGTH = ("pure", "read", "write", "irreversible")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolProblem:
    """Something that cannot be meant."""

    subject: str
    """A tool's name, or a line of the policy."""
    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.reason} {self.remedy}"


def check_tools(tools: Sequence[Tool[Any]], permissions: Permissions) -> list[ToolProblem]:
    """Find what cannot be meant; an empty list: nothing was found.

    Args:
        tools: All that an agent is given.
        permissions: Its policy. Policies that it lies ``within`` may name tools that this agent does not have.

    Example:
        >>> from tercet.agents.permissions import Permissions
        >>> from tercet.agents.tools.decorator import tool
        >>> @tool(effect="irreversible", writes=["bank"])
        ... def pay(to: str) -> str:
        ...     "Pay somebody."
        ...     return "paid"
        >>> for problem in check_tools([pay], Permissions(allow=["pay", "serach_*"], writable=["bank"])):
        ...     print(problem)  # doctest: +ELLIPSIS
        allow: serach_*: It names no tool. Correct the name, or leave it out.
        pay: It cannot be undone, and no one is asked. Give a rule under ask, a threshold, a tool that undoes it, or ...
    """
    by_name = {tool.name: tool for tool in tools}
    return [
        *_names(tools),
        *_rules(tools, permissions),
        *_thresholds(tools, permissions),
        *(problem for tool in by_name.values() for problem in _stand_ins(tool, by_name)),
        *(problem for tool in by_name.values() for problem in _effects(tool, permissions)),
    ]


def _names(tools: Sequence[Tool[Any]]) -> Iterator[ToolProblem]:
    for name, count in Counter(tool.name for tool in tools).items():
        if count > 1:
            yield ToolProblem(subject=name, reason=f"{count} tools have this name.", remedy="Rename all but one.")
        if name in CONTROL_NAMES:
            yield ToolProblem(subject=name, reason="The loop has a tool of this name.", remedy="Rename yours.")


def _rules(tools: Sequence[Tool[Any]], permissions: Permissions) -> Iterator[ToolProblem]:
    for kind in ("allow", "ask", "deny"):
        for line in getattr(permissions, kind):
            yield from _rule(f"{kind}: {line}", read_rule(line), tools)


def _rule(subject: str, rule: Rule, tools: Sequence[Tool[Any]]) -> Iterator[ToolProblem]:
    named = [tool for tool in tools if rule.names(tool.name)]
    if not named:
        yield ToolProblem(subject=subject, reason="It names no tool.", remedy="Correct the name, or leave it out.")
        return
    for place, _ in rule.arguments:
        if not any(rule.places(place, tool.definition.parameters["properties"]) for tool in named):
            yield ToolProblem(
                subject=subject,
                reason=f"No tool that it names takes {place.split('.')[0]!r}.",
                remedy=f"They take: {', '.join(sorted(set().union(*map(_parameters, named)))) or 'nothing'}.",
            )


def _thresholds(tools: Sequence[Tool[Any]], permissions: Permissions) -> Iterator[ToolProblem]:
    for threshold in permissions.thresholds:
        subject = f"threshold: {threshold.name}"
        named = [tool for tool in tools if threshold.applies(tool.name)]
        if not named:
            yield ToolProblem(subject=subject, reason="It names no tool.", remedy="Correct the name, or leave it out.")
        for tool in named:
            if tool.amounts is None:
                yield ToolProblem(
                    subject=subject,
                    reason=f"{tool.name!r} does not say what its calls are about.",
                    remedy=f'Give it amounts=, with the measure "{threshold.measure}".',
                )
            if threshold.total is not None and not tool.changes:
                yield ToolProblem(
                    subject=subject,
                    reason=f"{tool.name!r} changes nothing, and only effects are added up.",
                    remedy="Give per_call instead of total.",
                )


def _stand_ins(tool: Tool[Any], by_name: Mapping[str, Tool[Any]]) -> Iterator[ToolProblem]:
    for role, name in (("fallback", tool.fallback), ("compensation", tool.compensation)):
        if name is None:
            continue
        other = by_name.get(name)
        if other is None:
            yield ToolProblem(
                subject=tool.name, reason=f"Its {role} {name!r} is no tool of this agent.", remedy="Give that one too."
            )
        elif _BY_STRENGTH.index(other.effect) > _BY_STRENGTH.index(tool.effect):
            yield ToolProblem(
                subject=tool.name,
                reason=f"Its {role} {name!r} has the effect {other.effect!r}, and it has only {tool.effect!r}.",
                remedy="Use one that does no more.",
            )
        elif role == "fallback" and not _takes_the_same(tool, other):
            yield ToolProblem(
                subject=tool.name,
                reason=f"Its fallback {name!r} cannot be called with the same arguments.",
                remedy="Give both the same parameters.",
            )
        elif role == "compensation" and not other.changes:
            yield ToolProblem(
                subject=tool.name,
                reason=f"Its compensation {name!r} changes nothing, and so undoes nothing.",
                remedy="Name the tool that undoes it.",
            )
    if _falls_back_to_itself(tool, by_name):
        yield ToolProblem(
            subject=tool.name, reason="Its fallbacks lead back to it.", remedy="Leave out the last of them."
        )


def _effects(tool: Tool[Any], permissions: Permissions) -> Iterator[ToolProblem]:
    if tool.changes and not permissions.reaches(tool):
        yield ToolProblem(
            subject=tool.name,
            reason="It changes something, and the policy permits no call of it.",
            remedy=f"Leave it out, or permit it and {', '.join(tool.writes)}.",
        )
        return
    guarded = tool.compensation is not None or any(_guards(policy, tool) for policy in _policies(permissions))
    if tool.effect == "irreversible" and not guarded:
        yield ToolProblem(
            subject=tool.name,
            reason="It cannot be undone, and no one is asked.",
            remedy="Give a rule under ask, a threshold, a tool that undoes it, or allow it by name and arguments.",
        )


def _guards(policy: Permissions, tool: Tool[Any]) -> bool:
    """Whether a person approves some calls of a tool, or approved, by name and arguments, of those that are allowed."""
    asked = matches_any([read_rule(line).tool for line in policy.ask], tool.name)
    limited = any(threshold.applies(tool.name) for threshold in policy.thresholds)
    allowed = [rule for rule in map(read_rule, policy.allow) if rule.names(tool.name)]
    stated = bool(allowed) and all(rule.tool == tool.name and rule.arguments for rule in allowed)
    return asked or limited or stated


def _policies(permissions: Permissions) -> Iterator[Permissions]:
    yield permissions
    for other in permissions.within:
        yield from _policies(other)


def _parameters(tool: Tool[Any]) -> set[str]:
    return set(tool.definition.parameters["properties"])


def _takes_the_same(tool: Tool[Any], other: Tool[Any]) -> bool:
    required = set(other.definition.parameters.get("required", ()))
    return required <= _parameters(tool) <= _parameters(other)


def _falls_back_to_itself(tool: Tool[Any], by_name: Mapping[str, Tool[Any]]) -> bool:
    passed: set[str] = set()
    name = tool.fallback
    while name is not None and name in by_name and name not in passed:
        passed.add(name)
        name = by_name[name].fallback
    return tool.name in passed
