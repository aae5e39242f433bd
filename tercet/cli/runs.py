"""``tercet runs``: what agents did, by the journal."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from tercet.cli.events import ending, event_document, print_run, timing_document
from tercet.cli.journal import minute, reading, run_document, run_seen
from tercet.cli.options import DEFAULT_MEMORY, AsJson, DatabaseUrl, MemoryFolder, QdrantUrl
from tercet.cli.output import counted, print_json, print_table
from tercet.cli.scopes import UNSAID, Whose, with_scope
from tercet.cli.untrusted import visible
from tercet.errors import InputError

if TYPE_CHECKING:
    from tercet.memory.journal.records import RunStatus, Verification

runs_app = typer.Typer(
    help="Look at what agents did, run by run. The journal that tells it shows if it was changed.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

RunId = Annotated[str, typer.Argument(metavar="RUN", help="Id of a run.")]


@runs_app.command("list")
@with_scope
def list_(
    memory: MemoryFolder = DEFAULT_MEMORY,
    status: Annotated[
        str | None,
        typer.Option(metavar="STATUS", help="running, suspended, finished, failed or cancelled."),
    ] = None,
    by: Annotated[str | None, typer.Option("--by", metavar="NAME", help="By the agent of this name.")] = None,
    tree: Annotated[
        str | None, typer.Option("--tree", metavar="RUN", help="This run, and those that came of it.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="The latest so many.")] = 50,
    whose: Whose = UNSAID,
    database: DatabaseUrl = None,
    qdrant: QdrantUrl = None,
    as_json: AsJson = False,
) -> None:
    """List runs, the latest first, with how they ended. Works beside a running process.

    A run that is suspended waits for a person; one that is running may also have died doing so.

    \b
    Examples:
      tercet runs list --any
      tercet runs list --tenant acme --any --status suspended
      tercet runs list --any --by support --limit 10 --json
    """
    with reading(memory, database, qdrant) as opened:
        journal = opened.journal
        found = journal.runs(scope=whose.scope, status=_status(status), agent=by, root=tree, limit=limit)
        ends = [ending(journal, one) for one in found]
    if as_json:
        print_json({"runs": [run_document(one, end) for one, end in zip(found, ends, strict=True)]})
        return
    if not found:
        typer.echo("No runs here. --any looks more widely.")
        return
    rows = [
        (minute(one.began_at), *map(visible, (one.id, one.agent, one.task, one.status, end)), one.events, one.scope)
        for one, end in zip(found, ends, strict=True)
    ]
    print_table(("began (UTC)", "run", "agent", "task", "status", "end", "events", "of"), rows)


@runs_app.command()
@with_scope
def show(
    run: RunId,
    memory: MemoryFolder = DEFAULT_MEMORY,
    full: Annotated[
        bool, typer.Option("--full", help="Also every text: whole prompts, completions, arguments and results.")
    ] = False,
    event: Annotated[
        list[int] | None, typer.Option("--event", metavar="N", help="Only this event, whole (repeatable).")
    ] = None,
    whose: Whose = UNSAID,
    database: DatabaseUrl = None,
    qdrant: QdrantUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show one run, event by event. Also on whose behalf it was, and what it spent.

    Texts of models, tools and documents stand behind a bar, with hidden characters as escapes.

    \b
    Examples:
      tercet runs show 9f2c41d05f2b9f2c41d05f2b9f2c41d0 --any
      tercet runs show 9f2c41d05f2b9f2c41d05f2b9f2c41d0 --tenant acme --event 4
      tercet runs show 9f2c41d05f2b9f2c41d05f2b9f2c41d0 --any --full --json
    """
    with reading(memory, database, qdrant) as opened:
        found = run_seen(opened.journal, run, whose.scope)
        records = opened.journal.events(run)
        end = ending(opened.journal, found)
    if unknown := sorted(set(event or ()) - {one.number for one in records}):
        raise InputError(
            f"Run {run} has no event {unknown[0]}.", remedy=f"It has {counted(len(records), 'event')}, from 1."
        )
    if as_json:
        chosen = [one for one in records if not event or one.number in event]
        document = {"run": run_document(found, end), "timing": timing_document(records)}
        print_json({**document, "events": [*map(event_document, chosen)]})
    else:
        print_run(found, records, end, whole=full, only=event or ())


