from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tercet.errors import ConfigurationError, SourceError
from tercet.ingestion.web import mirror
from tercet.settings import WebLimits
from tests.ingestion.web.server import Response, reason, sitemapindex, states, urlset


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "mirror"


def files(folder: Path) -> list[str]:
    """Of all pages, without the folder of the host."""
    return sorted(path.relative_to(folder).as_posix().partition("/")[2] for path in folder.glob("*/**/*.*"))


def test_the_pages_of_a_sitemap_become_files(site, take, folder) -> None:
    site.pages(a="Keys", b="Limits")
    site.sitemap("/a.html", "/b.html", "/a.html#part")

    report = take()

    assert report.kind == "sitemap"
    assert states(report) == {"/a.html": "fetched", "/b.html": "fetched"}
    assert files(folder) == ["a.html", "b.html"]
    assert (folder / report.pages[0].path).read_bytes() == b"<h1>Keys</h1>"
    assert site.requests == ["/robots.txt", "/sitemap.xml", "/a.html", "/b.html"]


def test_nothing_is_sent_again_that_did_not_change(site, take, folder) -> None:
    site.routes["/tagged.html"] = Response(b"tagged", headers={"ETag": '"1"'})
    site.routes["/plain.html"] = Response(b"plain")
    site.sitemap("/tagged.html", "/plain.html")
    take()
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.html")}

    report = take()

    assert states(report) == {"/tagged.html": "unchanged", "/plain.html": "unchanged"}
    assert site.headers[-2]["If-None-Match"] == '"1"'
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.html")} == before


def test_last_modified_is_sent_back_as_it_came(site, take) -> None:
    site.routes["/a.html"] = Response(b"a", headers={"Last-Modified": "Mon, 02 Mar 2026 10:00:00 GMT"})
    take("/a.html")
    site.routes["/a.html"] = Response(status=304)

    assert states(take("/a.html")) == {"/a.html": "unchanged"}
    assert site.headers[-1]["If-Modified-Since"] == "Mon, 02 Mar 2026 10:00:00 GMT"


def test_a_changed_page_replaces_its_file(site, take, folder) -> None:
    site.routes["/a.html"] = Response(b"old", headers={"ETag": '"1"'})
    site.sitemap("/a.html")
    take()
    site.routes["/a.html"] = Response(b"new", headers={"ETag": '"2"'})

    report = take()

    assert states(report) == {"/a.html": "fetched"}
    assert (folder / report.pages[0].path).read_bytes() == b"new"


@pytest.mark.parametrize("damage", [lambda file: file.unlink(), lambda file: file.write_bytes(b"other")])
def test_a_file_that_is_not_what_was_stored_is_fetched_again(site, take, folder, damage) -> None:
    site.routes["/a.html"] = Response(b"right", headers={"ETag": '"1"'})
    site.sitemap("/a.html")
    [page] = take().pages
    damage(folder / page.path)

    assert states(take()) == {"/a.html": "fetched"}
    assert (folder / page.path).read_bytes() == b"right"


def test_304_to_an_unconditional_request_is_a_failure(site, take) -> None:
    site.routes["/a.html"] = Response(status=304)
    site.sitemap("/a.html")

    assert "304" in reason(take(), "/a.html")


def test_pages_that_vanished_are_gone_only_if_the_server_says_so(site, take, folder) -> None:
    site.pages(stays="1", listed="2", moved="3", gone="4", broken="5", hidden="6")
    site.sitemap(*(f"/{name}.html" for name in ("stays", "listed", "moved", "gone", "broken", "hidden")))
    take()
    site.sitemap("/stays.html", "/listed.html")
    site.routes["/listed.html"] = Response(status=404)
    site.routes["/gone.html"] = Response(status=410)
    site.routes["/broken.html"] = Response(status=500)
    site.routes["/moved.html"] = Response(status=301, headers={"Location": "/new.html"})
    site.routes["/new.html"] = Response(b"3")

    report = take()

    assert states(report) == {
        "/stays.html": "unchanged",
        "/listed.html": "gone",
        "/gone.html": "gone",
        "/broken.html": "failed",
        "/moved.html": "gone",
        "/new.html": "fetched",
        "/hidden.html": "unchanged",
    }
    assert files(folder) == ["broken.html", "hidden.html", "new.html", "stays.html"]
    assert reason(report, "/moved.html") == f"moved to {site.url('/new.html')}"
    assert "/gone.html" not in states(take())


