"""An agent that answers customers from a manual, looks orders up, and pays them back: by itself up to 1,000 euros.

Run it with ``python support.py "How long does a refund take?"``; the README beside it goes on from there.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from scripted import scripted

from tercet import (
    Agent,
    Answer,
    Escalated,
    Limits,
    Memory,
    NeedsClarification,
    Permissions,
    Scope,
    TercetError,
    Threshold,
    ToolContext,
    ingest,
    tool,
)
from tercet.agents.ends import End
from tercet.testing import FunctionModel

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Shop:
    """Stands for the systems of a shop: orders in a file, and payments that nobody can take back in another."""

    orders: Path
    payments: Path


@tool(effect="read", reads=["shop"])
def find_order(context: ToolContext[Shop], number: int) -> dict[str, str]:
    """Look an order up.

    Args:
        number: Of the order.
    """
    orders: dict[str, dict[str, str]] = json.loads(context.deps.orders.read_text(encoding="utf-8"))
    return orders.get(str(number), {"error": "There is no such order."})


@tool(
    effect="irreversible",
    writes=["bank"],
    amounts=lambda given: {"value": given["euros"]},
    idempotency_key=lambda given: f"refund of order {given['order']}",
)
def refund(context: ToolContext[Shop], order: int, euros: Decimal) -> str:
    """Pay an order back. An order is paid back once.

    Args:
        order: Its number.
        euros: How much.
    """
    with context.deps.payments.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"order": order, "euros": str(euros), "key": context.idempotency_key}) + "\n")
    return f"{euros} EUR are on their way."


PERMISSIONS = Permissions(
    allow=["find_order", "refund"],
    readable=["shop"],
    writable=["bank"],
    thresholds=[Threshold(tool="refund", measure="value", per_call=Decimal("1000.00"))],
)


def support_agent(memory: Memory) -> Agent[Shop, str]:
    """The agent, with the model that TERCET_MODEL names, or else the scripted one."""
    return Agent(
        "support",
        instructions="Answer from the manual. Refund what the manual says is refunded, and say so.",
        model=os.environ.get("TERCET_MODEL") or FunctionModel(scripted, name="scripted"),
        memory=memory,
        tools=[find_order, refund],
        permissions=PERMISSIONS,
        limits=Limits(steps=8),
        owner="payments@acme.example",
        on_failure="escalate",
    )


def report(end: End[str]) -> str:
    """What a run came to, and what to do where it waits for somebody."""
    told = [f"{end.kind}: {end.text}"]
    match end:
        case Answer(quotes=quotes):
            told += [f"  [{quote.source_id}] {quote.source}" for quote in quotes]
        case NeedsClarification():
            told += [f'  python support.py --resume {end.run} --answer "…"']
        case Escalated():
            told += [f"  tercet approvals show {end.approval} --any", f"  python support.py --resume {end.run}"]
        case _:
            pass
    return "\n".join(told)


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("task", nargs="?", help="what the customer writes")
    parser.add_argument("--resume", metavar="RUN", help="go on with a run that waits")
    parser.add_argument("--answer", help="to the question that it waits for")
    given = parser.parse_args(arguments)
    if (given.task is None) == (given.resume is None):
        parser.error("give a task, or --resume RUN")

    shop = Shop(orders=HERE / "orders.json", payments=Path("payments.jsonl"))
    ada = Scope(tenant="acme", user="ada")
    place = os.environ.get("TERCET_MEMORY", ".tercet")
    with Memory.open(place, embedder="none") as memory:  # words are enough to find something on two pages
        ingest(HERE / "manual", into=memory)
        agent = support_agent(memory)
        try:
            if given.resume:
                end = agent.resume_sync(given.resume, scope=ada, answer=given.answer, deps=shop)
            else:
                end = agent.run_sync(given.task, scope=ada, deps=shop)
        except TercetError as error:
            parser.exit(2, f"{error}\n")
    print(report(end))


if __name__ == "__main__":
    main()
