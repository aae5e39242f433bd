"""The tables of how documents are published, and of what the files they come from refer to."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Table

from tercet.memory.schema.columns import KEY, NAME, TEXT, schema

addresses = Table(
    "addresses",
    schema,
    Column("version_id", KEY, ForeignKey("versions.id"), primary_key=True, autoincrement=False),
    Column("url", TEXT, nullable=False),
)
"""Where the published page of a version lies; versions without one have no row."""

references = Table(
    "file_references",
    schema,
    Column("root_id", KEY, ForeignKey("roots.id"), primary_key=True, autoincrement=False),
    Column("path", NAME, primary_key=True),  # of the file that refers, as in files
    Column("included", TEXT, nullable=False),  # JSON: path, stamp and content hash of each file it includes
    Column("outline", TEXT, nullable=False),  # JSON: the pages that it lists as its children
)
"""Part of the ledger: files whose document depends on more than their own content, or whose listing others need."""