def test_a_redirect_for_the_time_being_takes_nothing_away(site, take, folder) -> None:
    site.pages(a="1", login="Log in")
    site.sitemap("/a.html")
    take()
    site.routes["/a.html"] = Response(status=302, headers={"Location": "/login.html"})

    report = take()

    assert states(report)["/a.html"] == "failed"
    assert "for the time being" in reason(report, "/a.html")
    assert "a.html" in files(folder)


def test_a_missing_page_that_was_never_stored_is_a_failure(site, take) -> None:
    site.sitemap("/nowhere.html")

    assert reason(take(), "/nowhere.html") == "answers 404 Not Found"


def test_two_urls_that_lead_to_one_page_are_stored_once(site, take, folder) -> None:
    site.pages(b="B")
    site.routes["/a.html"] = Response(status=301, headers={"Location": "/b.html"})
    site.sitemap("/a.html", "/b.html")

    report = take()

    assert files(folder) == ["b.html"]
    assert report.pages[0].asked == site.url("/a.html")
    site.sitemap("/b.html", "/a.html")
    assert states(take()) == {"/b.html": "unchanged", "/a.html": "skipped"}


def test_nested_and_compressed_sitemaps(site, take) -> None:
    site.pages(a="1", b="2", c="3")
    site.routes["/index.xml"] = Response(
        sitemapindex(*map(site.url, ("/one.xml.gz", "/two.txt", "/more.xml", "/bad.xml", "/index.xml"))), "text/xml"
    )
    site.routes["/one.xml.gz"] = Response(gzip.compress(urlset(site.url("/a.html"))), "application/x-gzip")
    site.routes["/two.txt"] = Response(site.url("/b.html").encode() + b"\n", "text/plain")
    site.routes["/more.xml"] = Response(sitemapindex(site.url("/three.xml"), site.url("/index.xml")), "text/xml")
    site.routes["/three.xml"] = Response(urlset(site.url("/c.html")), "text/xml")
    site.routes["/bad.xml"] = Response(b"<html>", "text/html")

    report = take("/index.xml")

    assert states(report) == {"/a.html": "fetched", "/b.html": "fetched", "/c.html": "fetched", "/bad.xml": "failed"}
    assert site.requests.count("/index.xml") == 1


def test_sitemaps_nested_without_end_are_cut(site, take) -> None:
    def deeper(handler) -> None:
        body = sitemapindex(site.url(handler.path + "x"), site.url(handler.path + "y"))
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    class Endless(dict):
        def get(self, key, default):
            return default if key == "/robots.txt" else deeper

    site.routes = Endless()

    report = take("/s", limits={"listings": 10})

    assert len(site.requests) < 15
    assert "10 sitemaps" in report.cut_short


def test_links_of_an_llms_txt_are_followed_on_allowed_hosts(site, take) -> None:
    site.routes["/docs/llms.txt"] = Response(
        f"# Docs\n\n## Pages\n\n- [A](a.md): first\n- [B](/b.md)\n- [C](http://other.test:{site.port}/c.md)\n".encode(),
        "text/plain",
    )
    site.routes["/docs/a.md"] = Response(b"# A", "text/markdown")
    site.routes["/b.md"] = Response(b"# B", "text/plain")

    report = take("/docs/llms.txt")

    assert report.kind == "links"
    assert states(report) == {"/docs/a.md": "fetched", "/b.md": "fetched", "/c.md": "failed"}
    assert "other host" in reason(report, "/c.md")


def test_another_host_can_be_allowed(site, take, folder) -> None:
    site.pages(a="A")
    site.routes["/sitemap.xml"] = Response(urlset(f"http://other.test:{site.port}/a.html"), "text/xml")

    report = take(hosts=["Other.test"], resolve=lambda *_: ["127.0.0.1"])

    assert states(report) == {"/a.html": "fetched"}
    assert report.pages[0].path == f"other.test~http~{site.port}/a.html"
    assert site.headers[-1]["Host"] == f"other.test:{site.port}"


def test_llms_full_is_a_page_of_markdown(site, take) -> None:
    site.routes["/llms-full.txt"] = Response(b"# All\n\nRotate [keys](k.md).", "text/plain; charset=utf-8")

    [page] = take("/llms-full.txt").pages

    assert (page.state, page.path.rpartition("/")[2]) == ("fetched", "llms-full.txt~.md")


