"""The tables of working memory: documents, every change to them, and changes that others asked for. No vectors."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, UniqueConstraint

from tercet.memory.schema.columns import KEY, NAME, TEXT, schema

working_documents = Table(
    "working_documents",
    schema,
    Column("id", KEY, primary_key=True),
    Column("scope_id", KEY, ForeignKey("scopes.id"), nullable=False),
    Column("key", NAME, nullable=False),
    Column("schema_name", NAME, nullable=False),
    Column("schema_version", Integer, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("value", TEXT, nullable=False),  # canonical JSON of the newest version
    Column("hash", NAME, nullable=False),  # SHA-256 of value
    Column("owners", TEXT, nullable=False),  # JSON, by top-level field; those not named are their creator's
    Column("trusts", TEXT, nullable=False),  # JSON, by top-level field: the least trust it was ever written with
    Column("constraints", TEXT, nullable=False),  # JSON list of top-level fields that never change
    Column("created_by", NAME, nullable=False),
    Column("created_at", BigInteger, nullable=False),  # microseconds since the epoch, here and below
    Column("updated_by", NAME, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, index=True),
    UniqueConstraint("scope_id", "key"),
    Index("working_documents_by_time", "scope_id", "updated_at"),
    sqlite_autoincrement=True,
)

working_changes = Table(
    "working_changes",
    schema,
    Column("document_id", KEY, ForeignKey("working_documents.id"), primary_key=True, autoincrement=False),
    Column("version", BigInteger, primary_key=True, autoincrement=False),  # the one that the change made
    Column("schema_version", Integer, nullable=False),
    Column("actor", NAME, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("trust", NAME, nullable=False),
    Column("request_id", KEY),  # set when the owner accepted what another had asked for
    Column("hash", NAME, nullable=False),
    Column("patch", TEXT),  # JSON Patch from the version before; NULL where the snapshot is no longer than it
    Column("snapshot", TEXT),  # the whole value, every so many versions
)

working_requests = Table(
    "working_requests",
    schema,
    Column("id", KEY, primary_key=True),
    Column("document_id", KEY, ForeignKey("working_documents.id"), nullable=False, index=True),
    Column("read_version", BigInteger, nullable=False),
    Column("actor", NAME, nullable=False),
    Column("owner", NAME, nullable=False),
    Column("fields", TEXT, nullable=False),  # JSON list of the top-level fields it would change
    Column("operations", TEXT, nullable=False),  # JSON Patch
    Column("reason", TEXT, nullable=False),
    Column("trust", NAME, nullable=False),
    Column("state", NAME, nullable=False),  # open | accepted | rejected
    Column("made_at", BigInteger, nullable=False),
    Column("answered_at", BigInteger),
    Column("answer", TEXT, nullable=False),
    sqlite_autoincrement=True,
)

working_retired = Table(
    "working_retired",
    schema,
    Column("scope_id", KEY, ForeignKey("scopes.id"), primary_key=True, autoincrement=False),
    Column("key", NAME, primary_key=True),
    Column("version", BigInteger, nullable=False),
)
"""Last versions of deleted documents. One made anew goes on counting, so that a stale write can never fit it."""
