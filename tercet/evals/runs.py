"""What an eval run leaves on disk, and how it is read back.

A run is one folder: ``run.json`` (everything but the outcomes), ``queries.jsonl`` (one outcome a line), ``run.trec``
(for trec_eval and its kin), ``summary.md``, ``junit.xml`` and ``report.html``. It is written beside its place and
renamed, so that there is never half a run. Only ``run.json`` and ``queries.jsonl`` are read back; both are untrusted
input.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tercet.errors import FormatVersionError, InputError, SourceError
from tercet.evals.folders import check_place, write_folder
from tercet.evals.junit import run_junit
from tercet.evals.records import EvalRun, Outcome
from tercet.evals.report.run_page import run_page
from tercet.evals.summary import run_summary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import TypeAdapter

FORMAT = 1
"""Of ``run.json`` and ``queries.jsonl``."""
RUN_FILE = "run.json"
QUERIES_FILE = "queries.jsonl"
FILES = (RUN_FILE, QUERIES_FILE, "run.trec", "summary.md", "junit.xml", "report.html")
"""All that a run's folder holds."""
TREC_DEPTH = 1000
"""Ranks of a question in ``run.trec``, as trec_eval reads them."""

_REMEDY = "Make the run again with `tercet eval run`, or restore the file from where it was copied."
_UNFIT_FOR_TREC = re.compile(r"[\s\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_Record = TypeVar("_Record")


def write_run(folder: str | Path, run: EvalRun) -> Path:
    """Write a run as a folder. An earlier run at the same place is replaced.

    Args:
        folder: Where it is to stand. Its parents are made.
        run: Question ids must be unique, and numbers finite.

    Returns:
        The folder.

    Raises:
        InputError: The place holds something other than a run, or the run cannot be written in this form.
    """
    target = Path(folder)
    check_place(target, FILES)
    contents = {
        RUN_FILE: _run_json(run),
        QUERIES_FILE: _queries_jsonl(run),
        "run.trec": "".join(_trec_lines(run)),
        "summary.md": run_summary(run),
        "junit.xml": run_junit(run),
        "report.html": run_page(run),
    }
    return write_folder(target, contents)


def _run_json(run: EvalRun) -> str:
    document = {"format": FORMAT, **_encodable(run), "outcomes": len(run.outcomes)}
    return _json(document, f"run {run.name!r}", indent=2) + "\n"


def _queries_jsonl(run: EvalRun) -> str:
    repeated = [key for key, count in Counter(outcome.id for outcome in run.outcomes).items() if count > 1]
    if repeated:
        raise InputError(
            f"Run {run.name!r} has the question {repeated[0]!r} more than once.", remedy="Give every question its id."
        )
    return "".join(_json(outcome, f"question {outcome.id!r}") + "\n" for outcome in run.outcomes)


def _json(document: object, what: str, *, indent: int | None = None) -> str:
    try:
        text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=indent, default=_encodable)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"The {what} cannot be written as JSON: {error}.", remedy="Values must be JSON values, and numbers finite."
        ) from None
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair: JSON can say it in ASCII only
        text = json.dumps(document, indent=indent, default=_encodable)
    return text


def _encodable(value: object) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    if is_dataclass(value):
        kind: Any = type(value)
        return {name: getattr(value, name) for name in _field_names(kind)}
    raise TypeError(f"a value of type {type(value).__name__} has no JSON form")


@cache
def _field_names(kind: type) -> tuple[str, ...]:
    return tuple(part.name for part in fields(kind))


def _trec_lines(run: EvalRun) -> Iterator[str]:
    """``question Q0 document rank score tag``, in the order found; a document's first occurrence counts."""
    tag = _trec_word(run.name)
    for outcome in run.outcomes:
        question, seen = _trec_word(outcome.id), set[str]()
        for item in outcome.ranking:
            if item.id in seen:
                continue
            seen.add(item.id)
            yield f"{question} Q0 {_trec_word(item.id)} {len(seen)} {item.score!r} {tag}\n"
            if len(seen) == TREC_DEPTH:
                break


def _trec_word(text: str) -> str:
    """The form separates fields by blanks, and has no way to write one in an id: they are written as in an address."""
    return _UNFIT_FOR_TREC.sub(lambda found: f"%{ord(found[0]):02X}", text) or "%"


def read_run(folder: str | Path) -> EvalRun:
    """Read a run that ``write_run`` wrote.

    Raises:
        SourceError: The folder or one of its two files is missing or cannot be read.
        InputError: A file is damaged; the message names the line.
        FormatVersionError: It was written by a newer Tercet.
    """
    root = Path(folder)
    if not root.is_dir():
        raise SourceError(f"There is no run in {str(root)!r}.", remedy="Make one: tercet eval run --out DIR")
    path = root / RUN_FILE
    document = _parsed(_bytes(path), str(path))
    if not isinstance(document, dict):
        raise _damaged(str(path), "expected a JSON object")
    _check_format(document.pop("format", None), path)
    expected = document.get("outcomes")
    outcomes = tuple(_outcomes(root / QUERIES_FILE))
    if expected != len(outcomes):
        raise _damaged(
            str(root / QUERIES_FILE), f"it has {len(outcomes)} questions where {RUN_FILE} speaks of {expected!r}"
        )
    document["outcomes"] = outcomes
    return _validated(_of_runs(), document, str(path))


def _check_format(found: object, path: Path) -> None:
    if type(found) is int and found > FORMAT:
        raise FormatVersionError(
            f"{path}: the run has format {found}; this Tercet reads up to {FORMAT}.", remedy="Use a newer Tercet."
        )
    if type(found) is not int or found < 1:
        raise _damaged(str(path), f"'format' must be a whole number from 1 to {FORMAT}, not {found!r}")


def _outcomes(path: Path) -> Iterator[Outcome]:
    seen: set[str] = set()
    for number, line in enumerate(_bytes(path).split(b"\n"), start=1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        outcome = _validated(_of_outcomes(), _parsed(line, place), place)
        if outcome.id in seen:
            raise _damaged(place, f"the question {outcome.id!r} occurs twice")
        seen.add(outcome.id)
        yield outcome


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SourceError(
            f"{path} cannot be read: {error.strerror}.",
            remedy=f"The folder of a run holds {RUN_FILE} and {QUERIES_FILE}.",
        ) from error


def _parsed(raw: bytes, place: str) -> object:
    try:
        return json.loads(raw.decode(), parse_constant=_not_finite, parse_float=_finite)
    except UnicodeDecodeError as error:
        raise _damaged(place, f"not valid UTF-8 ({error.reason} at byte {error.start})") from None
    except (ValueError, RecursionError) as error:
        raise _damaged(place, f"not valid JSON ({error})") from None


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _not_finite(text)


def _not_finite(text: str) -> float:
    raise ValueError(f"{text} is not a finite number")


@cache
def _of_runs() -> TypeAdapter[EvalRun]:
    from pydantic import TypeAdapter  # writing a run needs none

    return TypeAdapter(EvalRun)


@cache
def _of_outcomes() -> TypeAdapter[Outcome]:
    from pydantic import TypeAdapter  # as above

    return TypeAdapter(Outcome)


def _validated(adapter: TypeAdapter[_Record], value: object, place: str) -> _Record:
    from pydantic import ValidationError  # as above

    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _damaged(place, f"{where + ': ' if where else ''}{first['msg']}") from None


def _damaged(place: str, reason: str) -> InputError:
    return InputError(f"{place}: {reason}.", remedy=_REMEDY)
