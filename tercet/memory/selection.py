"""A document filter becomes SQL once, and the vector index gets only integers to check.

All filtering is by document, so one query finds the ids of those that match, with the same meaning on both databases
and for both retrieval legs; the index then restricts its search to them before it ranks.
"""

from __future__ import annotations

import math
from hashlib import blake2b
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, and_, func, not_, or_, select

from tercet.errors import InputError
from tercet.memory.database import attributes, documents, versions
from tercet.memory.points import batches
from tercet.memory.stored import CorpusRow, Selection
from tercet.memory.vectors import AnyOf, VectorFilter

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import date

    from sqlalchemy import Connection

    from tercet.records import DocumentFilter, Metadata, Scalar

EPOCH_ORDINAL = 719_163  # date(1970, 1, 1).toordinal()

_CORPORA = (
    "SELECT EXISTS (SELECT 1 FROM versions WHERE state = 'pending') OR EXISTS (SELECT 1 FROM stale_points)"
    " OR EXISTS (SELECT 1 FROM chunks WHERE embedded IS {false}), (SELECT count(*) FROM corpora),"
    " id, name, tenant, version, chunks, length_total, length_bucket, reweighing"
    " FROM corpora WHERE tenant IN ('', {tenant}) ORDER BY id"
)
"""Whether anything is unfinished, how many corpora there are, and those that a tenant sees.

As text, because every search asks, and building a statement costs more than running it.
"""


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return day.toordinal() - EPOCH_ORDINAL


def resolve(connection: Connection, where: DocumentFilter) -> Selection:
    """Find the corpora and documents that a filter allows.

    The index need not check corpora where it could find no others. One that is made meanwhile is told by the database,
    where ``SemanticMemory`` looks at the rows that were found.
    """
    sqlite = connection.dialect.name == "sqlite"
    query = _CORPORA.format(false="0" if sqlite else "false", tenant="?" if sqlite else "%s")
    found = connection.exec_driver_sql(query, (where.tenant or "",)).all()
    rows = tuple(
        row
        for row in (CorpusRow(*columns) for _, _, *columns in found)
        if (not where.corpus or row.name in where.corpus) and (where.version is None or row.version == where.version)
    )
    conditions = document_conditions(where)
    if not rows:
        return Selection(corpora=())
    unsettled, total, *_ = found[0]
    ids = [row.id for row in rows]
    if not conditions:
        restricted = VectorFilter(must=(AnyOf("corpus", ids),)) if len(rows) < total else None
        return Selection(corpora=rows, where=restricted, settled=not unsettled)
    inside, matching = documents.c.corpus_id.in_(ids), and_(*conditions)
    # Counting vectors takes the documents, but none is missing while nothing is unfinished.
    chosen = tuple(_document_ids(connection, and_(inside, matching))) if unsettled else None
    if not (where.ranges or where.paths or where.as_of):  # the index can tell by itself
        equal = tuple(
            AnyOf("attribute", [attribute_mark(key, one) for one in _values(value)])
            for key, value in where.equals.items()
        )
        restricted = VectorFilter(must=(AnyOf("corpus", ids), *equal))
        return Selection(corpora=rows, where=restricted, documents=chosen, settled=not unsettled)
    counts = select(func.count(), func.count().filter(matching)).where(inside, documents.c.live_version.is_not(None))
    present, kept = connection.execute(counts).one()
    if not kept:
        return Selection(corpora=rows, documents=(), settled=not unsettled)
    if kept * 2 > present:  # the shorter list is the cheaper check
        others = _document_ids(connection, and_(inside, not_(matching)))
        restricted = VectorFilter(
            must=(AnyOf("corpus", ids),) if len(rows) < total else (),
            must_not=(AnyOf("document", others),) if others else (),
        )
    else:
        found_ids = _document_ids(connection, and_(inside, matching)) if chosen is None else chosen
        restricted = VectorFilter(must=(AnyOf("document", found_ids),))
    return Selection(corpora=rows, where=restricted, documents=chosen, settled=not unsettled)


def _document_ids(connection: Connection, condition: ColumnElement[bool]) -> list[int]:
    query = select(documents.c.id).where(documents.c.live_version.is_not(None), condition).order_by(documents.c.id)
    return list(connection.execute(query).scalars())


def document_conditions(where: DocumentFilter) -> list[ColumnElement[bool]]:
    """The parts of a filter that concern single documents, as conditions on ``documents``.

    Each is a list that is made once: a look at every version would read past its text.
    """
    conditions: list[ColumnElement[bool]] = []
    for key, value in where.equals.items():
        values = _values(value)
        if not values:
            raise InputError(f"The filter on {key!r} names no value.", remedy="Give one or leave the key out.")
        conditions.append(_attribute(key, or_(*(_equals(one) for one in values))))
    for key, (low, high) in where.ranges.items():
        bounds: list[ColumnElement[bool]] = [attributes.c.number.is_not(None)]
        if low is not None:
            bounds.append(attributes.c.number >= low)
        if high is not None:
            bounds.append(attributes.c.number <= high)
        conditions.append(_attribute(key, and_(*bounds)))
    if where.paths:
        conditions.append(or_(*(documents.c.uri.regexp_match(glob_pattern(glob)) for glob in where.paths)))
    if where.as_of is not None:
        day = day_number(where.as_of)
        begun = or_(versions.c.effective_from.is_(None), versions.c.effective_from <= day)
        not_over = or_(versions.c.effective_to.is_(None), versions.c.effective_to > day)
        conditions.append(documents.c.live_version.in_(select(versions.c.id).where(begun, not_over)))
    return conditions


