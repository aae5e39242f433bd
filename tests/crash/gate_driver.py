"""Passes one payment through the gate and is killed where its test says. Run by ``test_gate_kill``.

It reads lines of a folder, a boundary and an approval, with tabs between them, and forks for each: one start of an
interpreter serves them all. The child opens the journal in the folder, makes the payment, and kills itself at the
boundary (``-``: nowhere). The parent says with what status it ended.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from tercet.agents.permissions import Permissions
from tercet.agents.tools.decorator import tool
from tercet.memory.database import Database
from tercet.memory.journal.sql import SqlJournal
from tests.agents.gate.rig import Rig

NOWHERE = "-"
BOUNDARIES = (
    "before approval",
    "after approval",
    "before reserve",
    "after reserve",
    "before use",
    "after use",
    "before payment",
    "after payment",
    "before settle",
    "after settle",
)


def die_at(boundary: str, here: str) -> None:
    if boundary == here:
        os.kill(os.getpid(), signal.SIGKILL)


class Deadly(SqlJournal):
    """Kills its process before or after one of its methods."""

    def __init__(self, database: Database, boundary: str) -> None:
        super().__init__(database)
        self.boundary = boundary

    def __getattribute__(self, name: str) -> Any:
        method = super().__getattribute__(name)
        if name not in ("approval", "reserve", "use", "settle"):
            return method

        def deadly(*given: Any, **named: Any) -> Any:
            die_at(self.boundary, f"before {name}")
            result = method(*given, **named)
            die_at(self.boundary, f"after {name}")
            return result

        return deadly


def bank(folder: Path, boundary: str) -> Any:
    @tool(effect="irreversible", writes=["bank"], amounts=lambda given: {"value": given["euros"]})
    def pay(euros: Decimal) -> str:
        """Pay."""
        die_at(boundary, "before payment")
        with (folder / "paid").open("a", encoding="utf-8") as file:
            file.write(f"{euros}\n")
        die_at(boundary, "after payment")
        return "paid"

    return pay


def attempt(folder: Path, boundary: str, approval: str) -> Any:
    """What the payment comes to; the process may not live to say it."""
    with Database.open(folder) as database:
        rig = rig_of(folder, Deadly(database, boundary), asking=bool(approval), boundary=boundary)
        return asyncio.run(rig.call("pay", {"euros": "20"}, identifier="call-1", step=1, approval=approval))


def rig_of(folder: Path, journal: SqlJournal, *, asking: bool, boundary: str = NOWHERE) -> Rig:
    policy = Permissions(ask=["pay"], writable=["bank"]) if asking else Permissions(allow=["pay"], writable=["bank"])
    return Rig([bank(folder, boundary)], journal=journal, permissions=policy)


def main() -> None:
    for line in sys.stdin:
        folder, boundary, approval = line.rstrip("\n").split("\t")
        child = os.fork()
        if not child:
            status = 1
            try:
                attempt(Path(folder), boundary, approval)
                status = 0
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
