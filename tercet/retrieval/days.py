"""Days and months that a question names: "on 13 October 2023", "in May", "last week", "20240506"."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date, timedelta
from typing import TYPE_CHECKING, NamedTuple

from tercet.memory.episodes.dates import resolve_dates

if TYPE_CHECKING:
    from datetime import datetime

Span = tuple[date, date]

_MONTHS = {
    name: number
    for names in (
        "january february march april may june july august september october november december",
        "januar februar märz april mai juni juli august september oktober november dezember",
    )
    for number, name in enumerate(names.split(), 1)
}
_MONTH = f"(?P<month>{'|'.join(_MONTHS)})"
_YEAR = r"(?P<year>(?:19|20)\d\d)"
_FORMS = tuple(
    re.compile(rf"(?<!\w){form}(?!\w)", re.IGNORECASE)
    for form in (
        rf"{_YEAR}(?P<mark>[-/]?)(?P<number>[01]\d)(?P=mark)(?P<day>[0-3]\d)",
        rf"(?P<day>\d{{1,2}})(?:st|nd|rd|th|\.)?\ (?:of\ )?{_MONTH}(?:,?\ {_YEAR})?",
        rf"{_MONTH}\ (?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?:,?\ {_YEAR})?",
        rf"{_MONTH},?\ {_YEAR}",
        rf"(?:in|im|during|since|seit)\ {_MONTH}",
    )
)


class Dated(NamedTuple):
    """The spans of days that a query names, both ends included, and the query without them."""

    spans: tuple[Span, ...]
    rest: str


def named_days(query: str, now: datetime) -> Dated:
    """Find the days and months that a query names. Without a year the latest one that is not ahead is meant.

    Example:
        >>> from datetime import datetime
        >>> [str(day) for day in named_days("Who called on May 6?", datetime(2025, 1, 1)).spans[0]]
        ['2024-05-06', '2024-05-06']
    """
    found: list[tuple[int, int, Span]] = [
        (mention.start, mention.end, (mention.first, mention.last)) for mention in resolve_dates(query, now)
    ]
    for form in _FORMS:
        for match in form.finditer(query):
            if all(match.end() <= start or end <= match.start() for start, end, _ in found) and (
                span := _span(match, now.date())
            ):
                found.append((match.start(), match.end(), span))
    rest, position = [], 0
    for start, end, _ in sorted(found):
        rest.append(query[position:start])
        position = end
    text = " ".join("".join([*rest, query[position:]]).split()) if found else query
    return Dated(tuple(span for _, _, span in sorted(found)), text)


def _span(match: re.Match[str], today: date) -> Span | None:
    """What a match means; None for what is no day of the calendar."""
    parts = match.groupdict()
    month = int(parts["number"]) if parts.get("number") else _MONTHS[parts["month"].casefold()]
    day = int(parts["day"]) if parts.get("day") else None
    years = [int(parts["year"])] if parts.get("year") else range(today.year, max(today.year - 9, 0), -1)
    for year in years:
        try:
            first = date(year, month, day or 1)
            last = first if day else date(year, month, monthrange(year, month)[1])
        except ValueError:  # February 29 is in one year of four
            continue
        if parts.get("year") or first <= today:
            return first, last
    return None


def lies_in(day: date, spans: tuple[Span, ...]) -> bool:
    """Whether a day lies in one of the spans, or on the day after: much is told on the next day."""
    return any(first <= day <= last or day == last + timedelta(days=1) for first, last in spans if last < date.max)
