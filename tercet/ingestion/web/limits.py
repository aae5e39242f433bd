"""What fetching a site may cost, and how politely it is done."""

from __future__ import annotations

from dataclasses import dataclass, fields

from tercet.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class WebLimits:
    """Bounds of one run of ``mirror``. What a limit stops is listed with its reason.

    Example:
        >>> WebLimits(depth=2, requests_per_second=1).pages
        5000
    """

    pages: int = 5_000
    """Pages requested, failed ones included."""
    depth: int = 0
    """Links followed from a start page that is no listing; 0: the page alone."""
    page_bytes: int = 20_000_000
    """Of one page, after decompression."""
    listing_bytes: int = 50_000_000
    """Of one sitemap or llms.txt, after decompression."""
    listings: int = 100
    """Sitemaps that an index may lead to."""
    total_bytes: int = 1_000_000_000
    """Of all pages and listings of the run, after decompression."""
    total_s: float | None = None
    """Seconds for the whole run; None: as long as it takes."""
    redirects: int = 5
    connect_s: float = 10.0
    """Seconds until a connection stands."""
    read_s: float = 20.0
    """Seconds without a single byte."""
    request_s: float = 60.0
    """Seconds for one request, from the connection to the last byte."""
    requests_per_second: float = 2.0
    """To one host. A crawl delay in ``robots.txt`` can only make it slower."""
    crawl_delay_s: float = 10.0
    """Longest crawl delay that is obeyed; a site that asks for more is fetched at this pace."""
    retries: int = 2
    """After 429, 503 and dropped connections."""
    retry_after_s: float = 60.0
    """Longest wait that a server may ask for; a page that would need more fails."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            least = 0 if field.name in ("depth", "redirects", "retries", "crawl_delay_s", "retry_after_s") else None
            if value is not None and (value < 0 if least == 0 else value <= 0):
                raise ConfigurationError(
                    f"{field.name}={value} is no limit that a site could be fetched with.",
                    remedy=f"Use {'0 or more' if least == 0 else 'more than 0'}.",
                )
