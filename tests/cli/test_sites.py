"""``tercet ingest URL``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cli.conftest import Run
from tests.ingestion.web.server import Site, serve


@pytest.fixture
def site() -> Iterator[Site]:
    for server in serve():
        server.pages(keys="Rotate keys")
        yield server


def test_a_url_is_fetched_and_searchable(run: Run, site: Site) -> None:
    done = run("ingest", site.url("/keys.html"), "--allow-private", "--embedder", "none", "--json")
    assert done.code == 0, done.err
    [uri] = done.json["added"]
    assert uri.endswith("/keys.html")
    assert uri in run("search", "rotate").out


def test_a_private_address_is_refused_with_the_option_that_allows_it(run: Run, site: Site) -> None:
    refused = run("ingest", site.url("/keys.html"), "--embedder", "none")
    assert refused.code == 2
    assert "--allow-private" in refused.err
    assert site.requests == []
