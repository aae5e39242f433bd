"""A real web server on this machine, and time that passes only when somebody waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tercet.ingestion.web import Mirror

HTML = "text/html; charset=utf-8"


@dataclass
class Response:
    body: bytes = b""
    kind: str | None = HTML
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


Route = Response | Callable[[BaseHTTPRequestHandler], None]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Site

    def do_GET(self) -> None:
        site = self.server
        site.requests.append(self.path)
        site.headers.append(dict(self.headers.items()))
        route = site.routes.get(self.path, Response(status=404))
        if isinstance(route, list):
            route = route.pop(0) if len(route) > 1 else route[0]
        if callable(route):
            self.close_connection = True
            with suppress(OSError):  # the client gave up
                route(self)
            return
        headers = dict(route.headers)
        status, body = route.status, route.body
        if "ETag" in headers and self.headers.get("If-None-Match") == headers["ETag"]:
            status, body = 304, b""
        self.send_response(status)
        if route.kind is not None:
            headers.setdefault("Content-Type", route.kind)
        if status != 304:
            headers.setdefault("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Site(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.routes: dict[str, Route | list[Route]] = {}
        self.requests: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.closing = threading.Event()
        self.port = self.server_address[1]

    def handle_error(self, *_: object) -> None:
        pass

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def pages(self, **pages: str) -> None:
        for name, text in pages.items():
            self.routes[f"/{name}.html"] = Response(f"<h1>{text}</h1>".encode())

    def sitemap(self, *paths: str, at: str = "/sitemap.xml") -> None:
        self.routes[at] = Response(urlset(*(self.url(path) for path in paths)), kind="application/xml")


def urlset(*urls: str) -> bytes:
    entries = "".join(f"<url><loc>{url}</loc></url>" for url in urls)
    return (
        f'<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</urlset>'.encode()
    )


def sitemapindex(*urls: str) -> bytes:
    entries = "".join(f"<sitemap><loc>{url}</loc></sitemap>" for url in urls)
    return f'<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</sitemapindex>'.encode()


class Time:
    """Stands still until somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def serve() -> Iterator[Site]:
    server = Site()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.closing.set()
    server.shutdown()
    server.server_close()
    thread.join()


REAL = {"clock": time.monotonic, "sleep": time.sleep}


def redirect(place: str, status: int = 302) -> Response:
    return Response(status=status, headers={"Location": place})


def head(handler, **headers: str) -> None:
    handler.send_response(200)
    for name, value in {"Content-Type": HTML, **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()


def states(report: Mirror) -> dict[str, str]:
    """State by the path of the URL."""
    return {"/" + page.url.partition("://")[2].partition("/")[2]: page.state for page in report.pages}


def reason(report: Mirror, end: str) -> str:
    [page] = [page for page in report.pages if page.url.endswith(end)]
    return page.reason
