"""``tercet ingest`` and ``tercet embed``: files in, and vectors for what is in."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tercet.cli.options import (
    DEFAULT_MEMORY,
    AsJson,
    DatabaseUrl,
    EmbedderSpec,
    MemoryFolder,
    QdrantUrl,
    open_memory,
)
from tercet.cli.output import counted, note, print_json, printable, progress_shown, seconds
from tercet.errors import SourceError
from tercet.settings import (
    ChunkingConfig,
    LexicalConfig,
    ParsingConfig,
    ParsingLimits,
    UnpackingLimits,
    WebLimits,
    WebOptions,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tercet.records import IngestReport, Progress

LISTED_PATHS = 20
WORDS_ONLY = "none"


class When(StrEnum):
    """When dense vectors are made."""

    now = "now"
    later = "later"


class TrustLevel(StrEnum):
    """How far the documents may be believed."""

    system = "system"
    user = "user"
    internal = "internal"
    external = "external"


class Durability(StrEnum):
    """What acknowledged writes survive."""

    process = "process"
    power = "power"


def ingest(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A file, a folder, an archive or the URL of a site.")],
    memory: MemoryFolder = DEFAULT_MEMORY,
    revision: Annotated[
        str | None, typer.Option(metavar="REV", help="Commit, tag or branch of the git repository SOURCE.")
    ] = None,
    base_url: Annotated[
        str, typer.Option(metavar="URL", help="Where SOURCE is published; hits then cite the address of the page.")
    ] = "",
    corpus: Annotated[str, typer.Option(metavar="NAME", help="Corpus that the documents belong to.")] = "docs",
    version: Annotated[str, typer.Option(metavar="V", help="Version of the documented thing, such as 2.1.")] = "",
    tenant: Annotated[str, typer.Option(metavar="T", help="Whose documents these are; empty: everybody's.")] = "",
    trust: Annotated[
        TrustLevel | None,
        typer.Option(help="How far the text may be believed.", show_default="internal; of a site external"),
    ] = None,
    include: Annotated[list[str] | None, typer.Option(metavar="GLOB", help="Only these files (repeatable).")] = None,
    exclude: Annotated[list[str] | None, typer.Option(metavar="GLOB", help="Not these files (repeatable).")] = None,
    embed: Annotated[When, typer.Option(help="Make dense vectors now, or later by `tercet embed`.")] = When.now,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    distribute: Annotated[
        bool, typer.Option("--distribute", help="Let `tercet worker` processes take part; needs --database.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read every file, even if its times look unchanged.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try unchanged files that failed before.")
    ] = False,
    allow_delete: Annotated[
        bool,
        typer.Option("--allow-delete", help="Go on even if the folder is empty or a fifth of it is gone."),
    ] = False,
    max_tokens: Annotated[int | None, typer.Option(metavar="N", help="Chunk size; default: the memory's own.")] = None,
    language: Annotated[
        str | None, typer.Option(metavar="NAME", help='Language of stems and stop words, or "none"; for a new memory.')
    ] = None,
    notebook_outputs: Annotated[
        bool, typer.Option("--notebook-outputs", help="Take what cells of notebooks printed, too.")
    ] = False,
    workers: Annotated[int | None, typer.Option(metavar="N", help="Parser processes.")] = None,
    timeout: Annotated[
        float, typer.Option(metavar="S", help="Seconds for parsing one file, and as many again every 10 MB.")
    ] = 60.0,
    max_file: Annotated[float, typer.Option(metavar="MB", help="Larger files fail.")] = 100.0,
    max_unpacked: Annotated[
        float | None, typer.Option(metavar="MB", help="An archive or revision that holds more is refused.")
    ] = None,
    depth: Annotated[int, typer.Option(metavar="N", help="Of a site: follow links this far.")] = 0,
    max_pages: Annotated[int, typer.Option(metavar="N", help="Of a site: pages to fetch at most.")] = 5_000,
    host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Of a site: another host with pages (repeatable).")
    ] = None,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Of a site: addresses of one's own network, too.")
    ] = False,
    mirror: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Of a site: where pages are kept; default: in the memory.")
    ] = None,
    worker_memory: Annotated[int, typer.Option(metavar="MB", help="Memory of a parser process.")] = 1024,
    durability: Annotated[
        Durability, typer.Option(help="Survive a killed process, or power loss too (slower).")
    ] = Durability.process,
    embedder: EmbedderSpec = None,
    database: DatabaseUrl = None,
    qdrant: QdrantUrl = None,
    as_json: AsJson = False,
) -> None:
    """Ingest files, a git revision or a site. Only what changed since the last time costs anything.

    Formats: Markdown, MDX, reStructuredText, AsciiDoc, HTML, PDF, Word, notebooks, plain text, source code; all of them
    in .zip, .tar, .tar.gz, .tar.bz2 and .tar.xz as well. A folder's .gitignore is respected; Sphinx, MkDocs, Docusaurus
    and mdBook are recognised by their configuration inside SOURCE. Text is searchable by
    words within seconds; the dense vectors follow. Ctrl-C leaves a usable memory, and the same command goes on.

    \b
    Examples:
      tercet ingest docs/
      tercet ingest docs/ --corpus handbook --version 2.1 --exclude "drafts/**"
      tercet ingest docs/ --embed later && tercet embed
      tercet ingest docs/ --dry-run --json
      tercet ingest docs.tar.gz
      tercet ingest repo --revision v1.2
      tercet ingest repo --include "docs/**" --base-url https://docs.example.com/
      tercet ingest https://docs.example.com/sitemap.xml
      tercet ingest docs/ --distribute --database postgresql://db/docs --qdrant http://vectors:6333
    """
    from tercet.ingestion.pipeline import ingest as run
    from tercet.ingestion.pipeline import is_url

    if not is_url(source) and not Path(source).exists():  # before a memory is made for nothing
        raise SourceError(f"There is no {source!r} to ingest.", remedy="Name a file, a folder or a URL.")
    with (
        open_memory(
            memory,
            database=database,
            qdrant=qdrant,
            embedder=embedder,
            chunking=ChunkingConfig(max_tokens=max_tokens) if max_tokens is not None else None,
            lexical=LexicalConfig(language=language) if language is not None else None,
            durability=durability.value,
            create=True,
        ) as opened,
        progress_shown(quiet=as_json) as progress,
    ):
        report = run(
            source,
            into=opened,
            corpus=corpus,
            tenant=tenant,
            version=version,
            trust=trust.value if trust else None,
            parsing=ParsingConfig(notebook_outputs=notebook_outputs),
            include=tuple(include or ()),
            exclude=tuple(exclude or ()),
            embed=embed.value,
            allow_delete=allow_delete,
            verify=verify,
            retry_failed=retry_failed,
            dry_run=dry_run,
            distribute=distribute,
            revision=revision,
            base_url=base_url,
            limits=ParsingLimits(workers=workers, timeout_s=timeout, memory_mb=worker_memory, max_file_mb=max_file),
            unpacking=None if max_unpacked is None else UnpackingLimits(max_total_mb=max_unpacked),
            web=WebOptions(
                limits=WebLimits(depth=depth, pages=max_pages),
                hosts=tuple(host or ()),
                allow_private=allow_private,
                mirror=mirror,
            ),
            progress=_announce_searchable(progress) if embed is When.now and not dry_run else progress,
        )
        spec = opened.embedder_record.spec if report.vectors_missing else ""
    if as_json:
        print_json(asdict(report))
    else:
        _print_report(report, embedder=spec)
    if not report.ok:
        raise typer.Exit(1)


def _announce_searchable(progress: Callable[[Progress], None] | None) -> Callable[[Progress], None] | None:
    """Say once, when embedding begins, that searching is already possible."""
    if progress is None:
        return None
    announced = False

    def step(event: Progress) -> None:
        nonlocal announced
        if event.phase == "embed" and not announced:
            announced = True
            note("Searchable by words from now on. Ctrl-C is safe: `tercet embed` goes on with the dense vectors.")
        progress(event)

    return step


def _print_report(report: IngestReport, *, embedder: str) -> None:
    verb = "would be " if report.dry_run else ""
    parts = [
        (len(report.added), "added"),
        (len(report.updated), "updated"),
        (len(report.renamed), "renamed"),
        (len(report.deleted), "deleted"),
        (report.unchanged, "unchanged"),
        (len(report.failed), "failed"),
    ]
    typer.echo(", ".join(f"{count:,} {verb if count and name != 'unchanged' else ''}{name}" for count, name in parts))
    if report.revision:
        typer.echo(f"As of commit {report.revision}")
    _print_paths("+", report.added)
    _print_paths("~", report.updated)
    _print_paths(">", [f"{old} → {new}" for old, new in report.renamed])
    _print_paths("-", report.deleted)
    if report.chunks or report.embedded:
        vectors = f", {counted(report.embedded, 'text')} embedded" if report.embedded else ""
        typer.echo(
            f"{counted(report.chunks, 'chunk')} written{vectors}; searchable after {seconds(report.searchable_s)}, "
            f"done after {seconds(report.total_s)}"
        )
    if report.truncated:
        typer.echo(
            f"{counted(report.truncated, 'document')} longer than the embedder reads; the rest is found by words only"
        )
    if embedder == WORDS_ONLY:
        typer.echo("This memory has no embedder: it is searched by words only")
    elif report.vectors_missing:
        typer.echo(f"{counted(report.vectors_missing, 'chunk')} without a dense vector yet; `tercet embed` makes them")
    cleaned = {uri: found for uri, found in report.findings.items() if found}
    if cleaned:
        typer.echo(f"Cleaned or tolerated in {counted(len(cleaned), 'document')}:")
        lines = [
            f"{uri}: " + ", ".join(f"{finding.kind} x{finding.count}" for finding in found)
            for uri, found in sorted(cleaned.items())
        ]
        _print_paths("!", lines)
    for failure in report.failed:
        typer.echo(printable(f"  failed {failure.path}: {failure.reason}"))
    if report.failed:
        typer.echo("Mend these files, or try again with --retry-failed; everything else is stored.")


def _print_paths(mark: str, paths: Iterable[str]) -> None:
    shown = list(paths)
    for path in shown[:LISTED_PATHS]:
        typer.echo(printable(f"  {mark} {path}"))
    if len(shown) > LISTED_PATHS:
        typer.echo(f"  {mark} … and {len(shown) - LISTED_PATHS:,} more (--json lists all)")


def embed(
    memory: MemoryFolder = DEFAULT_MEMORY,
    embedder: EmbedderSpec = None,
    database: DatabaseUrl = None,
    qdrant: QdrantUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make the dense vectors that are missing, or of another model.

    Resumable: stop it at any time, and run it again. Naming an embedder that differs from the memory's own changes the
    memory to it and embeds every chunk again; searches find by words meanwhile.

    \b
    Examples:
      tercet embed
      tercet embed --embedder all-MiniLM-L6-v2
      tercet embed --embedder ./models/my-minilm
    """
    with (
        open_memory(memory, database=database, qdrant=qdrant) as opened,
        progress_shown(quiet=as_json) as progress,
    ):
        if embedder is not None and embedder != opened.embedder_record.spec:
            count = opened.change_embedder(embedder, progress=progress)
        else:
            count = opened.semantic.embed_missing(progress=progress) + opened.episodic.embed_missing(progress=progress)
        missing = opened.semantic.missing_vectors() + opened.episodic.missing_vectors()
        spec = opened.embedder_record.spec
    if as_json:
        print_json({"embedder": spec, "embedded": count, "vectors_missing": missing})
    elif spec == WORDS_ONLY:
        typer.echo("This memory has no embedder; choose one: tercet embed --embedder all-MiniLM-L6-v2")
    elif count or missing:
        typer.echo(f"{counted(count, 'text')} embedded with {spec}; {counted(missing, 'chunk')} without a vector")
    else:
        typer.echo(f"Nothing to do: every chunk has its vector ({spec})")