def test_a_page_is_taken_alone_unless_a_depth_is_given(site, take) -> None:
    site.routes["/docs/"] = Response(b'<a href="a.html">')
    site.routes["/docs/a.html"] = Response(
        b'<a href="b.html#x"><a href="/docs/"><a href="/blog/"><a href="http://other.test/docs/x"><a href="../up.html">'
        b'<a href="javascript:x"><a href="%2e%2e/secret.html">'
    )
    site.routes["/docs/b.html"] = Response(b'<a href="c.html">')
    site.routes["/docs/c.html"] = Response(b"")

    assert states(take("/docs/")) == {"/docs/": "fetched"}
    assert states(take("/docs/", limits={"depth": 1})) == {"/docs/": "unchanged", "/docs/a.html": "fetched"}
    assert list(states(take("/docs/", limits={"depth": 2}))) == ["/docs/", "/docs/a.html", "/docs/b.html"]
    assert list(states(take("/docs/", limits={"depth": 9})))[1:] == [f"/docs/{name}.html" for name in "abc"]


def test_links_of_markdown_pages_are_followed(site, take) -> None:
    site.routes["/docs/a.md"] = Response(
        b"# A\n\nSee [B](b.md) and [C](https://other.example/docs/c.md).", "text/markdown"
    )
    site.routes["/docs/b.md"] = Response(b"# B", "text/markdown")

    report = take("/docs/a.md", limits={"depth": 1})

    assert states(report) == {"/docs/a.md": "fetched", "/docs/b.md": "fetched"}
    assert len(report.of_state("fetched")) == 2


def test_links_are_followed_through_pages_that_did_not_change(site, take) -> None:
    site.routes["/docs/"] = Response(b'<base href="/docs/v2/"><a href="a.html">', headers={"ETag": '"1"'})
    site.routes["/docs/v2/a.html"] = Response(b"# A", "text/markdown")
    take("/docs/", limits={"depth": 1})

    assert states(take("/docs/", limits={"depth": 1})) == {"/docs/": "unchanged", "/docs/v2/a.html": "unchanged"}


def test_the_start_of_a_crawl_is_where_redirects_lead(site, take) -> None:
    site.routes["/"] = Response(status=302, headers={"Location": "/en/latest/"})
    site.routes["/en/latest/"] = Response(b'<a href="a.html"><a href="/other.html">')
    site.pages(other="no")
    site.routes["/en/latest/a.html"] = Response(b"a")

    report = take("/", limits={"depth": 3})

    assert states(report) == {"/en/latest/": "fetched", "/en/latest/a.html": "fetched"}
    assert report.pages[0].asked == site.url("/")


@pytest.mark.parametrize(
    ("name", "kind", "file"),
    [
        ("a", "text/html", "a~.html"),
        ("a.htm", "text/html", "a.htm"),
        ("a", "application/xhtml+xml", "a~.html"),
        ("a", "text/markdown; charset=UTF-8", "a~.md"),
        ("a.markdown", "text/markdown", "a.markdown"),
        ("a", "text/plain", "a~.txt"),
        ("a.rst", "text/plain", "a.rst"),
        ("a.html", "text/plain", "a.html~.txt"),
        ("a.md", "application/octet-stream", "a.md"),
        ("a.md", None, "a.md"),
        ("a", "application/pdf", "a~.pdf"),
        ("a", "image/png", None),
        ("a.html", "application/json", None),
        ("a", None, None),
        ("a.exe", "application/octet-stream", None),
    ],
)
def test_the_content_type_decides_the_suffix(site, take, name, kind, file) -> None:
    site.routes[f"/{name}"] = Response(b"x", kind=kind)
    site.sitemap(f"/{name}")

    [page] = take().pages

    assert (page.state, page.path.rpartition("/")[2]) == (("fetched", file) if file else ("skipped", ""))
    assert file or page.reason


def test_a_charset_that_only_the_response_knows_is_not_lost(site, take, folder) -> None:
    site.routes["/a.html"] = Response("<p>café".encode("latin-1"), "text/html; charset=ISO-8859-1")
    site.routes["/b.html"] = Response("<p>café".encode(), "text/html; charset=ISO-8859-1")
    site.routes["/c.html"] = Response("<p>café".encode(), "text/html; charset=punycode")
    site.sitemap("/a.html", "/b.html", "/c.html")

    paths = [page.path for page in take().pages]

    assert [(folder / path).read_bytes().decode("utf-8-sig") for path in paths] == ["<p>café"] * 3


