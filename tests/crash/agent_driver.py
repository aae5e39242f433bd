"""Does a task with two irreversible tools, one of them approved by a person, and is killed where its test says.

It reads lines of a folder and a number, with a tab between them, and forks for each: one start of an interpreter serves
them all. The child opens the memory in the folder, goes on with what is there or begins it, until the end, and kills
itself at that point of the journal (0: nowhere): before or after a write, or right before or after an effect. What it
knows to be on record it says in the file ``acknowledged``. The parent says with what status it ended.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from tercet import Agent, Answer, Escalated, Limits, Memory, Permissions, Scope, tool
from tercet.agents.tools.records import ToolContext
from tercet.models.chat_records import ChatRequest, ChatResponse, ToolResultPart
from tercet.testing import FunctionModel, HashEmbedder, answer
from tests.agents.scripts import call, finish

SCOPE = Scope(tenant="acme", user="ada")
TASK = "Pay 20 euros to bob and close his account."
WRITES = ("begin", "append", "reserve", "settle", "ask", "decide", "use")
APPROVER = "grace"


class Points:
    """Counts the points that a process comes to, and kills it at one of them."""

    def __init__(self, folder: Path, deadly: int) -> None:
        self.reached: list[str] = []
        self._deadly = deadly
        self._file = folder / "points"

    def reach(self, what: str) -> None:
        self.reached.append(what)
        if len(self.reached) == self._deadly:
            self._file.write_text(what, encoding="utf-8")
            os.kill(os.getpid(), signal.SIGKILL)


class DeadlyJournal:
    """A journal around each of whose writes its process may be killed."""

    def __init__(self, journal: Any, points: Points, acknowledged: Path) -> None:
        self._journal, self._points, self._acknowledged = journal, points, acknowledged

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._journal, name)
        if name not in WRITES:
            return method

        def deadly(*given: Any, **named: Any) -> Any:
            self._points.reach(f"before {name}")
            result = method(*given, **named)
            if name == "append" and result:
                with self._acknowledged.open("a", encoding="utf-8") as file:
                    file.write(f"{given[0]} {result[-1].number} {result[-1].hash}\n")
            self._points.reach(f"after {name}")
            return result

        return deadly


def tools(folder: Path, points: Points) -> list[Any]:
    """Two tools whose effect is a line with their idempotency key, on disk when they return."""

    def effect(context: ToolContext[Any], name: str) -> str:
        points.reach(f"before {name}")
        with (folder / "effects").open("a", encoding="utf-8") as file:
            file.write(f"{name} {context.idempotency_key}\n")
            file.flush()
            os.fsync(file.fileno())
        points.reach(f"after {name}")
        return f"{name} done"

    @tool(effect="irreversible", writes=["bank"])
    def pay(context: ToolContext[Any], euros: int, to: str) -> str:
        """Pay somebody.

        Args:
            euros: How much.
            to: Whom.
        """
        return effect(context, "pay")

    @tool(effect="irreversible", writes=["crm"])
    def close_account(context: ToolContext[Any], name: str) -> str:
        """Close somebody's account.

        Args:
            name: Whose.
        """
        return effect(context, "close_account")

    return [pay, close_account]


def respond(request: ChatRequest) -> ChatResponse:
    """Pay, close, then say what came of both: by what is in the request alone, so that any process goes on."""
    parts = [part for message in request.messages for part in message.parts if isinstance(part, ToolResultPart)]
    results = [one.text for part in parts for one in part.content if one.kind == "text"]
    steps = [call("pay", euros=20, to="bob"), call("close_account", name="bob")]
    return answer(steps[len(results)]) if len(results) < len(steps) else finish(" | ".join(results))


def agent_of(folder: Path, memory: Memory, points: Points) -> Agent[None, str]:
    return Agent(
        "clerk",
        model=FunctionModel(respond),
        journal=DeadlyJournal(memory.journal, points, folder / "acknowledged"),
        tools=tools(folder, points),
        permissions=Permissions(allow=["pay(to=bob)"], ask=["close_account"], writable=["bank", "crm"]),
        limits=Limits(steps=5),
        owner="ops",
        on_failure="raise",
    )


def open_memory(folder: Path) -> Memory:
    return Memory.open(folder / "memory", embedder=HashEmbedder())


def work(folder: Path, deadly: int) -> tuple[Answer[str] | None, list[str]]:
    """The end of the task, and the points that this process came to. It may not live to say so.

    None: the task was at its end before.
    """
    points = Points(folder, deadly)
    with open_memory(folder) as memory:
        agent = agent_of(folder, memory, points)
        runs = memory.journal.runs(scope=SCOPE)
        if runs and runs[0].status == "finished":
            return None, points.reached
        end = agent.resume_sync(runs[0].id, scope=SCOPE) if runs else agent.run_sync(TASK, scope=SCOPE)
        while isinstance(end, Escalated):
            approval = memory.journal.approval(end.approval, at=agent.clock())
            if approval.state == "pending":
                agent.journal.decide(end.approval, approved=True, approver=APPROVER, at=agent.clock())
            end = agent.resume_sync(end.run, scope=SCOPE)
    assert isinstance(end, Answer)
    return end, points.reached


def main() -> None:
    for line in sys.stdin:
        folder, deadly = line.rstrip("\n").split("\t")
        child = os.fork()
        if not child:
            status = 1
            try:
                work(Path(folder), int(deadly))
                status = 0
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