def _attribute(key: str, condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Documents whose live version has such an attribute."""
    wanted = select(attributes.c.version_id).where(attributes.c.key == key, condition)
    return documents.c.live_version.in_(wanted)


def _equals(value: Scalar) -> ColumnElement[bool]:
    if isinstance(value, bool):
        return attributes.c.text == str(value).lower()
    if isinstance(value, int | float):
        return attributes.c.number == float(value)
    return attributes.c.text == value


def attribute_rows(version_id: int, metadata: Metadata) -> list[dict[str, object]]:
    """Metadata as rows that filters can compare: one a scalar, lists spread out.

    Raises:
        InputError: A number is not finite; databases disagree on what that is.
    """
    rows: list[dict[str, object]] = []
    for key, value in metadata.items():
        for one in _values(value):
            number = float(one) if isinstance(one, int | float) and not isinstance(one, bool) else None
            if number is not None and not math.isfinite(number):
                raise InputError(
                    f"Metadata {key!r} is {one}, which cannot be compared.",
                    remedy="Give a finite number or leave it out.",
                )
            text = str(one).lower() if isinstance(one, bool) else one if isinstance(one, str) else None
            rows.append({"version_id": version_id, "key": key, "text": text, "number": number})
    return rows


def _values(value: Scalar | Sequence[Scalar]) -> list[Scalar]:
    return [value] if isinstance(value, str | int | float | bool) else list(value)


def attribute_mark(key: str, value: Scalar) -> int:
    """The integer by which the vector index knows a metadata value: 53 bits of a hash of key and value.

    Two values have one mark once in 9 * 10**15 pairs. ``has_values`` tells them apart where a hit is read.
    """
    data = f"{len(key)} {key}{_comparable(value)}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little") >> 11


def _comparable(value: Scalar) -> str:
    """Equal for values that a filter takes for equal."""
    if isinstance(value, bool):
        return f"s{value}".lower()
    return f"s{value}" if isinstance(value, str) else f"n{float(value) + 0.0!r}"  # 1 equals 1.0, -0.0 equals 0.0


def attribute_marks(connection: Connection, version_ids: Collection[int]) -> dict[int, list[int]]:
    """The marks of the metadata of versions, ascending; those without any are left out."""
    found: dict[int, set[int]] = {}
    for some in batches(sorted(set(version_ids))):
        columns = (attributes.c.version_id, attributes.c.key, attributes.c.text, attributes.c.number)
        for version_id, key, text, number in connection.execute(
            select(*columns).where(attributes.c.version_id.in_(some))
        ):
            found.setdefault(version_id, set()).add(attribute_mark(key, number if text is None else text))
    return {version_id: sorted(marks) for version_id, marks in found.items()}


def has_values(metadata: Metadata, equals: Mapping[str, Scalar | Sequence[Scalar]]) -> bool:
    """Whether metadata has one of the values of each key, as a filter means it."""
    return all(
        {_comparable(one) for one in _values(metadata.get(key, []))} & {_comparable(one) for one in _values(wanted)}
        for key, wanted in equals.items()
    )


def glob_pattern(glob: str) -> str:
    """A path glob as a regular expression that SQLite (Python's ``re``) and PostgreSQL read alike.

    ``*`` and ``?`` stay within a segment, ``**`` crosses them, ``[…]`` is a set; everything else is literal.

    Example:
        >>> glob_pattern("guide/**/*.md")
        '^guide/(.*/)?[^/]*\\\\.md$'
    """
    parts: list[str] = []
    position = 0
    while position < len(glob):
        if glob.startswith("**/", position):
            parts.append("(.*/)?")
            position += 3
        elif glob.startswith("**", position):
            parts.append(".*")
            position += 2
        elif glob[position] == "*":
            parts.append("[^/]*")
            position += 1
        elif glob[position] == "?":
            parts.append("[^/]")
            position += 1
        elif glob[position] == "[" and "]" in glob[position + 2 :]:
            end = glob.index("]", position + 2)
            inside = glob[position + 1 : end].replace("\\", "\\\\")
            parts.append("[" + ("^" + inside[1:] if inside[0] == "!" else inside) + "]")
            position = end + 1
        else:
            character = glob[position]
            parts.append("\\" + character if character in r"\.^$+{}()|[]" else character)
            position += 1
    return "^" + "".join(parts) + "$"