def test_a_page_that_changes_its_type_changes_its_file(site, take, folder) -> None:
    site.routes["/a"] = Response(b"# A", "text/html")
    site.sitemap("/a")
    take()
    site.routes["/a"] = Response(b"# A", "text/markdown")

    take()

    assert files(folder) == ["a~.md"]


def test_progress_is_told_page_by_page(site, take) -> None:
    site.pages(a="A", b="B")
    site.sitemap("/a.html", "/b.html")
    steps = []

    take(progress=steps.append)

    assert [(step.phase, step.done, step.total, step.item) for step in steps] == [
        ("fetch", 1, 2, site.url("/a.html")),
        ("fetch", 2, 2, site.url("/b.html")),
    ]


def test_an_interrupted_run_keeps_what_it_has(site, take) -> None:
    site.pages(a="A", b="B")
    site.sitemap("/a.html", "/b.html")

    def interrupt(step) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take(progress=interrupt)

    assert states(take()) == {"/a.html": "unchanged", "/b.html": "fetched"}


def test_the_manifest_can_be_read(site, take, folder) -> None:
    site.routes["/a.html"] = Response(b"a", headers={"ETag": '"1"'})
    take("/a.html")

    manifest = json.loads((folder / ".tercet-mirror.json").read_bytes())

    [page] = manifest["pages"]
    assert (manifest["format"], manifest["source"]) == (1, site.url("/a.html"))
    assert (page["url"], page["etag"]) == (site.url("/a.html"), '"1"')


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:-9], "is damaged"),
        (lambda text: "[" * 100_000, "is damaged"),
        (lambda text: text.replace('"format": 1', '"format": 2'), "has format 2"),
        (lambda text: text.replace("a.html", "b.html", 1), "is the mirror of"),
        (lambda text: text.replace('"path": "', '"path": "../'), "is damaged"),
        (lambda text: text.replace('"path"', '"place"'), "is damaged"),
    ],
    ids=["cut", "deep", "newer", "other", "outside", "unknown"],
)
def test_a_manifest_that_cannot_be_trusted_is_refused(site, take, folder, change, message) -> None:
    site.pages(a="A")
    take("/a.html")
    file = folder / ".tercet-mirror.json"
    file.write_text(change(file.read_text()))

    with pytest.raises(SourceError, match=message):
        take("/a.html")


def test_a_folder_with_other_files_is_refused(site, take, folder) -> None:
    folder.mkdir()
    (folder / "thesis.md").write_text("mine")

    with pytest.raises(SourceError, match="no mirror of a site"):
        take()
    assert site.requests == []


def test_a_folder_is_free_after_a_start_that_failed(site, take, folder) -> None:
    site.pages(a="A")
    with pytest.raises(SourceError, match="answers 404 Not Found"):
        take("/typo.html")

    assert states(take("/a.html")) == {"/a.html": "fetched"}


def test_a_start_that_fails_removes_nothing(site, take, folder) -> None:
    site.pages(a="A")
    site.sitemap("/a.html")
    take()
    del site.routes["/sitemap.xml"]

    with pytest.raises(SourceError, match=r"sitemap\.xml answers 404"):
        take()
    assert files(folder) == ["a.html"]


@pytest.mark.parametrize("hosts", [["a b"], ["h.example/x"], ["h.example:8080"], [""], ["u@h.example"]])
def test_malformed_hosts_are_refused(take, hosts) -> None:
    with pytest.raises(ConfigurationError, match="no host"):
        take(hosts=hosts)


def test_the_user_agent_names_tercet_unless_told_otherwise(site, take) -> None:
    site.pages(a="A")
    take("/a.html")
    assert site.headers[-1]["User-Agent"].startswith("tercet/")

    take("/a.html", user_agent="acme-docs/2")
    assert site.headers[-1]["User-Agent"] == "acme-docs/2"
    with pytest.raises(ConfigurationError, match="user_agent"):
        take("/a.html", user_agent="x\r\nCookie: y")


@pytest.mark.parametrize("limits", [{"pages": 0}, {"depth": -1}, {"requests_per_second": 0}, {"total_s": 0}])
def test_limits_that_allow_nothing_are_refused(limits) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(limits))):
        WebLimits(**limits)


@pytest.mark.parametrize("url", ["docs/", "file:///etc/passwd", "https://u:p@h.example/", "https://h.example:x/"])
def test_what_is_no_web_address_is_refused(tmp_path, url) -> None:
    with pytest.raises(SourceError, match="Check the URL"):
        mirror(url, tmp_path / "mirror")
    assert not (tmp_path / "mirror").exists()
