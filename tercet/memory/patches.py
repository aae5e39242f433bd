"""JSON as working memory keeps it: one spelling for equal values, JSON Patch (RFC 6902) and JSON Pointer (RFC 6901)."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from jsonpatch import JsonPatch, JsonPatchException, JsonPointerException, make_patch
from jsonpointer import JsonPointer

from tercet.errors import InputError, PatchError, SizeLimitError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

JsonObject = dict[str, Any]
Operation = dict[str, Any]
"""One operation of a JSON Patch, such as ``{"op": "replace", "path": "/step", "value": 2}``."""

MAX_OPERATIONS = 1_000
LARGE_FIELD = 16_384
"""Characters of a field's JSON beyond which it is replaced as a whole: a diff takes longer than its text grows."""

_CANONICAL = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
_MALFORMED = (JsonPatchException, JsonPointerException, TypeError, ValueError, LookupError, AttributeError)


def canonical(value: object) -> str:
    """The one JSON text for a value: keys sorted, no spaces, nothing escaped that need not be.

    Raises:
        InputError: The value holds what JSON cannot say (NaN, infinities, lone surrogates), or is nested too deeply.

    Example:
        >>> canonical({"b": 1, "a": "é"})
        '{"a":"é","b":1}'
    """
    try:
        text = _CANONICAL.encode(value)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"A value cannot be kept as JSON: {error}.",
            remedy="Remove NaN, infinities, lone surrogates and very deep nesting.",
        ) from None
    return text


def text_hash(text: str) -> str:
    """SHA-256 of a canonical text, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def changed_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Top-level fields that differ, sorted. ``1``, ``1.0`` and ``true`` are three values.

    Example:
        >>> changed_fields({"a": 1, "b": [1]}, {"a": True, "b": [1], "c": None})
        ['a', 'c']
    """
    return sorted(name for name in {*before, *after} if _differ(before, after, name))


def _differ(before: Mapping[str, Any], after: Mapping[str, Any], name: str) -> bool:
    if name not in before or name not in after:
        return True
    return canonical(before[name]) != canonical(after[name])


def diff(before: JsonObject, after: JsonObject) -> list[Operation]:
    """The JSON Patch that turns one object into another.

    Example:
        >>> diff({"step": 1}, {"step": 2})
        [{'op': 'replace', 'path': '/step', 'value': 2}]
    """
    operations: list[Operation] = []
    for name in changed_fields(before, after):
        path = JsonPointer.from_parts([name]).path
        if name not in after:
            operations.append({"op": "remove", "path": path})
        elif name not in before:
            operations.append({"op": "add", "path": path, "value": after[name]})
        elif max(len(canonical(before[name])), len(canonical(after[name]))) > LARGE_FIELD:
            operations.append({"op": "replace", "path": path, "value": after[name]})
        else:
            operations.extend(make_patch({name: before[name]}, {name: after[name]}).patch)
    return operations


def apply(value: JsonObject, operations: Sequence[Mapping[str, Any]], *, max_characters: int) -> JsonObject:
    """A patched copy; the value itself is left as it is.

    Args:
        value: What the patch starts from.
        operations: At most 1,000; all of them apply, or none.
        max_characters: Of JSON that the operations may add in all, copies included: a few of them, each copying
            the one before, would otherwise fill the machine's memory.

    Raises:
        PatchError: An operation is malformed or does not apply, a ``test`` failed, or the result is no object.
        SizeLimitError: Too many operations, or they add too much.

    Example:
        >>> apply({"step": 1}, [{"op": "replace", "path": "/step", "value": 2}], max_characters=100)
        {'step': 2}
    """
    if len(operations) > MAX_OPERATIONS:
        raise SizeLimitError(f"A patch has {len(operations):,} operations, more than {MAX_OPERATIONS:,}.")
    added = len(canonical(list(operations)))
    patched: Any = json.loads(canonical(value))
    for number, operation in enumerate(operations, 1):
        try:
            if operation["op"] == "copy":
                added += len(canonical(JsonPointer(operation["from"]).resolve(patched)))
            if added > max_characters:
                raise SizeLimitError(f"A patch adds more than {max_characters:,} characters.")
            own = json.loads(canonical(operation))  # the caller's objects do not become part of the value
            patched = JsonPatch([own]).apply(patched, in_place=True)
        except _MALFORMED as error:
            raise PatchError(
                f"Operation {number} of a patch does not apply ({canonical(operation)[:200]}): {error}.",
                remedy="Read the document again and make the patch for what is there now.",
            ) from None
    if not isinstance(patched, dict):
        raise PatchError("A patch turns the document into something that is not an object.")
    return patched


def replay(value: JsonObject, operations: list[Operation]) -> JsonObject:
    """A patched copy, by a patch of our own making."""
    patched: JsonObject = JsonPatch(operations).apply(value)
    return patched


def resolve(value: JsonObject, pointer: str) -> tuple[bool, Any]:
    """Whether a JSON Pointer leads somewhere in a value, and to what.

    Raises:
        InputError: The pointer is malformed.

    Example:
        >>> resolve({"steps": ["look", "book"]}, "/steps/1")
        (True, 'book')
    """
    path = pointer_of(pointer)
    try:
        return True, path.resolve(value)
    except (JsonPointerException, TypeError):
        return False, None


def pointer_of(pointer: str) -> JsonPointer:
    """A parsed JSON Pointer; raises ``InputError`` where it is malformed."""
    try:
        return JsonPointer(pointer)
    except (JsonPointerException, TypeError) as error:
        raise InputError(
            f"{pointer!r} is no JSON Pointer: {error}.", remedy='Write it like "/steps/0/name" (RFC 6901).'
        ) from None


def top_level_field(pointer: str) -> str | None:
    """The top-level field that a pointer leads into; None for the whole document.

    Example:
        >>> top_level_field("/a~1b/0")
        'a/b'
    """
    parts = pointer_of(pointer).parts
    return parts[0] if parts else None
