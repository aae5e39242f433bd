"""``tercet approvals``: the calls of agents that wait for a person, and the decisions on them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from tercet.cli.journal import apart, approval_document, approval_seen, minute, person, reading
from tercet.cli.options import DEFAULT_MEMORY, AsJson, DatabaseUrl, MemoryFolder, QdrantUrl, open_memory
from tercet.cli.output import print_json
from tercet.cli.scopes import UNSAID, Whose, with_scope
from tercet.cli.untrusted import block, named_lines, parsed, shortened, visible
from tercet.errors import InputError, StateError

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from tercet.memory.journal.records import ApprovalRecord, ApprovalState

approvals_app = typer.Typer(
    help="Decide on the calls for which agents wait. Each says what is asked for, why, and on whose behalf.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

ApprovalId = Annotated[str, typer.Argument(metavar="ID", help="Of an approval.")]
Approver = Annotated[
    str | None,
    typer.Option(metavar="NAME", envvar="TERCET_APPROVER", help="Who decides. Default: whoever is logged in."),
]
Answer = Annotated[str, typer.Option(metavar="TEXT", help="What you say to it; the agent is told.")]


@approvals_app.command("list")
@with_scope
def list_(
    memory: MemoryFolder = DEFAULT_MEMORY,
    state: Annotated[
        str, typer.Option(metavar="STATE", help="pending, approved, denied, expired, used, or all.")
    ] = "pending",
    whose: Whose = UNSAID,
    database: DatabaseUrl = None,
    qdrant: QdrantUrl = None,
    as_json: AsJson = False,
) -> None:
    """List what waits for a person, the oldest first. Works beside a running process.

    \b
    Examples:
      tercet approvals list --any
      tercet approvals list --tenant acme --any --state all
      tercet approvals list --any --json
    """
    wanted = _state(state)
    with reading(memory, database, qdrant) as opened:
        now = opened.clock()
        found = opened.journal.approvals(scope=whose.scope, state=wanted, at=now)
    if as_json:
        print_json({"approvals": [*map(approval_document, found)]})
        return
    if not found:
        typer.echo(f"Nothing {'here' if wanted is None else f'{wanted} here'}. --any looks more widely.")
        return
    for one in found:
        for line in _summary(one, now):
            typer.echo(line)


@approvals_app.command()
@with_scope
def show(
    approval: ApprovalId,
    memory: MemoryFolder = DEFAULT_MEMORY,
    whose: Whose = UNSAID,
    database: DatabaseUrl = None,
    qdrant: QdrantUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show all that a person should know before deciding. The call with every argument, why it is asked, for whom.

    Text of models and tools stands behind a bar, with hidden characters as escapes.

    \b
    Examples:
      tercet approvals show 41d05f2b9f2c41d05f2b9f2c41d05f2b --any
      tercet approvals show 41d05f2b9f2c41d05f2b9f2c41d05f2b --tenant acme --json
    """
    with reading(memory, database, qdrant) as opened:
        now = opened.clock()
        found = approval_seen(opened.journal, approval, whose.scope, at=now)
    if as_json:
        print_json({"approval": approval_document(found)})
        return
    _print(found, now)
    if found.state == "pending":
        typer.echo("\nDecide with `tercet approvals approve` or `deny`, with the same id and scope.")


@approvals_app.command()
@with_scope
def approve(
    approval: ApprovalId,
    memory: MemoryFolder = DEFAULT_MEMORY,
    approver: Approver = None,
    edit: Annotated[
        str | None,
        typer.Option(metavar="JSON", help="Allow these arguments instead: one object, whole; checked again as a call."),
    ] = None,
    answer: Answer = "",
    whose: Whose = UNSAID,
    database: DatabaseUrl = None,
    qdrant: QdrantUrl = None,
    as_json: AsJson = False,
) -> None:
    """Let the call run, once, until the approval expires. It runs with exactly the arguments that are shown.

    The run goes on when its agent resumes it. Works beside a running process.

    \b
    Examples:
      tercet approvals approve 41d05f2b9f2c41d05f2b9f2c41d05f2b --any
      tercet approvals approve 41d05f2b9f2c41d05f2b9f2c41d05f2b --tenant acme --approver ada --answer "Checked."
      tercet approvals approve 41d05f2b9f2c41d05f2b9f2c41d05f2b --any --edit '{"to": "acme", "value": 900}'
    """
    edited = None if edit is None else _arguments(edit)
    name = person(approver, "--approver")
    found = _decide(approval, whose, name, answer, edited, memory, database, qdrant, approved=True)
    _tell(found, as_json=as_json)


