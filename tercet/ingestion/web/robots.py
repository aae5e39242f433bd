"""``robots.txt`` by RFC 9309: which pages of a host may be fetched, and how slowly.

Read in time linear in the file: of all groups, only the rules for this crawler are kept.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from tercet.ingestion.web.urls import PATH_CHARACTERS, normal_escapes

MAX_BYTES = 512 * 1024
"""What lies beyond is not read (RFC 9309, section 2.5, asks for 500 KiB at least)."""

_TOKEN = re.compile(r"[A-Za-z_-]+")


@dataclass(frozen=True, slots=True)
class _Rule:
    length: int
    """Octets of the pattern: the longest that matches wins."""
    allow: bool
    parts: tuple[str, ...]
    """What must follow one another, the first at the start of the path."""
    to_the_end: bool

    def matches(self, target: str) -> bool:
        first, *others = self.parts
        if not target.startswith(first):
            return False
        place = len(first)
        last = others.pop() if others else None
        for part in others:
            found = target.find(part, place)
            if found < 0:
                return False
            place = found + len(part)
        if last is None:
            return not self.to_the_end or place == len(target)
        if self.to_the_end:
            return len(target) - len(last) >= place and target.endswith(last)
        return target.find(last, place) >= 0


@dataclass(frozen=True, slots=True)
class Robots:
    """The rules of one host for one crawler. Without arguments everything is allowed."""

    rules: tuple[_Rule, ...] = ()
    """The longest pattern first; of equally long ones, those that allow."""
    delay_s: float = 0.0
    """Seconds that the host wants between two requests."""

    def allows(self, target: str) -> bool:
        """Whether a path with its query, both in normal form, may be requested."""
        return target == "/robots.txt" or next((rule.allow for rule in self.rules if rule.matches(target)), True)


NOTHING = Robots(rules=(_Rule(1, allow=False, parts=("/",), to_the_end=False),))
"""For a host whose ``robots.txt`` cannot be reached: nothing is allowed (RFC 9309, section 2.3.1.4)."""


def parse_robots(text: str, agent: str) -> Robots:
    """Take the rules for a crawler out of a ``robots.txt``.

    Groups that name the crawler are merged; where there is none, those for ``*`` hold.

    Args:
        text: The file.
        agent: The crawler's user agent; its leading letters are its name.

    Example:
        >>> robots = parse_robots("User-agent: *\\nDisallow: /*.json$\\nAllow: /api/open.json", "tercet/1.0")
        >>> robots.allows("/api/open.json"), robots.allows("/x.json"), robots.allows("/x.json?all")
        (True, False, True)
    """
    token = _token(agent)
    groups: dict[str, tuple[list[_Rule], list[float]]] = {}
    named: list[str] = []
    naming = False
    for line in text.removeprefix("\ufeff").splitlines():
        field, colon, value = line.partition("#")[0].partition(":")
        field, value = field.strip().lower(), value.strip()
        if not colon:
            continue
        if field == "user-agent":
            if not naming:
                named = []
            naming = True
            name = "*" if value.startswith("*") else _token(value)
            if name and name in ("*", token) and name not in named:
                named.append(name)
                groups.setdefault(name, ([], []))
        elif field in ("allow", "disallow", "crawl-delay"):
            naming = False
            for name in named:
                rules, delays = groups[name]
                if field == "crawl-delay":
                    delays.extend(_seconds(value))
                elif value:
                    rules.append(_rule(value, allow=field == "allow"))
    rules, delays = groups.get(token) or groups.get("*") or ([], [])
    ordered = sorted(rules, key=lambda rule: (-rule.length, not rule.allow))
    return Robots(rules=tuple(ordered), delay_s=max(delays, default=0.0))


def _token(agent: str) -> str:
    match = _TOKEN.match(agent)
    return match[0].lower() if match else ""


def _seconds(value: str) -> list[float]:
    try:
        seconds = float(value)
    except ValueError:
        return []
    return [seconds] if math.isfinite(seconds) and seconds > 0 else []


def _rule(pattern: str, *, allow: bool) -> _Rule:
    if not pattern.startswith(("/", "*")):
        pattern = "/" + pattern
    normal = normal_escapes(pattern.encode("utf-8", "replace").decode("utf-8"), PATH_CHARACTERS + "?")
    to_the_end = normal.endswith("$")
    parts = tuple(re.sub(r"\*+", "*", normal.removesuffix("$")).split("*"))
    return _Rule(len(normal), allow, parts, to_the_end)
