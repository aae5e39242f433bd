"""What SQL says of scopes is what the records say of them, for every reader and every owner."""

from __future__ import annotations

import itertools

import pytest
from sqlalchemy import select

from tercet import Scope
from tercet.errors import InputError
from tercet.memory.database import Database
from tercet.memory.schema import scopes
from tercet.memory.scopes import FIELDS, scope_id, scope_of, visible_scopes

OWNERS = [
    Scope(tenant=tenant, user=user, agent=agent, session=session)
    for tenant, user, agent, session in itertools.product((None, "a", "b"), repeat=4)
]


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path):
    where = str(tmp_path / "memory") if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    with Database.open(where) as opened:
        yield opened


def test_a_reader_sees_in_sql_what_the_record_says(database):
    with database.write() as connection:
        ids = {scope_id(database, connection, owner): owner for owner in OWNERS}
    assert len(ids) == len(OWNERS)
    readers = [*OWNERS, *(Scope.any(**{name: getattr(owner, name) for name in FIELDS}) for owner in OWNERS)]
    with database.read() as connection:
        for reader in readers:
            assert visible_scopes(connection, reader) == sorted(key for key, owner in ids.items() if reader.sees(owner))
        rows = connection.execute(select(scopes.c.id, *(scopes.c[name] for name in FIELDS))).all()
    assert {row[0]: scope_of(tuple(row[1:])) for row in rows} == ids


def test_a_scope_is_noted_once(database):
    for _ in range(2):
        with database.write() as connection:
            assert scope_id(database, connection, OWNERS[7]) == scope_id(database, connection, OWNERS[7])
    with database.read() as connection:
        assert len(connection.execute(select(scopes.c.id)).all()) == 1


def test_an_own_scope_and_its_ancestors_are_seen_and_nothing_beside_them():
    ada = Scope(tenant="acme", user="ada")
    assert ada.sees(ada)
    assert ada.sees(Scope())
    assert not ada.sees(Scope(tenant="acme", user="ada", session="s1"))
    assert not ada.sees(Scope(tenant="globex"))
    assert Scope.any(tenant="acme").sees(Scope(tenant="acme", user="ada", session="s1"))
    assert not Scope.any(tenant="acme").sees(Scope())


def test_an_empty_name_is_refused_because_it_would_mean_nobody():
    with pytest.raises(InputError, match="user of a scope"):
        Scope(user="")
    with pytest.raises(InputError):
        Scope.any(tenant="")


def test_scopes_name_themselves():
    assert str(Scope(tenant="acme", user="ada")) == "tenant=acme, user=ada"
    assert str(Scope.any()) == "any of everyone"
