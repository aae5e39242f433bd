"""Edges of a run that fail when they are told to: with an error, without an answer in time, or with nonsense.

A ``Faults`` is made from a seed and decides at which call of which edge what goes wrong. The edges themselves are real:
what does not fail is passed on.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, Literal

import numpy as np

from tercet.agents.tools.decorator import tool
from tercet.agents.tools.records import ToolContext, ToolOutput
from tercet.errors import (
    EmbedderUnavailableError,
    IncompleteResponseError,
    InputError,
    MalformedResponseError,
    ModelRefusalError,
    ModelUnavailableError,
    RateLimitedError,
    StoreError,
)
from tercet.models.chat import stream_of
from tercet.models.chat_records import ChatRequest, ChatResponse, TextDelta, TextPart, ToolCallPart
from tercet.records import Usage
from tercet.testing import HashEmbedder, answer

Edge = Literal["model", "tool", "memory", "database", "journal", "clock"]
Fault = Literal["error", "crash", "timeout", "garbage"]
EDGES: tuple[Edge, ...] = ("model", "tool", "memory", "database", "journal", "clock")
FAULTS: tuple[Fault, ...] = ("error", "crash", "timeout", "garbage")
CALLS: dict[Edge, int] = {"model": 4, "tool": 4, "memory": 1, "database": 40, "journal": 8, "clock": 30}
"""About as many as a run makes: one of them is the first to fail."""
STALL = 0.3
"""Seconds that a stalled edge takes where it cannot be cancelled; a run may take less."""
START = datetime(2026, 1, 1, tzinfo=UTC)
CRASHES = (RuntimeError, OSError, KeyError, ValueError, ZeroDivisionError, RecursionError, MemoryError, StopIteration)
NOWHERE = threading.Event()
"""Never set: waiting for it is waiting for the timeout."""


@dataclass(frozen=True)
class Planned:
    """What goes wrong."""

    edge: Edge
    fault: Fault
    first: int
    """Number of the call, from 1."""
    lasting: bool
    """Every later call fails, too."""


class Faults:
    """What goes wrong in one run, and how often it did."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        edges = [self.random.choice(EDGES) for _ in range(self.random.choice((1, 1, 2, 3)))]
        self.planned = [
            Planned(edge, self.random.choice(FAULTS), self.random.randint(1, CALLS[edge]), self.random.random() < 0.3)
            for edge in dict.fromkeys(edges)
        ]
        self.calls: Counter[Edge] = Counter()
        self.struck: Counter[tuple[Edge, Fault]] = Counter()
        self._lock = threading.Lock()

    def strike(self, edge: Edge) -> Fault | None:
        """Count a call of an edge; what goes wrong with it."""
        with self._lock:
            self.calls[edge] += 1
            for one in self.planned:
                if one.edge == edge and (
                    self.calls[edge] == one.first or (one.lasting and self.calls[edge] > one.first)
                ):
                    self.struck[edge, one.fault] += 1
                    return one.fault
        return None

    def crash(self) -> Exception:
        """An error that nobody has promised."""
        return self.random.choice(CRASHES)("something broke")


class ChaosModel:
    """Follows a plan of tool calls; when it is struck, it fails as models do, and as they never should."""

    name = "chaos"

    def __init__(self, faults: Faults, plan: list[list[ToolCallPart]]) -> None:
        self.faults = faults
        self._plan = plan
        self._turn = 0

    async def respond(self, request: ChatRequest) -> ChatResponse:
        fault = self.faults.strike("model")
        if fault == "timeout":
            await asyncio.Event().wait()
        if fault == "crash":
            raise self.faults.crash()
        if fault == "error":
            raise self._error()
        if fault == "garbage":
            return self._garbage()
        calls = self._plan[min(self._turn, len(self._plan) - 1)]
        self._turn += 1
        return answer(*(replace(call, id=f"{call.id}-{self._turn}") for call in calls))

    async def stream(self, request: ChatRequest) -> Any:
        yield TextDelta(part=0, text="Let me ")
        response = await self.respond(request)
        if not isinstance(response, ChatResponse):
            yield response
            return
        events = list(stream_of(response))
        if self.faults.strike("model") == "garbage":
            events = events[:-1]  # cut off: nothing says that it is complete
        for event in events:
            yield event

    async def aclose(self) -> None:
        """Nothing is open."""

    def _error(self) -> Exception:
        usage = Usage(input_tokens=7, output_tokens=3)
        return self.faults.random.choice(
            (
                ModelUnavailableError("Overloaded.", retryable=True, retry_after=0.0, usage=usage),
                RateLimitedError("Too many.", retryable=True, retry_after=0.01),
                ModelUnavailableError("Out of reach."),
                ModelRefusalError("I will not.", usage=usage),
                IncompleteResponseError("Cut off.", usage=usage),
                MalformedResponseError("No JSON."),
            )
        )

    def _garbage(self) -> Any:
        call = ToolCallPart
        deep: Any = "x"
        for _ in range(50):
            deep = [deep]
        return self.faults.random.choice(
            (
                None,
                "an answer",
                answer(),
                answer("I am done."),
                answer("\x1b[31mred\u202e", ""),
                answer(call(id="1", name="no_such_tool", arguments={})),
                answer(call(id="", name="", arguments={})),
                answer(call(id="1", name="look_up", arguments={})),
                answer(call(id="1", name="look_up", arguments={"word": 3, "more": None})),
                answer(call(id="1", name="look_up", arguments={"word": deep})),
                answer(call(id="1", name="look_up", arguments={"word": "x" * 300_000})),
                answer(call(id="1", name="ring", arguments={"number": "1e400"})),
                answer(*(call(id="1", name="look_up", arguments={"word": "twice"}) for _ in range(2))),
                answer(*(call(id=str(one), name="look_up", arguments={"word": str(one)}) for one in range(100))),
                answer(call(id="1", name="finish", arguments={"nonsense": True})),
                answer(call(id="1", name="finish", arguments={}), call(id="2", name="ring", arguments={"number": 1})),
                answer(call(id="1", name="ask_user", arguments={"question": ""})),
                answer(call(id="1", name="escalate", arguments={})),
                replace(answer("Done."), usage=Usage(input_tokens=10**12, output_tokens=10**12)),
                replace(answer(call(id="1", name="look_up", arguments={"word": "a"})), stop_reason="end_turn"),
                replace(answer("Done."), parts=(object(),)),
            )
        )


