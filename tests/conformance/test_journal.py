"""The journal in memory, on SQLite and on PostgreSQL keeps the same contract.

Part of S1.24: what becomes of an approval. Part of S2.47: an effect is reserved once. Part of S1.54.
"""

from __future__ import annotations

import pytest

from tercet.memory.database import Database
from tercet.memory.journal.in_memory import InMemoryJournal
from tercet.memory.journal.sql import SqlJournal
from tercet.testing import JournalConformance


class TestInMemory(JournalConformance):
    @pytest.fixture
    def journal(self):
        return InMemoryJournal()


class TestSQLite(JournalConformance):
    @pytest.fixture
    def journal(self, tmp_path):
        with Database.open(tmp_path / "memory") as database:
            yield SqlJournal(database)


class TestPostgreSQL(JournalConformance):
    @pytest.fixture
    def journal(self, postgres_url):
        with Database.open(postgres_url) as database:
            yield SqlJournal(database)
