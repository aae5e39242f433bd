from __future__ import annotations

import gzip
import time as real_time
import zlib

import pytest

from tercet.errors import SourceError
from tercet.ingestion.web.inflating import gunzip
from tests.ingestion.web.server import Response, head, reason, redirect, states, urlset

# Addresses


def test_a_private_address_is_not_connected_to(site, take) -> None:
    with pytest.raises(SourceError, match=r"127\.0\.0\.1, a loopback address.*allow_private=True"):
        take(allow_private=False)
    assert site.requests == []


def test_a_name_that_leads_to_a_private_address_is_not_connected_to(site, take) -> None:
    with pytest.raises(SourceError, match="loopback"):
        take(host="docs.test", allow_private=False, resolve=lambda *_: ["127.0.0.1", "::ffff:127.0.0.1"])
    assert site.requests == []


def test_the_checked_address_is_the_one_connected_to(site, take) -> None:
    answers = []

    def rebinding(host: str, port: int) -> list[str]:
        answers.append("127.0.0.1" if not answers else "169.254.169.254")
        return [answers[-1]]

    site.routes["/robots.txt"] = Response(b"", "text/plain")
    site.pages(a="A")

    # Whoever looks the name up again is sent elsewhere, and the system's resolver does not know it.
    assert states(take("/a.html", host="rebinding.test", resolve=rebinding)) == {"/a.html": "fetched"}
    assert site.headers[-1]["Host"] == f"rebinding.test:{site.port}"
    assert answers == ["127.0.0.1"]


def test_a_name_that_is_bound_anew_is_refused_at_the_next_connection(site, take) -> None:
    answers = ["127.0.0.1"]
    site.routes["/robots.txt"] = Response(status=404, headers={"Connection": "close"})
    site.pages(a="A")

    with pytest.raises(SourceError, match="metadata service of a cloud"):
        take("/a.html", host="r.test", resolve=lambda *_: [answers.pop() if answers else "169.254.169.254"])
    assert site.requests == ["/robots.txt"]


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("http://169.254.169.254/latest/meta-data/", "another host"),
        ("http://localhost/", "another host"),
        ("http://[::1]/", "another host"),
        ("http://127.0.0.1.nip.example/", "another host"),
        ("//evil.example/", "another host"),
        ("http://127.0.0.1:22/", "port 22"),
        ("file:///etc/passwd", "no http or https"),
        ("gopher://127.0.0.1/", "no http or https"),
        ("http://user:pw@127.0.0.1/", "user name"),
        ("http://127.0.0.1\\@evil.example/", "backslash"),
        ("http://2130706433/", "no valid URL"),
        ("/a.html", "in a circle"),
        ("/../a.html#x", "in a circle"),
        ("", "in a circle"),
        ("http://" + "a" * 5000, "longer"),
        ("/\x1b[31mred", "control"),
    ],
)
def test_redirects_are_held_to_the_same_rules(site, take, place, message) -> None:
    site.routes["/a.html"] = redirect(place)
    site.sitemap("/a.html")

    report = take()

    assert states(report) == {"/a.html": "failed"}
    assert reason(report, "/a.html").startswith("redirects ")
    assert message in reason(report, "/a.html")
    assert reason(report, "/a.html").isprintable()


def test_a_redirect_to_an_allowed_host_at_a_metadata_address_is_refused(site, take) -> None:
    def resolve(host: str, port: int) -> list[str]:
        return ["169.254.169.254"] if host == "meta.test" else ["127.0.0.1"]

    site.routes["/a.html"] = redirect("http://meta.test/latest/")
    site.sitemap("/a.html")

    assert "metadata" in reason(take(hosts=["meta.test"], resolve=resolve), "/a.html")


def test_redirects_end(site, take) -> None:
    for number in range(9):
        site.routes[f"/{number}"] = redirect(f"/{number + 1}")
    site.routes["/9"] = Response(b"x")
    site.sitemap("/0", "/4")

    report = take()

    assert states(report) == {"/0": "failed", "/9": "fetched"}
    assert reason(report, "/0") == "redirects more than 5 times"


def test_a_start_on_another_host_names_the_remedy(site, take) -> None:
    site.routes["/"] = redirect("https://docs.example.org/")

    with pytest.raises(SourceError, match=r"docs\.example\.org.*hosts="):
        take("/")


def test_urls_in_a_sitemap_are_held_to_the_same_rules(site, take) -> None:
    urls = (
        "file:///etc/passwd",
        "http://169.254.169.254/x",
        "http://127.0.0.1:22/y",
        "https://u:p@h.example/",
        "http://[",
    )
    site.routes["/sitemap.xml"] = Response(urlset(*urls), "text/xml")

    report = take()

    assert [page.state for page in report.pages] == ["failed"] * 5
    assert site.requests == ["/robots.txt", "/sitemap.xml"]


