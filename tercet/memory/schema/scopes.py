"""The scopes that records of people belong to, each kept once."""

from __future__ import annotations

from sqlalchemy import Column, Table, UniqueConstraint

from tercet.memory.schema.columns import KEY, NAME, schema

scopes = Table(
    "scopes",
    schema,
    Column("id", KEY, primary_key=True),  # also what vectors are filtered by
    Column("tenant", NAME, nullable=False),  # "" where the field is not set, here and below
    Column("user", NAME, nullable=False),
    Column("agent", NAME, nullable=False),
    Column("session", NAME, nullable=False),
    UniqueConstraint("tenant", "user", "agent", "session"),
)
