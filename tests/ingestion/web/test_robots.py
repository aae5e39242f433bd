from __future__ import annotations

import time

import pytest

from tercet.ingestion.web.robots import parse_robots


def allows(text: str, target: str, agent: str = "tercet/0.1 (+documentation ingestion)") -> bool:
    return parse_robots(text, agent).allows(target)


@pytest.mark.parametrize(
    ("rules", "target", "allowed"),
    [
        ("Disallow: /private", "/private/a", False),
        ("Disallow: /private", "/privateer", False),
        ("Disallow: /private/", "/private", True),
        ("Disallow:", "/anything", True),
        ("Disallow: /", "/", False),
        ("Disallow: /", "/robots.txt", True),
        ("Disallow: /a\nAllow: /a/b", "/a/b/c", True),
        ("Allow: /a\nDisallow: /a", "/a", True),
        ("Allow: /\nDisallow: /a", "/a", False),
        ("Disallow: /*.pdf$", "/x/y.pdf", False),
        ("Disallow: /*.pdf$", "/x/y.pdf?a", True),
        ("Disallow: /a*b*c", "/a-b-c-d", False),
        ("Disallow: /a*b*c", "/a-c-b", True),
        ("Disallow: /a*a$", "/a", True),
        ("Disallow: *?", "/x?y", False),
        ("Disallow: /x$", "/xy", True),
        ("Disallow: private", "/private", False),
        ("Disallow: /caf%C3%A9", "/caf%C3%A9/", False),
        ("Disallow: /café", "/caf%C3%A9/", False),
        ("Disallow: /%7euser", "/~user", False),
        ("Disallow: /a # but why", "/a", False),
        ("DISALLOW : /a", "/a", False),
    ],
)
def test_rules_match_as_rfc_9309_says(rules: str, target: str, allowed: bool) -> None:
    assert allows(f"User-agent: *\n{rules}\n", target) is allowed


def test_the_group_that_names_the_crawler_replaces_the_one_for_all() -> None:
    text = "User-agent: *\nDisallow: /\n\nUser-Agent: Tercet\nDisallow: /a\n"

    assert allows(text, "/b")
    assert not allows(text, "/a")
    assert not allows(text, "/b", agent="other/1.0")


def test_groups_of_one_crawler_are_merged_and_lists_of_agents_share_rules() -> None:
    text = (
        "User-agent: tercet\nUser-agent: other\nDisallow: /a\nSitemap: https://h.example/s.xml\n"
        "User-agent: x\nDisallow: /\nUser-agent: tercet/2.0\nDisallow: /b\n"
    )

    assert [allows(text, path) for path in ("/a", "/b", "/c")] == [False, False, True]


def test_an_own_group_without_rules_allows_everything() -> None:
    assert allows("User-agent: *\nDisallow: /\n\nUser-agent: tercet\nDisallow:\n", "/a")


def test_a_longer_name_is_another_crawler() -> None:
    assert allows("User-agent: tercetbot\nDisallow: /\n", "/a")


@pytest.mark.parametrize(("value", "seconds"), [("2", 2), ("0.5", 0.5), ("-1", 0), ("nan", 0), ("inf", 0), ("x", 0)])
def test_crawl_delay(value: str, seconds: float) -> None:
    assert parse_robots(f"User-agent: *\nCrawl-delay: {value}", "tercet").delay_s == seconds


@pytest.mark.parametrize("text", ["", "\x00\xff", "<html><body>Not found</body></html>", "Disallow: /", ":\n:::\n"])
def test_what_is_no_robots_file_allows_everything(text: str) -> None:
    assert allows(text, "/a")


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"User-agent: a{n}\n" for n in range(20_000)) + "".join(f"Disallow: /{n}\n" for n in range(20_000)),
        "User-agent: *\nUser-agent: tercet\n" * 10_000 + "Disallow: /a\n" * 20_000,
        "User-agent: *\nDisallow: /" + "*a" * 250_000 + "*b\n",
        "User-agent: *\n" + ("Disallow: /" + "*a" * 1000 + "*b\n") * 250,
    ],
    ids=["groups", "repeated", "stars", "many stars"],
)
def test_hostile_files_take_linear_time(text: str) -> None:
    began = time.perf_counter()

    parse_robots(text[: 512 * 1024], "tercet").allows("/" + "a" * 2000)

    assert time.perf_counter() - began < 2
