from __future__ import annotations

import gzip
import time

import pytest

from tercet.ingestion.web.failures import PageError
from tercet.ingestion.web.listings import Listing, html_links, markdown_links, read_listing
from tercet.ingestion.web.urls import parse_url
from tests.ingestion.web.server import sitemapindex, urlset

LLMS = """# Example

> Documentation of Example.

Some words.

## Docs

- [Keys](https://docs.example.com/keys.md): how to rotate them
- [Limits](/limits.md)

## Optional

- [Changes](changes.md): what is new
"""


def read(body: bytes, kind: str = "", name: str = "sitemap.xml", limit: int = 1_000_000) -> Listing | None:
    return read_listing(parse_url(f"https://docs.example.com/{name}"), {"content-type": kind}, body, limit=limit)


@pytest.mark.parametrize("kind", ["application/xml", "text/xml; charset=utf-8", "text/plain", "text/html", ""])
def test_a_sitemap_is_told_by_its_content(kind: str) -> None:
    listing = read(urlset("https://h.example/a", " https://h.example/b?x=1&amp;y=2 "), kind, name="anything")

    assert listing == Listing(kind="sitemap", urls=("https://h.example/a", "https://h.example/b?x=1&y=2"))


def test_an_index_names_sitemaps() -> None:
    assert read(sitemapindex("https://h.example/s1.xml")) == Listing(kind="index", urls=("https://h.example/s1.xml",))


def test_images_and_alternates_in_a_sitemap_are_no_pages() -> None:
    body = b"""<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:image="http://example.com/image"
      xmlns:xhtml="http://www.w3.org/1999/xhtml"><url><loc><![CDATA[https://h.example/a]]></loc>
      <image:image><image:loc>https://h.example/a.png</image:loc></image:image><image:loc>x</image:loc>
      <xhtml:link rel="alternate" href="https://h.example/de/a"/><lastmod>2026-01-01</lastmod></url></urlset>"""

    assert read(body) == Listing(kind="sitemap", urls=("https://h.example/a",))


def test_compressed_utf16_and_prefixed_sitemaps_are_read() -> None:
    plain = urlset("https://h.example/a")
    prefixed = b'<s:urlset xmlns:s="http://x"><s:url><s:loc>https://h.example/a</s:loc></s:url></s:urlset>'
    wide = plain.decode().replace('?xml version="1.0"', '?xml version="1.0" encoding="UTF-16"').encode("utf-16")

    expected = Listing(kind="sitemap", urls=("https://h.example/a",))
    assert read(gzip.compress(plain), "application/gzip") == expected
    assert read(gzip.compress(plain), "application/octet-stream") == expected
    assert read(prefixed) == expected
    assert read(wide, "application/xml") == expected


def test_a_plain_text_sitemap_is_nothing_but_urls() -> None:
    text = b"\xef\xbb\xbfhttps://h.example/a\r\n\r\nhttps://h.example/b\r\n"

    assert read(text, "text/plain") == Listing(kind="sitemap", urls=("https://h.example/a", "https://h.example/b"))
    assert read(text + b"and more", "text/plain") is None


def test_llms_txt_is_a_list_of_links_whatever_its_name() -> None:
    links = ("https://docs.example.com/keys.md", "/limits.md", "changes.md")

    assert read(LLMS.encode(), "text/plain", "llms.txt") == Listing(kind="links", urls=links)
    assert read(LLMS.encode(), "text/markdown", "llms-small.txt") == Listing(kind="links", urls=links)


def test_full_text_behind_the_name_llms_full_is_a_page() -> None:
    assert read((LLMS + "\nRotate [keys](k.md) each quarter.\n").encode(), "text/plain", "llms-full.txt") is None


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<!doctype html><title>x</title><a href='/'>", "text/html"),
        (b'<?xml version="1.0"?><!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml"/>', "application/xhtml+xml"),
        (b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"/>', "text/html"),
        (b"# Keys\n\nRotate them.\n", "text/markdown"),
        (LLMS.encode(), "text/markdown"),
        (b"%PDF-1.7 https://", "application/pdf"),
        (b"", "text/plain"),
        (b" " * 100_000, "text/html"),
    ],
)
def test_pages_are_no_listings(body: bytes, kind: str) -> None:
    assert read(body, kind, "page.md") is None


def laughs(depth: int = 9) -> bytes:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, depth))
    return (
        f'<?xml version="1.0"?><!DOCTYPE urlset [<!ENTITY l0 "ha">{entities}]>'
        f"<urlset><url><loc>https://h.example/&l{depth - 1};</loc></url></urlset>"
    ).encode()


EXTERNAL = b'<?xml version="1.0"?><!DOCTYPE urlset [<!ENTITY x SYSTEM "file:///etc/passwd">]><urlset><url><loc>&x;</loc></url></urlset>'


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(laughs(), "document type", id="billion laughs"),
        pytest.param(EXTERNAL, "document type", id="external entity"),
        pytest.param(
            b'<?xml version="1.0"?><!DOCTYPE urlset SYSTEM "http://127.0.0.1:9/x.dtd"><urlset/>',
            "document type",
            id="external document type",
        ),
        pytest.param(b"<urlset>" + b"<url>" * 100_000, "no well-formed", id="depth"),
        pytest.param(b"<urlset><url><loc>https://h.example/a</loc>", "no well-formed", id="cut off"),
        pytest.param(b'<?xml version="1.0"?><rss/>', "no sitemap", id="feed"),
        pytest.param(b'<?xml version="1.0" encoding="nonsense"?><urlset/>', "no well-formed", id="encoding"),
        pytest.param(b"<urlset><url " + b'a="1" ' * 50_000 + b"/></urlset>", "no well-formed", id="attributes"),
        pytest.param(gzip.compress(b" " * 2_000_000), "unpacks to more", id="bomb"),
        pytest.param(gzip.compress(urlset("https://h.example/a"))[:-12], "incomplete", id="cut off gzip"),
        pytest.param(b"\x1f\x8bnonsense", "damaged", id="damaged gzip"),
        pytest.param(gzip.compress(b"") * 5_000, "too many parts", id="many members"),
        pytest.param(urlset(*["https://h.example/a"] * 50_001), "more than 50,000", id="many"),
        pytest.param(b"https://h.example/a\n" * 50_001, "more than 50,000", id="many lines"),
    ],
)
def test_hostile_lists_fail_with_a_reason_and_soon(body: bytes, reason: str) -> None:
    began = time.perf_counter()
    with pytest.raises(PageError, match=reason):
        read(body)
    assert time.perf_counter() - began < 2


def test_links_of_html_are_read_to_the_damage() -> None:
    body = '<base href="/v2/"><base href="/v3/"><p><a href="a.html">a</a><a name="x">b</a>'
    body += '<A HREF="é?x=1&amp;y=2">c<a href="d'

    assert html_links(body.encode()) == ("/v2/", ("a.html", "é?x=1&y=2"))
    assert html_links(b"") == ("", ())
    assert html_links(b"\x00\xff\xfe") == ("", ())


def test_hostile_pages_take_no_time() -> None:
    began = time.perf_counter()
    html_links(b"<div>" * 200_000 + b'<a href="x">')
    html_links(b"<a href=x>" * 200_000)
    markdown_links("[" * 500_000)
    markdown_links("[a](" * 200_000)
    markdown_links("[a](b(" * 200_000)
    read(b"- [" * 300_000, "text/plain", "llms.txt")
    read(b"# x\n## y\n- [a](" + b")" * 300_000, "text/plain", "x.txt")
    assert time.perf_counter() - began < 5
