"""Sites as sources of ``ingest``: real pages from a server on this machine, in a real memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tercet import Memory, SemanticRetriever, WebLimits, WebOptions, ingest
from tercet.errors import ConfigurationError, DeletionRefusedError, SourceError
from tercet.records import IngestReport
from tests.ingestion.web.server import Response, Site, serve

FAST = WebLimits(requests_per_second=1000.0)


@pytest.fixture
def site() -> Iterator[Site]:
    for server in serve():
        server.pages(keys="Rotate keys", deploys="Never on a Friday", moving="Leave by the door")
        server.sitemap("/keys.html", "/deploys.html", "/moving.html")
        yield server


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    with Memory.open(tmp_path / "memory", embedder="none") as opened:
        yield opened


def fetch(site: Site, memory: Memory, path: str = "/sitemap.xml", **options) -> IngestReport:
    return ingest(site.url(path), into=memory, web=WebOptions(limits=FAST, allow_private=True), **options)


def names(uris: tuple[str, ...]) -> list[str]:
    return [uri.rpartition("/")[2] for uri in uris]


def test_the_pages_of_a_sitemap_are_searchable_and_cited_by_host_and_path(site: Site, memory: Memory) -> None:
    report = fetch(site, memory)
    assert names(report.added) == ["deploys.html", "keys.html", "moving.html"]
    assert report.ok
    [hit] = SemanticRetriever(memory.semantic).search("friday", limit=1)
    assert hit.citation.uri.startswith("127.0.0.1")
    assert hit.citation.uri.endswith("/deploys.html")
    assert hit.provenance.trust == "external"


def test_a_second_run_asks_only_for_what_changed(site: Site, memory: Memory) -> None:
    fetch(site, memory)
    site.pages(keys="Rotate keys daily")
    report = fetch(site, memory)
    assert (names(report.updated), report.added, report.unchanged) == (["keys.html"], (), 2)


def test_a_page_that_is_gone_is_deleted_and_one_that_fails_stays(site: Site, memory: Memory) -> None:
    fetch(site, memory)
    del site.routes["/keys.html"]
    site.routes["/deploys.html"] = Response(b"", status=500)
    with pytest.raises(DeletionRefusedError):  # one of three is more than a fifth
        fetch(site, memory)
    report = fetch(site, memory, allow_delete=True)
    assert names(report.deleted) == ["keys.html"]
    assert site.url("/deploys.html") in [failure.path for failure in report.failed]
    assert len(list(memory.semantic.documents())) == 2


def test_a_site_of_which_no_page_can_be_fetched_is_a_list_of_failures(site: Site, memory: Memory) -> None:
    for page in ("keys", "deploys", "moving"):
        site.routes[f"/{page}.html"] = Response(b"", status=403)
    report = fetch(site, memory)
    assert (len(report.failed), report.added, report.ok) == (3, (), False)


def test_a_limit_that_ends_the_run_is_a_failure_that_says_so(site: Site, memory: Memory) -> None:
    options = WebOptions(limits=WebLimits(requests_per_second=1000.0, pages=2), allow_private=True)
    report = ingest(site.url("/sitemap.xml"), into=memory, web=options)
    assert len(report.added) == 2
    assert any("was not fetched whole" in failure.reason for failure in report.failed)


def test_private_addresses_are_refused_unless_allowed(site: Site, memory: Memory) -> None:
    with pytest.raises(SourceError, match="loopback"):
        ingest(site.url("/sitemap.xml"), into=memory)
    assert site.requests == []


def test_a_dry_run_and_a_revision_make_no_sense_for_a_site(site: Site, memory: Memory) -> None:
    for options in ({"dry_run": True}, {"revision": "main"}):
        with pytest.raises(ConfigurationError):
            fetch(site, memory, **options)
    assert site.requests == []


def test_the_mirror_is_kept_where_it_is_asked_for(site: Site, memory: Memory, tmp_path: Path) -> None:
    web = WebOptions(limits=FAST, allow_private=True, mirror=tmp_path / "pages")
    ingest(site.url("/keys.html"), into=memory, web=web)
    assert [file.name for file in (tmp_path / "pages").rglob("*.html")] == ["keys.html"]
    assert not (tmp_path / "memory" / "sites").exists()


def test_a_page_is_cited_with_the_address_it_was_fetched_from(site: Site, memory: Memory) -> None:
    ingest(site.url("/sitemap.xml"), into=memory, web=WebOptions(limits=FAST, allow_private=True))
    [hit] = SemanticRetriever(memory.semantic).search("friday", limit=1)
    assert hit.citation.url.split("#")[0] == site.url("/deploys.html")


def test_a_site_takes_no_base_url(memory: Memory) -> None:
    with pytest.raises(ConfigurationError, match="for files"):
        ingest("http://127.0.0.1:9/", into=memory, base_url="https://docs.example.com/")