@runs_app.command()
@with_scope
def verify(
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", help="Id of a run; or --all.")] = None,
    memory: MemoryFolder = DEFAULT_MEMORY,
    everything: Annotated[bool, typer.Option("--all", help="Every run that the scope sees.")] = False,
    whose: Whose = UNSAID,
    database: DatabaseUrl = None,
    qdrant: QdrantUrl = None,
    as_json: AsJson = False,
) -> None:
    """Say whether the journal of runs was changed. The hash chain is computed anew: nothing may be left out or added.

    What was erased on purpose leaves its hash behind, and the chain stays whole. Exit code 1 when one is broken.

    \b
    Examples:
      tercet runs verify 9f2c41d05f2b9f2c41d05f2b9f2c41d0 --any
      tercet runs verify --all --any
      tercet runs verify --all --tenant acme --any --json
    """
    if (run is None) != everything:
        raise InputError("Name one run, or --all, and not both.", remedy="Such as `tercet runs verify --all --any`.")
    with reading(memory, database, qdrant) as opened:
        journal = opened.journal
        chosen = [run_seen(journal, run, whose.scope)] if run else journal.runs(scope=whose.scope, limit=2**31 - 1)
        checked = [journal.verify(one.id) for one in chosen]
    broken = [one for one in checked if not one.intact]
    if as_json:
        print_json({"runs": [{**asdict(one), "intact": one.intact} for one in checked]})
    else:
        _print_checked(checked, broken, alone=run is not None)
    if broken:
        raise typer.Exit(1)


@runs_app.command()
@with_scope
def explain(
    run: RunId,
    memory: MemoryFolder = DEFAULT_MEMORY,
    whose: Whose = UNSAID,
    database: DatabaseUrl = None,
    qdrant: QdrantUrl = None,
    as_json: AsJson = False,
) -> None:
    """Say where a run first went wrong, and what followed.

    \b
    Examples:
      tercet runs explain 9f2c41d05f2b9f2c41d05f2b9f2c41d0 --any
      tercet runs explain 9f2c41d05f2b9f2c41d05f2b9f2c41d0 --tenant acme --json
    """
    from tercet.agents.explain import explain as explained

    with reading(memory, database, qdrant) as opened:
        run_seen(opened.journal, run, whose.scope)
        found = explained(opened.journal, run, scope=whose.scope)
    if as_json:
        print_json(asdict(found))
        return
    typer.echo(f"Run {visible(run)}: {visible(found.end)}")
    if not found.deviations:
        typer.echo("Nothing went wrong.")
    for place, one in enumerate(found.deviations):
        step = f", step {one.step}" if one.step else ""
        typer.echo(f"{'First' if place == 0 else 'Then'}: event {one.number}{step}: {visible(one.what)}")
        typer.echo(f"  {visible(one.reason)}")
    if found.first:
        typer.echo(
            f"`tercet runs show {visible(run)} --event {found.first.number}`, for the same scope, shows it whole."
        )


def _status(text: str | None) -> RunStatus | None:
    from tercet.memory.journal.records import RunStatus

    known: tuple[RunStatus, ...] = get_args(RunStatus)
    for one in known:
        if text == one:
            return one
    if text is None:
        return None
    raise InputError(f"--status {text!r} is no status of a run.", remedy=f"Use one of: {', '.join(known)}.")


def _print_checked(checked: list[Verification], broken: list[Verification], *, alone: bool) -> None:
    for one in checked if alone else broken:
        if one.intact:
            erased = f", {one.erased} bodies and texts erased" if one.erased else ""
            typer.echo(f"{visible(one.run)}: intact, {counted(one.events, 'event')}{erased}")
        else:
            where = "in the row of the run" if one.broken_at == 0 else f"at event {one.broken_at}"
            typer.echo(f"{visible(one.run)}: BROKEN {where}: {visible(one.reason)}")
    if not alone:
        typer.echo(f"{counted(len(checked), 'run')}, {len(checked) - len(broken):,} intact, {len(broken):,} broken")
