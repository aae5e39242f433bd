"""Tools that policies in these tests speak of."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from tercet.agents.permissions import Permissions
from tercet.agents.tools.decorator import tool


class Order(BaseModel):
    article: str
    currency: str | None = None


@tool(effect="write", writes=["mail"], content=["text"], amounts=lambda given: {"targets": len(given["to"])})
def send_mail(to: list[str], text: str = "", cc: str | None = None) -> str:
    """Send a mail."""
    return "sent"


@tool(effect="irreversible", writes=["bank"], amounts=lambda given: {"value": given["euros"]})
def pay(euros: Decimal, to: str, orders: list[Order] | None = None) -> str:
    """Pay somebody."""
    return "paid"


@tool(effect="read", reads=["semantic:docs"])
def search_documents(query: str, limit: int = 5) -> str:
    """Search."""
    return query


@tool(effect="pure")
def label(labels: dict[str, str]) -> str:
    """Open keys."""
    return str(labels)


OPEN: dict[str, Any] = {"readable": ["*"], "writable": ["*"]}


def verdict(policy: Permissions, one: Any, **arguments: Any) -> str:
    return policy.decide(one, arguments).verdict
