from __future__ import annotations

import socket
import time as real_time

import pytest

from tercet.errors import SourceError
from tercet.ingestion.web import mirror
from tercet.settings import WebLimits
from tests.ingestion.web.server import REAL, Response, head, reason, sitemapindex, states

# Time


def dribble(site, start: bytes, piece: bytes):
    def route(handler) -> None:
        handler.wfile.write(start)
        while not site.closing.wait(0.02):
            handler.wfile.write(piece)

    return route


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n", b"x", id="body"),
        pytest.param(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", id="head"),
    ],
)
def test_a_server_that_dribbles_is_left(site, take, start, piece) -> None:
    site.routes["/a.html"] = dribble(site, start, piece)
    site.pages(b="B")
    site.sitemap("/a.html", "/b.html")

    report = take(limits={"request_s": 0.4, "read_s": 0.3}, **REAL)

    assert states(report) == {"/a.html": "failed", "/b.html": "fetched"}
    assert reason(report, "/a.html") == "took longer than 0.4 s"


def test_a_server_that_says_nothing_is_left(site, take) -> None:
    site.routes["/a.html"] = lambda handler: site.closing.wait(20)
    site.sitemap("/a.html")

    assert reason(take(limits={"read_s": 0.2}, **REAL), "/a.html") == "sent nothing for 0.2 s"


def test_a_port_that_nobody_listens_at_cannot_be_reached(tmp_path) -> None:
    with socket.socket() as taken:  # bound, so that nobody else gets it, and not listening
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        with pytest.raises(SourceError, match="cannot be reached"):
            mirror(url, tmp_path / "mirror", limits=WebLimits(requests_per_second=1000.0), allow_private=True)


# The run as a whole


def test_a_run_ends_at_its_pages(site, take) -> None:
    site.pages(a="A", b="B", c="C")
    site.sitemap("/a.html", "/b.html", "/c.html")

    report = take(limits={"pages": 2})

    assert states(report) == {"/a.html": "fetched", "/b.html": "fetched"}
    assert "more than 2 pages" in report.cut_short


def test_a_crawl_ends_at_its_pages(site, take) -> None:
    site.routes["/0"] = Response(b'<a href="1">')
    for number in range(1, 20):
        site.routes[f"/{number}"] = Response(f'<a href="{number + 1}">'.encode())

    report = take("/0", limits={"pages": 5, "depth": 100})

    assert len(report.pages) == 5
    assert "5 pages" in report.cut_short


def test_a_run_ends_at_its_bytes_and_counts_those_of_pages_that_fail(site, take) -> None:
    for name in "abcdef":
        site.routes[f"/{name}.html"] = Response(b"x" * 40_000)

    def breaks_off(handler) -> None:
        head(handler, Content_Length="40001")
        handler.wfile.write(b"x" * 40_000)

    site.routes["/a.html"] = breaks_off
    site.sitemap(*(f"/{name}.html" for name in "abcdef"))

    report = take(limits={"total_bytes": 100_000})

    assert states(report) == {"/a.html": "failed", "/b.html": "fetched"}
    assert report.cut_short == "the limit of 0.1 MB for the whole run was reached"


def test_a_run_ends_at_its_seconds(site, take) -> None:
    site.pages(a="A", b="B", c="C")
    site.sitemap("/a.html", "/b.html", "/c.html")

    report = take(limits={"requests_per_second": 0.1, "total_s": 35.0})

    assert states(report) == {"/a.html": "fetched", "/b.html": "fetched"}
    assert report.cut_short == "the limit of 35 s for the whole run was reached"


def test_a_slow_page_does_not_outlast_the_run(site, take) -> None:
    site.routes["/a.html"] = lambda handler: site.closing.wait(20)
    site.sitemap("/a.html")
    began = real_time.perf_counter()

    report = take(limits={"total_s": 0.5}, **REAL)

    assert "0.5 s" in report.cut_short
    assert real_time.perf_counter() - began < 5


def test_a_run_that_is_cut_short_removes_nothing(site, take, tmp_path) -> None:
    site.pages(a="A", b="B")
    site.routes["/index.xml"] = Response(sitemapindex(site.url("/1.xml"), site.url("/2.xml")), "text/xml")
    site.sitemap("/a.html", at="/1.xml")
    site.sitemap("/b.html", at="/2.xml")
    take("/index.xml")
    del site.routes["/b.html"]

    assert take("/index.xml", limits={"listings": 1}).cut_short

    assert len(list((tmp_path / "mirror").rglob("*.html"))) == 2
