"""The tables of the journal: runs with their events and texts, effects with their amounts, approvals."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, Table

from tercet.memory.schema.columns import KEY, NAME, TEXT, schema

runs = Table(
    "runs",
    schema,
    Column("id", KEY, primary_key=True),
    Column("run_id", NAME, nullable=False, unique=True),
    Column("scope_id", KEY, ForeignKey("scopes.id"), index=True),  # NULL: erased
    Column("tenant", NAME, nullable=False),  # "" where there is none; stays when the scope is erased
    Column("agent", NAME, nullable=False),
    Column("task", NAME, nullable=False),
    Column("parent", NAME, nullable=False),
    Column("root", NAME, nullable=False, index=True),
    Column("replays", NAME, nullable=False),
    Column("status", NAME, nullable=False),
    Column("began_at", BigInteger, nullable=False),  # microseconds since the epoch, here and below
    Column("changed_at", BigInteger, nullable=False),
    Column("events", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),  # SHA-256 of the last event; without events, of the header
    Column("header_salt", LargeBinary),  # NULL: erased
    Column("header_digest", LargeBinary, nullable=False),  # what the first hash is made from
    Column("erased_at", BigInteger),
    Index("runs_by_time", "began_at"),
    sqlite_autoincrement=True,
)

run_events = Table(
    "run_events",
    schema,
    Column("run", KEY, ForeignKey("runs.id"), primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),  # from 1, without gaps
    Column("kind", NAME, nullable=False),
    Column("span", NAME, nullable=False),
    Column("parent", NAME, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("texts", TEXT, nullable=False),  # numbers of its texts in order, as ranges: 1-40,42
    Column("body", TEXT),  # NULL: erased
    Column("salt", LargeBinary),  # NULL: erased
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of salt and body
    Column("hash", LargeBinary, nullable=False),  # SHA-256 over the hash before and all of the above but the body
)

run_texts = Table(
    "run_texts",
    schema,
    Column("run", KEY, ForeignKey("runs.id"), primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),  # from 1, in order of first use
    Column("event", BigInteger, nullable=False),  # which used it first, and whose hash covers its digest
    Column("text", TEXT),  # NULL: erased
    Column("salt", LargeBinary),  # NULL: erased
    Column("digest", LargeBinary, nullable=False),
)

effects = Table(
    "effects",
    schema,
    Column("id", KEY, primary_key=True),
    Column("key", NAME, nullable=False, unique=True),
    Column("run", NAME, nullable=False, index=True),
    Column("call", NAME, nullable=False),
    Column("agent", NAME, nullable=False),
    Column("tool", NAME, nullable=False),
    Column("scope_id", KEY, ForeignKey("scopes.id"), index=True),  # NULL: erased
    Column("tenant", NAME, nullable=False),  # an erased effect still counts towards its ceilings
    Column("arguments_hash", NAME, nullable=False),  # "": erased, since arguments can be guessed
    Column("state", NAME, nullable=False),  # started | done | failed | in_doubt
    Column("result", TEXT),
    Column("reason", TEXT, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("erased_at", BigInteger),
    Index("effects_by_window", "tenant", "agent", "tool", "started_at"),
    sqlite_autoincrement=True,
)

effect_amounts = Table(
    "effect_amounts",
    schema,
    Column("effect_id", KEY, ForeignKey("effects.id"), primary_key=True, autoincrement=False),
    Column("measure", NAME, primary_key=True),
    Column("amount", NAME, nullable=False),  # decimal, as it was given
    Column("whole", BigInteger, nullable=False),  # the same in two integers, which databases add up exactly
    Column("billionths", Integer, nullable=False),
)

approvals = Table(
    "approvals",
    schema,
    Column("id", KEY, primary_key=True),
    Column("approval_id", NAME, nullable=False, unique=True),
    Column("run", NAME, nullable=False, index=True),
    Column("call", NAME, nullable=False),
    Column("agent", NAME, nullable=False),
    Column("tool", NAME, nullable=False),
    Column("scope_id", KEY, ForeignKey("scopes.id"), index=True),  # NULL: erased
    Column("tenant", NAME, nullable=False),
    Column("arguments", TEXT),  # NULL: erased
    Column("edited_arguments", TEXT),
    Column("arguments_hash", NAME, nullable=False),  # "": erased
    Column("policy_version", NAME, nullable=False),
    Column("reason", TEXT, nullable=False),
    Column("evidence", TEXT),  # NULL: erased
    Column("state", NAME, nullable=False),  # pending | approved | denied | used; expired is a matter of time
    Column("asked_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("approver", NAME, nullable=False),
    Column("decided_at", BigInteger),
    Column("answer", TEXT, nullable=False),
    Column("erased_at", BigInteger),
    sqlite_autoincrement=True,
)
