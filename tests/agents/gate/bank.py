"""A tool that pays, and what was paid by it."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

from tercet.agents.tools.decorator import tool
from tests.agents.gate.rig import Rig


class Bank:
    """What was paid; a payment waits for the door, and raises or returns what it is told."""

    def __init__(self, *, key: bool = False) -> None:
        self.paid: list[Decimal] = []
        self.given: list[str] = []
        self.error: BaseException | None = None
        self.answer: Any = "paid"

        @tool(
            effect="irreversible",
            writes=["bank"],
            amounts=lambda given: {"value": given["euros"], "targets": 1},
            idempotency_key=(lambda given: given["invoice"]) if key else None,
        )
        async def pay(euros: Decimal, invoice: str = "") -> object:
            """Pay."""
            await asyncio.sleep(0)
            if self.error:
                raise self.error
            self.paid.append(euros)
            return self.answer

        self.tools = [pay]

    def rig(self, **options: Any) -> Rig:
        return Rig(self.tools, **options)


def pay(rig: Rig, euros: str, **arguments: str) -> Any:
    identifier, approval = arguments.pop("identifier", ""), arguments.pop("approval", "")
    return asyncio.run(rig.call("pay", {"euros": euros, **arguments}, identifier=identifier, approval=approval))
