"""The bar: after ``forget`` no byte of a canary, or of its vector, is in any file of the memory.

The engine's four-bit codes cannot be turned back into a vector, so they are not searched for; they go with the shard.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tercet import DocumentFilter, Scope, WebLimits, WebOptions, ingest
from tercet.testing import HashEmbedder
from tests.ingestion.web.server import Response, Site, serve
from tests.memory.forgetting.canaries import (
    Canaries,
    fill,
    fill_documents,
    fill_neighbour,
    found_in,
    hits,
    neighbour,
    open_memory,
    vector_needles,
    vectors_of,
)


@pytest.fixture
def site() -> Iterator[Site]:
    yield from serve()


def mirror(site: Site, memory, word: Canaries) -> None:
    page = f"/{word('page name')}.html"
    site.routes[page] = Response(f"<h1>{word('page title')}</h1><p>Open {word('page')} first.</p>".encode())
    site.routes["/tea.html"] = Response(b"<h1>Tea</h1><p>Tea of the site.</p>")
    site.sitemap(page, "/tea.html")
    web = WebOptions(limits=WebLimits(requests_per_second=1000.0), allow_private=True)
    ingest(site.url("/sitemap.xml"), into=memory, corpus="site", web=web)


def forget_everything_of_ada(folder: Path, site: Site, seed: int) -> None:
    word, scope = Canaries(seed), Scope(tenant="acme", user=f"ada{Canaries(-1 - seed)('user')}")
    with open_memory(folder) as memory:
        fill_neighbour(memory, "bob")
        fill(memory, word, scope)
        fill_documents(memory, word, "papers", tenant="acme")
        mirror(site, memory, word)
        vectors = [*vectors_of(memory, scope, ["papers"], "acme"), *vectors_of(memory, scope, ["site"])]
        memory.episodic.index.flush()
        memory.semantic.index.flush()
        before = neighbour(memory, "bob")
    kept = found_in(hits(folder, word.needles()))
    assert {place for place in word.words if f"{place} as utf-8" not in kept} <= {
        "text before",
        "old goal",
    }  # removed before
    assert {"vector as <f4", "vector as <f2"} <= found_in(hits(folder, vector_needles(vectors)))

    with open_memory(folder) as memory:
        receipts = [
            memory.forget(
                scope=Scope.any(tenant="acme", user=scope.user),
                documents=DocumentFilter(corpus=("papers",), tenant="acme"),
            ),
            memory.forget(documents=DocumentFilter(corpus=("site",), paths=(f"**/{word('page name')}.html",))),
        ]
        assert [receipt.status for receipt in receipts] == ["erased", "erased"]
        assert receipts[1].removed["pages"] == 1
        open_then = hits(folder, [*word.needles(), ("user", scope.user.encode())])
        after = neighbour(memory, "bob")
        assert len(list(memory.semantic.documents(DocumentFilter(corpus=("site",))))) == 1
    assert open_then == set()  # also while the memory is open
    vectors = [vector for vector in vectors if not _of_the_tea_page(vector)]
    assert hits(folder, [*word.needles(), ("user", scope.user.encode()), *vector_needles(vectors)]) == set()
    assert after == before


def _of_the_tea_page(vector) -> bool:
    own = HashEmbedder(dimension=len(vector)).embed_documents(["Tea\nTea of the site."])[0]
    return float(own @ vector) > 0.999


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", range(3))
def test_no_byte_is_left(tmp_path, site, seed):
    forget_everything_of_ada(tmp_path / "memory", site, seed)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", range(3, 50))
def test_no_byte_is_left_in_fifty_runs(tmp_path, site, seed):
    forget_everything_of_ada(tmp_path / "memory", site, seed)
