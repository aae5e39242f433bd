"""Stands in for a hosted model, by rules that fit on a page, so that the example needs no service and no key."""

from __future__ import annotations

import json
import re
from typing import Any

from tercet.models.chat_records import ChatRequest, ChatResponse, ToolCallPart
from tercet.testing import answer


def scripted(request: ChatRequest) -> ChatResponse:
    """Look the order up that the customer names, refund it if that is asked for, and say what came of it."""
    question = request.messages[0]
    results = [
        "".join(part.text for part in result.content if part.kind == "text")
        for message in request.messages
        for result in message.parts
        if result.kind == "tool_result"
    ]
    order = re.search(r"order (\d+)", question.text, re.IGNORECASE)
    if order is None:
        return _from_the_manual(request)
    if not results:
        return _call("find_order", number=int(order[1]))
    found = json.loads(results[0])
    if "error" in found:
        return _call("ask_user", question=f"{found['error']} Which order do you mean?")
    if "refund" not in question.text.casefold():
        return _finish(f"Order {order[1]}: {found['article']}, {found['total']} EUR.")
    if len(results) == 1:
        named = re.search(r"\d+\.\d\d", question.text)
        return _call("refund", order=int(order[1]), euros=named[0] if named else found["total"])
    return _finish(results[-1])


def _from_the_manual(request: ChatRequest) -> ChatResponse:
    sources = [part for part in request.messages[0].parts if part.kind == "source"]
    if not sources:
        return _call("impossible", reason="The manual does not say.", evidence=["Nothing in it fits the question."])
    return _finish(" ".join(sources[0].pieces), citations=[sources[0].id])


def _finish(text: str, *, citations: list[str] | None = None) -> ChatResponse:
    return _call("finish", text=text, confidence=0.9, citations=citations or [])


def _call(name: str, **arguments: Any) -> ChatResponse:
    return answer(ToolCallPart(id=name, name=name, arguments=arguments))
