"""``tercet runs replay``: a run once more, to the byte, or from a step on with one thing changed."""

from __future__ import annotations

import asyncio
import copy
import sys
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tercet.cli.journal import run_seen
from tercet.cli.options import DEFAULT_MEMORY, AsJson, DatabaseUrl, MemoryFolder, QdrantUrl, open_memory
from tercet.cli.output import counted, print_json
from tercet.cli.scopes import UNSAID, Whose, with_scope
from tercet.cli.untrusted import block, parsed, visible
from tercet.errors import InputError, ReplayError

if TYPE_CHECKING:
    from tercet.agents.agent import Agent
    from tercet.memory.journal.records import RunRecord
    from tercet.memory.memory import Memory


@with_scope
def replay(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Id of a run.")],
    memory: MemoryFolder = DEFAULT_MEMORY,
    agent_at: Annotated[
        str | None,
        typer.Option(
            "--with",
            metavar="MODULE:NAME",
            help="Where the agent is defined: an Agent, or a function that makes one with the memory. Its module is "
            "imported. Runs of `tercet ask` need none.",
        ),
    ] = None,
    step: Annotated[
        int | None,
        typer.Option("--from", min=1, metavar="STEP", help="Go on anew from this step: the model is really asked."),
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="With --from: this model instead.")] = None,
    instructions: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --from: the text of this file as instructions instead.")
    ] = None,
    whose: Whose = UNSAID,
    database: DatabaseUrl = None,
    qdrant: QdrantUrl = None,
    as_json: AsJson = False,
) -> None:
    """Repeat a run from the journal, and compare every request.

    Requests are compared to the byte. No model, tool or network is used.

    Exit code 1 when the agent of today sends another request than then. With --from the run is gone on with anew from
    that step, as a run of its own; tools that would change anything are refused.

    \b
    Examples:
      tercet runs replay 9f2c41d05f2b9f2c41d05f2b9f2c41d0 --any
      tercet runs replay 9f2c41d05f2b9f2c41d05f2b9f2c41d0 --any --with my_agents:support
      tercet runs replay 9f2c41d05f2b9f2c41d05f2b9f2c41d0 --any --with my_agents:support --from 2 --instructions new.md
    """
    if step is None and (model or instructions):
        raise InputError("--model and --instructions need a step from which they hold.", remedy="Say --from STEP.")
    with open_memory(memory, database=database, qdrant=qdrant, read_only=step is None) as opened:
        found = run_seen(opened.journal, run, whose.scope)
        agent = _agent(agent_at, found, opened)
        if step is None:
            told = _compared(agent, found)
        else:
            if agent_at is None and model is None:
                _refuse_other_model(found, opened)
            told = _lived_anew(_changed(agent, model, instructions), found, step)
    if as_json:
        print_json(asdict(told))
    else:
        _print(told)
    if told.difference:
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What came of a replay, as it is printed."""

    run: str
    step: int | None = None
    """From which it was lived anew; None: it was repeated."""
    new_run: str | None = None
    requests: int | None = None
    """That were as the journal has them; None: not all were, or they were sent anew."""
    difference: str = ""
    """Where the repetition parts from the journal."""
    end: str | None = None
    text: str = ""
    error: str = ""
    """With which the run failed, then as now."""


def _compared(agent: Agent[Any, Any], found: RunRecord) -> Told:
    from tercet.agents.replay import replay as repeat

    try:
        told = asyncio.run(repeat(agent, found.id, scope=found.scope))
    except ReplayError as error:
        return Told(run=found.id, difference=error.message)
    if told.end is None:
        return Told(run=found.id, requests=told.requests, error=told.error)
    return Told(run=found.id, requests=told.requests, end=told.end.kind, text=told.end.text)


def _lived_anew(agent: Agent[Any, Any], found: RunRecord, step: int) -> Told:
    from tercet.agents.replay import replay_from

    end = asyncio.run(replay_from(agent, found.id, step=step, scope=found.scope))
    return Told(run=found.id, step=step, new_run=end.run, end=end.kind, text=end.text)


def _print(told: Told) -> None:
    if told.difference:
        typer.echo(f"Run {visible(told.run)} does not repeat:")
        for line in block(told.difference, "  "):
            typer.echo(line)
        return
    if told.new_run is None:
        typer.echo(f"Run {visible(told.run)} repeats: {counted(told.requests or 0, 'request')} the same to the byte.")
    else:
        typer.echo(f"Run {visible(told.new_run)} went on from step {told.step} of run {visible(told.run)}.")
    typer.echo(f"It failed as it did then: {visible(told.error)}" if told.end is None else f"It ended: {told.end}")
    for line in block(told.text, "  ") if told.text else ():
        typer.echo(line)


def _agent(place: str | None, found: RunRecord, opened: Memory) -> Agent[Any, Any]:
    """The agent of a run, with the journal that the command reads."""
    from tercet.agents.agent import Agent

    if place is None:
        if found.agent != "ask":
            raise InputError(
                f"Run {found.id} is of agent {visible(found.agent)!r}, which the journal cannot make again.",
                remedy="Say where it is defined, such as --with my_agents:support.",
            )
        return Agent("ask", model="extractive", memory=opened)
    made = _made(place, opened)
    if not isinstance(made, Agent):
        raise InputError(f"--with {place} is no agent.", remedy="Name an Agent, or a function that makes one.")
    agent = copy.copy(made)
    agent.journal = opened.journal
    return agent


def _made(place: str, opened: Memory) -> object:
    """What has that name, or what the function of that name makes with the memory."""
    from tercet.agents.agent import Agent

    module, _, name = place.partition(":")
    sys.path.insert(0, str(Path.cwd()))  # as `python -m` does
    try:
        named = getattr(import_module(module), name)
        return named if isinstance(named, Agent) or not callable(named) else named(opened)
    except Exception as error:  # whatever the module or the function does
        raise InputError(
            f"--with {place} cannot be used: {type(error).__name__}: {error}.",
            remedy="Name a module that Python finds here, and an agent in it: my_agents:support.",
        ) from error


def _refuse_other_model(found: RunRecord, opened: Memory) -> None:
    """Which model is asked is said, never guessed."""
    started = parsed(opened.journal.events(found.id)[0].body)
    model = started.get("model") if isinstance(started, dict) else None
    if model != "extractive":
        raise InputError(
            f"Run {found.id} asked the model {visible(str(model))!r}.",
            remedy="Say with --model which one is asked now.",
        )


def _changed(agent: Agent[Any, Any], model: str | None, instructions: Path | None) -> Agent[Any, Any]:
    if instructions is not None:
        try:
            agent = agent.with_instructions(instructions.read_text("utf-8"))
        except UnicodeDecodeError as error:
            raise InputError(f"{instructions} is not UTF-8 text: {error.reason}.", remedy="Save it as UTF-8.") from None
    if model is not None:
        from tercet.models.chat import resolve_model

        agent = copy.copy(agent)
        agent.model = resolve_model(model)
    return agent
