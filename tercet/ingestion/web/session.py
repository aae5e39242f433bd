"""A polite visitor: asks for one page at a time, where it is welcome, at the pace that each host wants.

Redirects are followed here, one by one, and each step is checked as if it had been asked for.
"""

from __future__ import annotations

import math
import re
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from tercet.ingestion.web.failures import (
    AddressError,
    DroppedError,
    ExhaustedError,
    PageError,
    StatusError,
    TooLargeError,
    shown,
)
from tercet.ingestion.web.robots import MAX_BYTES, NOTHING, Robots, parse_robots
from tercet.ingestion.web.urls import Url, parse_url

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tercet.ingestion.web.fetching import Fetcher, Reply
    from tercet.settings import WebLimits

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PERMANENT = frozenset({301, 308})
_BUSY = frozenset({429, 503})
_OTHER_HOST = "Start there, or allow that host with hosts=."


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Where a run may go."""

    hosts: frozenset[str]
    ports: frozenset[int]
    allow_downgrade: bool = False
    """Follow a redirect from https to http."""

    def refusal(self, url: Url) -> str:
        """Say why a page must not be requested, or nothing if it may."""
        if url.host not in self.hosts:
            return f"lies on {url.host}, another host than the source's"
        if url.port not in self.ports:
            return f"lies at port {url.port}, which is none of {', '.join(map(str, sorted(self.ports)))}"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A page as it was found, after all redirects."""

    url: Url
    headers: Mapping[str, str]
    body: bytes
    unchanged: bool = False
    """The server says that what is stored is still right (304)."""
    permanent: bool = True
    """No redirect on the way was a temporary one."""


@dataclass(slots=True)
class _Host:
    last: float = -math.inf
    """When it was last asked for something."""
    robots: dict[str, Robots] = field(default_factory=dict)
    """By origin."""
    unread: dict[str, PageError] = field(default_factory=dict)
    """By origin: why its ``robots.txt`` could not be had."""


