"""How the words of filter options become filters."""

from __future__ import annotations

from datetime import date

import pytest

from tercet.cli.options import document_filter
from tercet.errors import InputError
from tercet.records import DocumentFilter


def test_no_options_filter_nothing() -> None:
    assert document_filter() == DocumentFilter()


def test_all_options_together() -> None:
    filters = document_filter(
        corpus=["docs", "handbook"],
        version="2.1",
        tenant="acme",
        where=["team=support"],
        ranges=["year=2020..2024"],
        paths=["guide/**"],
        as_of="2024-06-30",
    )

    assert filters == DocumentFilter(
        corpus=("docs", "handbook"),
        version="2.1",
        tenant="acme",
        equals={"team": ["support"]},
        ranges={"year": (2020, 2024)},
        paths=("guide/**",),
        as_of=date(2024, 6, 30),
    )


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("year=2024", ["2024", 2024]),
        ("ratio=0.5", ["0.5", 0.5]),
        ("draft=true", ["true", True]),
        ("formula=a=b", ["a=b"]),
        ("empty=", [""]),
    ],
)
def test_a_value_may_be_text_or_what_it_looks_like(text: str, values: list[object]) -> None:
    (found,) = document_filter(where=[text]).equals.values()

    assert found == values


def test_a_key_given_twice_means_either_value() -> None:
    assert document_filter(where=["team=a", "team=b"]).equals == {"team": ["a", "b"]}


@pytest.mark.parametrize(
    ("text", "bounds"),
    [("n=1..", (1, None)), ("n=..2.5", (None, 2.5)), ("n=-3..-1", (-3, -1)), ("n=1e3..", (1000, None))],
)
def test_either_bound_of_a_range_may_be_left_out(text: str, bounds: tuple[float | None, float | None]) -> None:
    assert document_filter(ranges=[text]).ranges == {"n": bounds}


@pytest.mark.parametrize("text", ["n", "n=", "n=1", "n=..", "=1..2", "n=a..b"])
def test_a_malformed_range_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InputError, match="is not of the form") as caught:
        document_filter(ranges=[text])

    assert "--range year=2020..2024" in caught.value.remedy


@pytest.mark.parametrize("group", ["", "memory", "runs", "approvals", "effects", "eval"])
def test_what_a_command_does_is_told_in_a_whole_sentence_where_commands_are_listed(run, group: str) -> None:
    listed = run(*group.split(), "--help").out.partition("Commands:")[2]

    assert listed
    assert [line for line in listed.splitlines() if line.endswith("...")] == []
