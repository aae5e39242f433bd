"""Relative dates are resolved against the event time, the text stays (part of S1.30)."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercet.memory.episodes.dates import resolve_dates

WEDNESDAY = datetime(2024, 5, 8, 23, 30, tzinfo=UTC)

CASES = [
    ("yesterday", "2024-05-07"),
    ("Yesterday evening", "2024-05-07"),
    ("today", "2024-05-08"),
    ("this morning", "2024-05-08"),
    ("last night", "2024-05-07"),
    ("tomorrow", "2024-05-09"),
    ("the day before yesterday", "2024-05-06"),
    ("the day after tomorrow", "2024-05-10"),
    ("last week", "2024-04-29 to 2024-05-05"),
    ("this week", "2024-05-06 to 2024-05-12"),
    ("next week", "2024-05-13 to 2024-05-19"),
    ("last month", "2024-04-01 to 2024-04-30"),
    ("next month", "2024-06-01 to 2024-06-30"),
    ("last year", "2023-01-01 to 2023-12-31"),
    ("next year", "2025-01-01 to 2025-12-31"),
    ("last Monday", "2024-05-06"),
    ("last Wednesday", "2024-05-01"),
    ("last Friday", "2024-05-03"),
    ("next Monday", "2024-05-13"),
    ("this Friday", "2024-05-10"),
    ("on Friday", "2024-05-10"),
    ("on Wednesday", "2024-05-08"),
    ("3 days ago", "2024-05-05"),
    ("two weeks ago", "2024-04-24"),
    ("a month ago", "2024-04-08"),
    ("3  months\nago", "2024-02-08"),
    ("an year ago", "2023-05-08"),
    ("in 10 days", "2024-05-18"),
    ("in a week", "2024-05-15"),
    ("in two years", "2026-05-08"),
    ("gestern", "2024-05-07"),
    ("vorgestern", "2024-05-06"),
    ("übermorgen", "2024-05-10"),
    ("letzte Woche", "2024-04-29 to 2024-05-05"),
    ("nächsten Monat", "2024-06-01 to 2024-06-30"),
    ("letzten Freitag", "2024-05-03"),
    ("vor drei Tagen", "2024-05-05"),
    ("vor einem Jahr", "2023-05-08"),
    ("in 2 Wochen", "2024-05-22"),
    ("am Freitag", "2024-05-10"),
]


@pytest.mark.parametrize(("words", "meaning"), CASES)
def test_a_relative_date_is_resolved_where_it_stands(words: str, meaning: str) -> None:
    text = f"We spoke of it {words}, I think."

    (mention,) = resolve_dates(text, WEDNESDAY)

    assert text[mention.start : mention.end] == words
    assert str(mention) == meaning


@pytest.mark.parametrize(
    "text",
    [
        "It may rain",
        "The sun is out",
        "Call 30 or 90",
        "the last one",
        "next door",
        "Guten Morgen",
        "days ago",
        "yesterdays",
        "on mondays",
        "12345 days ago",
        "in 9999 years",
        "the next best thing",
    ],
)
def test_what_names_no_certain_day_stays_unresolved(text: str) -> None:
    assert resolve_dates(text, WEDNESDAY) == ()


def test_without_an_event_time_nothing_is_guessed() -> None:
    assert resolve_dates("yesterday", None) == ()


def test_the_day_is_that_of_the_speaker() -> None:
    in_auckland = WEDNESDAY.astimezone(timezone(timedelta(hours=12)))

    assert [str(one) for one in resolve_dates("today", in_auckland)] == ["2024-05-09"]


def test_the_end_of_a_month_is_its_last_day() -> None:
    assert str(resolve_dates("a month ago", datetime(2024, 3, 31, tzinfo=UTC))[0]) == "2024-02-29"


@given(st.text(st.sampled_from("in 1aogdysvxrt\n0"), max_size=60), st.datetimes(timezones=st.just(UTC)))
def test_mentions_are_spans_in_order_and_never_overlap(text: str, said_at: datetime) -> None:
    found = resolve_dates(text, said_at)

    assert all(0 <= one.start < one.end <= len(text) and one.first <= one.last for one in found)
    assert all(one.end <= two.start for one, two in pairwise(found))


def test_hostile_text_takes_linear_time() -> None:
    started = time.perf_counter()
    for piece in ("in 1 ", "last ", "vor " + " " * 50, "the day before "):
        resolve_dates(piece * 20_000, WEDNESDAY)
    assert time.perf_counter() - started < 5
