"""What a write to shared state must keep to: names, sizes, constraints and owners. No database here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tercet.errors import ConstraintError, InputError, OwnershipError, SchemaError, SizeLimitError
from tercet.memory.patches import changed_fields
from tercet.memory.working.records import least_trust
from tercet.records import Scope

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from tercet.memory.patches import JsonObject
    from tercet.memory.working.rows import StoredDocument
    from tercet.memory.working.schemas import Encoded
    from tercet.records import Trust

MAX_NAME = 200


def check_names(**names: str) -> None:
    """Keys and actors are given, and short."""
    for what, name in names.items():
        if not isinstance(name, str) or not name.strip() or len(name) > MAX_NAME:
            raise InputError(f"The {what} must be a text of 1 to {MAX_NAME} characters, got {str(name)[:60]!r}.")


def check_scope(scope: Scope) -> None:
    """Records are written in one scope; ``Scope.any`` names many."""
    if not isinstance(scope, Scope):
        raise InputError(
            f"A working document is in one scope, and {scope} is not one.", remedy="Give a Scope(tenant=…, user=…)."
        )


def check_fields(encoded: Encoded, owners: Mapping[str, str], constraints: Collection[str]) -> None:
    """Owners and constraints name top-level fields that are there."""
    if isinstance(constraints, str):
        raise InputError("constraints must be a sequence of names, not one text.", remedy='Write ("budget",).')
    for field, owner in owners.items():
        check_names(**{f"owner of {field!r}": owner})
    unknown = sorted({*owners, *constraints} - set(encoded.json))
    if unknown:
        raise InputError(
            f"A {encoded.schema} has no top-level field {', '.join(map(repr, unknown))}.",
            remedy=f"It has {', '.join(encoded.json)}.",
        )


def check_size(encoded: Encoded, max_characters: int) -> None:
    """A document is small enough to be read into a prompt's neighbourhood."""
    if len(encoded.text) > max_characters:
        raise SizeLimitError(
            f"A {encoded.schema} has {len(encoded.text):,} characters of JSON, more than {max_characters:,}.",
            remedy="Keep long texts as documents or episodes and refer to them by id.",
        )


def check_change(before: StoredDocument, base: JsonObject, after: Encoded, actor: str) -> None:
    """An actor may make this change.

    Args:
        before: What is kept.
        base: The same as the writer's schema sees it: what an upgrade changes is nobody's doing.
        after: What would be kept.
        actor: Who writes.

    Raises:
        SchemaError: The new value is of another schema, or of an older version than what is kept.
        ConstraintError: It changes what was fixed at creation.
        OwnershipError: It changes a field that another owns.
    """
    if (after.schema, after.schema_version) < (before.schema, before.schema_version) or after.schema != before.schema:
        raise SchemaError(
            f"{before.key!r} is of schema {before.schema} version {before.schema_version}; "
            f"{after.schema} version {after.schema_version} cannot replace it.",
            remedy="Upgrade this program, or use another key.",
        )
    if broken := sorted(set(changed_fields(before.json, after.json)).intersection(before.constraints)):
        raise ConstraintError(
            f"{', '.join(map(repr, broken))} of {before.key!r} was fixed when it was created, and stays as it is.",
            remedy="Make a new document for other constraints.",
        )
    for field in changed_fields(base, after.json):
        owner = before.owner_of(field)
        if owner != actor:
            raise OwnershipError(
                f"{field!r} of {before.key!r} belongs to {owner!r}; {actor!r} may not change it.",
                field=field,
                owner=owner,
                actor=actor,
                remedy=f"Ask {owner!r} with request_change().",
            )


def one_owner(stored: StoredDocument, fields: Sequence[str]) -> str:
    """Who can answer a request for a change of these fields."""
    owners = sorted({stored.owner_of(field) for field in fields})
    if not owners:
        raise InputError("The change asked for changes nothing.", remedy="The document is already as you want it.")
    if len(owners) > 1:
        raise InputError(
            f"The change asked for is in fields of several owners: {', '.join(owners)}.",
            remedy="Ask each of them with a request of its own.",
        )
    return owners[0]


def next_trusts(before: StoredDocument, base: JsonObject, after: Encoded, trust: Trust) -> dict[str, Trust]:
    """Trust by field after a write: what is changed is no more believable than its writer, nor than it was."""
    changed = set(changed_fields(base, after.json))
    floor = least_trust(before.trusts.values())
    return {
        field: least_trust([before.trusts.get(field, floor), trust])
        if field in changed and field in before.trusts
        else trust
        if field in changed
        else before.trusts.get(field, floor)
        for field in after.json
    }
