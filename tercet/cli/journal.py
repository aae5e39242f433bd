"""What the commands on the journal share: opening it, finding records that the scope sees, and telling them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tercet.cli.options import open_memory
from tercet.cli.untrusted import parsed, visible
from tercet.errors import InputError
from tercet.records import AnyScope

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from tercet.memory.journal.records import ApprovalRecord, EffectRecord, Journal, RunRecord
    from tercet.memory.memory import Memory
    from tercet.records import Scope

WIDER = "`tercet {command} list` names what a scope sees, and --any looks more widely."


def reading(memory: Path, database: str | None, qdrant: str | None) -> Memory:
    """The memory, for looking only: works beside a process that holds its folder."""
    return open_memory(memory, database=database, qdrant=qdrant, read_only=True)


def run_seen(journal: Journal, run: str, scope: Scope | AnyScope) -> RunRecord:
    """A run that the scope sees.

    Raises:
        InputError: There is none; the same is said of one that it does not see.
    """
    from tercet.memory.journal.checks import sees

    try:
        found = journal.run(run)
    except InputError:
        found = None
    if found is None or not sees(scope, found.scope, erased=found.erased_at is not None):
        raise InputError(f"There is no run {run!r} for {scope}.", remedy=WIDER.format(command="runs"))
    return found


def approval_seen(journal: Journal, approval: str, scope: Scope | AnyScope, *, at: datetime) -> ApprovalRecord:
    """An approval that the scope sees.

    Raises:
        InputError: There is none; the same is said of one that it does not see.
    """
    from tercet.memory.journal.checks import sees

    try:
        found = journal.approval(approval, at=at)
    except InputError:
        found = None
    if found is None or not sees(scope, found.scope, erased=found.erased_at is not None):
        raise InputError(f"There is no approval {approval!r} for {scope}.", remedy=WIDER.format(command="approvals"))
    return found


def effect_seen(journal: Journal, key: str, scope: Scope | AnyScope) -> EffectRecord:
    """An effect that the scope sees.

    Raises:
        InputError: There is none; the same is said of one that it does not see.
    """
    from tercet.memory.journal.checks import sees

    found = journal.effect(key)
    if found is None or not sees(scope, found.scope, erased=found.erased_at is not None):
        raise InputError(f"There is no effect {key!r} for {scope}.", remedy=WIDER.format(command="effects"))
    return found


def arguments_of(journal: Journal, effects: Sequence[EffectRecord], *, at: datetime) -> list[object]:
    """What each effect was made with: as a person edited it, else as the model gave it.

    None where that is not known, or was erased.
    """
    from tercet.memory.patches import canonical, text_hash

    runs = {one.run for one in effects}
    given: dict[tuple[str, str], list[object]] = {}
    for asked in reversed(journal.approvals(scope=AnyScope(), at=at)):  # a call edited twice comes as it was last
        if asked.run in runs:
            edited = (parsed(asked.edited_arguments), parsed(asked.arguments))
            given.setdefault((asked.run, asked.call), []).extend(one for one in edited if one is not None)
    for run in runs:
        for call, arguments in _requested(journal, run):
            given.setdefault((run, call), []).append(arguments)
    found: list[object] = []
    for effect in effects:
        known = given.get((effect.run, effect.call), [])
        same = [one for one in known if text_hash(canonical(one)) == effect.arguments_hash]
        found.append(next(iter((*same, *known)), None))
    return found


def _requested(journal: Journal, run: str) -> list[tuple[str, object]]:
    """The calls of a run, as the ledger names them, and what the model gave them."""
    try:
        events = journal.events(run)
    except InputError:  # effects may be reserved by what is no run
        return []
    found: list[tuple[str, object]] = []
    for event in events:
        body = parsed(event.body)
        if event.kind == "tool_requested" and isinstance(body, dict) and event.texts and event.texts[0] is not None:
            found.append((f"{body.get('step')}/{body.get('call')}", parsed(event.texts[0])))
    return found


def person(name: str | None, option: str) -> str:
    """Who decides: the name that was given, or that of whoever is logged in.

    Raises:
        InputError: Neither is known, or the name cannot be shown as it is.
    """
    import getpass

    if name is None:
        try:
            name = getpass.getuser()
        except (OSError, KeyError, ImportError):
            raise InputError("This machine does not say who you are.", remedy=f"Say it with {option}.") from None
    if not name.strip() or visible(name) != name:
        raise InputError(f"{option} {visible(name)!r} is no name.", remedy="Give the name of a person.")
    return name


def minute(moment: datetime | None) -> str:
    """A time for people, in UTC as everywhere."""
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M}"


def apart(later: datetime, earlier: datetime) -> str:
    """How long it is between two times, in the two largest units.

    Example:
        >>> from datetime import UTC, datetime
        >>> apart(datetime(2026, 5, 2, 1, 30, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC))
        '1 d 1 h'
    """
    seconds = abs((later - earlier).total_seconds())
    for size, larger, smaller in ((86_400, "d", "h"), (3_600, "h", "min"), (60, "min", "s")):
        if seconds >= size:
            part = {"h": 3_600, "min": 60, "s": 1}[smaller]
            return f"{int(seconds // size)} {larger} {int(seconds % size // part)} {smaller}"
    return f"{seconds:.1f} s"


def run_document(run: RunRecord, end: str) -> dict[str, Any]:
    """The JSON form of a run."""
    return {**asdict(run), "end": end}


def approval_document(approval: ApprovalRecord) -> dict[str, Any]:
    """The JSON form of an approval: arguments and evidence as the values they are."""
    texts = ("arguments", "edited_arguments", "evidence")
    return {**asdict(approval), **{name: parsed(getattr(approval, name)) for name in texts}}


def effect_document(effect: EffectRecord, arguments: object) -> dict[str, Any]:
    """The JSON form of an effect, with the arguments of its call; amounts as text, exactly."""
    amounts = {name: str(amount) for name, amount in effect.amounts.items()}
    return {**asdict(effect), "amounts": amounts, "result": parsed(effect.result), "arguments": arguments}
