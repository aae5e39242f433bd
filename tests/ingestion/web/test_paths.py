from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tercet.ingestion.sources import SKIPPED_FOLDERS
from tercet.ingestion.web.failures import PageError
from tercet.ingestion.web.paths import page_path
from tercet.ingestion.web.urls import Url, parse_url

CASES = [
    "https://h.example/",
    "https://h.example/index.html",
    "https://h.example/index",
    "https://h.example/index~.html",
    "https://h.example/guide",
    "https://h.example/guide/",
    "https://h.example/guide.html",
    "https://h.example/guide.html/",
    "https://h.example/guide.html/x",
    "https://h.example/Guide",
    "https://h.example/guide/?",
    "https://h.example/guide/?a=1",
    "https://h.example/guide/?a=2",
    "https://h.example/guide?a=1",
    "https://h.example/guide%3Fa=1",
    "https://h.example/guide//",
    "https://h.example//guide/",
    "https://h.example/guide%2F",
    "https://h.example/.git/config",
    "https://h.example/.html",
    "https://h.example/node_modules/a",
    "https://h.example/con",
    "https://h.example/aux.html",
    "https://h.example/nul.x/",
    "https://h.example/a.",
    "https://h.example/a%20",
    "https://h.example/a:b",
    "https://h.example/%00",
    "https://h.example/%C3%A9",
    "https://h.example/e%CC%81",
    "https://h.example/" + "a" * 300,
    "https://h.example/" + "a" * 301,
    "https://h.example/" + "a/" * 200,
    "https://h.example/" + "a/" * 201,
    "http://h.example/",
    "http://h.example:8080/",
    "https://h.example:8080/",
    "https://[2606:4700::1]/",
    "https://" + "a" * 60 + "." + "b" * 60 + ".example/",
    "https://" + "a" * 60 + "." + "b" * 60 + ".example.com/",
    "https://con/",
]
SEGMENTS = st.sampled_from(
    [
        "",
        "a",
        "A",
        "a.html",
        "a~",
        "a~.html",
        "index.html",
        "index",
        ".a",
        "con",
        "a%20b",
        "a.md",
        "%7E",
        "v1.2",
        "a" * 90,
    ]
)
URLS = st.builds(
    lambda segments, query: Url("https", "h.example", 443, "/" + "/".join(segments), query),
    st.lists(SEGMENTS, min_size=1, max_size=4),
    st.sampled_from(["", "", "a", "A", "a=1"]),
)


def _fit_for_all_file_systems(path: str) -> None:
    assert len(path) <= 240
    assert path == path.lower()
    for segment in path.split("/"):
        assert re.fullmatch(r"[a-z0-9_~][a-z0-9._~-]*", segment)
        assert not segment.endswith(".")
        assert segment.partition(".")[0] not in ("con", "nul", "aux", "prn")
        assert segment not in SKIPPED_FOLDERS


def test_different_urls_have_different_files_that_every_file_system_takes() -> None:
    urls = {parse_url(text) for text in CASES}
    paths = {url: page_path(url, ".html") for url in urls}

    assert len(set(paths.values())) == len(urls)
    for path in paths.values():
        _fit_for_all_file_systems(path)
    folders = {parent for path in paths.values() for parent in _parents(path)}
    assert not folders & set(paths.values())


@settings(max_examples=300)
@given(st.lists(URLS, min_size=2, max_size=2, unique=True), st.sampled_from([".html", ".md"]))
def test_two_urls_never_share_a_file_or_block_each_other(urls: list[Url], suffix: str) -> None:
    one, two = (page_path(url, suffix) for url in urls)

    assert one != two
    assert one not in _parents(two)
    assert two not in _parents(one)
    _fit_for_all_file_systems(one)


@given(st.text(max_size=80))
def test_no_url_leads_out_of_the_folder(text: str) -> None:
    try:
        url = parse_url(text, parse_url("https://h.example/a/b/"))
    except PageError:
        return
    _fit_for_all_file_systems(page_path(url, ".html").replace(url.host, "h", 1))


@pytest.mark.parametrize(
    ("url", "suffix", "path"),
    [
        ("https://h.example/", ".html", "h.example/index.html"),
        ("https://h.example/guide/", ".html", "h.example/guide/index.html"),
        ("https://h.example/guide/keys.html", ".html", "h.example/guide/keys.html"),
        ("https://h.example/guide/keys", ".html", "h.example/guide/keys~.html"),
        ("https://h.example/keys.md", ".md", "h.example/keys.md"),
        ("https://h.example/keys.md", ".html", "h.example/keys.md~.html"),
        ("https://h.example/v1.2/", ".html", "h.example/v1.2/index.html"),
        ("http://h.example:8000/", ".html", "h.example~http~8000/index.html"),
    ],
)
def test_usual_urls_keep_their_names(url: str, suffix: str, path: str) -> None:
    assert page_path(parse_url(url), suffix) == path


def _parents(path: str) -> set[str]:
    parts = path.split("/")
    return {"/".join(parts[:count]) for count in range(1, len(parts))}
