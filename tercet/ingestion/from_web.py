"""Ingesting a site: mirror it into a folder beside the memory's own, then ingest that folder like any other."""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from tercet.errors import ConfigurationError
from tercet.ingestion.from_files import ingest_files
from tercet.ingestion.web import mirror
from tercet.ingestion.web.folder import MirrorFolder
from tercet.memory.mirrors import MIRRORS
from tercet.records import FileFailure, IngestReport

if TYPE_CHECKING:
    from tercet.ingestion.from_files import FileOptions
    from tercet.ingestion.run import Run
    from tercet.ingestion.web import Mirror
    from tercet.memory.memory import Memory
    from tercet.settings import WebOptions


def ingest_site(
    url: str, run: Run, options: FileOptions, web: WebOptions, *, embed: Literal["now", "later"]
) -> IngestReport:
    """Bring the corpus in line with a site. See ``tercet.ingest``.

    Uris are the host and the path of the mirrored page, as in ``docs.example.com/guide/keys.html``.

    Raises:
        ConfigurationError: It is a dry run, or there is no place to keep the pages.
        SourceError: The site cannot be fetched.
    """
    if options.dry_run:
        raise ConfigurationError(
            "A dry run cannot say what a site holds: it would have to fetch it.", remedy="Leave --dry-run out."
        )
    if options.revision is not None:
        raise ConfigurationError("A site has no revision.", remedy="Leave revision= out.")
    folder = _folder(run.memory, url, web)
    run.memory.claim()  # one run at a time writes the mirror
    mirrored = mirror(
        url,
        folder,
        limits=web.limits,
        hosts=web.hosts,
        allow_private=web.allow_private,
        progress=run.progress,
    )
    hosts = _hosts(run, folder)
    addresses = _addresses(folder, mirrored.source)
    reports = [
        ingest_files(
            host,
            run,
            options._replace(addresses=addresses.get(host.name, {})),
            embed=embed if host is hosts[-1] else "later",
        )
        for host in hosts
    ]
    return _joined(reports, mirrored)


def _folder(memory: Memory, url: str, web: WebOptions) -> Path:
    if web.mirror is not None:
        return web.mirror
    if memory.path is None:
        raise ConfigurationError(
            "A memory on a server has no folder to keep the pages of a site in.",
            remedy="Name one: WebOptions(mirror=Path(…)), or --mirror DIR.",
        )
    digest = blake2b(url.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return memory.path / MIRRORS / f"{urlsplit(url).hostname}-{digest}"


def _hosts(run: Run, folder: Path) -> list[Path]:
    """The folders of the hosts that have pages, or had some: an empty one meets the guard against deletion."""
    target, ledger = run.target, run.memory.ledger
    corpus_id = ledger.find_corpus(target.corpus, tenant=target.tenant, version=target.version)
    for root in [] if corpus_id is None else ledger.roots(corpus_id):
        if Path(root.path).parent == folder:
            Path(root.path).mkdir(exist_ok=True)
    return sorted(entry for entry in folder.iterdir() if entry.is_dir())


def _addresses(folder: Path, source: str) -> dict[str, dict[str, str]]:
    """Where each page was fetched from, by host and path below its folder."""
    found: dict[str, dict[str, str]] = {}
    for url, page in MirrorFolder(folder, source).pages.items():
        host, _, path = page.path.partition("/")
        found.setdefault(host, {})[path] = str(url)
    return found


def _joined(reports: list[IngestReport], mirrored: Mirror) -> IngestReport:
    """One report for all hosts, with the pages that could not be fetched."""
    failed = [FileFailure(path=page.url, reason=page.reason) for page in mirrored.of_state("failed")]
    if mirrored.cut_short:
        failed.append(FileFailure(path=mirrored.source, reason=f"was not fetched whole: {mirrored.cut_short}"))
    return replace(
        reports[-1] if reports else IngestReport(),
        added=tuple(uri for report in reports for uri in report.added),
        updated=tuple(uri for report in reports for uri in report.updated),
        unchanged=sum(report.unchanged for report in reports),
        renamed=tuple(pair for report in reports for pair in report.renamed),
        deleted=tuple(uri for report in reports for uri in report.deleted),
        failed=(*failed, *(failure for report in reports for failure in report.failed)),
        findings={uri: found for report in reports for uri, found in report.findings.items()},
        chunks=sum(report.chunks for report in reports),
        embedded=sum(report.embedded for report in reports),
    )
