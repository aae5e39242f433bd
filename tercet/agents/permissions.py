"""What an agent may do: which tools it may call, how, what it may read and what it may change. Else nothing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from tercet.agents.rules import Rule, matches_any, read_rule
from tercet.agents.thresholds import Threshold, amounts_of
from tercet.errors import ConfigurationError, InputError
from tercet.memory.patches import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from decimal import Decimal

    from tercet.agents.tools.records import Tool
    from tercet.memory.journal.records import Ceiling

Verdict = Literal["allow", "ask", "deny"]

_STRICTEST = ("deny", "ask", "allow")
_LISTS = ("allow", "ask", "deny", "readable", "writable")


class Decision(NamedTuple):
    """What a policy says to a call."""

    verdict: Verdict
    rule: str
    """Which line of the policy says so, such as ``deny: send_*``."""
    reason: str
    """For the model, the approver and the journal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """A policy: a value that never changes. What no rule speaks of is denied; deny beats ask, ask beats allow.

    Rules are a tool's name, with ``*``, ``?`` and ``[…]`` for any characters, and in brackets globs for its arguments
    by name: ``"send_mail(to=*@acme.example)"``. ``rules`` says how they are read.

    Example:
        >>> from tercet.agents.tools.decorator import tool
        >>> @tool(effect="write", writes=["mail"])
        ... def send_mail(to: list[str], text: str) -> str:
        ...     "Send a mail."
        ...     return "sent"
        >>> policy = Permissions(allow=["send_mail(to=*@acme.example)"], writable=["mail"])
        >>> policy.decide(send_mail, {"to": ["ada@acme.example"], "text": "Hello"}).verdict
        'allow'
        >>> policy.decide(send_mail, {"to": ["ada@acme.example", "eve@evil.example"], "text": "Hello"}).verdict
        'deny'
    """

    allow: Sequence[str] = ()
    """Calls that need nobody's consent."""
    ask: Sequence[str] = ()
    """Calls that a person has to approve."""
    deny: Sequence[str] = ()
    """Calls that are refused, whatever the other rules say."""
    readable: Sequence[str] = ()
    """Globs for the data sources that tools may read. Empty: none."""
    writable: Sequence[str] = ()
    """Globs for the systems that tools may change or send to. Empty: none."""
    thresholds: Sequence[Threshold] = ()
    """From which amounts on a person is asked, whatever is allowed."""
    within: tuple[Permissions, ...] = ()
    """Policies that have to permit a call too; made by ``intersect``."""
    _allow: tuple[Rule, ...] = field(init=False, repr=False, compare=False)
    _ask: tuple[Rule, ...] = field(init=False, repr=False, compare=False)
    _deny: tuple[Rule, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in _LISTS:
            lines = getattr(self, name)
            if isinstance(lines, str) or not all(isinstance(line, str) and line.strip() for line in lines):
                raise ConfigurationError(
                    f"{name} of a policy is {lines!r}.", remedy=f'Give a list of texts: {name}=["search_*"].'
                )
            object.__setattr__(self, name, tuple(lines))
        object.__setattr__(self, "thresholds", tuple(self.thresholds))
        for name in ("allow", "ask", "deny"):
            object.__setattr__(self, f"_{name}", tuple(read_rule(line) for line in getattr(self, name)))

    @property
    def version(self) -> str:
        """SHA-256 of what it says; an approval given under one version is none under another.

        Example:
            >>> Permissions(allow=["a", "b"]).version == Permissions(allow=["b", "a", "a"]).version
            True
        """
        return hashlib.sha256(canonical(self._said()).encode()).hexdigest()

    def decide(self, tool: Tool[Any], arguments: Mapping[str, Any]) -> Decision:
        """What the policy says to a call. Never raises: what cannot be judged is denied.

        Args:
            tool: What is called.
            arguments: Checked, as ``schema.check`` gives them. Parameters left out are taken at their defaults.
        """
        complete = with_defaults(tool, arguments)
        own = self._decide(tool, complete)
        decisions = [own, *(other.decide(tool, complete) for other in self.within)]
        return min(decisions, key=lambda one: _STRICTEST.index(one.verdict))

    def visible(self, tools: Iterable[Tool[Any]]) -> tuple[Tool[Any], ...]:
        """Those of some tools that a call could be permitted of; a model is not told of others."""
        return tuple(tool for tool in tools if self.reaches(tool))

    def reaches(self, tool: Tool[Any]) -> bool:
        """Whether some call of a tool could be permitted."""
        named = any(rule.names(tool.name) for rule in (*self._allow, *self._ask))
        banned = any(not rule.arguments and rule.names_loosely(tool.name) for rule in self._deny)
        own = named and not banned and self._foreign(tool) is None
        return own and all(other.reaches(tool) for other in self.within)

    def intersect(self, other: Permissions) -> Permissions:
        """A policy that permits only what both permit, and asks where either asks: of an agent under another.

        Example:
            >>> both = Permissions(allow=["*"]).intersect(Permissions(allow=["search_*"]))
            >>> len(both.within)
            1
        """
        return replace(self, within=(*self.within, other))

    def ceilings(self, tool: Tool[Any], tools: Iterable[Tool[Any]]) -> tuple[Ceiling, ...]:
        """What the effects of a tool count towards, for the journal to reserve by.

        Args:
            tool: Whose effect is to be reserved.
            tools: All tools of the agent.
        """
        names = [one.name for one in tools] + [tool.name]
        own = (one.ceiling(names) for one in self.thresholds if one.applies(tool.name))
        found = dict.fromkeys(ceiling for ceiling in own if ceiling is not None)
        for other in self.within:
            found.update(dict.fromkeys(other.ceilings(tool, tools)))
        return tuple(found)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _decide(self, tool: Tool[Any], arguments: Mapping[str, Any]) -> Decision:
        parameters = tool.definition.parameters["properties"]
        for rule in self._deny:
            if rule.forbids(tool.name, arguments, parameters=parameters):
                return Decision("deny", f"deny: {rule.text}", f"the policy forbids this call of {tool.name!r}")
        if (foreign := self._foreign(tool)) is not None:
            return foreign
        asking = next((rule for rule in self._ask if rule.permits(tool.name, arguments)), None)
        allowing = next((rule for rule in self._allow if rule.permits(tool.name, arguments)), None)
        if asking is None and allowing is None:
            return Decision("deny", "", f"no rule of the policy permits this call of {tool.name!r}")
        if asking is None:  # as a restriction of what is allowed it is read like deny: not evaded by spelling
            restricting = (one for one in self._ask if one.forbids(tool.name, arguments, parameters=parameters))
            asking = next(restricting, None)
        try:
            amounts = amounts_of(tool, arguments)
        except InputError as error:
            return Decision("deny", "amounts", error.message)
        reasons = list(self._objections(tool, amounts))
        if asking is not None:
            reasons.insert(
                0, (f"ask: {asking.text}", f"the policy wants a person to approve this call of {tool.name!r}")
            )
        if reasons:
            return Decision("ask", reasons[0][0], "; ".join(reason for _, reason in reasons))
        assert allowing is not None
        return Decision("allow", f"allow: {allowing.text}", "")

    def _objections(self, tool: Tool[Any], amounts: Mapping[str, Decimal]) -> Iterator[tuple[str, str]]:
        for threshold in self.thresholds:
            if threshold.applies(tool.name) and (objection := threshold.objection(amounts)):
                yield f"threshold: {threshold.name}", objection

    def _foreign(self, tool: Tool[Any]) -> Decision | None:
        """The refusal of a tool that reads or writes what this policy does not open."""
        for what, names, globs in (("readable", tool.reads, self.readable), ("writable", tool.writes, self.writable)):
            for name in names:
                if not matches_any(globs, name):
                    return Decision("deny", what, f"{tool.name!r} needs {name!r}, which is not {what} here")
        return None

    def _said(self) -> dict[str, Any]:
        said: dict[str, Any] = {name: sorted(set(getattr(self, name))) for name in _LISTS}
        said["thresholds"] = sorted(
            [one.tool, one.measure, _text(one.per_call), _text(one.total), one.window and one.window.total_seconds()]
            for one in set(self.thresholds)
        )
        return {**said, "within": sorted(other.version for other in self.within)}


def with_defaults(tool: Tool[Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments, and the defaults of parameters that were left out.

    Example:
        >>> from tercet.agents.tools.decorator import tool
        >>> @tool(effect="pure")
        ... def double(number: int, times: int = 1) -> int:
        ...     "Double a number."
        ...     return number * 2**times
        >>> with_defaults(double, {"number": 4})
        {'times': 1, 'number': 4}
    """
    properties = tool.definition.parameters["properties"]
    return {**{name: one["default"] for name, one in properties.items() if "default" in one}, **arguments}


def _text(limit: Decimal | None) -> str:
    return "" if limit is None else f"{limit.normalize():f}"
