"""Which pages a run asks for, in which order, and what becomes of each."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from tercet.errors import SourceError
from tercet.ingestion.web.contents import suffix_of, with_mark
from tercet.ingestion.web.failures import ExhaustedError, PageError, StatusError, UnwantedError, shown
from tercet.ingestion.web.listings import html_links, markdown_links, read_listing
from tercet.ingestion.web.report import Mirror, MirroredPage
from tercet.ingestion.web.urls import Url, parse_url
from tercet.records import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tercet.ingestion.web.folder import MirrorFolder
    from tercet.ingestion.web.listings import Listing
    from tercet.ingestion.web.report import PageState, SourceKind
    from tercet.ingestion.web.session import Answer, Session
    from tercet.settings import WebLimits

_GONE = frozenset({404, 410})
_MAX_NESTING = 3
_SAVE_EVERY = 50


class Crawl:
    """One run: the start, what it names or links to, and what was stored before and is named no more."""

    def __init__(
        self, session: Session, folder: MirrorFolder, limits: WebLimits, progress: Callable[[Progress], None]
    ) -> None:
        self._session = session
        self._folder = folder
        self._limits = limits
        self._progress = progress
        self._results: dict[Url | str, MirroredPage] = {}
        self._requested = 0
        self._cut_short = ""

    def execute(self, start: Url) -> Mirror:
        """Fetch everything.

        Raises:
            SourceError: The start itself is of no use.
        """
        answer, listing = self._begin(start)
        kind: SourceKind = "page"
        try:
            if listing is None:
                self._crawl(start, answer)
            else:
                kind = "links" if listing.kind == "links" else "sitemap"
                for page in (listed := self._listed(answer.url, listing)):
                    self._visit(page, total=len(listed))
            if not self._cut_short:
                for page in [page for page in self._folder.pages if page not in self._results]:
                    self._visit(page)
        except ExhaustedError as error:
            self._cut_short = error.message
        return Mirror(
            source=str(start),
            folder=self._folder.path,
            kind=kind,
            pages=tuple(sorted(self._results.values(), key=lambda page: page.url)),
            cut_short=self._cut_short,
        )

    def _begin(self, start: Url) -> tuple[Answer, Listing | None]:
        limits = self._limits
        try:
            answer = self._session.get(
                start, limit=max(limits.listing_bytes, limits.page_bytes), validators=self._folder.validators
            )
            listing = None
            if not answer.unchanged:
                listing = read_listing(answer.url, answer.headers, answer.body, limit=limits.listing_bytes)
                if listing is None:
                    suffix_of(answer.url, answer.headers)
                    if len(answer.body) > limits.page_bytes:
                        raise PageError(f"is larger than {limits.page_bytes / 1e6:g} MB, the limit for a page")
        except PageError as error:
            raise SourceError(
                f"{start} {error.message}.", remedy=error.remedy or "Open the URL in a browser, and check it."
            ) from None
        return answer, listing

    def _listed(self, base: Url, listing: Listing) -> list[Url]:
        """The pages that a list names, those of nested sitemaps included, each once."""
        pages: dict[Url, None] = {}
        for page in self._named(base, listing, {base}, nesting=0):
            if len(pages) >= self._limits.pages and page not in pages:
                self._cut_short = f"more than {self._limits.pages:,} pages are listed, the limit for one run"
                break
            pages[page] = None
        return list(pages)

    def _named(self, base: Url, listing: Listing, sitemaps: set[Url], *, nesting: int) -> Iterator[Url]:
        for url in self._parsed(listing.urls, base):
            if listing.kind != "index":
                yield url
            elif url not in sitemaps:
                if len(sitemaps) > self._limits.listings:
                    self._cut_short = f"more than {self._limits.listings:,} sitemaps are listed, the limit for one run"
                    return
                sitemaps.add(url)
                nested = self._sitemap(url, nesting + 1)
                if nested is not None:
                    yield from self._named(*nested, sitemaps, nesting=nesting + 1)

    def _sitemap(self, url: Url, nesting: int) -> tuple[Url, Listing] | None:
        limit = self._limits.listing_bytes
        try:
            if nesting > _MAX_NESTING:
                raise PageError(f"is a sitemap nested more than {_MAX_NESTING} deep")
            answer = self._session.get(url, limit=limit)
            listing = read_listing(answer.url, answer.headers, answer.body, limit=limit)
            if listing is None or listing.kind == "links":
                raise PageError("is listed as a sitemap, and is none")
        except ExhaustedError:
            raise
        except PageError as error:
            self._record(url, "failed", error.message)
            return None
        return answer.url, listing

    def _crawl(self, start: Url, answer: Answer) -> None:
        """Take a page, then what it links to, the nearest first."""
        self._requested += 1
        self._arrived(start, answer)
        prefix = answer.url.path[: answer.url.path.rfind("/") + 1]
        seen = {start, answer.url}
        waiting = deque([(answer.url, 0)])
        while waiting:
            page, depth = waiting.popleft()
            if depth >= self._limits.depth:
                continue
            for link in self._links(page):
                inside = link.origin == answer.url.origin and link.path.startswith(prefix)
                if not inside or link in seen:
                    continue
                seen.add(link)
                reached = self._visit(link)
                if reached is not None and reached.origin == answer.url.origin and reached.path.startswith(prefix):
                    seen.add(reached)
                    waiting.append((reached, depth + 1))

    def _links(self, page: Url) -> Iterator[Url]:
        data = self._folder.read(page)
        if data is None:
            return iter(())
        path = self._folder.pages[page].path
        if path.endswith((".html", ".htm")):
            declared, links = html_links(data)
            base = next(self._parsed([declared], page, silent=True), page)
            return self._parsed(links, base, silent=True)
        if path.endswith((".md", ".markdown")):
            return self._parsed(markdown_links(data.decode("utf-8-sig", "replace")), page, silent=True)
        return iter(())

    def _parsed(self, urls: Iterable[str], base: Url, *, silent: bool = False) -> Iterator[Url]:
        for url in urls:
            try:
                yield parse_url(url, base)
            except PageError as error:
                if not silent and len(self._results) < self._limits.pages:
                    name = shown(url)
                    self._results[name] = MirroredPage(url=name, state="failed", reason=error.message)

    def _visit(self, url: Url, *, total: int | None = None) -> Url | None:
        """Fetch and store a page; returns where it was found, or None if it was not stored or is known already."""
        if url in self._results:
            return None
        if self._requested >= self._limits.pages:
            raise ExhaustedError(f"the limit of {self._limits.pages:,} pages for one run was reached")
        self._requested += 1
        reached: Url | None = None
        try:
            answer = self._session.get(
                url,
                limit=self._limits.page_bytes,
                validators=self._folder.validators,
                check=lambda place, headers: self._check(url, place, headers),
            )
            reached = self._arrived(url, answer)
        except ExhaustedError:
            raise
        except UnwantedError as error:
            self._record(url, "skipped", error.message)
        except StatusError as error:
            if error.status in _GONE and url in self._folder.pages:
                self._folder.remove(url)
                self._record(url, "gone", error.message)
            else:
                self._record(url, "failed", error.message)
        except PageError as error:
            self._record(url, "failed", error.message)
        if self._requested % _SAVE_EVERY == 0:
            self._folder.save()
        self._progress(Progress(phase="fetch", done=self._requested, total=total, item=str(url)))
        return reached

    def _check(self, asked: Url, place: Url, headers: Mapping[str, str]) -> None:
        if place == asked or place not in self._results:
            suffix_of(place, headers)

    def _arrived(self, asked: Url, answer: Answer) -> Url | None:
        place = answer.url
        if place != asked:
            self._left(asked, answer)
            if place in self._results:
                return None
        name = "" if place == asked else str(asked)
        if answer.unchanged:
            self._record(place, "unchanged", asked=name)
        else:
            suffix = suffix_of(place, answer.headers)
            changed = self._folder.store(place, suffix, with_mark(answer.body, answer.headers), answer.headers)
            self._record(place, "fetched" if changed else "unchanged", asked=name)
        return place

    def _left(self, asked: Url, answer: Answer) -> None:
        """Deal with a page that redirects now. One that does so for the time being, as to a login, is not gone."""
        if asked in self._folder.pages:
            if answer.permanent:
                self._folder.remove(asked)
                self._record(asked, "gone", f"moved to {answer.url}")
            else:
                self._record(asked, "failed", f"redirects to {answer.url} for the time being")
        elif answer.url in self._results:
            self._record(asked, "skipped", f"redirects to {answer.url}, which is listed as well")

    def _record(self, url: Url, state: PageState, reason: str = "", *, asked: str = "") -> None:
        stored = self._folder.pages.get(url)
        self._results[url] = MirroredPage(
            url=str(url), state=state, path=stored.path if stored else "", reason=reason, asked=asked
        )
