"""Dates that a text names relative to when it was said: "yesterday", "last week", "in 3 days", "am Freitag".

English and German, a closed list of forms, no guessing: what is not in the list stays as it is. The day is that of the
time zone in which the event time was given. Weeks begin on Monday. A weekday without more ("on Friday") is the next one
from the day of speaking on; where the words around tell nothing of past or future, that is the common reading.

A library such as dateparser resolves far more, at the price of guesses ("may", "sun" and plain numbers become dates)
and of four more dependencies; what is stored with a memory for good should rather be missing than wrong.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from tercet.memory.episodes.records import DateMention

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Span = tuple[date, date]

_DAYS = {
    "today": 0, "tonight": 0, "this morning": 0, "this afternoon": 0, "this evening": 0, "yesterday": -1,
    "last night": -1, "yesterday morning": -1, "yesterday evening": -1, "tomorrow": 1, "tomorrow morning": 1,
    "tomorrow evening": 1, "the day before yesterday": -2, "the day after tomorrow": 2,
    "heute": 0, "heute morgen": 0, "heute früh": 0, "heute abend": 0, "gestern": -1, "gestern abend": -1,
    "vorgestern": -2, "übermorgen": 2, "morgen früh": 1, "morgen abend": 1,
}  # fmt: skip
_WEEKDAYS = {
    name: number
    for names in (
        "monday tuesday wednesday thursday friday saturday sunday",
        "montag dienstag mittwoch donnerstag freitag samstag sonntag",
    )
    for number, name in enumerate(names.split())
}
_UNITS = {
    "day": "day", "days": "day", "tag": "day", "tage": "day", "tagen": "day", "week": "week", "weeks": "week",
    "woche": "week", "wochen": "week", "month": "month", "months": "month", "monat": "month", "monate": "month",
    "monaten": "month", "year": "year", "years": "year", "jahr": "year", "jahre": "year", "jahren": "year",
}  # fmt: skip
_NUMBERS = {
    name: number
    for names in (
        "a two three four five six seven eight nine ten",
        "one zwei drei vier fünf sechs sieben acht neun zehn",
    )
    for number, name in enumerate(names.split(), 1)
} | dict.fromkeys(("an", "ein", "eine", "einem", "einer", "einen"), 1)  # fmt: skip
_SHIFTS = (
    dict.fromkeys(("last", "previous", "letzte", "letzten", "letzter", "letztes", "vorige", "vorigen", "voriges"), -1)
    | dict.fromkeys(("this", "diese", "diesen", "dieser", "dieses"), 0)
    | dict.fromkeys(("next", "nächste", "nächsten", "nächster", "nächstes", "kommende", "kommenden"), 1)
)


def _any(words: Iterable[str]) -> str:
    return "|".join(word.replace(" ", r"\s+") for word in sorted(words, key=len, reverse=True))


_NUMBER = rf"(?P<number>\d{{1,4}}|{_any(_NUMBERS)})"
_UNIT = rf"(?P<unit>{_any(_UNITS)})"
_DAY = rf"(?P<weekday>{_any(_WEEKDAYS)})"
_RELATIVE = re.compile(
    rf"""\b(?:
      (?P<named>{_any(_DAYS)})
    | (?P<shift>{_any(_SHIFTS)})\s+(?:{_UNIT}|{_DAY})
    | (?:on|am)\s+{_DAY.replace("weekday", "plain")}
    | {_NUMBER}\s+{_UNIT.replace("unit", "ago")}\s+ago
    | in\s+{_NUMBER.replace("number", "ahead")}\s+{_UNIT.replace("unit", "coming")}
    | vor\s+{_NUMBER.replace("number", "before")}\s+{_UNIT.replace("unit", "gone")}
    )\b""",
    re.IGNORECASE | re.VERBOSE,
)


def resolve_dates(text: str, said_at: datetime | None) -> tuple[DateMention, ...]:
    """The relative dates in a text, resolved against the time at which it was said.

    Args:
        text: Any text; it is not changed.
        said_at: When it was said, in the time zone of who said it; None (unknown) resolves nothing.

    Returns:
        The mentions in order. What would lie outside of the years 1 to 9999 is left out.

    Example:
        >>> from datetime import UTC
        >>> said = datetime(2024, 5, 8, 9, tzinfo=UTC)
        >>> [str(mention) for mention in resolve_dates("Shipped yesterday, again in 2 weeks, audit last month", said)]
        ['2024-05-07', '2024-05-22', '2024-04-01 to 2024-04-30']
    """
    if said_at is None:
        return ()
    today = said_at.date()
    mentions = []
    for match in _RELATIVE.finditer(text):
        try:
            first, last = _resolve(match, today)
        except (OverflowError, ValueError):  # beyond the calendar
            continue
        mentions.append(DateMention(start=match.start(), end=match.end(), first=first, last=last))
    return tuple(mentions)


def _resolve(match: re.Match[str], today: date) -> Span:
    found = {name: re.sub(r"\s+", " ", value.casefold()) for name, value in match.groupdict().items() if value}
    if "named" in found:
        return _one(today + timedelta(days=_DAYS[found["named"]]))
    if "plain" in found:
        return _one(today + timedelta(days=(_WEEKDAYS[found["plain"]] - today.weekday()) % 7))
    if "shift" in found:
        shift = _SHIFTS[found["shift"]]
        if "weekday" in found:
            return _one(_weekday(today, _WEEKDAYS[found["weekday"]], shift))
        return _PERIODS[_UNITS[found["unit"]]](today, shift)
    for number, unit, sign in (("number", "ago", -1), ("ahead", "coming", 1), ("before", "gone", -1)):
        if unit in found:
            count = int(found[number]) if found[number].isdigit() else _NUMBERS[found[number]]
            return _away(today, sign * count, _UNITS[found[unit]])
    raise ValueError(match.group())


def _one(day: date) -> Span:
    return day, day


def _weekday(today: date, weekday: int, shift: int) -> date:
    """Last: the nearest one before today; next: the one of next week; this: the one of this week."""
    if shift < 0:
        return today - timedelta(days=(today.weekday() - weekday - 1) % 7 + 1)
    return today + timedelta(days=weekday - today.weekday() + 7 * shift)


def _day(today: date, shift: int) -> Span:
    return _one(today + timedelta(days=shift))


def _week(today: date, shift: int) -> Span:
    monday = today + timedelta(days=7 * shift - today.weekday())
    return monday, monday + timedelta(days=6)


def _month(today: date, shift: int) -> Span:
    year, month = divmod(today.year * 12 + today.month - 1 + shift, 12)
    return date(year, month + 1, 1), date(year, month + 1, monthrange(year, month + 1)[1])


def _year(today: date, shift: int) -> Span:
    return date(today.year + shift, 1, 1), date(today.year + shift, 12, 31)


_PERIODS: dict[str, Callable[[date, int], Span]] = {"day": _day, "week": _week, "month": _month, "year": _year}


def _away(today: date, count: int, unit: str) -> Span:
    """A distance: exact for days and weeks; months and years end on the last day of a month that is too short."""
    if unit in {"day", "week"}:
        return _one(today + timedelta(days=count * (7 if unit == "week" else 1)))
    first, last = _month(today, count * (12 if unit == "year" else 1))
    return _one(first.replace(day=min(today.day, last.day)))
