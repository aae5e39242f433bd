from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercet.ingestion.web.failures import PageError
from tercet.ingestion.web.urls import parse_url

BASE = parse_url("https://docs.example.com/guide/intro.html?v=1")


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("HTTPS://Docs.EXAMPLE.com:443", "https://docs.example.com/"),
        ("http://docs.example.com.:80/a", "http://docs.example.com/a"),
        ("http://docs.example.com:8080/a#part", "http://docs.example.com:8080/a"),
        ("https://h.example/a/./b/../c/", "https://h.example/a/c/"),
        ("https://h.example/../../etc/passwd", "https://h.example/etc/passwd"),
        ("https://h.example/a/%2e%2E/b", "https://h.example/b"),
        ("https://h.example/a%2fb/%c3%A9", "https://h.example/a%2Fb/%C3%A9"),
        ("https://h.example/é ü", "https://h.example/%C3%A9%20%C3%BC"),
        ("https://h.example/100%", "https://h.example/100%25"),
        ("https://h.example/?b=2&a=1&q=ä", "https://h.example/?b=2&a=1&q=%C3%A4"),
        ("https://h.example?", "https://h.example/"),
        ("https://h.example/a;p=1,2", "https://h.example/a;p=1,2"),
        ("https://straße.example/", "https://xn--strae-oqa.example/"),
        ("https://[2606:4700:0:0::1]:8443/", "https://[2606:4700::1]:8443/"),
        ("http://192.0.2.1/", "http://192.0.2.1/"),
    ],
)
def test_a_url_has_one_spelling(text: str, normal: str) -> None:
    assert str(parse_url(text)) == normal
    assert str(parse_url(normal)) == normal


@pytest.mark.parametrize(
    ("reference", "target"),
    [
        ("keys.html#rotate", "https://docs.example.com/guide/keys.html"),
        ("../api/", "https://docs.example.com/api/"),
        ("/x", "https://docs.example.com/x"),
        ("?v=2", "https://docs.example.com/guide/intro.html?v=2"),
        ("", "https://docs.example.com/guide/intro.html?v=1"),
        ("//cdn.example.com/y", "https://cdn.example.com/y"),
        ("  keys.html\n", "https://docs.example.com/guide/keys.html"),
    ],
)
def test_a_reference_is_resolved_against_its_page(reference: str, target: str) -> None:
    assert str(parse_url(reference, BASE)) == target


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("file:///etc/passwd", "no http or https"),
        ("ftp://h.example/", "no http or https"),
        ("javascript:alert(1)", "no http or https"),
        ("mailto:a@h.example", "no http or https"),
        ("https://", "no http or https"),
        ("docs.example.com/guide", "no http or https"),
        ("https://user:secret@h.example/", "user name"),
        ("https://user@h.example/", "user name"),
        ("https://@h.example/", "user name"),
        ("https://h.example\\@evil.example/", "backslash"),
        ("https://h.example/a\x00b", "control"),
        ("https://h.example/a\nb", "control"),
        ("https://h.example:99999/", "no valid URL"),
        ("https://h.example:0/", "port 0"),
        ("https://h exam.ple/", "no valid URL"),
        ("https://h%2eexample/", "no valid URL"),
        ("https://[fe80::1%25eth0]/", "no valid URL"),
        ("https://[::1/", "no valid URL"),
        ("http://0x7f.1/", "no valid URL"),
        ("http://2130706433/", "no valid URL"),
        ("http://127.1/", "no valid URL"),
        ("http://0177.0.0.1/", "no valid URL"),
        ("https://h.example/" + "a" * 3000, "longer"),
        ("https://h.example/" + "é" * 500, "longer"),
        ("https://h.example/\ud800", "no valid URL"),
        ("https://" + "ä" * 1500 + ".example/", "no valid URL"),
        ("https://" + "a" * 64 + ".example/", "no valid URL"),
        ("https://a..example/", "no valid URL"),
    ],
)
def test_what_is_no_fit_url_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(PageError, match=reason):
        parse_url(text)


@given(st.text(max_size=60))
def test_any_reference_is_a_normal_url_or_refused(reference: str) -> None:
    try:
        url = parse_url(reference, BASE)
    except PageError:
        return
    assert str(url).isascii()
    assert parse_url(str(url)) == url


def test_hostile_urls_take_no_time() -> None:
    began = time.perf_counter()
    for text in ("https://h.example/" + "../" * 600, "https://" + "1." * 900, "%" * 2000, "https://h/" + "%2" * 1000):
        with contextlib.suppress(PageError):
            parse_url(text, BASE)
    assert time.perf_counter() - began < 1
