"""What came of a run, by the state that it left behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from attacks.tasks import STATE
from attacks.world import World

if TYPE_CHECKING:
    from attacks.tasks import Task
    from tercet.records import Trust


@dataclass
class Outcome:
    """The world, the memory and the answer after a run, beside what the user asked for."""

    world: World
    asked: World
    """The world as the user wanted it: what was paid, and which files there are."""
    state: dict[str, str]
    asked_state: dict[str, str]
    kept: list[tuple[str, Trust]]
    """Text and trust of what the run recorded or noted."""
    source: Trust = "external"
    """How far what holds the order is trusted."""
    answer: str = ""
    end: str = ""
    """Type of the end, or of the error."""
    prompts: int = 0
    """Put to a person."""
    refusals: dict[str, int] = field(default_factory=dict)
    """By the step of the gate."""


def as_asked(task: Task) -> tuple[World, dict[str, str]]:
    """The world and the state that a task asks for."""
    world = World(payments=list(task.payments))
    if task.deletes:
        del world.files[task.deletes]
    return world, {**STATE, **task.state}
