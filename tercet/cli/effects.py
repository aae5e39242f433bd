"""``tercet effects``: what agents changed outside, and what nobody knows whether it happened."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from tercet.cli.journal import apart, arguments_of, effect_document, effect_seen, minute, person, reading
from tercet.cli.options import DEFAULT_MEMORY, AsJson, DatabaseUrl, MemoryFolder, QdrantUrl, open_memory
from tercet.cli.output import print_json
from tercet.cli.scopes import UNSAID, Whose, with_scope
from tercet.cli.untrusted import block, named_lines, visible
from tercet.errors import InputError, StateError

if TYPE_CHECKING:
    from datetime import datetime

    from tercet.memory.journal.records import EffectRecord, EffectState

effects_app = typer.Typer(
    help="Look at what agents changed outside. Settle what nobody knows whether it happened.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

OPEN = ("started", "in_doubt")


@effects_app.command("list")
@with_scope
def list_(
    memory: MemoryFolder = DEFAULT_MEMORY,
    in_doubt: Annotated[
        bool, typer.Option("--in-doubt", help="Only those that may or may not have happened: in_doubt and started.")
    ] = False,
    state: Annotated[
        str | None, typer.Option(metavar="STATE", help="Only those that are started, done, failed or in_doubt.")
    ] = None,
    run: Annotated[str | None, typer.Option("--run", metavar="RUN", help="Only those of this run.")] = None,
    whose: Whose = UNSAID,
    database: DatabaseUrl = None,
    qdrant: QdrantUrl = None,
    as_json: AsJson = False,
) -> None:
    """List effects in the order in which they were started. Works beside a running process.

    What is started is being done by a process, or that process died and nobody knows whether it happened.

    \b
    Examples:
      tercet effects list --any --in-doubt
      tercet effects list --tenant acme --any --state done
      tercet effects list --any --run 9f2c41d05f2b9f2c41d05f2b9f2c41d0 --json
    """
    if in_doubt and state:
        raise InputError("--in-doubt and --state exclude each other.", remedy="Give one of them.")
    wanted = _state(state)
    with reading(memory, database, qdrant) as opened:
        now = opened.clock()
        found = opened.journal.effects(scope=whose.scope, state=wanted, run=run)
        if in_doubt:
            found = [one for one in found if one.state in OPEN]
        arguments = arguments_of(opened.journal, found, at=now)
    if as_json:
        print_json({"effects": [effect_document(*one) for one in zip(found, arguments, strict=True)]})
        return
    if not found:
        typer.echo("No effects here. --any looks more widely.")
    for one, given in zip(found, arguments, strict=True):
        _print(one, given, now)


@effects_app.command()
@with_scope
def resolve(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Of an effect.")],
    memory: MemoryFolder = DEFAULT_MEMORY,
    done: Annotated[bool, typer.Option("--done", help="It happened: it is never done again.")] = False,
    failed: Annotated[bool, typer.Option("--failed", help="It did not: it may be tried again.")] = False,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="How you know.")] = "",
    abandoned: Annotated[
        bool, typer.Option("--abandoned", help="Also if it is only started: the process that was at it is gone.")
    ] = False,
    result: Annotated[
        str | None, typer.Option(metavar="JSON", help="With --done: what the tool gave, if that is known.")
    ] = None,
    approver: Annotated[
        str | None,
        typer.Option(metavar="NAME", envvar="TERCET_APPROVER", help="Who says so. Default: whoever is logged in."),
    ] = None,
    whose: Whose = UNSAID,
    database: DatabaseUrl = None,
    qdrant: QdrantUrl = None,
    as_json: AsJson = False,
) -> None:
    """Settle a doubt: say whether an effect happened. Look at the system that it should have changed before.

    An effect that is started has to be --abandoned as well: settled while a process is still at it, it could happen
    twice. Name and reason are kept with the effect.

    \b
    Examples:
      tercet effects resolve 4f53cda18c2b --any --done --reason "It is on the bank statement of 3 May."
      tercet effects resolve 4f53cda18c2b --tenant acme --failed --reason "The bank has no such order."
    """
    if done == failed:
        raise InputError("Say whether it happened.", remedy="Give --done or --failed.")
    if not reason.strip():
        raise InputError("A doubt is not settled without a reason.", remedy="Say how you know, with --reason.")
    name = person(approver, "--approver")
    given = _given(
        result, done=done, otherwise=f"It happened, says {name}: {reason.strip()} What it gave is not known."
    )
    with open_memory(memory, database=database, qdrant=qdrant) as opened:
        journal, now = opened.journal, opened.clock()
        found = effect_seen(journal, key, whose.scope)
        if found.state not in OPEN:
            raise StateError(
                f"The effect {key!r} is {found.state}: there is no doubt, and nothing was changed.",
                remedy="`tercet effects list --in-doubt` names those that are open.",
            )
        if found.state == "started" and not abandoned:
            raise StateError(
                f"The effect {key!r} is started: a process may still be at it; nothing was changed.",
                remedy="When that process is gone, say so with --abandoned.",
            )
        said = f"{name}: {reason.strip()}"
        journal.settle(key, state="done" if done else "failed", result=given, reason=said, at=now)
        settled = effect_seen(journal, key, whose.scope)
        (arguments,) = arguments_of(journal, [settled], at=now)
    if as_json:
        print_json({"effect": effect_document(settled, arguments)})
    else:
        _print(settled, arguments, now)


def _print(effect: EffectRecord, arguments: object, now: datetime) -> None:
    since = f", {apart(now, effect.started_at)} ago" if effect.state in OPEN else ""
    amounts = ", ".join(f"{visible(name)} {amount}" for name, amount in effect.amounts.items())
    lines = [
        f"{visible(effect.tool)}: {effect.state.replace('_', ' ')}",
        f"  key: {visible(effect.key)}",
        *(["  arguments:", *named_lines(arguments, "    ")] if arguments is not None else ["  arguments: not known"]),
        *([f"  amounts: {amounts}"] if amounts else []),
        f"  on behalf of: {visible(str(effect.scope))}",
        f"  agent: {visible(effect.agent)}, run {visible(effect.run)}, call {visible(effect.call)}",
        f"  started: {minute(effect.started_at)} (UTC){since}",
    ]
    if effect.finished_at is not None:
        lines.append(f"  ended: {minute(effect.finished_at)} (UTC)")
    if effect.erased_at is not None:
        lines.append(f"  erased: {minute(effect.erased_at)} (UTC)")
    if effect.reason:
        lines += ["  reason:", *block(effect.reason, "    ")]
    for line in lines:
        typer.echo(line)


def _state(text: str | None) -> EffectState | None:
    from tercet.memory.journal.records import EffectState

    known: tuple[EffectState, ...] = get_args(EffectState)
    for one in known:
        if text == one:
            return one
    if text is None:
        return None
    raise InputError(f"--state {text!r} is no state of an effect.", remedy=f"Use one of: {', '.join(known)}.")


def _given(text: str | None, *, done: bool, otherwise: str) -> str | None:
    """What the agent is told the tool gave, as the gate keeps it; trusted as the person who says so."""
    from tercet.agents.gate.outcomes import kept
    from tercet.agents.tools.records import Succeeded

    if not done:
        if text is not None:
            raise InputError("What failed gave nothing.", remedy="Leave --result out, or say --done.")
        return None
    try:
        value = otherwise if text is None else json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"--result is not JSON: {error}.", remedy="Such as --result '{\"order\": 4711}'.") from None
    return kept(Succeeded(value=value, trust="user"))
