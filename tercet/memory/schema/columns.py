"""What all tables share: the version of their format, the catalogue they are in, and column types."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table, Text

FORMAT_VERSION = 2
"""Of all tables. A change of meaning or shape raises it and comes with a migration and a committed fixture.

1: documents, chunks and the ledger. 2: working memory, episodes and batches of work beside them.
"""

schema = MetaData()
KEY = BigInteger().with_variant(Integer, "sqlite")
# Collation "C" sorts by code point, as SQLite does: the same order and the same answers on every server.
NAME = String().with_variant(String(collation="C"), "postgresql")
TEXT = Text().with_variant(Text(collation="C"), "postgresql")

meta = Table("meta", schema, Column("key", NAME, primary_key=True), Column("value", TEXT, nullable=False))
"""Format version, embedder, chunking and lexical settings, as JSON."""
