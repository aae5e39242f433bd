"""The tables of episodic memory. Text of people is in ``episodes`` (text, subject, outcome, actor, conversation,
metadata, dates), in ``episode_names`` (entities) and in the reasons of ``episode_events``, and nowhere else.

Times are microseconds since 1970-01-01 UTC. What a record was when it came is in ``episodes`` and never changes; what
happened to it later is a row of ``episode_events``; the columns below ``state`` are derived from both and can be
derived again.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    UniqueConstraint,
)

from tercet.memory.schema.columns import KEY, NAME, TEXT, schema

episodes = Table(
    "episodes",
    schema,
    Column("id", KEY, primary_key=True),  # also the point id in the vector index
    Column("episode_id", NAME, nullable=False, unique=True),  # from content, scope and place: the same on every arrival
    Column("scope_id", KEY, ForeignKey("scopes.id"), nullable=False),
    Column("kind", NAME, nullable=False),
    Column("actor", NAME, nullable=False),
    Column("text", TEXT, nullable=False),
    Column("subject", NAME, nullable=False),  # "" without one
    Column("outcome", NAME, nullable=False),  # "" without one
    Column("conversation", NAME, nullable=False),  # "" outside of one
    Column("ordinal", Integer, nullable=False),  # position in the conversation
    Column("occurred_at", BigInteger),  # event time; NULL: unknown
    Column("recorded_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("importance", Float, nullable=False),
    Column("trust", NAME, nullable=False),
    Column("metadata", TEXT, nullable=False),  # JSON
    Column("dates", TEXT, nullable=False),  # JSON: dates named in the text, resolved
    Column("same_key", LargeBinary),  # equal for texts that say the same; NULL for kinds that are never merged
    Column("length", Integer, nullable=False),  # lexical: analysed terms
    Column("terms", LargeBinary, nullable=False),  # TermCounts.to_bytes()
    Column("embed_key", LargeBinary, nullable=False, index=True),  # blake2b-16 of the text
    # What follows is derived.
    Column("state", Integer, nullable=False),  # see State
    Column("state_by", KEY),  # row that superseded it, or into which it was merged
    Column("doubt", Integer, nullable=False),  # whether a source was superseded or retracted
    Column("pinned", Boolean, nullable=False),
    Column("embedded", Boolean, nullable=False),  # its dense vector is in the index
    Index("episodes_by_time", "scope_id", "occurred_at"),
    Index("episodes_by_conversation", "scope_id", "conversation", "ordinal"),
    Index("episodes_by_actor", "scope_id", "actor"),
    Index("episodes_by_subject", "scope_id", "subject"),
    Index("episodes_by_same_key", "scope_id", "same_key"),
    Index("episodes_without_vector", "embedded", "id"),
    sqlite_autoincrement=True,
)

episode_events = Table(
    "episode_events",
    schema,
    Column("id", KEY, primary_key=True),
    Column("row", KEY, ForeignKey("episodes.id"), nullable=False, index=True),
    Column("kind", NAME, nullable=False),  # superseded | retracted | merged | expired | pinned | unpinned | undone
    Column("other", KEY, index=True),  # the superseding or the canonical row; the event that is undone
    Column("at", BigInteger, nullable=False),  # recorded time
    Column("effective", BigInteger, nullable=False),  # retractions: repetitions up to then are retracted too
    Column("actor", NAME, nullable=False),
    Column("reason", TEXT, nullable=False),
    sqlite_autoincrement=True,
)

episode_sources = Table(
    "episode_sources",
    schema,
    Column("row", KEY, ForeignKey("episodes.id"), primary_key=True, autoincrement=False),
    Column("source", KEY, ForeignKey("episodes.id"), primary_key=True, autoincrement=False, index=True),
)
"""Lineage: what was derived from what."""

episode_names = Table(
    "episode_names", schema, Column("id", KEY, primary_key=True), Column("name", NAME, nullable=False, unique=True)
)
"""Entities, each kept once, case-folded; their ids are what vectors are filtered by."""

episode_entities = Table(
    "episode_entities",
    schema,
    Column("row", KEY, ForeignKey("episodes.id"), primary_key=True, autoincrement=False),
    Column("name_id", KEY, ForeignKey("episode_names.id"), primary_key=True, autoincrement=False, index=True),
    Column("spelling", NAME, nullable=False),
)

episode_scopes = Table(
    "episode_scopes",
    schema,
    Column("scope_id", KEY, ForeignKey("scopes.id"), primary_key=True, autoincrement=False),
    Column("episodes", BigInteger, nullable=False),
)
"""How many episodes each scope holds, for inverse document frequencies."""

episode_frequencies = Table(
    "episode_frequencies",
    schema,
    Column("scope_id", KEY, ForeignKey("scopes.id"), primary_key=True, autoincrement=False),
    Column("term", BigInteger, primary_key=True, autoincrement=False),
    Column("count", Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""How many episodes of a scope hold a term, whatever their state: ranking in one scope never depends on another."""

episode_bands = Table(
    "episode_bands",
    schema,
    Column("row", KEY, ForeignKey("episodes.id"), nullable=False, index=True),
    Column("scope_id", KEY, nullable=False),
    Column("band", BigInteger, nullable=False),
    Index("episode_bands_by_band", "scope_id", "band"),
)
"""Locality-sensitive hashes of facts: texts that share one are compared."""

episode_reviews = Table(
    "episode_reviews",
    schema,
    Column("id", KEY, primary_key=True),
    Column("first", KEY, ForeignKey("episodes.id"), nullable=False),  # the smaller episode_id
    Column("second", KEY, ForeignKey("episodes.id"), nullable=False, index=True),
    Column("similarity", Float, nullable=False),
    Column("rejected", Boolean, nullable=False),
    UniqueConstraint("first", "second"),
)
"""Pairs that may say the same; a person or a model decides."""

episode_queue = Table(
    "episode_queue",
    schema,
    Column("row", KEY, primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False),
)
"""Rows whose point in the vector index may not be what the database says; the point of a row that is gone goes too."""
