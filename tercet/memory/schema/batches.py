"""The tables through which several processes share one ingest. They matter on PostgreSQL; a folder has one process."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, LargeBinary, Table

from tercet.memory.schema.columns import KEY, NAME, TEXT, schema

workers = Table(
    "workers",
    schema,
    Column("id", KEY, primary_key=True),
    Column("name", NAME, nullable=False, unique=True),  # host, process id and a random part; writer of its versions
    sqlite_autoincrement=True,
)
"""Processes at work. A row whose advisory lock nobody holds is that of a dead one."""

jobs = Table(
    "jobs",
    schema,
    Column("id", KEY, primary_key=True),
    Column("corpus_id", KEY, ForeignKey("corpora.id"), nullable=False, index=True),
    Column("root", NAME, nullable=False),  # name of the root that is being ingested
    Column("settings", TEXT, nullable=False),  # JSON: what a worker must know to do the same as the coordinator
)
"""Ingests that are shared; a row lives as long as its coordinator waits."""

batches = Table(
    "batches",
    schema,
    Column("id", KEY, primary_key=True),
    Column("job_id", KEY, ForeignKey("jobs.id"), nullable=False, index=True),
    Column("worker_id", KEY),  # who works on it; NULL: it waits
    Column("deaths", Integer, nullable=False, server_default="0"),  # workers that died on it
    Column("tasks", TEXT, nullable=False),  # JSON
    Index("batches_by_worker", "worker_id"),
)
"""Files still to be ingested, some at a time; a batch that is done is gone."""

outcomes = Table(
    "outcomes",
    schema,
    Column("job_id", KEY, ForeignKey("jobs.id"), primary_key=True, autoincrement=False),
    Column("uri", NAME, primary_key=True),
    Column("outcome", TEXT, nullable=False),  # JSON
)
"""What became of each file; the key makes it impossible to do one twice in a job."""

claimed_texts = Table(
    "claimed_texts",
    schema,
    Column("embed_key", LargeBinary, primary_key=True),
    Column("worker_id", KEY, nullable=False, index=True),
)
"""Texts that a process is embedding at the moment."""
