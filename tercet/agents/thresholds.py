"""How large the effects of a tool may be before a person is asked: each, and all within a window."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tercet.agents.rules import matches_any
from tercet.agents.tools.schema import bind
from tercet.errors import ConfigurationError, InputError
from tercet.memory.journal.records import Ceiling

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tercet.agents.tools.records import Tool


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """What calls of a tool may come to without asking. Exactly the limit passes, anything above it asks.

    Example:
        >>> Threshold(tool="pay", measure="value", per_call=Decimal("1000.00")).name
        'pay: value'
    """

    tool: str
    """Glob for the name."""
    measure: str
    """Which of the tool's amounts is meant: ``"value"``, ``"rows"``, ``"targets"``, or your own."""
    per_call: Decimal | None = None
    """The most for one call."""
    total: Decimal | None = None
    """The most for all calls of the tools that the glob names, within the window."""
    window: timedelta | None = None

    def __post_init__(self) -> None:
        if not (self.tool.strip() and self.measure.strip()):
            raise ConfigurationError("A threshold names no tool, or no measure.", remedy="Name both.")
        for part in ("per_call", "total"):
            limit = getattr(self, part)
            if limit is None:
                continue
            if not _is_amount(limit):
                raise ConfigurationError(
                    f"The threshold of {self.name!r} is {limit!r}.",
                    remedy='Give a Decimal of at least 0, such as Decimal("1000.00").',
                )
            object.__setattr__(self, part, Decimal(limit))
        if self.per_call is None and self.total is None:
            raise ConfigurationError(f"The threshold of {self.name!r} has no limit.", remedy="Give per_call or total.")
        if (self.total is None) != (self.window is None) or (self.window is not None and self.window <= timedelta()):
            raise ConfigurationError(
                f"The threshold of {self.name!r} has a total of {self.total} in a window of {self.window}.",
                remedy="Give both or none, and a window longer than nothing.",
            )

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.tool}: {self.measure}"

    def applies(self, tool: str) -> bool:
        """Whether it speaks of a tool of this name."""
        return matches_any((self.tool,), tool)

    def objection(self, amounts: Mapping[str, Decimal]) -> str:
        """Why a person should be asked about a call of these amounts; empty: no reason."""
        if self.measure not in amounts:
            most = self.total if self.per_call is None else self.per_call
            return f"the call does not say its {self.measure}, which may be at most {most}"
        amount = amounts[self.measure]
        if self.per_call is not None and amount > self.per_call:
            return f"{self.measure} {amount} is above {self.per_call} for one call"
        if self.total is not None and amount > self.total:
            return f"{self.measure} {amount} is above {self.total} within {self.window}"
        return ""

    def ceiling(self, tools: Iterable[str]) -> Ceiling | None:
        """The total as the journal reserves by it, for those of some tools that it speaks of; None: there is none."""
        if self.total is None or self.window is None:
            return None
        return Ceiling(
            name=self.name,
            measure=self.measure,
            limit=self.total,
            window=self.window,
            tools=tuple(sorted({name for name in tools if self.applies(name)})),
        )


def amounts_of(tool: Tool[Any], arguments: Mapping[str, Any]) -> dict[str, Decimal]:
    """What a call is about, by measure, as the tool says it.

    Raises:
        InputError: The arguments do not fit, or the tool gives something else than finite amounts of at least 0, as
            ``Decimal`` or whole numbers. A float is refused: 0.1 + 0.2 is no amount of money.

    Example:
        >>> from tercet.agents.tools.decorator import tool
        >>> @tool(effect="irreversible", writes=["bank"], amounts=lambda given: {"value": given["euros"]})
        ... def pay(euros: Decimal, to: str) -> str:
        ...     "Pay somebody."
        ...     return "paid"
        >>> amounts_of(pay, {"euros": "9.99", "to": "ada"})
        {'value': Decimal('9.99')}
    """
    if tool.amounts is None:
        return {}
    bound = bind(tool, arguments)
    try:
        given = dict(tool.amounts(bound))
    except Exception as error:
        raise InputError(
            f"What a call of {tool.name!r} is about cannot be told: {type(error).__name__}: {error}.",
            remedy="Its amounts= has to take any arguments that fit its parameters.",
        ) from error
    for measure, amount in given.items():
        if not isinstance(measure, str) or not _is_amount(amount):
            raise InputError(
                f"{tool.name!r} says that the {measure} of a call is {amount!r}.",
                remedy="amounts= gives a Decimal or a whole number, finite and of at least 0; never a float.",
            )
    return {measure: Decimal(amount) for measure, amount in given.items()}


def _is_amount(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (Decimal, int)):
        return False
    return Decimal(value).is_finite() and value >= 0
