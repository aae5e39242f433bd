"""One HTTP request at a time, bounded in time and bytes, to addresses that were checked. The adapter of ``httpcore``.

``httpcore`` is the part of ``httpx`` that speaks HTTP. It knows nothing of proxies and passwords in the environment, of
cookies or redirects, lets the caller open the connections, and hands out bodies as they were sent.
"""

from __future__ import annotations

from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

import httpcore

from tercet.ingestion.web.failures import DroppedError, PageError, TooLargeError, shown
from tercet.ingestion.web.inflating import gunzip

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tercet.ingestion.web.urls import Url
    from tercet.settings import WebLimits

_ACCEPT = "text/html,application/xhtml+xml,text/markdown,text/plain,application/pdf,application/xml;q=0.9,*/*;q=0.5"
_MAX_ADDRESSES = 4
"""Tried of one host, one after the other."""


class Reply:
    """The head of a response, and its body for who wants it."""

    def __init__(self, response: httpcore.Response) -> None:
        self.status = response.status
        self.headers = {
            name.decode("ascii", "replace").lower(): value.decode("latin-1") for name, value in response.headers
        }
        self.received = 0
        """Bytes of the body so far, as they were sent or unpacked, whichever is more."""
        self._response = response

    @property
    def phrase(self) -> str:
        """The standard phrase of the status; the server's own says no more."""
        return HTTPStatus(self.status).phrase if self.status in HTTPStatus._value2member_map_ else ""

    def read(self, limit: int, *, cut: bool = False) -> bytes:
        """Read the body, unpacked.

        Args:
            limit: Bytes that it may have.
            cut: Take the first ``limit`` bytes of a longer body instead of failing.

        Raises:
            PageError: It is larger than the limit, or packed in a way that was not asked for.
        """
        declared = self.headers.get("content-length", "")
        if declared.isascii() and declared.isdigit() and int(declared[:20]) > limit and not cut:
            raise TooLargeError(_too_large(limit))
        encoding = self.headers.get("content-encoding", "").strip().lower()
        sent = self._sent(limit, cut=cut)
        if encoding in ("gzip", "x-gzip"):
            sent = gunzip(sent, limit=limit)
        elif encoding not in ("", "identity"):
            raise PageError(f"is encoded as {shown(encoding)}, which was not asked for")
        body = bytearray()
        for piece in sent:
            body += piece
            self.received = max(self.received, len(body))
            if len(body) > limit:
                if not cut:
                    raise TooLargeError(_too_large(limit))
                break
        return bytes(body[:limit])

    def _sent(self, limit: int, *, cut: bool) -> Iterator[bytes]:
        # Packed data that unpacks to nothing could be endless, so what is sent is counted as well.
        count = 0
        for piece in self._response.iter_stream():
            count += len(piece)
            self.received = max(self.received, count)
            yield piece
            if count > limit:
                if cut:
                    return
                raise TooLargeError(_too_large(limit))


class Fetcher:
    """Connections to the hosts of a run.

    Args:
        limits: Seconds for connecting, for silence and for a whole request.
        addresses: Host and port to the addresses that may be connected to; raises PageError.
        user_agent: Sent with each request.
        clock: Seconds, rising.
        ssl_context: Certificates to trust; None: those of the ``certifi`` package.
    """

    def __init__(
        self,
        *,
        limits: WebLimits,
        addresses: Callable[[str, int], Sequence[str]],
        user_agent: str,
        clock: Callable[[], float],
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._limits = limits
        self._user_agent = user_agent
        self._deadline = _Deadline(clock, limits.request_s)
        self._pool = httpcore.ConnectionPool(
            ssl_context=ssl_context or httpcore.default_ssl_context(),
            max_connections=8,
            keepalive_expiry=15.0,
            network_backend=_CheckedNetwork(addresses, self._deadline),
        )

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    @contextmanager
    def open(self, url: Url, headers: Mapping[str, str], *, seconds: float | None = None) -> Iterator[Reply]:
        """Request one URL, without following redirects.

        Args:
            url: The page.
            headers: Such as ``If-None-Match``, beside those every request has.
            seconds: Left for the whole run; None: no limit.

        Raises:
            PageError: No response came, or its body broke off.
        """
        limits = self._limits
        self._deadline.start(seconds)
        timeouts = {
            "connect": limits.connect_s,
            "read": limits.read_s,
            "write": limits.read_s,
            "pool": limits.connect_s,
        }
        sent = {
            "Host": url.authority,
            "User-Agent": self._user_agent,
            "Accept": _ACCEPT,
            "Accept-Encoding": "gzip",
            **headers,
        }
        try:
            with self._pool.stream(
                "GET",
                httpcore.URL(scheme=url.scheme, host=url.host, port=url.port, target=url.target),
                headers=[(name.encode(), value.encode("latin-1", "replace")) for name, value in sent.items()],
                extensions={"timeout": timeouts},
            ) as response:
                yield Reply(response)
        except httpcore.TimeoutException as error:
            raise PageError(self._late(error)) from None
        except (httpcore.ReadError, httpcore.WriteError, httpcore.RemoteProtocolError) as error:
            if "without sending a response" in str(error) or isinstance(error, httpcore.WriteError):
                raise DroppedError("got no response: the connection was closed") from None
            raise PageError(f"has a broken response: {shown(str(error)) or 'the connection was closed'}") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
            raise PageError(f"cannot be reached: {shown(str(error)) or type(error).__name__}") from None

    def _late(self, error: httpcore.TimeoutException) -> str:
        if self._deadline.passed:
            return f"took longer than {self._deadline.seconds:g} s"
        if isinstance(error, httpcore.ConnectTimeout):
            return f"cannot be reached: no connection within {self._limits.connect_s:g} s"
        return f"sent nothing for {self._limits.read_s:g} s"


class _Deadline:
    """When the current request must be over. Time limits for single reads alone would let a server dribble forever."""

    def __init__(self, clock: Callable[[], float], seconds: float) -> None:
        self._clock = clock
        self._longest = self.seconds = seconds
        self._end = 0.0

    def start(self, seconds: float | None) -> None:
        self.seconds = self._longest if seconds is None else min(self._longest, max(seconds, 0.0))
        self._end = self._clock() + self.seconds

    @property
    def passed(self) -> bool:
        return self._clock() >= self._end

    def within(self, timeout: float | None) -> float:
        """The shorter of a time limit and what is left."""
        left = self._end - self._clock()
        if left <= 0:
            raise httpcore.ReadTimeout("the request took too long")
        return left if timeout is None else min(timeout, left)


class _CheckedNetwork(httpcore.SyncBackend):
    """Connects to checked addresses. Host name, TLS server name and certificate stay those of the URL."""

    def __init__(self, addresses: Callable[[str, int], Sequence[str]], deadline: _Deadline) -> None:
        self._addresses = addresses
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception = httpcore.ConnectError("no address")
        for address in self._addresses(host, port)[:_MAX_ADDRESSES]:
            try:
                stream = super().connect_tcp(
                    address, port, self._deadline.within(timeout), local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _TimedStream(stream, self._deadline)
        raise failure


class _TimedStream(httpcore.NetworkStream):
    """A connection on which nothing takes longer than its request may."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.within(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.within(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, self._deadline.within(timeout))
        return _TimedStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


def _too_large(limit: int) -> str:
    return f"is larger than {limit / 1e6:g} MB, the limit for it"
