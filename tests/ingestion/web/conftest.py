"""Sites on this machine, and a folder to mirror them into."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tercet.ingestion.web import Mirror, mirror
from tercet.settings import WebLimits
from tests.ingestion.web.server import Site, Time, serve


@pytest.fixture
def site() -> Iterator[Site]:
    yield from serve()


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def take(site: Site, tmp_path: Path, time: Time) -> Callable[..., Mirror]:
    """Mirror a path of the site into ``tmp_path / "mirror"``, on a clock that nobody waits for."""

    def run(path: str = "/sitemap.xml", *, host: str = "127.0.0.1", limits: dict | None = None, **options) -> Mirror:
        options.setdefault("allow_private", True)
        options.setdefault("clock", time.clock)
        options.setdefault("sleep", time.sleep)
        options.setdefault("ssl_context", ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))  # spares reading certificates
        bounds = WebLimits(**{"requests_per_second": 1000.0, **(limits or {})})
        return mirror(site.url(path, host), tmp_path / "mirror", limits=bounds, **options)

    return run