class ChaosEmbedder(HashEmbedder):
    """The edge of every search of the memory."""

    def __init__(self, faults: Faults | None = None) -> None:
        super().__init__()
        self.faults = faults

    def embed_query(self, text: str) -> Any:
        fault = self.faults.strike("memory") if self.faults else None
        if fault == "error":
            raise EmbedderUnavailableError("The weights are gone.")
        if fault == "crash" and self.faults:
            raise self.faults.crash()
        if fault == "timeout":
            NOWHERE.wait(STALL)
        if fault == "garbage" and self.faults:
            nan = np.full(self.dimension, np.nan, np.float32)
            return self.faults.random.choice(
                (nan, np.zeros(3, np.float32), np.zeros(self.dimension, np.float32), None, "x")
            )
        return super().embed_query(text)


class ChaosJournal:
    """Another journal, each of whose methods may fail before it does anything."""

    def __init__(self, journal: Any, faults: Faults) -> None:
        self._journal, self._faults = journal, faults

    @property
    def durable(self) -> bool:
        return bool(self._journal.durable)

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._journal, name)

        def method(*arguments: Any, **options: Any) -> Any:
            fault = self._faults.strike("journal")
            if fault == "error":
                raise StoreError("The disk is gone.")
            if fault == "crash":
                raise self._faults.random.choice((sqlite3.OperationalError("disk I/O error"), self._faults.crash()))
            if fault == "timeout" and self._journal.durable:
                NOWHERE.wait(STALL)
            if fault == "garbage":
                return self._faults.random.choice((None, (), "nonsense", object(), [None]))
            return real(*arguments, **options)

        return method


class ChaosClock:
    """The time; or none, or another."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._ticks = 0

    def __call__(self) -> Any:
        fault = self._faults.strike("clock")
        if fault in ("error", "crash"):
            raise OSError("no clock")
        self._ticks += 1
        now = START + timedelta(milliseconds=self._ticks)
        if fault == "garbage":
            return self._faults.random.choice(
                (now.replace(tzinfo=None), None, now - timedelta(days=9000), "noon", 12.5)
            )
        if fault == "timeout":
            NOWHERE.wait(0.02)
        return now


@dataclass
class World:
    """What the tools are given."""

    faults: Faults
    rung: list[int] = field(default_factory=list)


def _struck(world: World, *, honest: Any) -> Any:
    """What a tool that does not wait gives."""
    fault = world.faults.strike("tool")
    if fault == "error":
        raise InputError("There is no such word.")
    if fault == "crash":
        raise world.faults.crash()
    if fault == "timeout":
        NOWHERE.wait(STALL)
    return nonsense(world.faults.random) if fault == "garbage" else honest


def nonsense(random: Random) -> Any:
    """Something that a tool should not return."""
    circle: list[Any] = []
    circle.append(circle)
    deep: Any = 1
    for _ in range(5_000):
        deep = [deep]
    return random.choice(
        (
            object(), float("nan"), float("inf"), b"\xff\xfe", {1, 2}, "\ud800", circle, deep, "x" * 2_000_000,
            lambda: 1, Decimal("NaN"), (one for one in range(3)), {("a", "b"): 1}, 10**5000, Exception("returned"),
            ToolOutput(value=None, sources=("no source",)), ToolOutput(value=1, trust="absolute"), json,
        )
    )  # fmt: skip


@tool(effect="read", reads=["words"], timeout=0.1)
def look_up(context: ToolContext[World], word: str) -> str:
    """Look a word up.

    Args:
        word: In small letters.
    """
    return _struck(context.deps, honest=f"{word} is a word")


@tool(effect="write", writes=["notes"], content=["text"], timeout=0.1)
async def note(context: ToolContext[World], text: str) -> str:
    """Write a note.

    Args:
        text: Of the note.
    """
    if context.deps.faults.strike("tool") == "timeout":
        await asyncio.Event().wait()
    return _struck(context.deps, honest="noted")


@tool(effect="irreversible", writes=["bell"], timeout=0.1, amounts=lambda given: {"rings": given["number"]})
async def ring(context: ToolContext[World], number: int) -> str:
    """Ring the bell.

    Args:
        number: How often.
    """
    result = _struck(context.deps, honest="rung")
    context.deps.rung.append(number)
    return result


@tool(effect="irreversible", writes=["bell"], timeout=0.1)
def ring_later(context: ToolContext[World], number: int) -> str:
    """Ring the bell once somebody agrees.

    Args:
        number: How often.
    """
    return _struck(context.deps, honest="rung")


TOOLS = (look_up, note, ring, ring_later)


def text_of(part: Any) -> str:
    """The words of a part."""
    return part.text if isinstance(part, TextPart) else ""
