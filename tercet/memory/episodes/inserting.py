"""What is stored beside a record when it is new: its entities, its part in the statistics, and its bands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import insert, select

from tercet.memory.database import excluded
from tercet.memory.episodes.duplicates import bands
from tercet.memory.points import batches
from tercet.memory.schema import (
    episode_bands,
    episode_entities,
    episode_frequencies,
    episode_names,
    episode_scopes,
    episodes,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from tercet.memory.database import Database
    from tercet.memory.episodes.drafts import Draft
    from tercet.models.lexical import TermCounts


def insert_rows(connection: Connection, rows: Sequence[Mapping[str, object]]) -> list[int]:
    """Insert records; returns their rows, in order."""
    if not rows:
        return []
    statement = insert(episodes).returning(episodes.c.id, sort_by_parameter_order=True)
    return list(connection.execute(statement, rows).scalars())


def insert_entities(database: Database, connection: Connection, drafts: Mapping[int, Draft]) -> None:
    """Note what records, by row, can be found by."""
    named = {
        (row, spelling.strip().casefold()): spelling.strip()
        for row, draft in drafts.items()
        for spelling in draft.entities
    }
    if not named:
        return
    names = sorted({name for _, name in named})
    connection.execute(database.upsert(episode_names, conflict=("name",)), [{"name": name} for name in names])
    query = select(episode_names.c.name, episode_names.c.id)
    ids = {
        name: key
        for some in batches(names)
        for name, key in connection.execute(query.where(episode_names.c.name.in_(some)))
    }
    rows = [{"row": row, "name_id": ids[name], "spelling": spelling} for (row, name), spelling in sorted(named.items())]
    connection.execute(insert(episode_entities), rows)


def count_terms(database: Database, connection: Connection, scope_row: int, added: Sequence[TermCounts]) -> None:
    """Add texts to the statistics of their scope."""
    if not added:
        return
    more = {"episodes": episode_scopes.c.episodes + excluded(episode_scopes.c.episodes)}
    total = [{"scope_id": scope_row, "episodes": len(added)}]
    connection.execute(database.upsert(episode_scopes, conflict=("scope_id",), update=more), total)
    terms, counts = np.unique(np.concatenate([one.ids for one in added]), return_counts=True)
    if len(terms):
        more = {"count": episode_frequencies.c.count + excluded(episode_frequencies.c.count)}
        connection.execute(
            database.upsert(episode_frequencies, conflict=("scope_id", "term"), update=more),
            [
                {"scope_id": scope_row, "term": term, "count": count}
                for term, count in zip(terms.tolist(), counts.tolist(), strict=True)
            ],
        )


def insert_bands(connection: Connection, scope_row: int, drafts: Mapping[int, Draft]) -> None:
    """Note by what facts, by row, are found that may say the same."""
    rows = [
        {"row": row, "scope_id": scope_row, "band": mark} for row, draft in drafts.items() for mark in bands(draft.text)
    ]
    if rows:
        connection.execute(insert(episode_bands), rows)
