"""``mirror``: the pages of a site as files in a folder, fetched again only where they changed."""

from __future__ import annotations

import time
from importlib.metadata import version
from typing import TYPE_CHECKING

from tercet.errors import ConfigurationError, SourceError
from tercet.ingestion.web.addresses import checked_addresses, resolve_name
from tercet.ingestion.web.crawl import Crawl
from tercet.ingestion.web.failures import PageError, shown
from tercet.ingestion.web.fetching import Fetcher
from tercet.ingestion.web.folder import MirrorFolder
from tercet.ingestion.web.session import Scope, Session
from tercet.ingestion.web.urls import parse_url
from tercet.settings import WebLimits

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tercet.ingestion.web.addresses import Resolver
    from tercet.ingestion.web.report import Mirror
    from tercet.records import Progress


def mirror(
    url: str,
    folder: Path,
    *,
    limits: WebLimits | None = None,
    hosts: Sequence[str] = (),
    allow_private: bool = False,
    allow_downgrade: bool = False,
    user_agent: str | None = None,
    ssl_context: ssl.SSLContext | None = None,
    progress: Callable[[Progress], None] | None = None,
    resolve: Resolver = resolve_name,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Mirror:
    """Make a folder equal to a documentation site.

    What ``url`` is shows in what it holds: a sitemap (also nested, compressed, or as plain text) or an ``llms.txt``
    names the pages; a page is taken by itself or, with ``limits.depth``, with the pages that it links to below its
    own folder. ``robots.txt`` is obeyed. A page that fails is listed with its reason and stops nothing, and what was
    stored of it before stays. A page that answers 404 or 410, or moved for good, loses its file; pages that are no
    longer listed are asked for before anything is decided.

    Only hosts of the source are visited, only at addresses that are not private, and each redirect is held to the same
    rules. Proxies and passwords of the environment are not used.

    Args:
        url: A sitemap, an ``llms.txt``, or a page; http or https.
        folder: Where pages are kept between runs, one for each source.
        limits: What the run may cost.
        hosts: Further hosts that pages may lie on.
        allow_private: Allow loopback and private addresses, for documentation in one's own network.
        allow_downgrade: Follow redirects from https to http.
        user_agent: Who to say is asking; None: ``tercet/<version> (+documentation ingestion)``.
        ssl_context: Certificates to trust, such as those of one's own network.
        progress: Called after each page, with phase ``fetch``.
        resolve: Host name and port to addresses; may raise OSError.
        clock: Seconds, rising.
        sleep: Waits for so many seconds.

    Raises:
        SourceError: The URL itself could not be fetched or is of no use, or the folder is not fit.
        ConfigurationError: ``hosts`` or ``user_agent`` is malformed.

    Example:
        >>> from pathlib import Path
        >>> report = mirror("https://docs.example.com/sitemap.xml", Path("mirror"))  # doctest: +SKIP
        >>> [page.reason for page in report.of_state("failed")]  # doctest: +SKIP
        ['is disallowed by the robots.txt of its host']
    """
    limits = limits or WebLimits()
    try:
        start = parse_url(url)
    except PageError as error:
        raise SourceError(f"{shown(url)} {error.message}.", remedy="Check the URL.") from None
    agent = user_agent or f"tercet/{version('tercet')} (+documentation ingestion)"
    if not (agent.isascii() and agent.isprintable()):
        raise ConfigurationError(f"user_agent={agent!r} cannot be sent.", remedy="Use printable ASCII.")
    scope = Scope(
        hosts=frozenset({start.host, *map(_host, hosts)}),
        ports=frozenset({80, 443, start.port}),
        allow_downgrade=allow_downgrade,
    )
    pages = MirrorFolder(folder, str(start))
    fetcher = Fetcher(
        limits=limits,
        addresses=lambda host, port: checked_addresses(host, port, resolve=resolve, allow_private=allow_private),
        user_agent=agent,
        clock=clock,
        ssl_context=ssl_context,
    )
    try:
        session = Session(fetcher, scope, limits, user_agent=agent, clock=clock, sleep=sleep)
        return Crawl(session, pages, limits, progress or (lambda _: None)).execute(start)
    finally:
        fetcher.close()
        pages.save()


def _host(name: str) -> str:
    try:
        url = parse_url(f"https://{name}/")
    except PageError:
        url = None
    if url is None or url.target != "/" or url.port != 443:
        raise ConfigurationError(f"hosts= names {name!r}, which is no host.", remedy="Use names such as example.com.")
    return url.host
