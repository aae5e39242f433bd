"""A journal on both databases."""

from __future__ import annotations

import pytest

from tercet.memory.database import Database
from tercet.memory.journal.sql import SqlJournal


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path):
    where = str(tmp_path / "memory") if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    with Database.open(where) as opened:
        yield opened


@pytest.fixture
def journal(database) -> SqlJournal:
    return SqlJournal(database)