class Session:
    """The requests of one run.

    Args:
        fetcher: Makes them.
        scope: Where they may go.
        limits: What they may cost.
        user_agent: Looked up in ``robots.txt``.
        clock: Seconds, rising.
        sleep: Waits for so many seconds.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        scope: Scope,
        limits: WebLimits,
        *,
        user_agent: str,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._fetcher = fetcher
        self._scope = scope
        self._limits = limits
        self._user_agent = user_agent
        self._clock = clock
        self._sleep = sleep
        self._end = None if limits.total_s is None else clock() + limits.total_s
        self._bytes_left = limits.total_bytes
        self._hosts: dict[str, _Host] = {}

    def get(
        self,
        url: Url,
        *,
        limit: int,
        validators: Callable[[Url], Mapping[str, str]] = lambda _: {},
        check: Callable[[Url, Mapping[str, str]], None] = lambda *_: None,
    ) -> Answer:
        """Fetch a page.

        Args:
            url: Where to begin.
            limit: Bytes that its body may have.
            validators: Headers that make the request for a URL a conditional one.
            check: Looks at the final URL and the headers before the body is read; raises PageError.

        Raises:
            PageError: The page could not be had; a StatusError where the server said so.
            ExhaustedError: The limits of the run leave no room for it.
        """
        seen = {url}
        permanent = True
        while True:
            self._admit(url)
            headers = validators(url)
            answer = self._ask(url, headers, limit, check)
            if isinstance(answer, Answer):
                if answer.unchanged and not headers:
                    raise PageError("answers 304 Not Modified to a request that asked for no such thing")
                return Answer(
                    url=url,
                    headers=answer.headers,
                    body=answer.body,
                    unchanged=answer.unchanged,
                    permanent=permanent,
                )
            status, place = answer
            url, permanent = self._next(url, place, seen), permanent and status in _PERMANENT

    def _next(self, url: Url, place: str, seen: set[Url]) -> Url:
        try:
            target = parse_url(place, url)
        except PageError as error:
            raise PageError(f"redirects to {shown(place)!r}, which {error.message}") from None
        if target in seen:
            raise PageError(f"redirects in a circle, to {target}")
        if len(seen) > self._limits.redirects:
            raise PageError(f"redirects more than {self._limits.redirects} times")
        if url.scheme == "https" and target.scheme == "http" and not self._scope.allow_downgrade:
            raise PageError(f"redirects from https to http, to {target}")
        if reason := self._scope.refusal(target):
            raise PageError(f"redirects to {target}, which {reason}", remedy=_OTHER_HOST)
        seen.add(target)
        return target

    def _admit(self, url: Url) -> None:
        if reason := self._scope.refusal(url):
            raise PageError(reason, remedy=_OTHER_HOST)
        host = self._hosts.setdefault(url.host, _Host())
        if url.origin not in host.robots:
            host.robots[url.origin] = self._robots(url, host)
        if not host.robots[url.origin].allows(url.target):
            raise self._turned_away(host.unread.get(url.origin))

    def _turned_away(self, error: PageError | None) -> PageError:
        if error is None:
            return PageError(
                "is disallowed by the robots.txt of its host",
                remedy="Ask the site's owner, or read its sources from a folder.",
            )
        if isinstance(error, AddressError):
            return PageError(error.message, remedy=error.remedy)
        return PageError(
            f"may not be fetched, as the robots.txt of its host {error.message}", remedy="Try again later."
        )

    def _robots(self, url: Url, host: _Host) -> Robots:
        place = Url(url.scheme, url.host, url.port, "/robots.txt")
        seen = {place}
        try:
            for _ in range(6):  # RFC 9309, section 2.3.1.2: at least five redirects, to whichever host
                answer = self._ask(place, {}, MAX_BYTES, cut=True)
                if isinstance(answer, Answer):
                    return parse_robots(answer.body.decode("utf-8", "replace"), self._user_agent)
                place = parse_url(answer[1], place)
                if place in seen or place.port not in self._scope.ports:
                    break
                seen.add(place)
        except StatusError as error:
            if 400 <= error.status < 500 and error.status not in _BUSY:
                return Robots()
            host.unread[url.origin] = error
            return NOTHING
        except ExhaustedError:
            raise
        except PageError as error:
            host.unread[url.origin] = error
            return NOTHING
        return Robots()

    def _ask(
        self,
        url: Url,
        headers: Mapping[str, str],
        limit: int,
        check: Callable[[Url, Mapping[str, str]], None] = lambda *_: None,
        *,
        cut: bool = False,
    ) -> Answer | tuple[int, str]:
        """One step, tried again where the server is busy: a page, or the status and place of a redirect."""
        attempt = 0
        while True:
            self._wait_for_turn(url)
            pause = 0.0
            try:
                with self._fetcher.open(url, headers, seconds=self._seconds_left()) as reply:
                    if reply.status in _BUSY and attempt < self._limits.retries:
                        pause = self._pause(reply, attempt)
                    elif reply.status in _REDIRECTS and "location" in reply.headers:
                        return reply.status, reply.headers["location"]
                    else:
                        return self._take(url, reply, limit, check, cut=cut)
            except PageError as error:
                if self._seconds_left() == 0.0:
                    raise self._too_long() from None
                if not isinstance(error, DroppedError) or attempt >= self._limits.retries:
                    raise
            attempt += 1
            self._sleep_within_run(pause)

    def _take(
        self, url: Url, reply: Reply, limit: int, check: Callable[[Url, Mapping[str, str]], None], *, cut: bool
    ) -> Answer:
        if reply.status == 304:
            return Answer(url=url, headers=reply.headers, body=b"", unchanged=True)
        if reply.status != 200:
            raise StatusError(reply.status, reply.phrase)
        check(url, reply.headers)
        allowed = min(limit, self._bytes_left)
        try:
            body = reply.read(allowed, cut=cut)
        except TooLargeError:
            if allowed < limit:
                raise self._too_many_bytes() from None
            raise
        finally:
            self._bytes_left -= reply.received
        return Answer(url=url, headers=reply.headers, body=body)

    def _wait_for_turn(self, url: Url) -> None:
        if self._bytes_left <= 0:
            raise self._too_many_bytes()
        host = self._hosts.setdefault(url.host, _Host())
        asked = max((robots.delay_s for robots in host.robots.values()), default=0.0)
        pace = max(1 / self._limits.requests_per_second, min(asked, self._limits.crawl_delay_s))
        self._sleep_within_run(host.last + pace - self._clock())
        host.last = self._clock()

    def _too_many_bytes(self) -> ExhaustedError:
        return ExhaustedError(f"the limit of {self._limits.total_bytes / 1e6:g} MB for the whole run was reached")

    def _pause(self, reply: Reply, attempt: int) -> float:
        wanted = _retry_after(reply.headers)
        if wanted is None:
            return min(2.0**attempt, self._limits.retry_after_s)
        if wanted > self._limits.retry_after_s:
            raise StatusError(reply.status, f"{reply.phrase}, to be tried again in {wanted:,.0f} s")
        return wanted

    def _sleep_within_run(self, seconds: float) -> None:
        left = self._seconds_left()
        if left is not None and max(seconds, 0.0) >= left:
            raise self._too_long()
        if seconds > 0:
            self._sleep(seconds)

    def _too_long(self) -> ExhaustedError:
        return ExhaustedError(f"the limit of {self._limits.total_s:g} s for the whole run was reached")

    def _seconds_left(self) -> float | None:
        return None if self._end is None else max(self._end - self._clock(), 0.0)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait; a date is held against the server's own clock."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", value):
        return float(value)
    with suppress(ValueError, TypeError, OverflowError):
        wanted = parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("date", ""))
        return max(wanted.total_seconds(), 0.0)
    return None