def test_proxies_of_the_environment_are_not_used(site, take, monkeypatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    site.pages(a="A")

    assert states(take("/a.html")) == {"/a.html": "fetched"}


# robots.txt


def test_what_robots_txt_disallows_is_not_requested(site, take) -> None:
    site.routes["/robots.txt"] = Response(b"User-agent: *\nDisallow: /private/\n", "text/plain")
    site.pages(a="A")
    site.routes["/b.html"] = redirect("/private/c.html")
    site.sitemap("/a.html", "/private/a.html", "/b.html")

    report = take()

    assert states(report) == {"/a.html": "fetched", "/private/a.html": "failed", "/b.html": "failed"}
    assert "disallowed by the robots.txt" in reason(report, "/private/a.html")
    assert not any(path.startswith("/private") for path in site.requests)


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_host_without_robots_txt_allows_everything(site, take, status) -> None:
    site.routes["/robots.txt"] = Response(status=status)
    site.pages(a="A")

    assert states(take("/a.html")) == {"/a.html": "fetched"}


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_a_robots_txt_that_cannot_be_reached_disallows_everything(site, take, status) -> None:
    site.routes["/robots.txt"] = Response(status=status)
    site.pages(a="A")

    with pytest.raises(SourceError, match=rf"robots\.txt of its host answers {status}"):
        take("/a.html")
    assert set(site.requests) == {"/robots.txt"}


def test_robots_txt_may_be_redirected_and_longer_than_what_is_read(site, take) -> None:
    site.routes["/robots.txt"] = redirect("/r.txt", 301)
    site.routes["/r.txt"] = Response(b"User-agent: *\nDisallow: /a\n#" + b"x" * 600_000 + b"\nDisallow: /b\n")
    site.pages(a="A", b="B")
    site.sitemap("/a.html", "/b.html")

    assert states(take()) == {"/a.html": "failed", "/b.html": "fetched"}


def test_a_crawl_delay_is_obeyed_up_to_the_cap(site, take, time) -> None:
    site.routes["/robots.txt"] = Response(b"User-agent: *\nCrawl-delay: 3\n", "text/plain")
    site.pages(a="A", b="B")
    site.sitemap("/a.html", "/b.html")
    take()
    assert time.waits == pytest.approx([3.0] * 3)

    time.waits.clear()
    take(limits={"crawl_delay_s": 1.0})
    assert time.waits[1:] == pytest.approx([1.0] * (len(time.waits) - 1))


def test_requests_to_one_host_are_spaced(site, take, time) -> None:
    site.pages(a="A", b="B")
    site.sitemap("/a.html", "/b.html")

    take(limits={"requests_per_second": 4.0})

    assert time.waits == pytest.approx([0.25] * 3)


# Busy servers


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again_when_it_wants(site, take, time, status) -> None:
    site.routes["/a.html"] = [Response(status=status, headers={"Retry-After": "7"}), Response(b"A")]

    assert states(take("/a.html")) == {"/a.html": "fetched"}
    assert 7.0 in time.waits


def test_retry_after_may_be_a_date(site, take, time) -> None:
    headers = {"Retry-After": "Mon, 02 Mar 2026 10:00:09 GMT", "X-Nothing": "1"}

    def busy(handler) -> None:
        handler.send_response_only(503)
        handler.send_header("Date", "Mon, 02 Mar 2026 10:00:00 GMT")
        for name, value in {**headers, "Content-Length": "0"}.items():
            handler.send_header(name, value)
        handler.end_headers()

    site.routes["/a.html"] = [busy, Response(b"A")]

    assert states(take("/a.html")) == {"/a.html": "fetched"}
    assert 9.0 in time.waits


@pytest.mark.parametrize(
    ("wait", "message"),
    [("86400", "tried again in 86,400 s"), ("1", "answers 503"), ("nonsense", "answers 503"), ("-5", "answers 503")],
)
def test_a_server_that_stays_busy_fails_the_page(site, take, time, wait, message) -> None:
    site.routes["/a.html"] = Response(status=503, headers={"Retry-After": wait})
    site.sitemap("/a.html")

    assert message in reason(take(), "/a.html")
    assert site.requests.count("/a.html") <= 3
    assert sum(time.waits) < 60


def test_a_dropped_connection_is_tried_again(site, take) -> None:
    site.routes["/a.html"] = [lambda handler: None, Response(b"A")]
    site.routes["/b.html"] = lambda handler: None
    site.sitemap("/a.html", "/b.html")

    report = take()

    assert states(report) == {"/a.html": "fetched", "/b.html": "failed"}
    assert site.requests.count("/b.html") == 3


# Bodies


def test_a_page_above_the_limit_fails(site, take) -> None:
    site.routes["/said.html"] = Response(b"x" * 10_001)

    def unsaid(handler) -> None:
        head(handler, Transfer_Encoding="chunked")
        for _ in range(100):
            handler.wfile.write(b"3e8\r\n" + b"x" * 1000 + b"\r\n")

    site.routes["/unsaid.html"] = unsaid
    site.routes["/fits.html"] = Response(b"x" * 10_000)
    site.sitemap("/said.html", "/unsaid.html", "/fits.html")

    report = take(limits={"page_bytes": 10_000})

    assert states(report) == {"/said.html": "failed", "/unsaid.html": "failed", "/fits.html": "fetched"}
    assert reason(report, "/said.html") == reason(report, "/unsaid.html") == "is larger than 0.01 MB, the limit for it"


def test_an_endless_body_is_cut(site, take) -> None:
    sent = []

    def endless(handler) -> None:
        head(handler, Connection="close")
        while not site.closing.is_set():
            handler.wfile.write(b"x" * 65_536)
            sent.append(65_536)

    site.routes["/a.html"] = endless
    site.sitemap("/a.html")

    assert "larger than 1 MB" in reason(take(limits={"page_bytes": 1_000_000}), "/a.html")
    assert sum(sent) < 50_000_000


def gzip_bomb(size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    block = b"\0" * 1_000_000
    return b"".join([*(packer.compress(block) for _ in range(size // len(block))), packer.flush()])


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP"])
def test_a_gzip_bomb_is_unpacked_no_further_than_the_limit(site, take, encoding) -> None:
    bomb = gzip_bomb(50_000_000)
    assert len(bomb) < 100_000
    site.routes["/a.html"] = Response(bomb, headers={"Content-Encoding": encoding})
    site.sitemap("/a.html")
    began = real_time.perf_counter()

    assert "larger than 1 MB" in reason(take(limits={"page_bytes": 1_000_000}), "/a.html")
    assert real_time.perf_counter() - began < 2


def test_no_piece_of_unpacked_data_is_larger_than_the_limit() -> None:
    pieces = list(gunzip([gzip_bomb(10_000_000)], limit=1000))

    assert sum(map(len, pieces)) == 1001


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "zstd", "deflate", "identity, gzip"])
def test_encodings_that_were_not_asked_for_fail(site, take, encoding) -> None:
    site.routes["/a.html"] = Response(
        gzip.compress(gzip.compress(b"x", mtime=0)), headers={"Content-Encoding": encoding}
    )
    site.sitemap("/a.html")

    assert "not asked for" in reason(take(), "/a.html")
    assert site.headers[-1]["Accept-Encoding"] == "gzip"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (gzip.compress(b"page", mtime=0)[:-6], "incomplete"),
        (b"no gzip at all", "damaged"),
        (gzip.compress(b"", mtime=0) * 5000, "too many parts"),
    ],
)
def test_damaged_compression_fails(site, take, body, message) -> None:
    site.routes["/a.html"] = Response(body, headers={"Content-Encoding": "gzip"})
    site.sitemap("/a.html")

    assert message in reason(take(), "/a.html")


def test_packed_data_that_unpacks_to_nothing_is_counted_as_sent(site, take) -> None:
    def empty_blocks(handler) -> None:
        head(handler, Content_Encoding="gzip", Connection="close")
        handler.wfile.write(b"\x1f\x8b\x08\0\0\0\0\0\0\x03")
        while not site.closing.is_set():
            handler.wfile.write(b"\0\0\0\xff\xff" * 10_000)

    site.routes["/a.html"] = empty_blocks
    site.sitemap("/a.html")

    assert "larger than" in reason(take(limits={"page_bytes": 500_000}), "/a.html")


def test_compressed_pages_are_stored_unpacked(site, take, tmp_path) -> None:
    site.routes["/a.html"] = Response(
        gzip.compress(b"<p>a", mtime=0) + gzip.compress(b"<p>b"), headers={"Content-Encoding": "gzip"}
    )

    [page] = take("/a.html").pages

    assert (tmp_path / "mirror" / page.path).read_bytes() == b"<p>a<p>b"


@pytest.mark.parametrize(
    ("length", "state", "stored"),
    [("100", "failed", None), ("4", "fetched", b"<h1>"), ("-1", "failed", None), ("4, 5", "failed", None)],
)
def test_a_wrong_content_length(site, take, tmp_path, length, state, stored) -> None:
    def lie(handler) -> None:
        head(handler, Content_Length=length)
        handler.wfile.write(b"<h1>Title</h1>")

    site.routes["/a.html"] = lie
    site.pages(b="B")
    site.sitemap("/a.html", "/b.html")

    report = take()

    assert states(report) == {"/a.html": state, "/b.html": "fetched"}
    if stored is not None:
        assert (tmp_path / "mirror" / report.pages[0].path).read_bytes() == stored


def test_what_is_no_http_fails(site, take) -> None:
    site.routes["/a.html"] = lambda handler: handler.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n")
    site.routes["/b.html"] = lambda handler: handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000)
    site.routes["/c.html"] = Response(status=204)
    site.routes["/d.html"] = Response(b"part", status=206)
    site.sitemap("/a.html", "/b.html", "/c.html", "/d.html")

    report = take()

    assert set(states(report).values()) == {"failed"}
    assert "no response" in reason(report, "/a.html")
    assert "broken response" in reason(report, "/b.html")
    assert reason(report, "/d.html") == "answers 206 Partial Content"
