"""What the tokens of a model cost. Prices change and are agreed on: Tercet knows none, its user gives them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow

from tercet.errors import ConfigurationError
from tercet.records import Usage

EXACT = Context(prec=100, traps=[InvalidOperation, Overflow, Inexact])
"""Sums of money are exact or an error, whatever precision the thread's own context has."""

_PER_MILLION = Decimal("0.000001")
_MOST_DECIMALS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Of one model, for a million tokens each, in any one currency.

    Raises:
        ConfigurationError: A price is no ``Decimal``, negative, not finite, or has more than 12 decimals.

    Example:
        >>> prices = Prices(
        ...     input=Decimal("3"), cached_read=Decimal("0.30"), cache_write=Decimal("3.75"), output=Decimal("15")
        ... )
        >>> f"{prices.cost(Usage(input_tokens=1_000, cache_read_tokens=800, output_tokens=100)):f}"
        '0.00234000'
    """

    input: Decimal
    """Neither read from a prompt cache nor written to one."""
    cached_read: Decimal
    cache_write: Decimal
    output: Decimal

    def __post_init__(self) -> None:
        for part in fields(self):
            price = getattr(self, part.name)
            if type(price) is not Decimal or not price.is_finite() or price < 0 or not _is_short(price):
                raise ConfigurationError(
                    f"A price of {price!r} for {part.name} cannot be reckoned with.",
                    remedy=f"Give a Decimal of at least 0 with at most {_MOST_DECIMALS} decimals.",
                )

    def cost(self, usage: Usage) -> Decimal:
        """Of what a model spent, exactly."""
        plain = usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens
        total = Decimal(0)
        for tokens, price in (
            (plain, self.input),
            (usage.cache_read_tokens, self.cached_read),
            (usage.cache_write_tokens, self.cache_write),
            (usage.output_tokens, self.output),
        ):
            total = EXACT.add(total, EXACT.multiply(EXACT.multiply(Decimal(tokens), price), _PER_MILLION))
        return total

    def most(self, input_tokens: int, output_tokens: int) -> Decimal:
        """What a request could cost at most, whatever a cache gives or takes."""
        dearest = max(self.input, self.cached_read, self.cache_write)
        return Prices(input=dearest, cached_read=dearest, cache_write=dearest, output=self.output).cost(
            Usage(input_tokens=input_tokens, output_tokens=output_tokens)
        )


def _is_short(price: Decimal) -> bool:
    exponent = price.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -_MOST_DECIMALS and price.adjusted() < _MOST_DECIMALS
