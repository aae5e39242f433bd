"""The tables of semantic memory and of the ledger. They mean the same on SQLite and on PostgreSQL."""

from __future__ import annotations

from sqlalchemy import (
    DDL,
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
    event,
)

from tercet.memory.schema.columns import KEY, NAME, TEXT, schema

corpora = Table(
    "corpora",
    schema,
    Column("id", KEY, primary_key=True),
    Column("name", NAME, nullable=False),
    Column("tenant", NAME, nullable=False, server_default=""),
    Column("version", NAME, nullable=False, server_default=""),
    Column("chunks", BigInteger, nullable=False, server_default="0"),  # live chunks
    Column("length_total", BigInteger, nullable=False, server_default="0"),  # their lexical lengths, added up
    Column("length_bucket", Integer),  # average length that the sparse weights in the index were made with
    Column("reweighing", Boolean, nullable=False, server_default="0"),  # some weights may be of the bucket before
    UniqueConstraint("name", "tenant", "version"),
)

roots = Table(
    "roots",
    schema,
    Column("id", KEY, primary_key=True),
    Column("corpus_id", KEY, ForeignKey("corpora.id"), nullable=False),
    Column("name", NAME, nullable=False),  # first segment of the uris below it
    Column("path", NAME, nullable=False),  # absolute
    UniqueConstraint("corpus_id", "name"),
)

documents = Table(
    "documents",
    schema,
    Column("id", KEY, primary_key=True),
    Column("corpus_id", KEY, ForeignKey("corpora.id"), nullable=False),
    Column("uri", NAME, nullable=False),
    Column("live_version", KEY),  # what searches return; NULL until the first version is complete
    UniqueConstraint("corpus_id", "uri"),
    sqlite_autoincrement=True,
)

versions = Table(
    "versions",
    schema,
    Column("id", KEY, primary_key=True),
    Column("document_id", KEY, ForeignKey("documents.id"), nullable=False, index=True),
    Column("state", NAME, nullable=False, index=True),  # pending | live
    Column("writer", NAME, nullable=False),
    Column(
        "lease_until", Float, nullable=False
    ),  # seconds since the epoch; pending rows past it may be finished by anyone
    Column("content_hash", NAME, nullable=False, index=True),
    Column("config_hash", NAME, nullable=False),
    Column("title", TEXT, nullable=False),
    Column("metadata", TEXT, nullable=False),  # JSON
    Column("findings", TEXT, nullable=False),  # JSON
    Column("trust", NAME, nullable=False),
    Column("effective_from", Integer),  # days since 1970-01-01
    Column("effective_to", Integer),
    Column("text", TEXT, nullable=False),
    sqlite_autoincrement=True,
)

text_parts = Table(
    "text_parts",
    schema,
    Column("version_id", KEY, ForeignKey("versions.id"), primary_key=True, autoincrement=False),
    Column("start", Integer, primary_key=True, autoincrement=False),
    Column("text", TEXT, nullable=False),
)
"""The text of a large version after its first part, which is in ``versions.text``."""

attributes = Table(
    "attributes",
    schema,
    Column("version_id", KEY, ForeignKey("versions.id"), nullable=False, index=True),
    Column("key", NAME, nullable=False),
    Column("text", NAME),  # strings, and booleans as true/false
    Column("number", Float),  # numbers
    Index("attributes_by_text", "key", "text"),
    Index("attributes_by_number", "key", "number"),
)
"""The metadata of versions, one row a scalar, so that filters mean the same on every database."""

chunks = Table(
    "chunks",
    schema,
    Column("id", KEY, primary_key=True),  # also the point id in the vector index
    Column("version_id", KEY, ForeignKey("versions.id"), nullable=False, index=True),
    Column("chunk_id", NAME, nullable=False, index=True),
    Column("ordinal", Integer, nullable=False),
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
    Column("text", TEXT, nullable=False),
    Column("heading_path", TEXT, nullable=False),  # JSON
    Column("kind", NAME, nullable=False),
    Column("title", TEXT, nullable=False),
    Column("lead", TEXT, nullable=False),
    Column("anchor", NAME, nullable=False),
    Column("line_start", Integer, nullable=False),
    Column("line_end", Integer, nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("length", Integer, nullable=False),  # lexical: analysed terms
    Column("terms", LargeBinary, nullable=False),  # TermCounts.to_bytes()
    Column("embed_key", LargeBinary, nullable=False, index=True),  # blake2b-16 of the embedded text
    Column("embedded", Boolean, nullable=False),  # its dense vector is in the index
    UniqueConstraint("version_id", "chunk_id"),
    sqlite_autoincrement=True,
)
# As text, because an Index with postgresql_where= loads that dialect: 80 ms for everybody.
for _dialect, _false in (("sqlite", "0"), ("postgresql", "false")):
    _create = f"CREATE INDEX chunks_without_vector ON chunks (version_id) WHERE embedded IS {_false}"
    event.listen(chunks, "after_create", DDL(_create).execute_if(dialect=_dialect))  # type: ignore[no-untyped-call]  # SQLAlchemy's

frequencies = Table(
    "frequencies",
    schema,
    Column("corpus_id", KEY, ForeignKey("corpora.id"), primary_key=True, autoincrement=False),
    Column("term", BigInteger, primary_key=True, autoincrement=False),
    Column("count", Integer, nullable=False),  # live chunks of the corpus that hold the term
    sqlite_with_rowid=False,
)
"""Document frequencies of the live chunks, so that BM25 never counts deleted or pending ones."""

embeddings = Table(
    "embeddings",
    schema,
    Column("fingerprint", NAME, primary_key=True),
    Column("embed_key", LargeBinary, primary_key=True),
    Column("vector", LargeBinary, nullable=False),  # float32, little-endian
)

files = Table(
    "files",
    schema,
    Column("root_id", KEY, ForeignKey("roots.id"), primary_key=True, autoincrement=False),
    Column("path", NAME, primary_key=True),  # below the root, "/" between segments; "" where the root is a file
    Column("size", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("ctime_ns", BigInteger, nullable=False),
    Column("inode", BigInteger, nullable=False),
    Column("seen_ns", BigInteger, nullable=False),  # clock when the content was read
    Column("content_hash", NAME, nullable=False),
    Column("config_hash", NAME, nullable=False),
    Column("reason", TEXT),  # why it failed; NULL: ingested
    Column("document_id", KEY),
)
"""The ledger of ingested files: what needs no second look."""

stale_points = Table("stale_points", schema, Column("id", KEY, primary_key=True, autoincrement=False))
"""Points of removed chunks that the vector index still has to forget."""