@approvals_app.command()
@with_scope
def deny(
    approval: ApprovalId,
    memory: MemoryFolder = DEFAULT_MEMORY,
    approver: Approver = None,
    answer: Answer = "",
    whose: Whose = UNSAID,
    database: DatabaseUrl = None,
    qdrant: QdrantUrl = None,
    as_json: AsJson = False,
) -> None:
    """Refuse the call: it never runs. The agent is told so when its run goes on. Works beside a running process.

    \b
    Examples:
      tercet approvals deny 41d05f2b9f2c41d05f2b9f2c41d05f2b --any
      tercet approvals deny 41d05f2b9f2c41d05f2b9f2c41d05f2b --tenant acme --answer "Ask accounting first."
    """
    name = person(approver, "--approver")
    found = _decide(approval, whose, name, answer, None, memory, database, qdrant, approved=False)
    _tell(found, as_json=as_json)


def _decide(
    approval: str,
    whose: Whose,
    approver: str,
    answer: str,
    edited: str | None,
    memory: Path,
    database: str | None,
    qdrant: str | None,
    *,
    approved: bool,
) -> ApprovalRecord:
    with open_memory(memory, database=database, qdrant=qdrant) as opened:
        journal, now = opened.journal, opened.clock()
        found = approval_seen(journal, approval, whose.scope, at=now)
        if found.state != "pending":
            by = f" by {visible(found.approver)}" if found.approver else ""
            raise StateError(
                f"The approval {approval!r} is {found.state}{by}, no longer pending; nothing was changed.",
                remedy="`tercet approvals show` says more. If the call is still wanted, the agent has to ask again.",
            )
        return journal.decide(
            approval, approved=approved, approver=approver, edited_arguments=edited, answer=answer, at=now
        )


def _tell(found: ApprovalRecord, *, as_json: bool) -> None:
    if as_json:
        print_json({"approval": approval_document(found)})
        return
    _print(found, found.decided_at or found.asked_at)
    typer.echo(f"\nThe run goes on with agent.resume({found.run!r}, scope=…).")


def _summary(found: ApprovalRecord, now: datetime) -> list[str]:
    return [
        f"{visible(found.id)}: {found.state}{_left(found, now)}",
        f"  {visible(found.agent)} calls {visible(found.tool)}({shortened(found.arguments or '')})",
        f"  why: {shortened(found.reason)}",
        f"  on behalf of: {visible(str(found.scope))}, asked {minute(found.asked_at)} (UTC)",
    ]


def _left(found: ApprovalRecord, now: datetime) -> str:
    return f", {apart(found.expires_at, now)} left" if found.state in {"pending", "approved"} else ""


def _print(found: ApprovalRecord, now: datetime) -> None:
    lines = [
        f"Approval {visible(found.id)}: {found.state}",
        f"  tool: {visible(found.tool)}",
        *_value("arguments", found.arguments),
        *(_value("allowed instead", found.edited_arguments) if found.edited_arguments is not None else ()),
        "  why a person is asked:",
        *block(found.reason, "    "),
        *_value("evidence", found.evidence),
        f"  on behalf of: {visible(str(found.scope))}",
        f"  agent: {visible(found.agent)}, run {visible(found.run)}, call {visible(found.call)}",
        f"  policy: {visible(found.policy_version)}, hash of the arguments: {visible(found.arguments_hash)}",
        f"  asked: {minute(found.asked_at)}, expires: {minute(found.expires_at)} (UTC){_left(found, now)}",
    ]
    if found.decided_at is not None:
        verdict = "denied" if found.state == "denied" else "approved"
        lines.append(f"  {verdict}: {minute(found.decided_at)} by {visible(found.approver)}")
    if found.answer:
        lines += ["  answer:", *block(found.answer, "    ")]
    for line in lines:
        typer.echo(line)


def _value(label: str, text: str | None) -> list[str]:
    if text is None:
        return [f"  {label}: erased"]
    value = parsed(text)
    if label == "evidence" and isinstance(value, dict):
        value = {name: part for name, part in value.items() if part not in ("", [], {}, None)}
    if value in ({}, [], ""):
        return [f"  {label}: none"]
    return [f"  {label}:", *named_lines(value, "    ")]


def _state(text: str) -> ApprovalState | None:
    from tercet.memory.journal.records import ApprovalState

    known: tuple[ApprovalState, ...] = get_args(ApprovalState)
    for one in known:
        if text == one:
            return one
    if text == "all":
        return None
    raise InputError(f"--state {text!r} is no state of an approval.", remedy=f"Use one of: {', '.join(known)}, all.")


def _arguments(text: str) -> str:
    """The arguments of ``--edit``, read as strictly as what a person means can be."""
    remedy = """Write one JSON object with all arguments, such as --edit '{"to": "acme", "value": 900}'."""
    try:
        value = json.loads(text, object_pairs_hook=_pairs, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise InputError(f"--edit is not JSON that can be used: {error}.", remedy=remedy) from None
    if not isinstance(value, dict):
        raise InputError("--edit is not a JSON object.", remedy=remedy)
    return json.dumps(value, ensure_ascii=False)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for place, (name, _) in enumerate(pairs) if name in dict(pairs[:place]))
        raise ValueError(f"{twice!r} is named twice")
    return found


def _refused(constant: str) -> float:
    raise ValueError(f"{constant} is no number")
