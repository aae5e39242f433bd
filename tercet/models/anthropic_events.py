"""The event stream of the Anthropic Messages API, put together into the message that it streams."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tercet.models.anthropic_answers import text_of, usage_of
from tercet.models.chat_records import ReasoningDelta, TextDelta, ToolCallDelta
from tercet.records import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tercet.models.chat_records import ChatEvent

_GROWS = {"text_delta": ("text", "text"), "thinking_delta": ("thinking", "thinking")}


class MessageAssembly:
    """Takes the events in their order and checks that it is the documented one.

    See https://platform.claude.com/docs/en/build-with-claude/streaming.
    """

    def __init__(self) -> None:
        self.message: dict[str, Any] = {}
        self.complete = False
        """``message_stop`` has come."""
        self._arguments: dict[int, list[str]] = {}
        self._open: int | None = None

    @property
    def usage(self) -> Usage:
        """What the service said so far that it cost."""
        try:
            return usage_of(self.message.get("usage"))
        except ValueError:
            return Usage()

    @property
    def text(self) -> str:
        """What the model said so far."""
        return text_of(self.message.get("content"))

    def take(self, event: dict[str, Any]) -> Iterator[ChatEvent]:
        """Add one event, and tell what is new.

        Raises:
            LookupError: It lacks a field.
            TypeError: A field is of another type than documented.
            ValueError: It does not fit what came before.
        """
        kind = event["type"]
        if kind == "message_start":
            self._expect(not self.message, kind)
            self.message = {**event["message"], "content": []}
        elif kind == "content_block_start":
            self._expect(self._open is None and event["index"] == len(self._content(kind)), kind)
            self._open = event["index"]
            self._content(kind).append(dict(event["content_block"]))
        elif kind == "content_block_delta":
            self._expect(self._open is not None and event["index"] == self._open, kind)
            yield from self._grow(event["index"], event["delta"])
        elif kind == "content_block_stop":
            self._expect(self._open is not None and event["index"] == self._open, kind)
            self._open = None
        elif kind == "message_delta":
            self._expect(self._open is None, kind)
            self._content(kind)
            self.message.update(event["delta"])
            told = {key: value for key, value in event["usage"].items() if value is not None}
            self.message["usage"] = {**self.message["usage"], **told}
        elif kind == "message_stop":
            self._expect(self._open is None, kind)
            self._content(kind)
            self.complete = True
        # Pings, and kinds of events that may be added later, say nothing of the message.

    def finished(self) -> dict[str, Any]:
        """The message, with the arguments of its tool calls parsed.

        Raises:
            ValueError: Arguments are no JSON.
        """
        content = list(self.message["content"])
        ended_well = self.message.get("stop_reason") == "tool_use"
        for index, pieces in self._arguments.items():
            joined = "".join(pieces)
            if joined and ended_well:  # an answer that was cut off ends in the middle of its arguments
                content[index] = {**content[index], "input": json.loads(joined)}
        return {**self.message, "content": content}

    def _content(self, kind: str) -> list[dict[str, Any]]:
        self._expect(bool(self.message), kind)
        content: list[dict[str, Any]] = self.message["content"]
        return content

    def _grow(self, index: int, delta: dict[str, Any]) -> Iterator[ChatEvent]:
        block = self.message["content"][index]
        kind = delta["type"]
        if kind in _GROWS:
            field, target = _GROWS[kind]
            added = delta[field]
            block[target] = block[target] + added
            yield (TextDelta if kind == "text_delta" else ReasoningDelta)(part=index, text=added)
        elif kind == "signature_delta":
            block["signature"] = block["signature"] + delta["signature"]
        elif kind == "citations_delta":
            block["citations"] = [*(block.get("citations") or ()), delta["citation"]]
        elif kind == "input_json_delta":
            added = delta["partial_json"]
            self._arguments.setdefault(index, []).append(added)
            if added:
                yield ToolCallDelta(part=index, id=block["id"], name=block["name"], arguments=added)
        else:
            raise ValueError(f"an unknown delta {kind!r}")

    def _expect(self, holds: bool, kind: str) -> None:
        if not holds or self.complete:
            raise ValueError(f"the event {kind} came out of order")
