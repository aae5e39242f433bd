"""Tercet with the journal in memory: nothing is written."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from agent_systems import tercet

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = tercet.PACKAGES
WRITES = "nothing"


class Runs(tercet.Runs):
    """Runs of one agent without a memory."""

    def __init__(self, folder: Path, steps: int, synchronous: str) -> None:  # as every system is made
        self.agent = self.made(steps)
        self.loop = asyncio.Runner()
