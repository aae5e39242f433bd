"""Fifty tenants at once: no read, write, search, reference or request ever reaches another's document."""

from __future__ import annotations

import json
import random

import pytest
from pydantic import BaseModel

from tercet import Reference, Scope, WorkingRetriever
from tercet.errors import DocumentExistsError, DocumentNotFoundError
from tercet.records import AnyScope

TENANTS = [f"tenant{number}" for number in range(50)]
KEYS = ["plan", "notes"]


class Note(BaseModel):
    owner: str
    text: str = ""


def scopes_of(tenant: str) -> list[Scope]:
    return [
        Scope(tenant=tenant),
        Scope(tenant=tenant, user="ada"),
        Scope(tenant=tenant, user="ada", session="s1"),
        Scope(tenant=tenant, agent="helper"),
    ]


@pytest.mark.parametrize("operations", [600, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
def test_no_operation_of_fifty_tenants_sees_what_its_scope_does_not(working, operations):
    """S2.67, and the scope rule: a reader sees its own records and its ancestors', a wide reader what it names."""
    choose = random.Random(7)
    retriever = WorkingRetriever(working)
    references: list[tuple[Reference, str]] = []
    requests: list[int] = []
    kept: dict[tuple[Scope, str], str] = {}
    seen = refused = 0

    def note(reader: Scope | AnyScope, owner: Scope, text: str) -> None:
        nonlocal seen
        seen += 1
        assert reader.sees(owner), f"{reader} was given a record of {owner}"
        assert json.loads(text)["owner"] == str(owner)

    for _ in range(operations):
        tenant = choose.choice(TENANTS)
        reader, key = choose.choice(scopes_of(tenant)), choose.choice(KEYS)
        wide = choose.choice([reader, reader, Scope.any(tenant=tenant), Scope.any(tenant=tenant, user="ada")])
        action = choose.choice(["create", "create", "read", "update", "search", "resolve", "ask", "answer", "delete"])
        try:
            if action == "create":
                made = working.create(Note(owner=str(reader)), key=key, scope=reader, actor=tenant)
                kept[reader, key] = made.text
                references.append((made.reference, made.text))
            elif action == "read":
                found = working.read(Note, key=key, scope=reader)
                note(reader, found.scope, found.text)
                closest = max((s for s, k in kept if k == key and reader.sees(s)), key=lambda s: str(s).count("="))
                assert str(found.scope).count("=") == str(closest).count("=")
            elif action == "update":
                text = str(choose.random())
                done = working.update(
                    Note, lambda n, t=text: n.model_copy(update={"text": t}), key=key, scope=reader, actor=tenant
                )
                kept[reader, key] = done.text
                note(reader, done.scope, done.text)
            elif action == "search":
                for hit in retriever.search(scope=wide, limit=1_000):
                    note(wide, hit.reference.scope, hit.text)
                found_by_key = {
                    (h.reference.scope, KEYS[0]) for h in retriever.search(scope=wide, key=KEYS[0], limit=1_000)
                }
                assert found_by_key == {(s, k) for s, k in kept if k == KEYS[0] and wide.sees(s)}
            elif action == "resolve" and references:
                reference, text = choose.choice(references)
                got = working.resolve(Note, reference, scope=reader)
                note(reader, reference.scope, got.text)
                assert got.text == text
            elif action == "ask":
                version = working.read(Note, key=key, scope=reader).version
                operation = [{"op": "replace", "path": "/text", "value": str(choose.random())}]
                request = working.request_change(
                    Note, operation, key=key, scope=reader, read_version=version, actor="guest"
                )
                requests.append(request.id)
            elif action == "answer":
                for request in working.requests(wide, state=None):
                    assert wide.sees(request.scope)
                if requests:
                    rejected = working.reject(choose.choice(requests), scope=reader, actor=tenant)
                    assert reader.sees(rejected.scope)
                    requests.remove(rejected.id)
            elif action == "delete" and choose.random() < 0.2:
                version = working.read(Note, key=key, scope=reader).version
                working.delete(key=key, scope=reader, read_version=version, actor=tenant)
                del kept[reader, key]
        except (DocumentNotFoundError, DocumentExistsError):
            refused += 1
    everything = {(one.scope, one.key): one.text for one in working.documents(Scope.any())}
    assert everything == kept
    assert seen > operations / 20
    assert refused > operations / 20
