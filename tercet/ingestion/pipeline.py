"""``ingest``: documents into semantic memory, incrementally and in two phases."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, get_args

from tercet.errors import ConfigurationError
from tercet.ingestion.from_documents import ingest_documents
from tercet.ingestion.run import Run, Target
from tercet.records import Trust
from tercet.settings import ParsingConfig, ParsingLimits, UnpackingLimits, WebOptions

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Sequence

    from tercet.ingestion.chunking import Chunker
    from tercet.memory.memory import Memory
    from tercet.records import Document, IngestReport, Progress

_PAGE_ADDRESS = re.compile(r"https?://[^\s/?#\"<>]+(?:/[^\s?#\"<>]*)?", re.IGNORECASE)


def ingest(
    source: str | os.PathLike[str] | None = None,
    *,
    into: Memory,
    documents: Iterable[Document] | None = None,
    corpus: str = "docs",
    tenant: str = "",
    version: str = "",
    trust: Trust | None = None,
    chunker: Chunker | Literal["structural"] | None = "structural",
    parsing: ParsingConfig | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    embed: Literal["now", "later"] = "now",
    allow_delete: bool = False,
    verify: bool = False,
    retry_failed: bool = False,
    dry_run: bool = False,
    distribute: bool = False,
    revision: str | None = None,
    base_url: str = "",
    limits: ParsingLimits | None = None,
    unpacking: UnpackingLimits | None = None,
    web: WebOptions | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> IngestReport:
    """Bring a corpus in line with a file, a folder, an archive, a git revision, a site, or documents given as text.

    Files that did not change since the last run cost a look at their time stamps. Files are parsed in processes of
    their own; one that fails, hangs or crashes its parser is listed in the report and stops nothing, and what was
    stored of it before stays. Documents of files that vanished from a walked folder are deleted; a single file deletes
    nothing.

    A zip or tar archive is unpacked into a private folder and removed again, within limits; it counts as a folder with
    its name less the suffix. A git revision is read from the repository's objects, whatever is checked out, and counts
    as the repository's folder. Neither is unpacked again while it is what it was. A member that could lead outside,
    a link, an archive inside, or an encrypted member is listed in ``report.failed``; the others are ingested.

    A site is mirrored into a folder first: the pages of a sitemap or ``llms.txt``, or a page and what it links to.
    Later runs ask only for what changed. ``robots.txt`` is obeyed and private addresses are refused.

    First everything is stored and searchable by words (``report.searchable_s``), then the dense vectors are filled
    in. A run that is interrupted, even by ``kill -9``, leaves a usable memory, and running it again completes it.

    Args:
        source: A file, a folder, or an archive (``.zip``, ``.tar``, ``.tar.gz``, ``.tgz``, ``.tar.bz2``, ``.tar.xz``;
            ``.tar.zst`` from Python 3.14). Uris are its name and the path below it, as in ``docs/guide/keys.md``.
            Or the URL of a sitemap, an ``llms.txt`` or a page, as a string that begins with http:// or https://; uris
            are then host and path, as in ``docs.example.com/guide/keys.html``.
        into: The memory.
        documents: Texts that are already extracted, instead of ``source``. Only these are touched. Text is read as
            Markdown where the uri ends in ``.md``, else as paragraphs.
        corpus: Name of the collection of documents.
        tenant: Whom the documents belong to; empty: everybody.
        version: Of the corpus, such as ``"2.1"``; versions live side by side.
        trust: How far the texts may be believed when they reach a prompt; None: ``"external"`` for a site, else
            ``"internal"``.
        chunker: ``"structural"`` cuts along headings and blocks to the memory's chunk size; None makes one chunk of
            each document as given; or an object with ``chunk(document, uri=…)`` and ``version``.
        parsing: What is taken from files, such as the outputs of notebooks; None: the defaults.
        include: Globs as in a ``.gitignore``; a file must match one. Files that no longer do count as vanished.
        exclude: Globs of files and folders to leave out.
        embed: ``"later"`` leaves the dense vectors to ``memory.semantic.embed_missing()`` or ``tercet embed``.
        allow_delete: Go on even though the source is empty or more than a fifth of its known files vanished.
        verify: Compare contents even where time stamps agree.
        retry_failed: Try files again that failed before and did not change.
        dry_run: Report what would be done, without parsing or writing anything.
        distribute: Let other processes, on this host or others (``tercet worker``), take part in it. The memory must be
            on servers, and the files must lie at the same path everywhere. Without workers it is done here alone.
        revision: Commit, tag or branch; ``source`` is then a folder of a git repository and taken as it was there. The
            commit's hash is in ``report.revision``.
        base_url: Address of the site that the source is published as, such as ``"https://docs.example.com/"``. Each
            document gets the address of its page, as Sphinx, MkDocs, Docusaurus or mdBook make it where their
            configuration lies inside the source, else its path; hits cite it in ``citation.url``. Files whose address
            is another than before are taken again; texts that were embedded before are not embedded again.
        limits: Processes, seconds and memory that parsing may take.
        unpacking: How much an archive or revision may hold.
        web: How a site is fetched, and what that may cost.
        progress: Called after each step of ``scan``, ``parse``, ``index`` and ``embed``.

    Raises:
        SourceError: The source does not exist, holds nothing to ingest, is a damaged archive or one beyond the limits,
            has no such revision, or its name is taken in this corpus.
        DeletionRefusedError: Too many files vanished; nothing was changed.
        InputError: A document has no usable uri, or the uri of another.
        ConfigurationError: The arguments contradict each other, or no parser process can be started.
        MemoryLockedError: Another process holds the memory, or is ingesting the same source.

    Example:
        >>> import tempfile
        >>> from tercet import Document, Memory, ingest
        >>> with tempfile.TemporaryDirectory() as folder, Memory.open(folder, embedder="none") as memory:
        ...     report = ingest(documents=[Document(uri="keys.md", text="Rotate keys every 90 days.")], into=memory)
        ...     again = ingest(documents=[Document(uri="keys.md", text="Rotate keys every 90 days.")], into=memory)
        >>> report.added, again.added, again.unchanged
        (('keys.md',), (), 1)
    """
    if (source is None) == (documents is None):
        raise ConfigurationError(
            "ingest takes either a source or documents=.", remedy='Use ingest("docs/", into=memory) or documents=[…].'
        )
    site = source if isinstance(source, str) and is_url(source) else None
    if trust is None:
        trust = "external" if site else "internal"
    if trust not in get_args(Trust):
        raise ConfigurationError(f"trust={trust!r} is unknown.", remedy=f"Use one of {', '.join(get_args(Trust))}.")
    if embed not in ("now", "later"):
        raise ConfigurationError(f"embed={embed!r} is unknown.", remedy='Use "now" or "later".')
    if not corpus:
        raise ConfigurationError("A corpus needs a name.", remedy='Leave corpus= out for "docs".')
    if distribute:
        _refuse_to_distribute(into, documents=documents is not None, chunker=chunker)
    if documents is not None and revision is not None:
        raise ConfigurationError("documents= have no revision.", remedy="Leave revision= out, or name a source.")
    if base_url and (site or documents is not None):
        raise ConfigurationError(
            "base_url= is for files.", remedy="Leave it out: pages of a site have their own addresses."
        )
    if base_url and not is_page_address(base_url):
        raise ConfigurationError(
            f"base_url={base_url!r} is no address that pages could lie below.",
            remedy='Use one such as "https://docs.example.com/", without a query or fragment.',
        )
    run = Run(
        into,
        Target(corpus=corpus, tenant=tenant, version=version, trust=trust),
        chunker,
        parsing or ParsingConfig(),
        progress,
    )
    if documents is not None:
        return ingest_documents(documents, run, embed=embed, dry_run=dry_run)
    assert source is not None
    from tercet.ingestion.from_files import FileOptions, ingest_files  # documents need no parser processes

    options = FileOptions(
        include=include,
        exclude=exclude,
        allow_delete=allow_delete,
        verify=verify,
        retry_failed=retry_failed,
        dry_run=dry_run,
        limits=limits or ParsingLimits(),
        revision=revision,
        unpacking=unpacking or UnpackingLimits(),
        distribute=distribute,
        base_url=base_url,
    )
    if site:
        from tercet.ingestion.from_web import ingest_site  # speaking HTTP takes time to import

        return ingest_site(site, run, options, web or WebOptions(), embed=embed)
    return ingest_files(source, run, options, embed=embed)


def is_page_address(url: str) -> bool:
    """Whether addresses of pages can begin with a text.

    Example:
        >>> is_page_address("https://docs.example.com/v2/"), is_page_address("docs.example.com")
        (True, False)
    """
    return is_url(url) and bool(_PAGE_ADDRESS.fullmatch(url))


def _refuse_to_distribute(memory: Memory, *, documents: bool, chunker: object) -> None:
    if documents:
        raise ConfigurationError(
            "Documents given as text cannot be distributed.", remedy="Name a source, or leave distribute= out."
        )
    if memory.workers is None:
        raise ConfigurationError(
            f"The memory {memory.path} is a folder, which belongs to one process; there is nothing to distribute.",
            remedy="Keep the memory on servers (--database postgresql://… --qdrant http://…), or leave --distribute "
            "(distribute=True) out: files are parsed by several processes of this host anyway.",
        )
    if chunker not in ("structural", None):
        raise ConfigurationError(
            "A chunker of your own is only in this process; workers on other hosts do not have it.",
            remedy='Use chunker="structural" or None, or leave distribute= out.',
        )


def is_url(source: str) -> bool:
    """Whether a source is a site to fetch rather than a path.

    Example:
        >>> is_url("https://docs.example.com/"), is_url("docs/")
        (True, False)
    """
    return source.lower().startswith(("http://", "https://"))
